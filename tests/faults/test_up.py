"""`p9 up`: whom it cannot reach, whom it goes on with, what dies under it, and how it ends."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import psutil
import pytest
import yaml

from p9.sole import at_home
from realtime.emulator.emulator import Emulator, Options
from realtime.tape import read_segments
from tests.kit.processes import left, run, start, wait_for
from warehouse.clock import MINUTE, monotonic
from warehouse.reading import audits, connect

ENDS_WITHIN_S = 5.0
CLOSED = {"binance": {"rest_spot": "http://127.0.0.1:1"}, "bybit": {"rest": "http://127.0.0.1:1"}}


def _configure(home: Path, okx: dict[str, str]) -> dict[str, str]:
    """A small emulated installation; nobody listens where binance and bybit should be."""
    told = {
        "realm": "emulated",
        "instruments": ["BTC-USDT", "BTC-USDT-PERP"],
        "timeframes": ["1m", "1h", "1d"],
        "candles_depth": 60,
        "trades_lookback_minutes": 2,
        "funding_days": 3,
        "recorder": {"commit_s": 1},
        "venues": {name: {"endpoints": urls} for name, urls in {**CLOSED, "okx": okx}.items()},
    }
    file = home.parent / "small.yaml"
    file.write_text(yaml.safe_dump(told))
    return {"P9_CONFIG": str(file)}


@asynccontextmanager
async def _okx() -> AsyncIterator[dict[str, str]]:
    async with Emulator(Options(seed=5, venues=("okx",), lookback_us=3 * MINUTE)) as emulator:
        yield emulator.endpoints["okx"]


async def _end(process: asyncio.subprocess.Process, what: signal.Signals) -> tuple[float, str]:
    """Signal it and wait for its end: seconds that took, and what it had said."""
    began = monotonic()
    process.send_signal(what)
    words, _ = await asyncio.wait_for(process.communicate(), 30)
    return monotonic() - began, words.decode()


def _pid(home: Path, word: str) -> int | None:
    """The process of `home` that has `word` among its arguments."""
    for process in psutil.process_iter():
        try:
            if word in process.cmdline() and str(home) in process.environ().get("P9_HOME", ""):
                return int(process.pid)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return None


def _revived(home: Path, word: str, before: int | None) -> bool:
    return _pid(home, word) not in (None, before)


def _holder(home: Path) -> int:
    """The process that runs this home, or did last; 0 before the first."""
    lock = home / "p9.lock"
    return int(lock.read_text() or 0) if lock.exists() else 0


def _whole(home: Path) -> None:
    """Journals can be read to their ends, and the lake passes every audit."""
    if (home / "journal" / "okx").is_dir() and list((home / "journal" / "okx").glob("*.j*")):
        assert sum(1 for _, entries in read_segments(home / "journal" / "okx") for _ in entries) >= 0
    if (home / "lake").is_dir():
        bad = {name: rows for name, count, rows in audits(connect(home / "lake")) if count}
        assert bad == {}


async def test_without_any_venue_it_says_why_and_where_to_go(tmp_path: Path) -> None:
    home = tmp_path / "home"
    environment = _configure(home, {"rest": "http://venue.invalid"})
    code, words = await run(home, "up", "--seconds", "5", environment=environment)
    assert code == 1
    assert "binance: http://127.0.0.1:1: connection refused; nothing listens there" in words
    assert "bybit: http://127.0.0.1:1: connection refused; nothing listens there" in words
    assert "okx: http://venue.invalid: name not found; check the network, DNS" in words
    assert "p9 demo" in words
    assert "Traceback" not in words
    assert left(home) == []
    assert not (home / "bus.sock").exists()


async def test_one_installation_runs_once(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with at_home(home):
        code, words = await run(home, "up", environment=_configure(home, {"rest": "http://venue.invalid"}))
    assert code == 1
    assert f"process {os.getpid()} runs this installation already; end it first" in words


@pytest.mark.slow
@pytest.mark.timeout(400)
async def test_it_goes_on_with_the_venue_that_answers_and_revives_what_dies(tmp_path: Path) -> None:
    home = tmp_path / "home"
    async with _okx() as endpoints:
        process = await start(home, "up", "--seconds", "30", environment=_configure(home, endpoints))
        assert await wait_for(lambda: (home / "lake" / "contexts").is_dir(), 90)
        killed = {}
        for word in ("worker", "recorder", "board"):
            killed[word] = _pid(home, word)
            assert killed[word] is not None
            os.kill(killed[word] or 0, signal.SIGKILL)
        bus = next(one for one in psutil.process_iter() if str(home / "bus.sock") in " ".join(one.cmdline()))
        bus.kill()
        for word, before in killed.items():
            assert await wait_for(partial(_revived, home, word, before), 10), word
        words = (await asyncio.wait_for(process.communicate(), 120))[0].decode()
    assert "okx: reachable" in words
    assert "going on with okx" in words
    assert process.returncode == 0, words
    assert "all promises held" in words
    assert left(home) == []
    _whole(home)
    venues = connect(home / "lake").sql("select distinct venue from trades").fetchall()
    assert venues == [("okx",)]


@pytest.mark.slow
@pytest.mark.timeout(400)
async def test_a_signal_at_any_moment_ends_everything_within_five_seconds(tmp_path: Path) -> None:
    home = tmp_path / "home"
    dice = random.Random(11)
    async with _okx() as endpoints:
        environment = _configure(home, endpoints)
        for number in range(10):
            process = await start(home, "up", environment=environment)
            await asyncio.sleep(dice.uniform(1.5, 3) if number % 2 else dice.uniform(3, 25))
            seconds, words = await _end(process, (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)[number % 3])
            assert seconds < ENDS_WITHIN_S, words
            assert process.returncode == 0, words
            assert "Traceback" not in words
            assert left(home) == []
            _whole(home)


@pytest.mark.slow
@pytest.mark.timeout(400)
async def test_children_of_a_killed_supervisor_end_and_the_next_one_takes_over(tmp_path: Path) -> None:
    home = tmp_path / "home"
    async with _okx() as endpoints:
        environment = _configure(home, endpoints)
        process = await start(home, "up", environment=environment)
        assert await wait_for(lambda: (home / "lake" / "trades").is_dir(), 60)
        await _end(process, signal.SIGKILL)
        assert await wait_for(lambda: all("valkey" in words for words in left(home)), 10), left(home)
        process = await start(home, "up", environment=environment)
        await asyncio.sleep(15)
        await _end(process, signal.SIGTERM)
        assert process.returncode == 0
        assert left(home) == []
        _whole(home)


@pytest.mark.slow
@pytest.mark.timeout(400)
async def test_an_interrupted_demo_says_so_and_leaves_nothing_running(tmp_path: Path) -> None:
    home = tmp_path / "demo"
    dice = random.Random(12)
    for number in range(5):
        process = await start(tmp_path, "demo", "--home", str(home), "--venue", "okx")
        await asyncio.sleep(dice.uniform(1.5, 4) if number % 2 else dice.uniform(4, 25))
        if _holder(home) == process.pid:
            code, words = await run(tmp_path, "demo", "--home", str(home))
            assert code == 1
            assert "runs this installation already" in words
        seconds, words = await _end(process, (signal.SIGINT, signal.SIGTERM)[number % 2])
        assert seconds < ENDS_WITHIN_S, words
        assert process.returncode == 130, words
        assert "stopped before its end" in words
        assert "Traceback" not in words
        assert left(home) == []


async def test_the_demo_leaves_a_foreign_folder_alone(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("mine")
    code, words = await run(tmp_path, "demo", "--home", str(tmp_path))
    assert code == 1
    assert "not empty and not made by the demo; choose another --home" in words
    assert os.listdir(tmp_path) == ["letter.txt"]  # noqa: PTH208  asyncio
