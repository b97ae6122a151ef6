"""The venue's own side: its limits, its errors, its sockets, and whether ccxt takes it for Binance."""

from __future__ import annotations

import urllib.parse
from typing import Any

import msgspec
import pytest

from tests.unit.venues.binance_market import PERP, SPOT, START, ListedMarket, candle, rate, trade, update
from warehouse.clock import HOUR, MINUTE, SECOND
from warehouse.records import FundingRate, MarkPrice, OpenInterest, Ticker
from warehouse.venues.base import EmulatedVenue
from warehouse.venues.binance import emulated

MARK = MarkPrice(
    venue="binance",
    instrument=PERP.instrument,
    ts_event=START,
    ts_recv=START,
    mark_price=60_000.1,
    index_price=60_010.25,
)
ACCRUING = FundingRate(
    venue="binance",
    instrument=PERP.instrument,
    ts_event=START,
    ts_recv=START,
    funding_rate=0.0000125,
    settled=False,
    interval_us=4 * HOUR,
    next_funding_at=START + HOUR,
)
INTEREST = OpenInterest(
    venue="binance",
    instrument=PERP.instrument,
    ts_event=START,
    ts_recv=START,
    open_interest=80_000.125,
    open_interest_quote=4.8e9,
)
TICKER = Ticker(
    venue="binance",
    instrument=PERP.instrument,
    ts_event=START,
    ts_recv=START,
    last_price=60_000.5,
    open=61_000.0,
    high=61_500.5,
    low=59_000.5,
    volume=1234.567,
    quote_volume=7.4e7,
    trade_count=98_765,
)


