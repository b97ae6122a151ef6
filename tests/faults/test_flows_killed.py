"""A backfill killed at any moment and run again leaves the rows of one clean run; its exit codes tell what happened."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from configs.settings import Settings
from p9.commands.backfill import backfill, moment, outcome
from pipelines.desk import open_lake
from pipelines.progress import Report
from realtime.emulator.emulator import Options
from tests.kit.installation import Bench, bench
from warehouse.clock import DAY, HOUR, MINUTE, SystemClock, iso

KEYS = {
    "candles": ["venue", "instrument", "timeframe", "open_time"],
    "trades": ["venue", "instrument", "trade_id"],
    "funding": ["venue", "instrument", "ts_event"],
}


def rows(settings: Settings, name: str) -> list[dict[str, object]]:
    """A table's rows without receipt times, in one order."""
    data = open_lake(settings).read(name).drop("ts_recv")
    return data.sort(KEYS[name]).to_dicts()


async def killed_at(here: Bench, table: str, *arguments: str) -> bool:
    """Start a command and kill it as soon as it has begun to write a table; whether it was still running."""
    written = Path(here.settings.lake_root) / table / "_delta_log"
    process = await here.p9(*arguments)
    while process.returncode is None and not written.exists():  # noqa: ASYNC110 another process writes it
        await asyncio.sleep(0.01)
    running = process.returncode is None
    if running:
        process.send_signal(signal.SIGKILL)
        await process.wait()
    return running


@pytest.mark.slow
@pytest.mark.timeout(400)
async def test_a_backfill_killed_and_repeated_leaves_what_a_clean_one_leaves(tmp_path: Path) -> None:
    clean, torn = tmp_path / "a", tmp_path / "b"
    clean.mkdir()
    torn.mkdir()
    options = Options(seed=3, venues=("binance", "bybit"), lookback_us=5 * MINUTE)
    async with bench(clean, options, candles_depth=300) as here:
        end = SystemClock().now() // MINUTE * MINUTE
        start = end - 4 * MINUTE
        window = ["--since", iso(start)[:19], "--until", iso(end)[:19]]
        what = ["backfill", "candles", "trades", "funding", "--symbol", "BTC", *window]
        await here.run(*what)
        other = here.settings.model_copy(update={"home": torn})
        from configs.load import dump

        config = torn / "config.yaml"
        dump(other, config)
        torn_bench = Bench(other, config, here.emulator)
        hits = [await killed_at(torn_bench, table, *what) for table in ("funding", "trades", "candles")]
        assert any(hits)
        await torn_bench.run(*what)
        for name in KEYS:
            if name != "trades":
                assert rows(other, name) == rows(here.settings, name)
        assert [row for row in rows(other, "trades") if row["venue"] == "binance"] == [
            row for row in rows(here.settings, "trades") if row["venue"] == "binance"
        ]  # bybit's newest page is another one each time


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
