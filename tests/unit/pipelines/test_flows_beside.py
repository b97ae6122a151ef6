"""The flows beside trades and candles: prices, open interest, books, funds, calendar; each lands once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from pipelines.desk import open_lake
from pipelines.flows.books import load_books
from pipelines.flows.calendar import load_calendar
from pipelines.flows.insurance import load_insurance
from pipelines.flows.open_interest import load_open_interest
from pipelines.flows.price_candles import load_price_candles
from pipelines.flows.reference import load_reference
from pipelines.load import CHANGES, changes
from pipelines.scope import Scope
from realtime.emulator.emulator import Options
from tests.kit.installation import Bench, bench
from warehouse.clock import DAY, HOUR, MINUTE, SECOND, SystemClock
from warehouse.records import InstrumentStatus, InsuranceFund, Record
from warehouse.venues import VENUES

BTC = Scope(symbols=("BTC",), timeframes=("1h", "15m"))


@pytest.fixture(params=VENUES)
async def here(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[tuple[str, Bench]]:
    options = Options(seed=3, venues=(request.param,), lookback_us=MINUTE)
    async with bench(
        tmp_path, options, candles_depth=30, open_interest_days=1, instruments=["BTC-USDT", "BTC-USDT-PERP"]
    ) as made:
        yield request.param, made


async def test_each_dataset_lands_what_the_venue_tells_and_a_second_run_adds_nothing(here: tuple[str, Bench]) -> None:
    venue, made = here
    settings = made.settings
    await load_reference.fn(settings, venue, BTC)
    slot = SystemClock().now() // (5 * MINUTE)
    loads = (load_price_candles, load_open_interest, load_books, load_insurance, load_calendar)
    for load in loads:
        report = await load.fn(settings, venue, BTC)
        assert report.error is None
        assert report.landed, report
    lake = open_lake(settings)
    bars = lake.read("price_candles")
    assert bars.group_by("kind", "timeframe").len().sort("kind", "timeframe")["len"].to_list() == [30] * 4
    assert set(bars["instrument"]) == {"BTC-USDT-PERP"}
    interest = lake.read("open_interest")
    assert interest["period_us"].unique().to_list() == [5 * MINUTE]
    assert interest.height >= DAY // (5 * MINUTE) - 2
    assert interest["open_interest"].min() > 0  # type: ignore[operator]
    books = lake.read("books")
    assert sorted(books["instrument"]) == ["BTC-USDT", "BTC-USDT-PERP"]
    for row in books.to_dicts():
        assert row["origin"] == "rest"
        assert len(row["bid_prices"]) == len(row["bid_sizes"]) > 10
        assert row["bid_prices"] == sorted(row["bid_prices"], reverse=True)
        assert row["bid_prices"][0] < row["ask_prices"][0]
    assert lake.read("insurance")["balance"].min() > 0  # type: ignore[operator]
    assert {"BTC-USDT", "BTC-USDT-PERP"} <= set(lake.read("calendar")["instrument"])
    kept = {name: lake.read(name) for name in ("price_candles", "open_interest", "calendar")}
    for load in loads:
        assert (await load.fn(settings, venue, BTC)).error is None
    again = open_lake(settings)
    for name, before in kept.items():
        assert again.read(name).head(before.height).equals(before)
    if SystemClock().now() // (5 * MINUTE) == slot:
        assert again.read("books").height == books.height


def fund(at: int, balance: float) -> InsuranceFund:
    return InsuranceFund(
        venue="okx", instrument="", ts_event=at, ts_recv=1, pool="BTC-USDT", asset="USDT", balance=balance,
        balance_usd=None,
    )  # fmt: skip


def test_of_readings_only_changes_are_kept() -> None:
    what = CHANGES["insurance"]
    new = [fund(HOUR, 1.0), fund(2 * HOUR, 1.0), fund(3 * HOUR, 2.0), fund(4 * HOUR, 1.0)]
    assert changes([], new, what) == [new[0], new[2], new[3]]
    assert changes([new[0]], new, what) == [new[2], new[3]]
    assert changes([new[0], new[2], new[3]], new, what) == []
    known: list[Record] = [new[0], new[3]]
    assert changes(known, [fund(2 * HOUR, 5.0)], what) == [fund(2 * HOUR, 5.0)]


def test_a_state_that_only_came_again_is_no_news() -> None:
    what = CHANGES["calendar"]
    first = InstrumentStatus(venue="okx", instrument="X-USDT", ts_event=5, ts_recv=5, state="trading", code="live")
    later = msgspec.structs.replace(first, ts_event=9)
    ending = msgspec.structs.replace(first, ts_event=12, delisting_at=99)
    assert changes([first], [later, ending], what) == [ending]


def test_a_reading_that_lands_behind_a_later_one_of_the_same_state_is_no_news() -> None:
    what = CHANGES["insurance"]
    assert changes([fund(HOUR + SECOND, 2.0)], [fund(HOUR, 2.0)], what) == []
    assert changes([fund(HOUR + SECOND, 2.0)], [fund(HOUR, 3.0)], what) == [fund(HOUR, 3.0)]
    assert changes([fund(2 * HOUR, 2.0)], [fund(HOUR, 2.0)], what) == [fund(HOUR, 2.0)]


@pytest.mark.parametrize("here", ["binance"], indirect=True)
async def test_a_spot_symbol_that_is_not_listed_is_told_and_the_others_have_their_rules(
    here: tuple[str, Bench],
) -> None:
    settings = here[1].settings.model_copy(update={"instruments": ["BTC-USDT", "GONE-USDT", "ETH-USDT"]})
    report = await load_reference.fn(settings, "binance", Scope())
    assert (report.error, sorted(open_lake(settings).read("instruments")["instrument"])) == (
        None, ["BTC-USDT", "ETH-USDT"],
    )  # fmt: skip
    assert list(report.notes) == ["binance does not list GONE-USDT"]
    report = await load_calendar.fn(settings, "binance", Scope())
    assert report.error is None
    assert {"BTC-USDT", "ETH-USDT"} <= set(open_lake(settings).read("calendar")["instrument"])
