"""The REST walks against the venue's own side, and ccxt against it as well."""

from __future__ import annotations

import json
from collections.abc import Generator
from typing import Any, TypeVar

import ccxt
import pytest

from tests.unit.venues.bybit_market import ETH, NOW, PERP, RULES, SPOT, Market
from warehouse.clock import DAY, HOUR, MINUTE, SECOND
from warehouse.errors import DecodeError, RateLimited, Rejected
from warehouse.instruments import TIMEFRAMES, Rules, timeframe_us
from warehouse.records import Candle, FundingRate, Trade
from warehouse.venues import bybit
from warehouse.venues.base import Fetch
from warehouse.venues.bybit import history
from warehouse.venues.bybit.envelope import opened
from warehouse.venues.bybit.spelling import execution_id
from warehouse.venues.bybit.wire import ServerTime

T = TypeVar("T")


def walk(market: Market, steps: Generator[Fetch, object, T]) -> tuple[T, list[Fetch]]:
    """Run a walk against the emulated venue; its end, and what it asked."""
    venue = bybit.emulated(market)
    asked: list[Fetch] = []
    try:
        fetch = next(steps)
        while True:
            asked.append(fetch)
            reply = venue.rest(fetch.base, fetch.path, fetch.query, market.at)
            assert reply.status == 200
            fetch = steps.send(json.loads(reply.body))
    except StopIteration as end:
        return end.value, asked


def test_instruments_come_with_their_rules_in_the_asked_order() -> None:
    names = ["ETH-USDT-PERP", "BTC-USDT", "DOGE-USDT", "BTC-USDT-PERP"]
    rules, asked = walk(Market(), history.instruments(names, NOW))
    assert [rule.instrument for rule in rules] == ["ETH-USDT-PERP", "BTC-USDT", "BTC-USDT-PERP"]
    assert [fetch.query["category"] for fetch in asked] == ["spot", "linear"]
    for rule, original in zip(rules, (ETH, SPOT, PERP), strict=True):
        same = ("symbol", "market", "tick", "lot", "listed_at", "status", "delisting_at")
        assert [getattr(rule, name) for name in same] == [getattr(original, name) for name in same]
        assert rule.valid_from == NOW


def test_instruments_follow_the_cursor() -> None:
    steps = history.instruments(["ETH-USDT-PERP"], NOW)
    venue = bybit.emulated(Market())
    first = next(steps)
    pages = []
    for cursor in ("", "1"):
        query = {**first.query, "limit": "1", "cursor": cursor}
        pages.append(json.loads(venue.rest("rest", first.path, query, NOW).body))
    assert pages[0]["result"]["nextPageCursor"] == "1"
    second = steps.send(pages[0])
    assert second.query["cursor"] == "1"
    with pytest.raises(StopIteration) as end:
        steps.send(pages[1])
    assert [rule.instrument for rule in end.value.value] == ["ETH-USDT-PERP"]


def test_the_server_tells_its_time() -> None:
    market = Market(at=NOW + 123_456)
    assert walk(market, history.server_time("perp"))[0] == NOW + 123_456


@pytest.mark.parametrize("timeframe", TIMEFRAMES)
def test_candles_fill_the_range_and_nothing_else(timeframe: str) -> None:
    market, step = Market(at=NOW + 7 * SECOND), timeframe_us(timeframe)
    end = market.at // step * step
    start = end - 20 * step
    answer, asked = walk(market, history.candles(PERP, timeframe, start + 1, end, market.at))
    bars = [bar for bar in answer.records if isinstance(bar, Candle)]
    assert [bar.open_time for bar in bars] == list(range(start + step, end, step))
    assert all(bar.closed and bar.timeframe == timeframe and bar.origin == "rest" for bar in bars)
    assert (answer.complete_from, answer.complete_to, answer.note) == (start + 1, end, None)
    assert len(asked) == 1


def test_many_candles_come_in_windows_of_a_thousand() -> None:
    market = Market(at=NOW + 30 * SECOND)
    start = NOW - 2500 * MINUTE
    answer, asked = walk(market, history.candles(SPOT, "1m", start, NOW + HOUR, market.at))
    bars = [bar for bar in answer.records if isinstance(bar, Candle)]
    assert [bar.open_time for bar in bars] == list(range(start, NOW + MINUTE, MINUTE))
    assert [bar.closed for bar in bars] == [True] * 2500 + [False]
    assert len(asked) == 3
    assert (answer.complete_from, answer.complete_to) == (start, NOW)
    assert answer.note
    assert bars[0].ts_event == start + MINUTE
    assert bars[-1].ts_event == market.at
    assert (bars[7].volume, bars[7].quote_volume) == (12.5, 1_125_000.25)


