"""The further REST walks against the venue's own side: price bars, open interest, insurance, states, news, the book."""

from __future__ import annotations

import json
from typing import Any

import ccxt
import msgspec
import pytest

from tests.unit.venues.bybit_market import ETH, NOW, PERP, SPOT, Market
from tests.unit.venues.test_bybit_feeds import day, interest, mark, pool, rate, state
from tests.unit.venues.test_bybit_history import ask, walk
from warehouse.clock import DAY, HOUR, MINUTE, SECOND, Micros
from warehouse.errors import Rejected
from warehouse.instruments import Rules
from warehouse.records import (
    BookUpdate,
    Candle,
    InstrumentStatus,
    InsuranceFund,
    OpenInterest,
    VenueNotice,
)
from warehouse.venues import bybit, history
from warehouse.venues.base import MarkKind

BYBIT = history("bybit")


def bar(kind: MarkKind, open_time: Micros) -> Candle:
    """A minute of a price that follows from its time."""
    low = 90_000.0 + open_time // MINUTE % 1000 + (0.5 if kind == "mark" else 0.0)
    return Candle(
        venue="bybit",
        instrument="BTC-USDT-PERP",
        ts_event=open_time + MINUTE,
        ts_recv=0,
        timeframe="1m",
        open_time=open_time,
        open=low + 1,
        high=low + 3,
        low=low,
        close=low + 2,
        volume=0.0,
        closed=open_time + MINUTE <= NOW,
    )


@pytest.mark.parametrize("kind", ["mark", "index"])
def test_price_bars_come_in_windows_of_a_thousand_without_volume(kind: MarkKind) -> None:
    market, start = Market(at=NOW + 30 * SECOND), NOW - 1500 * MINUTE
    market.listed.mark_candles = {kind: [bar(kind, at) for at in range(start, NOW + MINUTE, MINUTE)]}
    answer, asked = walk(market, BYBIT.mark_candles(PERP, kind, "1m", start, NOW + HOUR, market.at))
    bars = [one for one in answer.records if isinstance(one, Candle)]
    assert [one.open_time for one in bars] == list(range(start, NOW + MINUTE, MINUTE))
    assert [one.closed for one in bars] == [True] * 1500 + [False]
    first = bars[0]
    assert (first.low, first.high, first.volume, first.quote_volume) == (
        bar(kind, start).low,
        bar(kind, start).high,
        0.0,
        None,
    )
    assert (answer.complete_from, answer.complete_to) == (start, NOW)
    assert answer.note
    assert [fetch.path for fetch in asked] == [f"/v5/market/{kind}-price-kline"] * 2


def test_spot_has_no_derived_prices_and_no_open_interest() -> None:
    for steps in (
        BYBIT.mark_candles(SPOT, "mark", "1m", NOW - HOUR, NOW, NOW),
        BYBIT.open_interest(SPOT, "5m", NOW - HOUR, NOW, NOW),
    ):
        answer, asked = walk(Market(), steps)
        assert (answer.records, asked) == ([], [])
        assert "spot has no" in (answer.note or "")
        assert (answer.complete_from, answer.complete_to) == (NOW - HOUR, NOW)


def readings(count: int, rules: Rules = PERP) -> list[OpenInterest]:
    """One at the end of each five minutes up to now."""
    last = NOW // (5 * MINUTE) * 5 * MINUTE
    return [
        msgspec.structs.replace(
            interest(1000 + 0.001 * number, rules, last - number * 5 * MINUTE), period_us=5 * MINUTE
        )
        for number in reversed(range(count))
    ]


