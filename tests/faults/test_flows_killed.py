"""A flow killed as it writes and run again leaves the rows of one clean run; exit codes tell what happened."""

from __future__ import annotations

import asyncio
import signal
from contextlib import suppress
from pathlib import Path

import msgspec
import psutil
import pytest
from click.testing import CliRunner

import warehouse
from configs.load import dump
from p9.commands.backfill import backfill, moment, outcome
from p9.commands.upkeep import upkeep
from pipelines import prefect_env
from pipelines.progress import Report
from pipelines.scope import Scope
from realtime.emulator.emulator import Options
from realtime.emulator.seeded import Seeded
from tests.kit.installation import Bench, bench
from tests.kit.lakes import swap
from tests.kit.torn import Blow, Errand, strike
from tests.kit.whole import NOW, SPANS, differing, doubled, everything, fresh, span, untrue
from warehouse.clock import DAY, HOUR, MINUTE, Micros, iso, monotonic
from warehouse.errors import ConfigError
from warehouse.reading import audits
from warehouse.store import Lake

OLD = Scope(archives=("candles", "funding"), timeframes=("1h",))
"""What is asked of the venues' bulk files: whole days, before the range of everything else."""

HOLE = 10 * MINUTE
"""Of the minutes before the market's beginning, what the repair has to fetch again."""


LAST = (("repair", Scope()), ("structure", Scope()), ("upkeep", Scope()))


def alone(job: str, scope: Scope) -> Blow:
    """One job that is left in peace."""
    return Blow((Errand((job,), (scope,)),), (None,))


async def killed(here: Bench, table: str, *arguments: str) -> bool:
    """Start a command and kill it as soon as it has written a file into a table; whether it was still running."""
    folder = Path(here.settings.lake_root) / table
    before = set(folder.rglob("*"))
    process = await here.p9(*arguments)
    while process.returncode is None and set(folder.rglob("*")) <= before:  # noqa: ASYNC110 another process writes it
        await asyncio.sleep(0.002)
    running = process.returncode is None
    if running:
        process.send_signal(signal.SIGKILL)
        await process.wait()
    return running


async def ended(home: Path) -> list[str]:
    """The Prefect servers that outlive the killed processes which had started them, by more than five seconds."""
    end = monotonic() + 5.0
    while (left := servers(home)) and monotonic() < end:  # noqa: ASYNC110 other processes end
        await asyncio.sleep(0.1)
    return left