def venue() -> tuple[ListedMarket, EmulatedVenue]:
    market = ListedMarket(SPOT, PERP)
    for rules in (SPOT, PERP):
        market.all_trades[rules.instrument] = [trade(rules, n, START - HOUR + n * SECOND) for n in range(3600)]
        market.all_candles += [candle(rules, START - n * MINUTE) for n in range(600, 0, -1)]
        market.all_candles.append(candle(rules, START, closed=False))
    market.all_funding = [rate(PERP, START // HOUR * HOUR - n * 8 * HOUR) for n in range(30, 0, -1)]
    return market, emulated(market)


def get(side: EmulatedVenue, path: str, at: int = START, /, **query: str) -> tuple[int, Any]:
    reply = side.rest("rest_spot" if path.startswith("/api") else "rest_perp", path, query, at)
    return reply.status, msgspec.json.decode(reply.body)


@pytest.mark.parametrize(
    ("path", "query", "code"),
    [
        ("/api/v3/klines", {}, -1102),
        ("/api/v3/klines", {"symbol": "NOPE", "interval": "1m"}, -1121),
        ("/api/v3/klines", {"symbol": "BTCUSDT", "interval": "7m"}, -1120),
        ("/fapi/v1/klines", {"symbol": "BTCUSDT", "interval": "1m", "limit": "1501"}, -1130),
        ("/fapi/v1/aggTrades", {"symbol": "BTCUSDT", "startTime": "1", "endTime": "99999999"}, -1127),
        ("/fapi/v1/aggTrades", {"symbol": "BTCUSDT", "startTime": "1", "fromId": "3"}, -1128),
        ("/fapi/v1/depth", {"symbol": "BTCUSDT", "limit": "7"}, -4021),
        ("/api/v3/aggTrades", {"symbol": "BTCUSDT", "fromId": "x"}, -1100),
        ("/api/v3/exchangeInfo", {"symbols": '["BTCUSDT","NOPE"]'}, -1121),
        ("/fapi/v1/openInterest", {}, -1102),
        ("/fapi/v1/premiumIndex", {"symbol": "NOPE"}, -1121),
        ("/fapi/v1/indexPriceKlines", {"symbol": "BTCUSDT", "interval": "1m"}, -1102),
        ("/fapi/v1/markPriceKlines", {"symbol": "BTCUSDT", "interval": "1m", "limit": "1501"}, -1130),
        ("/futures/data/openInterestHist", {"symbol": "BTCUSDT", "period": "7m"}, -1120),
        ("/futures/data/openInterestHist", {"symbol": "BTCUSDT", "period": "5m", "limit": "501"}, -1130),
        ("/futures/data/openInterestHist", {"symbol": "BTCUSDT", "period": "5m", "startTime": "1"}, -1130),
    ],
)
def test_bad_requests_get_the_venues_code(path: str, query: dict[str, str], code: int) -> None:
    status, body = get(venue()[1], path, START, **query)
    assert (status, body["code"]) == (400, code)


def test_without_bounds_the_newest_rows_come_in_ascending_order() -> None:
    _, side = venue()
    _, rows = get(side, "/api/v3/klines", symbol="BTCUSDT", interval="1m", limit="3")
    assert [row[0] for row in rows] == [(START - n * MINUTE) // 1000 for n in (2, 1, 0)]
    _, rows = get(side, "/api/v3/aggTrades", symbol="BTCUSDT", limit="2")
    assert [row["a"] for row in rows] == [3598, 3599]


def test_bounds_are_inclusive_and_filled_from_the_start() -> None:
    _, side = venue()
    first = (START - 10 * MINUTE) // 1000
    query = {"symbol": "BTCUSDT", "interval": "1m", "startTime": str(first), "endTime": str(first + 120_000)}
    _, rows = get(side, "/fapi/v1/klines", START, **query)
    assert [row[0] - first for row in rows] == [0, 60_000, 120_000]
    _, rows = get(side, "/fapi/v1/klines", START, **(query | {"limit": "2"}))
    assert [row[0] - first for row in rows] == [0, 60_000]


def test_weight_is_counted_per_minute_and_too_much_is_refused() -> None:
    _, side = venue()
    statuses = []
    for _ in range(13):
        reply = side.rest("rest_perp", "/fapi/v1/historicalTrades", {"symbol": "BTCUSDT", "fromId": "1"}, START)
        statuses.append(reply.status)
    assert statuses == [200] * 12 + [429]
    assert msgspec.json.decode(reply.body)["code"] == -1003
    assert reply.headers["X-MBX-USED-WEIGHT-1M"] == "2600"
    assert int(reply.headers["Retry-After"]) == 60 - START // SECOND % 60 + 1
    assert side.rest("rest_spot", "/api/v3/time", {}, START).headers["X-MBX-USED-WEIGHT-1M"] == "1"
    assert side.rest("rest_perp", "/fapi/v1/time", {}, START + MINUTE).headers["X-MBX-USED-WEIGHT-1M"] == "1"


def test_funding_has_a_limit_of_its_own() -> None:
    _, side = venue()
    replies = [get(side, "/fapi/v1/fundingRate", START, symbol="BTCUSDT")[0] for _ in range(501)]
    assert replies == [200] * 500 + [429]


def test_statistics_cost_no_weight_and_have_a_limit_of_their_own() -> None:
    _, side = venue()
    path, query = "/futures/data/openInterestHist", {"symbol": "BTCUSDT", "period": "5m"}
    replies = [side.rest("rest_perp", path, query, START) for _ in range(1001)]
    assert [reply.status for reply in replies] == [200] * 1000 + [429]
    assert {reply.headers["X-MBX-USED-WEIGHT-1M"] for reply in replies} == {"0"}
    assert side.rest("rest_perp", path, query, START + 5 * MINUTE).status == 200


def test_funding_intervals_are_counted_with_funding_rates() -> None:
    _, side = venue()
    for _ in range(250):
        assert get(side, "/fapi/v1/fundingInfo")[0] == 200
        assert get(side, "/fapi/v1/fundingRate", symbol="BTCUSDT")[0] == 200
    assert get(side, "/fapi/v1/fundingInfo")[0] == 429


def test_a_market_without_derivatives_answers_like_a_venue_in_trouble() -> None:
    _, side = venue()
    for path in ("/fapi/v1/premiumIndex", "/fapi/v1/openInterest", "/fapi/v1/ticker/24hr", "/fapi/v1/insuranceBalance"):
        assert get(side, path, symbol="BTCUSDT")[0] == 503
    assert get(side, "/fapi/v1/premiumIndex") == (200, [])


@pytest.mark.parametrize(
    ("base", "path"),
    [("rest_spot", "/fapi/v1/openInterest"), ("rest_perp", "/sapi/v1/system/status"), ("rest_spot", "/x")],
)
def test_what_a_host_does_not_serve_is_not_found(base: str, path: str) -> None:
    assert venue()[1].rest(base, path, {"symbol": "BTCUSDT"}, START).status == 404


def test_sockets_speak_by_path_and_by_message() -> None:
    _, side = venue()
    raw = side.connect("ws_spot", "/ws/btcusdt@trade", {}, START)
    (frame,) = raw.event(trade(SPOT, 5, START), START)
    assert msgspec.json.decode(frame)["t"] == 5
    wrapped = side.connect("ws_perp", "/market/stream", {"streams": "btcusdt@aggTrade/btcusdt@kline_1m"}, START)
    assert wrapped.streams == ["btcusdt@aggTrade", "btcusdt@kline_1m"]
    (frame,) = wrapped.event(trade(PERP, 5, START), START)
    assert msgspec.json.decode(frame)["stream"] == "btcusdt@aggTrade"
    assert wrapped.event(trade(SPOT, 5, START), START) == ()
    (listed,) = wrapped.receive(b'{"method":"LIST_SUBSCRIPTIONS","id":3}', START)
    assert msgspec.json.decode(listed) == {"result": ["btcusdt@aggTrade", "btcusdt@kline_1m"], "id": 3}
    wrapped.receive(b'{"method":"UNSUBSCRIBE","params":["btcusdt@aggTrade"],"id":4}', START)
    assert wrapped.event(trade(PERP, 5, START), START) == []


def test_the_retired_futures_root_connects_and_stays_silent() -> None:
    _, side = venue()
    old = side.connect("ws_perp", "/stream", {"streams": "btcusdt@aggTrade"}, START)
    assert old.event(trade(PERP, 5, START), START) == []
    assert old.streams == []


@pytest.mark.parametrize(("frame", "code"), [(b"{", 3), (b'{"method":"HELLO","id":1}', 2), (b'{"params":1}', 2)])
def test_a_message_nobody_understands_is_answered_with_an_error(frame: bytes, code: int) -> None:
    _, side = venue()
    (answer,) = side.connect("ws_spot", "/stream", {}, START).receive(frame, START)
    assert msgspec.json.decode(answer)["code"] == code


def test_depth_ids_follow_each_markets_numbering() -> None:
    _, side = venue()
    spot = side.connect("ws_spot", "/ws/btcusdt@depth@100ms", {}, START)
    (frame,) = spot.event(update(SPOT, 10, 14, START), START)
    event = msgspec.json.decode(frame)
    assert (event["U"], event["u"], "pu" in event) == (11, 14, False)
    perp = side.connect("ws_perp", "/public/ws/btcusdt@depth@100ms", {}, START)
    (frame,) = perp.event(update(PERP, 10, 14, START), START)
    event = msgspec.json.decode(frame)
    assert (event["pu"], event["u"]) == (10, 14)


def test_ccxt_takes_it_for_binance(monkeypatch: pytest.MonkeyPatch) -> None:
    ccxt = pytest.importorskip("ccxt")
    market, side = venue()
    market.listed.marks, market.listed.funding_now = [MARK], [ACCRUING]
    market.listed.tickers = [TICKER, msgspec.structs.replace(TICKER, instrument=SPOT.instrument)]
    market.listed.open_interest_now = [INTEREST]
    market.listed.open_interest = [
        msgspec.structs.replace(INTEREST, ts_event=START - n * HOUR, period_us=HOUR) for n in range(9, 0, -1)
    ]
    market.listed.mark_candles = {"mark": market.all_candles, "index": market.all_candles}
    client = ccxt.binance({"enableRateLimit": False, "options": {"fetchMarkets": {"types": ["spot", "linear"]}}})

    def fetch(url: str, method: str = "GET", headers: object = None, body: object = None) -> object:
        parts = urllib.parse.urlsplit(url)
        base = "rest_perp" if "fapi" in parts.netloc else "rest_spot"
        reply = side.rest(base, parts.path, dict(urllib.parse.parse_qsl(parts.query)), START)
        assert reply.status == 200, (url, reply.body)
        return msgspec.json.decode(reply.body)

    monkeypatch.setattr(client, "fetch", fetch)
    markets = client.load_markets()
    assert sorted(markets) == ["BTC/USDT", "BTC/USDT:USDT"]
    assert markets["BTC/USDT:USDT"]["precision"]["price"] == 0.1
    assert markets["BTC/USDT"]["limits"]["cost"]["min"] == 5
    assert len(client.fetch_ohlcv("BTC/USDT:USDT", "1m", limit=5)) == 5
    assert client.fetch_trades("BTC/USDT", limit=2)[-1]["id"] == "3599"
    assert client.fetch_order_book("BTC/USDT", 100)["bids"][0][0] == 60_000.0
    assert client.fetch_funding_rate_history("BTC/USDT:USDT", limit=3)[-1]["fundingRate"] == 0.0001
    perp = "BTC/USDT:USDT"
    assert client.fetch_funding_rate(perp)["markPrice"] == 60_000.1
    assert client.fetch_funding_rate(perp)["indexPrice"] == 60_010.25
    assert client.fetch_funding_intervals([perp])[perp]["interval"] == "4h"
    assert client.fetch_open_interest(perp)["openInterestAmount"] == 80_000.125
    assert [row["openInterestValue"] for row in client.fetch_open_interest_history(perp, "1h", limit=3)] == [4.8e9] * 3
    assert [client.fetch_ticker(name)["baseVolume"] for name in (perp, "BTC/USDT")] == [1234.567] * 2
    assert len(client.fetch_mark_ohlcv(perp, "1m", limit=5)) == len(client.fetch_index_ohlcv(perp, "1m", limit=5)) == 5
    assert client.fetch_status()["status"] == "ok"
    names = ("Klines", "AggTrades", "ExchangeInfo", "Depth", "Time", "HistoricalTrades")
    for prefix in ("publicGet", "fapiPublicGet"):
        assert all(hasattr(client, prefix + name) for name in names)
    assert hasattr(client, "fapiPublicGetFundingRate")
    for name in (
        "PremiumIndex",
        "OpenInterest",
        "InsuranceBalance",
        "FundingInfo",
        "MarkPriceKlines",
        "IndexPriceKlines",
    ):
        assert hasattr(client, f"fapiPublicGet{name}")
    assert hasattr(client, "fapiDataGetOpenInterestHist")
    assert hasattr(client, "sapiGetSystemStatus")