def test_no_candle_is_asked_for_before_the_listing() -> None:
    assert PERP.listed_at is not None
    _, asked = walk(Market(), history.candles(PERP, "1d", PERP.listed_at - 900 * DAY, PERP.listed_at + DAY, NOW))
    assert [int(fetch.query["start"]) * 1000 for fetch in asked] == [PERP.listed_at // DAY * DAY]


@pytest.mark.parametrize(("rules", "limit"), [(SPOT, 60), (PERP, 1000)])
def test_trades_are_the_newest_page_and_say_how_far_it_reaches(rules: Rules, limit: int) -> None:
    market = Market()
    tape = market.trade(rules, limit + 100)
    answer, asked = walk(market, history.trades(rules, NOW - HOUR, market.at + HOUR, market.at))
    found = [trade for trade in answer.records if isinstance(trade, Trade)]
    assert [trade.trade_id for trade in found] == [execution_id(trade, rules.market) for trade in tape[-limit:]]
    assert all(trade.origin == "rest" and trade.trade_seq is None for trade in found)
    assert answer.complete_from == tape[-limit].ts_event + 1000
    assert answer.complete_to == tape[-1].ts_event
    assert str(limit) in (answer.note or "")
    assert len(asked) == 1


def test_trades_of_a_range_behind_the_page_are_not_known() -> None:
    market = Market()
    market.trade(SPOT, 100)
    answer, _ = walk(market, history.trades(SPOT, NOW - DAY, NOW - HOUR, market.at))
    assert (answer.records, answer.complete_from, answer.complete_to) == ([], None, None)
    assert answer.note
    answer, _ = walk(Market(), history.trades(SPOT, NOW - DAY, NOW, NOW))
    assert (answer.records, answer.note) == ([], "the venue has no recent trades")


def test_funding_is_paged_back_to_the_start_with_its_interval() -> None:
    start, end = NOW - 90 * DAY, NOW
    answer, asked = walk(Market(), history.funding(PERP, start, end, NOW))
    rates = [rate for rate in answer.records if isinstance(rate, FundingRate)]
    first = -(-start // (8 * HOUR)) * 8 * HOUR
    assert [rate.ts_event for rate in rates] == list(range(first, end, 8 * HOUR))
    assert len(asked) == 2
    assert {rate.interval_us for rate in rates} == {8 * HOUR}
    assert all(rate.settled for rate in rates)
    assert (answer.complete_from, answer.complete_to, answer.note) == (start, end, None)
    assert all("startTime" in fetch.query and "endTime" in fetch.query for fetch in asked)


def test_a_single_rate_takes_the_published_interval_and_spot_has_none() -> None:
    at = NOW // (8 * HOUR) * 8 * HOUR
    answer, asked = walk(Market(), history.funding(PERP, at, at + 1, NOW))
    (rate,) = answer.records
    assert isinstance(rate, FundingRate)
    assert rate.interval_us == 8 * HOUR
    assert [fetch.purpose for fetch in asked] == ["funding", "instruments"]
    answer, asked = walk(Market(), history.funding(SPOT, 0, NOW, NOW))
    assert (answer.records, asked) == ([], [])


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({"retCode": 10001, "retMsg": "params error"}, Rejected),
        ({"retCode": "10006", "retMsg": "Too many visits!"}, RateLimited),
        ({"retCode": 10016, "retMsg": "Server error."}, RateLimited),
        ({"retCode": 0, "retMsg": "OK", "result": {}}, DecodeError),
        ([], DecodeError),
        (None, DecodeError),
    ],
)
def test_an_error_in_the_envelope_is_raised(body: object, error: type[Exception]) -> None:
    for answer in (body, json.dumps(body).encode()):
        with pytest.raises(error):
            opened(answer, ServerTime)


def ask(market: Market, path: str, **query: str) -> Any:
    reply = bybit.emulated(market).rest("rest", f"/v5/market/{path}", query, market.at)
    return json.loads(reply.body)


def test_the_venue_refuses_as_bybit_does() -> None:
    market = Market()
    assert ask(market, "kline", category="linear", symbol="NOPE", interval="1")["retCode"] == 10001
    assert ask(market, "kline", symbol="BTCUSDT", interval="1")["retCode"] == 10001
    assert ask(market, "kline", category="linear", symbol="BTCUSDT", interval="7")["retCode"] == 10001
    late = {"startTime": "1763733600000"}
    assert ask(market, "funding/history", category="linear", symbol="BTCUSDT", **late)["retCode"] == 10001
    assert ask(market, "instruments-info", category="inverse")["result"]["list"] == []
    assert ask(market, "instruments-info", category="option", baseCoin="BTC")["result"]["list"] == []
    assert bybit.emulated(market).rest("rest", "/v5/order/create", {}, NOW).status == 404


