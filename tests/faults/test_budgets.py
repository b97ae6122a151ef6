"""Several processes behind one address: together they ask a venue no more than it allows, and all wait when told."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from configs.load import dump
from configs.settings import BusSettings
from realtime.emulator.emulator import Options
from realtime.emulator.faults.parts import Fault
from realtime.emulator.faults.plan import Plan
from tests.kit import processes
from tests.kit.installation import Bench, bench
from warehouse.clock import MINUTE
from warehouse.venues import VENUES

PERPS = ["BTC-USDT-PERP", "ETH-USDT-PERP", "SOL-USDT-PERP"]
SOME = ["BTC-USDT", "ETH-USDT", "BTC-USDT-PERP", "ETH-USDT-PERP"]


def backfills(here: Bench, *datasets: str) -> list[asyncio.Task[tuple[int, str]]]:
    """Three machines begin to fill lakes of their own; they share the bus and the address."""
    config = here.settings.home / "shared.yaml"
    dump(here.settings.model_copy(update={"bus": BusSettings(url=here.settings.bus_url)}), config)
    homes = [here.settings.home / name for name in ("one", "two", "three")]
    for home in homes:
        home.mkdir()
    told = {"P9_CONFIG": str(config)}
    return [
        asyncio.create_task(processes.run(home, "backfill", *datasets, environment=told, seconds=200)) for home in homes
    ]


def answered(here: Bench) -> Counter[int]:
    """What the venues replied so far, by status."""
    return sum((server.answered for server in here.emulator.servers.values()), Counter[int]())


@pytest.mark.slow
@pytest.mark.timeout(239)
async def test_workers_and_backfills_of_three_machines_ask_no_more_than_the_venues_allow(tmp_path: Path) -> None:
    options = Options(seed=5, venues=VENUES, lookback_us=3 * MINUTE)
    async with bench(tmp_path, options, instruments=SOME, candles_depth=300, trades_lookback_minutes=3) as here:
        for venue in VENUES:
            await here.p9("worker", "--venue", venue)
        ends = await asyncio.gather(*backfills(here, "candles", "price_candles", "trades"))
        for venue in VENUES:
            await here.ready(f"worker-{venue}")
        replies = answered(here)
    assert [code for code, _ in ends] == [0, 0, 0], ends
    assert replies[200] > 900  # the most that OKX gives two of them with 60 % each would be refused
    assert replies[101] >= 3
    assert [status for status in replies if status not in (101, 200)] == []


@pytest.mark.slow
@pytest.mark.timeout(239)
async def test_when_one_process_is_banned_nobody_at_the_address_asks(tmp_path: Path) -> None:
    ban = Fault(kind="banned", venue="binance", at=30.0, count=1, amount=15)
    options = Options(seed=5, venues=("binance",), lookback_us=3 * MINUTE, faults=Plan(seed=1, faults=(ban,)))
    async with bench(tmp_path, options, instruments=PERPS) as here:
        runs = backfills(here, "candles", "price_candles")
        assert await processes.wait_for(lambda: answered(here)[418] > 0, 100)
        await asyncio.sleep(1.0)  # what was under way arrives
        before = answered(here)
        await asyncio.sleep(10)
        assert answered(here) == before
        ends = await asyncio.gather(*runs)
        assert [code for code, _ in ends] == [0, 0, 0], ends
        assert answered(here)[418] == 1
        assert answered(here)[200] > before[200] + 50
