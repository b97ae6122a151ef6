"""The archives flow against emulated venues: what it lands is what REST tells, once, however often it is run."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import polars as pl
import pytest

from pipelines.desk import open_lake
from pipelines.flows.archives import NOT_YET, load_archives
from pipelines.flows.reference import load_reference
from pipelines.flows.trades import load_trades
from pipelines.scope import Scope
from realtime.emulator.emulator import Options
from tests.kit.installation import Bench, bench
from warehouse.clock import DAY, HOUR, SystemClock
from warehouse.store import Lake

TRADE = ["instrument", "ts_event", "trade_seq", "price", "size", "taker_side", "ticks", "lots", "kind", "rpi"]
SLOW = [pytest.param(venue, marks=pytest.mark.slow) for venue in ("binance", "okx")]
NOW = SystemClock().now()
TODAY = NOW - NOW % DAY


@pytest.fixture
async def here(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Bench]:
    """A market that remembers the day before yesterday and, in OKX's time, a day that is out."""
    options = Options(seed=5, venues=(request.param,), rate=0.1, lookback_us=(NOW - TODAY) // HOUR * HOUR + 3 * DAY)
    async with bench(tmp_path, options, instruments=["BTC-USDT", "BTC-USDT-PERP"], timeframes=["1h"]) as made:
        yield made


def day(venue: str) -> tuple[int, int]:
    """A day that the venue's archive holds, as the venue cuts days."""
    start = TODAY - 2 * DAY - (8 * HOUR if venue == "okx" else 0)
    return start, start + DAY


def trades(lake: Lake, *, named: bool = True) -> pl.DataFrame:
    columns = [*TRADE, "trade_id", "first_fill", "last_fill"] if named else TRADE
    return lake.read("trades").sort("instrument", "ts_event", "trade_seq", maintain_order=True).select(columns)


@pytest.mark.parametrize("here", ["bybit", *SLOW], indirect=True)
async def test_a_days_file_lands_what_the_market_traded_and_a_second_run_nothing(here: Bench) -> None:
    (venue,) = here.emulator.source.venues
    start, end = day(venue)
    asked = Scope(since=start, until=end)
    report = await load_archives.fn(here.settings, venue, asked)
    assert (report.error, report.done) == (None, report.parts)
    lake = open_lake(here.settings)
    found, view = trades(lake), here.emulator.source.view(venue)
    for name in ("BTC-USDT", "BTC-USDT-PERP"):
        told = [(one.ts_event, one.price, one.ticks, one.lots, one.taker_side, one.size)
                for one in view.trades_by_time(name, start, end, 1 << 30, False)]  # fmt: skip
        rows = found.filter(pl.col("instrument") == name)
        values = rows.select(pl.col("ts_event").cast(pl.Int64), "price", "ticks", "lots", "taker_side", "size").rows()
        assert len(told) > 500
        assert values == told
    versions = {name: lake.version(name) for name in ("trades", "coverage", "outcomes")}
    again = await load_archives.fn(here.settings, venue, asked)
    assert (again.landed, [n for n in again.notes if n != NOT_YET]) == (0, [])
    fresh = open_lake(here.settings)
    assert {name: fresh.version(name) for name in versions} == versions


@pytest.mark.parametrize("here", SLOW, indirect=True)
async def test_the_archives_rows_are_those_of_rest(here: Bench, tmp_path: Path) -> None:
    (venue,) = here.emulator.source.venues
    start, end = day(venue)
    near = ("BTC-USDT",) if venue == "binance" else ()  # its REST tells of futures' last 48 hours only
    hours = Scope(symbols=near, since=end - 6 * HOUR, until=end - 2 * HOUR)
    other = here.settings.model_copy(update={"home": tmp_path / "other"})
    whole = Scope(symbols=near, since=start, until=end)
    for load, settings, scope in (
        (load_reference, other, hours), (load_trades, other, hours), (load_archives, here.settings, whole),
    ):  # fmt: skip
        assert (await load.fn(settings, venue, scope)).error is None
    by_rest, by_file = trades(open_lake(other)), trades(open_lake(here.settings))
    window = pl.col("ts_event").cast(pl.Int64).is_between(hours.since, hours.until, closed="left")
    assert by_rest.height > 100
    assert by_file.filter(window).equals(by_rest)
    before = open_lake(other).read("trades")
    assert (await load_archives.fn(other, venue, whole)).error is None
    lake = open_lake(other)
    assert lake.read("trades").filter(window).equals(before)  # what REST had told stays as it was first known
    assert trades(lake).equals(by_file)
    assert lake.read("corrections").height == 0
