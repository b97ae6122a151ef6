"""A worker that is killed at any moment publishes every trade exactly once, in order."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest

from realtime.emulator.emulator import Options
from tests.kit.installation import bench
from warehouse.clock import MINUTE

INSTRUMENTS = ["BTC-USDT", "BTC-USDT-PERP"]


@pytest.mark.parametrize("venue", ["binance", "okx"])
async def test_a_killed_worker_loses_and_doubles_no_trade(tmp_path: Path, venue: str) -> None:
    options = Options(seed=3, venues=(venue,), lookback_us=MINUTE, rate=200.0, truth=tmp_path / "truth.jsonl")
    dice = random.Random(7)
    async with bench(tmp_path, options, instruments=INSTRUMENTS) as small:
        for _ in range(3):
            worker = await small.p9("worker", "--venue", venue)
            await small.ready(f"worker-{venue}")
            await asyncio.sleep(dice.uniform(0.5, 2.5))
            await small.kill(worker)
        worker = await small.p9("worker", "--venue", venue)
        await small.ready(f"worker-{venue}")
        await asyncio.sleep(3)
        assert await small.end(worker) == 0
        for suffix in ("", "-perp"):
            name = f"trade:{venue}:{'btcusdt' if venue == 'binance' else 'btc-usdt'}{suffix}"
            rows = small.entries(name)
            numbers = [message["trade_seq"] for _, message in rows]
            assert len(numbers) > 20
            first = numbers[0]
            assert isinstance(first, int)
            assert numbers == list(range(first, first + len(numbers)))
            assert all(message["source"] == "emulated" for _, message in rows)
