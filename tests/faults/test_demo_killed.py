"""`p9 demo` under `kill -9`: each child comes back and all promises hold; without its parent no child lives on."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import psutil
import pytest

from tests.faults.test_kills import account, seed_of
from tests.kit.processes import left, start, wait_for
from tests.kit.truth import compare, happened
from warehouse.reading import audits, connect
from warehouse.store import Lake


def pid(home: Path, *words: str) -> int | None:
    """The child of the demo in `home` that was started as `p9 words...`; None while there is none."""
    for process in psutil.process_iter():
        try:
            told = process.cmdline()
            if told[-len(words) :] == list(words) and str(home) in process.environ().get("P9_CONFIG", ""):
                return int(process.pid)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return None


def back(home: Path, words: tuple[str, ...], before: int) -> bool:
    """Whether another process has taken the place of `before`."""
    return pid(home, *words) not in (None, before)


@asynccontextmanager
async def demo(home: Path, *arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """A demo in `home/demo`, ended with the block at the latest."""
    process = await start(home, "demo", "--home", str(home / "demo"), *arguments)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()


@pytest.mark.slow
@pytest.mark.timeout(900)
async def test_killed_children_come_back_and_all_promises_hold(tmp_path: Path) -> None:
    home = tmp_path / "demo"
    dice = random.Random(seed_of("demo"))
    children: list[tuple[str, ...]] = [("worker", "--venue", name) for name in ("bybit", "okx")]
    children += [("recorder",), ("board",)]
    dice.shuffle(children)
    # a worker that comes back asks for its venue's status within the first minute
    async with demo(tmp_path, "--seconds", "80", "--venue", "bybit", "--venue", "okx") as process:
        assert process.stdout is not None
        reading = asyncio.create_task(process.stdout.read())
        assert await wait_for(lambda: (home / "lake" / "contexts").is_dir() or reading.done(), 500)
        for words in children:
            victim = pid(home, *words)
            assert victim is not None, words
            os.kill(victim, signal.SIGKILL)
            assert await wait_for(partial(back, home, words, victim), 60), words
            await asyncio.sleep(dice.uniform(0.0, 3.0))
        said = (await asyncio.wait_for(reading, 150)).decode()
        assert await process.wait() == 0, said
    assert "all promises held" in said
    assert left(home) == []
    found = compare(Lake(home / "lake", realm="emulated"), happened(home / "truth.jsonl"), 0, {})
    print(account(found))  # noqa: T201
    assert [f"{one.venue} {one.instrument}: {fault}" for one in found for fault in one.faults] == []
    assert sum(one.lost for one in found if one.venue != "bybit") == 0
    assert [(name, bad) for name, count, bad in audits(connect(home / "lake")) if count] == []


@pytest.mark.slow
async def test_children_of_a_killed_demo_end(tmp_path: Path) -> None:
    home = tmp_path / "demo"
    async with demo(tmp_path, "--venue", "okx") as process:
        assert await wait_for(lambda: pid(home, "recorder") is not None, 60)
        await asyncio.sleep(5)
        process.kill()
        await process.communicate()
    assert await wait_for(lambda: _gone(home), 60), left(home)  # a server that is still starting ends when it is up


def _gone(home: Path) -> bool:
    """Nothing lives on; where `setpriv` is missing, the bus does, and the next start takes it over."""
    return [words for words in left(home) if shutil.which("setpriv") or "bus.sock" not in words] == []