def test_pages_are_newest_first_and_bounded_as_bybit_bounds_them() -> None:
    market = Market()
    rows = ask(market, "kline", category="linear", symbol="BTCUSDT", interval="1")["result"]["list"]
    assert len(rows) == 200
    assert int(rows[0][0]) * 1000 == NOW // MINUTE * MINUTE
    start, end = NOW // 1000 - 90_500, NOW // 1000 - 60_000
    bounds = {"start": str(start), "end": str(end)}
    rows = ask(market, "kline", category="spot", symbol="BTCUSDT", interval="1", **bounds)["result"]["list"]
    assert [int(row[0]) for row in rows] == [NOW // 1000 - 60_000, NOW // 1000 - 120_000]
    rows = ask(market, "kline", category="spot", symbol="BTCUSDT", interval="1", start="1763000000000", limit="3")
    assert [int(row[0]) for row in rows["result"]["list"]] == [1763000100000, 1763000040000, 1762999980000]
    market.trade(SPOT, 100)
    rows = ask(market, "recent-trade", category="spot", symbol="BTCUSDT", limit="1000")["result"]["list"]
    assert len(rows) == 60
    assert int(rows[0]["time"]) > int(rows[-1]["time"])
    book = ask(market, "orderbook", category="linear", symbol="BTCUSDT")["result"]
    assert (len(book["b"]), len(book["a"])) == (25, 25)


def test_six_hundred_requests_in_five_seconds_are_the_limit() -> None:
    venue = bybit.emulated(Market())
    statuses = [venue.rest("rest", "/v5/market/time", {}, NOW + n * 1000).status for n in range(601)]
    assert statuses == [200] * 600 + [403]
    assert venue.rest("rest", "/v5/market/time", {}, NOW + 60 * SECOND).status == 403
    assert venue.rest("rest", "/v5/market/time", {}, NOW + 11 * MINUTE).status == 200


def test_ccxt_loads_markets_and_reads_history_from_the_emulated_venue() -> None:
    market = Market()
    tape = market.trade(PERP, 50)
    market.trade(SPOT, 50)
    venue = bybit.emulated(market)

    class Wired(ccxt.bybit):  # type: ignore[misc]
        """ccxt with its socket replaced by the emulated venue."""

        def fetch(self, url: str, method: str = "GET", headers: object = None, body: object = None) -> object:
            path, _, query = url.removeprefix("http://bybit").partition("?")
            pairs = dict(pair.split("=", 1) for pair in query.split("&") if pair)
            reply = venue.rest("rest", path, pairs, market.at)
            answer = self.parse_json(reply.body.decode())
            self.handle_errors(reply.status, "", url, method, {}, reply.body.decode(), answer, {}, None)
            return answer

    client = Wired({"urls": {"api": {"public": "http://bybit"}}, "enableRateLimit": False})
    markets = client.load_markets()
    assert {"BTC/USDT", "BTC/USDT:USDT", "ETH/USDT:USDT"} <= set(markets)
    precision = markets["BTC/USDT:USDT"]["precision"]
    assert (precision["amount"], precision["price"]) == (0.001, 0.1)
    since = NOW // 1000 - 600_000
    bars = client.fetch_ohlcv("BTC/USDT:USDT", "1m", since, 5)
    assert [bar[0] for bar in bars] == [since + n * 60_000 for n in range(5)]
    trades = client.fetch_trades("BTC/USDT:USDT", limit=10)
    assert [trade["id"] for trade in trades] == [execution_id(trade, "perp") for trade in tape[-10:]]
    rates = client.fetch_funding_rate_history("BTC/USDT:USDT", since=NOW // 1000 - 5 * 86_400_000, limit=6)
    assert len(rates) == 6
    assert client.fetch_order_book("BTC/USDT", 10)["bids"][0][0] == max(market.books["BTC-USDT"][0])
    with pytest.raises(ccxt.BadRequest):
        client.publicGetV5MarketKline({"category": "linear", "symbol": "NOPE", "interval": "1"})
    for name in ("Kline", "RecentTrade", "FundingHistory", "InstrumentsInfo", "Time", "Orderbook"):
        assert hasattr(client, f"publicGetV5Market{name}")
    answer = client.publicGetV5MarketRecentTrade({"category": "linear", "symbol": "BTCUSDT", "limit": "1000"})
    steps = history.trades(PERP, 0, market.at + 1, market.at)
    next(steps)
    with pytest.raises(StopIteration) as end:
        steps.send(answer)
    assert len(end.value.value.records) == 50


def test_every_instrument_of_the_view_is_listed() -> None:
    rows = [
        row["symbol"]
        for category in ("spot", "linear")
        for row in ask(Market(), "instruments-info", category=category)["result"]["list"]
    ]
    assert rows == [rules.symbol for rules in RULES]