def servers(home: Path) -> list[str]:
    """The Prefect servers at work for a home."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.environ().get("PREFECT_HOME") == str(home / "prefect") and "uvicorn" in process.cmdline():
                found.append(" ".join(process.cmdline()))
    return found


def window(scope: Scope) -> list[str]:
    """A range as the command line spells it."""
    assert scope.since is not None
    assert scope.until is not None
    return ["--since", iso(scope.since)[:19], "--until", iso(scope.until)[:19]]


def commands(t0: Micros, old: Scope) -> dict[str, tuple[str, list[str]]]:
    """Every other flow that writes: the table where its rows go, and its command."""
    asked = {name: Scope(since=start, until=end) for name in SPANS for start, end in [span(name, t0)]}
    bulk = [option for kind in old.archives for option in ("--kind", kind)]
    return {
        **{name: (name, ["backfill", name, *window(scope)]) for name, scope in asked.items()},
        **{name: (name, ["backfill", name]) for name in NOW},
        "archives": ("candles", ["backfill", "archives", *bulk, "--timeframe", "1h", *window(old)]),
        "structure": ("contexts", ["structure"]),
        "repair": ("candles", ["repair"]),
        "upkeep": ("candles", ["upkeep"]),
    }


@pytest.mark.slow
@pytest.mark.timeout(400)
async def test_whichever_flow_is_killed_as_it_writes_its_repetition_leaves_what_a_clean_run_leaves(
    tmp_path: Path,
) -> None:
    options = Options(seed=3, lookback_us=5 * MINUTE, rate=20.0)
    instruments = ["BTC-USDT", "BTC-USDT-PERP"]
    async with bench(tmp_path, options, instruments=instruments, timeframes=["1m", "1h"]) as here:
        assert isinstance(here.emulator.source, Seeded)
        t0, log = here.emulator.source.market.t0, tmp_path / "work.log"
        days = t0 // DAY * DAY - DAY
        old = OLD.model_copy(update={"since": days - 2 * DAY, "until": days})
        whole = [everything(t0), *(alone(job, scope) for job, scope in (("archives", old), *LAST))]
        clean, torn = fresh(here.settings, tmp_path / "clean"), fresh(here.settings, tmp_path / "torn")
        for work in whole:
            await strike(clean, work, log)

        dump(torn, tmp_path / "torn.yaml")
        victim = Bench(torn, tmp_path / "torn.yaml", here.emulator)
        victim.processes = here.processes  # which end with the block
        assert await killed(victim, "instruments", "backfill", "reference")
        assert await ended(torn.home) == []
        await victim.p9("flows", "server")
        while prefect_env.running(torn.home) is None:  # noqa: ASYNC110 another process starts it
            await asyncio.sleep(0.1)
        for name, (table, arguments) in commands(t0, old).items():
            if name == "structure":
                await strike(torn, everything(t0), log)
            if name == "repair":
                lake = Lake(torn.lake_root, realm="emulated")
                for venue in torn.enabled():
                    swap(lake, "candles", [], venue=venue, instrument="BTC-USDT", start=t0 - HOLE, end=t0)
            assert await killed(victim, table, *arguments), f"{name} ended before it wrote"
        for work in whole:
            await strike(torn, work, log)

        assert differing(clean, torn, t0) == []
        assert untrue(torn, here.emulator) == []
        assert doubled(torn) == []
        assert Lake(torn.lake_root, realm="emulated").read("corrections").height == 0
        with warehouse.connect(torn.lake_root) as connection:
            assert [(name, bad) for name, count, bad in audits(connection) if count] == []
            told = connection.execute("SELECT venue, instrument FROM contexts GROUP BY ALL").fetchall()
        assert sorted(told) == sorted((venue, name) for venue in torn.enabled() for name in instruments)


def test_a_prefect_server_that_is_named_and_away_is_told_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("P9_HOME", str(tmp_path))
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:1/api")
    with pytest.raises(ConfigError, match="PREFECT_API_URL"):
        CliRunner().invoke(upkeep, catch_exceptions=False)


def test_times_are_dates_moments_or_ages() -> None:
    now = 1_763_733_625_000_000
    assert moment("2025-11-21", now) % DAY == 0
    assert moment("2025-11-21T14:00", now) == 1_763_733_600_000_000
    assert moment("2025-11-21T14:00+01:00", now) == 1_763_730_000_000_000
    assert (moment("90m", now), moment("2d", now)) == (now - 90 * MINUTE, now - 2 * DAY)
    assert moment("3h", now) == now - 3 * HOUR


def test_the_exit_code_tells_part_from_whole() -> None:
    good = Report(dataset="trades", venue="okx", parts=1, done=1)
    part = msgspec.structs.replace(good, error="refused")
    gone = msgspec.structs.replace(good, error="down", reachable=False)
    assert [outcome(case) for case in ([good], [good, part], [good, gone], [gone])] == [0, 1, 1, 3]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "DATASET"),
        (["candels"], "candles"),
        (["candles", "--since", "yesterday"], "write 2026-11-20"),
        (["candles", "--venue", "kraken"], "no enabled venue kraken"),
        (["candles", "--symbol", "DOGE"], "unknown symbol DOGE"),
        (["candles", "--timeframe", "7m"], "unknown timeframe 7m"),
        (["candles", "--since", "1h", "--until", "2h"], "ends before it starts"),
    ],
)
def test_a_wrong_choice_is_refused_at_once_with_words(
    arguments: list[str], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("P9_HOME", str(tmp_path))
    result = CliRunner().invoke(backfill, arguments)
    assert result.exit_code == 2
    assert words in result.output