def test_open_interest_is_paged_back_and_counts_one_side() -> None:
    market = Market(at=NOW + SECOND)
    market.listed.open_interest = readings(450)
    rows = market.listed.open_interest
    start = rows[3].ts_event
    answer, asked = walk(market, BYBIT.open_interest(PERP, "5m", start, NOW + DAY, market.at))
    found = [one for one in answer.records if isinstance(one, OpenInterest)]
    assert [(one.ts_event, round(one.open_interest, 9)) for one in found] == [
        (row.ts_event, round(row.open_interest, 9)) for row in rows[3:]
    ]
    assert {(one.period_us, one.open_interest_quote, one.origin) for one in found} == {(5 * MINUTE, None, "rest")}
    assert len(asked) == 3
    assert (answer.complete_from, answer.complete_to) == (start, market.at // (5 * MINUTE) * 5 * MINUTE)
    answer, _ = walk(market, BYBIT.open_interest(PERP, "5m", start, start + HOUR, market.at))
    assert len(answer.records) == 12
    assert (answer.complete_to, answer.note) == (start + HOUR, None)


def test_a_period_that_bybit_does_not_publish_says_so() -> None:
    answer, asked = walk(Market(), BYBIT.open_interest(PERP, "2h", NOW - DAY, NOW, NOW))
    assert (answer.records, asked, answer.complete_from) == ([], [], None)
    assert "only by 5m, 15m, 30m, 1h, 4h, 1d" in (answer.note or "")


def test_pages_of_open_interest_follow_the_cursor() -> None:
    market = Market()
    market.listed.open_interest = readings(7)
    query = {"category": "linear", "symbol": "BTCUSDT", "intervalTime": "5min", "limit": "3"}
    times: list[int] = []
    cursor = ""
    for _ in range(3):
        page = ask(market, "open-interest", **query, **({"cursor": cursor} if cursor else {}))["result"]
        times += [int(row["timestamp"]) * 1000 for row in page["list"]]
        cursor = page["nextPageCursor"]
    assert cursor == ""
    assert times == [row.ts_event for row in reversed(market.listed.open_interest)]
    row = page["list"][0]
    assert float(row["openInterest"]) == 2 * float(row["singleOpenInterest"])
    assert ask(market, "open-interest", **query, cursor="nonsense")["retCode"] == 10001
    assert ask(market, "open-interest", **(query | {"intervalTime": "7min"}))["retCode"] == 10001
    assert ask(market, "open-interest", **(query | {"category": "spot"}))["retCode"] == 10001


def test_insurance_is_every_pool_with_its_worth() -> None:
    market = Market()
    market.listed.insurance = [pool("SOLUSDT,BTCUSDT", 7e7), pool("BTCUSD", 12.5, "BTC")]
    answer, asked = walk(market, BYBIT.insurance(NOW))
    found = [one for one in answer.records if isinstance(one, InsuranceFund)]
    assert [(one.pool, one.asset, one.balance, one.balance_usd, one.ts_event) for one in found] == [
        ("BTCUSDT,SOLUSDT", "USDT", 7e7, 14e7, NOW - MINUTE),
        ("BTCUSD", "BTC", 12.5, 25.0, NOW - MINUTE),
    ]
    assert len(asked) == 1


def test_states_are_those_of_listed_instruments_and_of_coming_ones() -> None:
    market = Market()
    market.listed.states = [state("pre_launch", "PreLaunch", ETH), state("trading", "Trading", SPOT)]
    names = ["ETH-USDT-PERP", "DOGE-USDT", "BTC-USDT", "BTC-USDT-PERP"]
    answer, _ = walk(market, BYBIT.statuses(names, NOW))
    found = [one for one in answer.records if isinstance(one, InstrumentStatus)]
    assert [(one.instrument, one.state, one.code) for one in found] == [
        ("ETH-USDT-PERP", "pre_launch", "PreLaunch"),
        ("BTC-USDT", "trading", "Trading"),
        ("BTC-USDT-PERP", "trading", "Trading"),
    ]
    assert found[2].listed_at == PERP.listed_at
    assert "DOGE-USDT" in (answer.note or "")
    market.listed.states.append(state("halted", "Delivering"))
    answer, _ = walk(market, BYBIT.statuses(["BTC-USDT-PERP"], NOW))
    assert answer.records == []


def test_another_refusal_of_a_state_is_raised() -> None:
    steps = BYBIT.statuses(["BTC-USDT"], NOW)
    next(steps)
    with pytest.raises(Rejected, match="Illegal category"):
        steps.send({"retCode": 10001, "retMsg": "Illegal category", "result": {}, "time": NOW // 1000})


def test_the_calendar_is_headlines_of_listings_and_delistings() -> None:
    market = Market()
    market.listed.states = [state("trading", "Trading", ETH, ends=NOW + 3 * DAY)]
    answer, asked = walk(market, BYBIT.calendar(NOW))
    found = [one for one in answer.records if isinstance(one, VenueNotice)]
    assert [(one.code, one.words) for one in found] == [
        ("listing", "New Listing: BTCUSDT Perpetual Contract"),
        ("listing", "New Listing: ETHUSDT Perpetual Contract"),
        ("delisting", "Delisting of ETHUSDT Perpetual Contract"),
    ]
    assert [one.ts_event for one in found] == [PERP.listed_at, PERP.listed_at, NOW]
    assert [fetch.query["type"] for fetch in asked] == ["new_crypto", "delistings"]


@pytest.mark.parametrize("rules", [SPOT, PERP])
def test_the_book_over_rest_is_the_books_snapshot(rules: Rules) -> None:
    market = Market()
    answer, asked = walk(market, BYBIT.book(rules, NOW))
    (found,) = answer.records
    assert isinstance(found, BookUpdate)
    assert found == msgspec.structs.replace(market.book(rules.instrument), ts_recv=NOW)
    assert (len(found.bids), len(found.asks), found.snapshot) == (300, 300, True)
    assert asked[0].query["limit"] == "1000"


def rest(market: Market, path: str, **query: str) -> Any:
    return json.loads(bybit.emulated(market).rest("rest", path, query, market.at).body)


def test_the_venues_further_pages_refuse_and_list_as_bybits_do() -> None:
    market = Market()
    assert ask(market, "mark-price-kline", category="spot", symbol="BTCUSDT", interval="1")["retCode"] == 10001
    assert ask(market, "mark-price-kline", category="linear", symbol="BTCUSDT", interval="9")["retCode"] == 10001
    assert rest(market, "/v5/announcements/index")["retCode"] == 10001
    assert rest(market, "/v5/announcements/index", locale="en-US", limit="1")["result"]["total"] == 2
    assert rest(market, "/v5/system/status")["result"]["list"] == []
    assert ask(market, "tickers", category="linear")["result"]["list"] == []
    market.listed.tickers = [day(90_000.0), day(90_000.0, SPOT)]
    market.listed.marks = [mark(90_000.0)]
    market.listed.funding_now = [rate(0.0001)]
    market.listed.open_interest_now = [interest(10.0)]
    (row,) = ask(market, "tickers", category="linear", symbol="BTCUSDT")["result"]["list"]
    assert (row["markPrice"], row["fundingIntervalHour"], row["openInterest"]) == ("90000.00", "4", "20.000")
    assert row["bid1Price"] == "90000.00"
    (row,) = ask(market, "tickers", category="spot")["result"]["list"]
    assert "markPrice" not in row
    assert ask(market, "full_orderbook", category="linear", symbol="BTCUSDT")["retCode"] == 10001
    book = ask(market, "full_orderbook", category="spot", symbol="BTCUSDT")["result"]
    assert (len(book["b"]), len(book["a"])) == (300, 300)
    (listed,) = ask(market, "instruments-info", category="linear", symbol="BTCUSDT")["result"]["list"]
    assert listed["fundingInterval"] == 240
    assert ask(market, "instruments-info", category="linear", symbol="NOUSDT")["retCode"] == 10001
    assert ask(market, "instruments-info", category="linear", status="PreLaunch")["result"]["list"] == []


def test_ccxt_knows_every_method_that_the_walks_name() -> None:
    client, market = ccxt.bybit(), Market()
    asked = [
        fetch
        for steps in (
            BYBIT.mark_candles(PERP, "mark", "1h", NOW - DAY, NOW, NOW),
            BYBIT.mark_candles(PERP, "index", "1h", NOW - DAY, NOW, NOW),
            BYBIT.open_interest(PERP, "1h", NOW - DAY, NOW, NOW),
            BYBIT.insurance(NOW),
            BYBIT.statuses(["BTC-USDT"], NOW),
            BYBIT.calendar(NOW),
            BYBIT.book(PERP, NOW),
        )
        for fetch in walk(market, steps)[1]
    ]
    assert len(asked) == 8
    assert all(hasattr(client, fetch.ccxt) for fetch in asked)
    assert hasattr(client, "publicGetV5SystemStatus")
    assert hasattr(client, "publicGetV5MarketTickers")
