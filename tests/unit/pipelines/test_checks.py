"""Cross-checks: equal sources pass, one altered number is found where it is, and found once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import polars as pl
import pytest

from configs.load import load
from pipelines.checks import counted, roll_up
from pipelines.desk import open_lake
from pipelines.flows.audit import EVERYWHERE, compare, promises
from pipelines.flows.candles import load_candles
from pipelines.flows.reference import load_reference
from pipelines.flows.trades import load_trades
from pipelines.scope import Scope
from realtime.emulator.emulator import Options
from tests.kit.installation import Bench, bench
from tests.kit.lakes import swap
from tests.unit.pipelines.made import T0, candle
from warehouse.clock import DAY, MINUTE, SystemClock
from warehouse.rows import Mismatch
from warehouse.store import Lake
from warehouse.venues import VENUES

SCOPE = Scope(timeframes=("15m", "3m", "1m"))


@pytest.fixture(params=VENUES)
async def here(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[tuple[str, Bench]]:
    options = Options(seed=3, venues=(request.param,), lookback_us=6 * MINUTE)
    async with bench(
        tmp_path, options, candles_depth=60, trades_lookback_minutes=6, instruments=["BTC-USDT", "BTC-USDT-PERP"]
    ) as made:
        for each in (load_reference, load_candles, load_trades):
            assert (await each.fn(made.settings, request.param, SCOPE)).error is None
        yield request.param, made


def altered(lake: Lake, timeframe: str, row: int) -> int:
    """Add one to the volume of one bar; returns when it opened."""
    bars = lake.read("candles", instrument="BTC-USDT", match={"timeframe": timeframe})
    odd = pl.int_range(pl.len()) == row
    changed = bars.with_columns(pl.when(odd).then(pl.col("volume") + 1).otherwise(pl.col("volume")).alias("volume"))
    venue = bars["venue"][0]
    swap(lake, "candles", changed, venue=venue, instrument="BTC-USDT", match={"timeframe": timeframe})
    return int(bars["open_time"].cast(pl.Int64)[row])


async def test_equal_sources_pass_and_one_altered_bar_is_found_where_it_is(here: tuple[str, Bench]) -> None:
    venue, made = here
    lake, now = open_lake(made.settings), SystemClock().now()
    window = (now - DAY, now)
    assert roll_up(lake, venue, window, now) == []
    assert counted(lake, venue, window, now) == []
    assert compare.fn(made.settings, venue, SCOPE).error is None
    assert promises.fn(made.settings).error is None
    assert not lake.exists("mismatches")
    at = altered(lake, "3m", 55)
    (found,) = roll_up(lake, venue, window, now)
    assert (found.check, found.timeframe, found.at, found.field) == ("candles_roll_up", "3m", at, "volume")
    assert found.right_value == pytest.approx((found.left_value or 0.0) + 1)
    report = compare.fn(made.settings, venue, SCOPE)
    assert (report.landed, report.notes) == (1, {"candles_roll_up volume": 1})
    compare.fn(made.settings, venue, SCOPE)
    (row,) = open_lake(made.settings).rows("mismatches")
    assert isinstance(row, Mismatch)
    assert (row.instrument, row.at, row.left_source, row.right_source) == ("BTC-USDT", at, "1m candles", "3m candle")

    if venue == "bybit":
        return  # its newest page of trades is shorter than a minute: there is nothing to count
    at = altered(lake, "1m", 58)
    (lost,) = counted(lake, venue, window, now)
    assert (lost.check, lost.at, lost.field, lost.instrument) == ("candles_of_trades", at, "volume", "BTC-USDT")


def test_an_audit_that_selects_rows_is_a_mismatch_of_the_day(tmp_path: Path) -> None:
    settings = load(None, home=str(tmp_path), realm="emulated")
    lake = open_lake(settings)
    lake.append("candles", [candle(T0)])
    assert promises.fn(settings).error is None
    lake.append("candles", [candle(T0)])  # the same bar twice
    assert promises.fn(settings).error is not None
    rows = lake.rows("mismatches")
    assert "candles_unique" in [row.check for row in rows if isinstance(row, Mismatch)]
    assert {row.venue for row in rows if isinstance(row, Mismatch)} == {EVERYWHERE}
