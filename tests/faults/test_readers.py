"""Recorder, flows and upkeep write while four processes read: no error, no torn snapshot, no row lost or doubled."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path

import polars as pl
import pytest

from configs.settings import Settings
from pipelines.scope import Scope
from realtime.emulator.emulator import Options
from realtime.recorder import LIVE
from tests.kit.installation import bench
from tests.kit.readers import against_one_file, files, read
from tests.kit.storm import Storm
from tests.kit.torn import FORKS, Blow, Errand, strike
from tests.kit.truth import compare, happened
from warehouse.clock import DAY, HOUR, MINUTE, SECOND, Micros, monotonic
from warehouse.store import Lake

READERS = 4
COINS = ("BTC-USDT", "ETH-USDT", "BTC-USDT-PERP", "ETH-USDT-PERP")
COMMITS, ROWS = 150, 4000
"""A day of trades before the test's own, as a recorder leaves it: many small commits, every instrument in each."""

MOST_FILES = 50
SLOWER, NOISE = 1.5, 2.0
"""How many times longer than of a single sorted file a scan may take, and what a busy machine adds to that."""


def an_older_day(lake: Lake, start: Micros) -> None:
    """Trades of the day that begins at `start`, in the order in which they happened."""
    keys = [(venue, name) for venue in ("binance", "bybit", "okx") for name in COINS]
    every = DAY // (COMMITS * ROWS)
    for commit in range(COMMITS):
        numbers = pl.int_range(commit * ROWS, (commit + 1) * ROWS, eager=True)
        rows = pl.DataFrame({"n": numbers}).select(
            pl.Series([keys[n % len(keys)][0] for n in numbers]).alias("venue"),
            pl.Series([keys[n % len(keys)][1] for n in numbers]).alias("instrument"),
            (start + pl.col("n") * every).alias("ts_event"),
            (start + pl.col("n") * every).alias("ts_recv"),
            pl.col("n").cast(pl.String).alias("trade_id"),
            (90_000.0 + (pl.col("n") * 7919) % 1000 / 10).alias("price"),
            (1 + (pl.col("n") * 104_729) % 997).cast(pl.Float64).alias("size"),
            pl.when(pl.col("n") % 2 == 0).then(pl.lit("buy")).otherwise(pl.lit("sell")).alias("taker_side"),
            (900_000 + (pl.col("n") * 7919) % 1000).alias("ticks"),
            (1 + (pl.col("n") * 104_729) % 997).alias("lots"),
            pl.lit("market").alias("kind"),
            pl.lit(False).alias("rpi"),
            pl.lit("stream").alias("origin"),
        )
        lake.append("trades", rows)


async def write(settings: Settings, end: float, log: Path) -> int:
    """Flows and upkeep, again and again until `end`; how many runs."""
    runs = 0

    async def again(*jobs: str) -> None:
        nonlocal runs
        while monotonic() < end:
            await strike(settings, Blow((Errand(jobs, (Scope(),) * len(jobs)),), (None,)), log)
            runs += 1

    await asyncio.gather(
        again("trades", "candles", "funding", "price_candles", "open_interest", "books", "insurance", "calendar"),
        again("upkeep"),
        again("tidy"),
        again("repair"),
    )
    return runs


@pytest.mark.slow
@pytest.mark.timeout(1500)
async def test_readers_see_whole_snapshots_while_everybody_writes(tmp_path: Path) -> None:
    """For `P9_MINUTES`, one and a half by default."""
    seconds = 60 * float(os.environ.get("P9_MINUTES") or 1.5)
    truth, log = tmp_path / "truth.jsonl", tmp_path / "work.log"
    options = Options(seed=5, lookback_us=10 * MINUTE, rate=20.0, truth=truth)
    async with bench(
        tmp_path, options, instruments=list(COINS), recorder={"commit_s": 1.0}, timeframes=["1m", "5m"],
        trades_lookback_minutes=5, candles_depth=200, open_interest_days=1, funding_days=5,
    ) as here:  # fmt: skip
        lake = Lake(here.settings.lake_root, realm="emulated")
        older = here.emulator.clock.now() // DAY * DAY - 2 * DAY
        await asyncio.to_thread(an_older_day, lake, older)
        live = Storm(here)
        await live.start(*live.names)
        await live.ready()
        notes = [tmp_path / f"reader-{number}.json" for number in range(READERS)]
        reading = [
            FORKS.Process(target=read, args=(lake.root, number, seconds, note)) for number, note in enumerate(notes)
        ]
        for process in reading:
            process.start()
        runs = await write(here.settings, monotonic() + seconds, log)
        await asyncio.gather(*(asyncio.to_thread(process.join) for process in reading))
        told = [json.loads(note.read_text()) for note in notes]
        await live.settle()
        stopped = await live.stop()
        print(f"{runs} runs of flows and upkeep beside {[one['reads'] for one in told]} reads")  # noqa: T201
        assert [fault for one in told for fault in one["faults"]] == []
        assert all(one["reads"] > 1 for one in told)
        found = compare(Lake(lake.root, realm="emulated"), happened(truth), stopped - 2 * SECOND, live.served)
        assert [f"{one.venue} {one.instrument}: {fault}" for one in found for fault in one.faults if one.stored] == []
        assert [one.instrument for one in found if one.instrument in COINS and (one.lost or not one.stored)] == []
        for name in LIVE:
            lake.seal(name, stopped)
            lake.upkeep(name)
        most = files(lake)
        print("files of one day at most:", most)  # noqa: T201
        assert max(most.values()) < MOST_FILES
        ratios = against_one_file(lake, tmp_path / "sorted.parquet", older + 12 * HOUR)
        print("times a single sorted file:", {name: round(ratio, 2) for name, ratio in ratios.items()})  # noqa: T201
        assert all(ratio < SLOWER * NOISE for ratio in ratios.values())
