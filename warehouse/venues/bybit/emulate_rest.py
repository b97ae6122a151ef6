"""REST pages of an emulated Bybit: envelopes, limits, bounds, orders and error codes of the real one.

https://bybit-exchange.github.io/docs/v5/market/kline and its neighbours.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from decimal import Decimal

import msgspec

from warehouse.clock import MINUTE, SECOND, Micros
from warehouse.instruments import Listing, Rules, timeframe_us
from warehouse.records import Trade
from warehouse.venues.base import MarketView, Reply
from warehouse.venues.bybit.decode import INTERVALS
from warehouse.venues.bybit.spelling import Text, execution_id

REQUESTS, WINDOW, BAN = 600, 5 * SECOND, 10 * MINUTE
"""600 requests in 5 s per address; one more and everything is refused for ten minutes."""

FOREVER: Micros = 4_000_000_000 * SECOND

STATUS = {"trading": "Trading", "prelaunch": "PreLaunch", "delivering": "Delivering", "closed": "Closed"}


class Refused(Exception):
    """An answer with an error code: `code` and `words` go into the envelope."""

    def __init__(self, code: int, words: str) -> None:
        super().__init__(words)
        self.code = code
        self.words = words


class RestSide:
    """`reply` answers one GET."""

    def __init__(self, view: MarketView, rules: Sequence[Rules]) -> None:
        self._view = view
        self._rules = {(_category(rule), rule.symbol): rule for rule in rules}
        self._texts = {rule.instrument: Text(rule) for rule in rules}
        self._asked: deque[Micros] = deque()
        self._banned_until: Micros = 0
        self._pages = {
            "/v5/market/instruments-info": self._instruments,
            "/v5/market/time": self._time,
            "/v5/market/kline": self._kline,
            "/v5/market/recent-trade": self._recent,
            "/v5/market/funding/history": self._funding,
            "/v5/market/orderbook": self._book,
        }

    def reply(self, path: str, query: dict[str, str], now: Micros) -> Reply:
        """HTTP 200 with `retCode` for everything but an unknown path and too many requests."""
        if not self._admitted(now):
            return Reply(status=403, body=b"403, access too frequent. Please try it again later.")
        page = self._pages.get(path)
        if page is None:
            return Reply(status=404, body=b"404 page not found")
        try:
            code, words, result = 0, "OK", page(query, now)
        except Refused as refused:
            code, words, result = refused.code, refused.words, {}
        body = {"retCode": code, "retMsg": words, "result": result, "retExtInfo": {}, "time": now // 1000}
        return Reply(status=200, body=msgspec.json.encode(body), headers={"Content-Type": "application/json"})

    def _admitted(self, now: Micros) -> bool:
        if now < self._banned_until:
            return False
        asked = self._asked
        while asked and asked[0] <= now - WINDOW:
            asked.popleft()
        if len(asked) >= REQUESTS:
            self._banned_until = now + BAN
            asked.clear()
            return False
        asked.append(now)
        return True

    def _rule(self, query: dict[str, str]) -> Rules:
        category = query.get("category", "")
        if category not in ("spot", "linear", "inverse", "option"):
            raise Refused(10001, "params error: Category is invalid")
        rule = self._rules.get((category, query.get("symbol", "")))
        if rule is None:
            raise Refused(10001, "params error: symbol invalid")
        return rule

    def _instruments(self, query: dict[str, str], now: Micros) -> object:
        category = query.get("category", "")
        if category not in ("spot", "linear", "inverse", "option"):
            raise Refused(10001, "params error: Category is invalid")
        wanted, status = query.get("symbol"), query.get("status")
        rows = [
            _instrument(rule)
            for (theirs, name), rule in self._rules.items()
            if theirs == category and wanted in (None, name) and (status is None or STATUS.get(rule.status) == status)
        ]
        if wanted is not None and not rows:
            raise Refused(10001, "params error: symbol invalid")
        if category == "spot":
            return {"category": category, "list": rows}
        limit = _number(query, "limit", 500, 1, 1000)
        begin = _number(query, "cursor", 0, 0, len(rows))
        cursor = str(begin + limit) if begin + limit < len(rows) else ""
        return {"category": category, "list": rows[begin : begin + limit], "nextPageCursor": cursor}

    def _time(self, query: dict[str, str], now: Micros) -> object:
        return {"timeSecond": str(now // SECOND), "timeNano": str(now * 1000)}

    def _kline(self, query: dict[str, str], now: Micros) -> object:
        rule = self._rule(query)
        timeframe = INTERVALS.get(query.get("interval", ""))
        if timeframe is None:
            raise Refused(10001, "Invalid period!")
        text, length = self._texts[rule.instrument], timeframe_us(timeframe)
        limit = _number(query, "limit", 200, 1, 1000)
        start, end = _moment(query, "start"), _moment(query, "end")
        if start is not None and end is not None and start > end:
            raise Refused(10001, "start time is greater than end time")
        first = 0 if start is None else start // length * length
        last = now + 1 if end is None else end + 1
        newest = start is None or end is not None
        rows = self._view.candles(rule.instrument, timeframe, first, last, limit, newest)
        listed = [
            [
                str(row.open_time // 1000),
                text.price(row.open),
                text.price(row.high),
                text.price(row.low),
                text.price(row.close),
                text.size(row.volume),
                text.turnover(row.quote_volume if row.quote_volume is not None else row.volume * row.close),
            ]
            for row in reversed(rows)
        ]
        return {"symbol": rule.symbol, "category": query["category"], "list": listed}

    def _recent(self, query: dict[str, str], now: Micros) -> object:
        rule = self._rule(query)
        spot = rule.market == "spot"
        limit = _number(query, "limit", 60 if spot else 500, 1, 60 if spot else 1000)
        rows = self._view.trades_by_time(rule.instrument, 0, now + 1, limit, True)
        text = self._texts[rule.instrument]
        return {"category": query["category"], "list": [_execution(row, rule, text) for row in reversed(rows)]}

    def _funding(self, query: dict[str, str], now: Micros) -> object:
        rule = self._rule(query)
        if rule.market == "spot":
            raise Refused(10001, "params error: Category is invalid")
        limit = _number(query, "limit", 200, 1, 200)
        start, end = _moment(query, "startTime"), _moment(query, "endTime")
        if start is not None and end is None:
            raise Refused(10001, "params error: endTime is required with startTime")
        first, last = start or 0, now + 1 if end is None else min(end, now) + 1
        rows = self._view.funding(rule.instrument, first, last, limit, True)
        listed = [
            {
                "symbol": rule.symbol,
                "fundingRate": decimal(row.funding_rate),
                "fundingRateTimestamp": str(row.ts_event // 1000),
            }
            for row in reversed(rows)
        ]
        return {"category": query["category"], "list": listed}

    def _book(self, query: dict[str, str], now: Micros) -> object:
        rule = self._rule(query)
        limit = _number(query, "limit", 1 if rule.market == "spot" else 25, 1, 1000)
        book, text = self._view.book(rule.instrument), self._texts[rule.instrument]
        return {
            "s": rule.symbol,
            "b": [text.level(level) for level in book.bids[:limit]],
            "a": [text.level(level) for level in book.asks[:limit]],
            "ts": now // 1000,
            "u": book.update_id,
            "seq": book.update_id,
            "cts": book.ts_event // 1000,
        }


def decimal(value: float) -> str:
    """A number without an exponent."""
    return format(Decimal(repr(value)), "f")


def _category(rule: Rules) -> str:
    return "spot" if rule.market == "spot" else "linear"


def _execution(trade: Trade, rule: Rules, text: Text) -> dict[str, object]:
    return {
        "execId": execution_id(trade, rule.market),
        "symbol": rule.symbol,
        "price": text.price(trade.price),
        "size": text.size(trade.size),
        "side": "Buy" if trade.taker_side == "buy" else "Sell",
        "time": str(trade.ts_event // 1000),
        "isBlockTrade": trade.kind == "block",
        "isRPITrade": trade.rpi,
        "seq": str(trade.trade_seq or 0),
    }


def _instrument(rule: Rules) -> dict[str, object]:
    listing = Listing.parse(rule.venue, rule.instrument)
    shared: dict[str, object] = {
        "symbol": rule.symbol,
        "baseCoin": listing.base,
        "quoteCoin": listing.quote,
        "status": STATUS.get(rule.status, "Trading"),
    }
    least = rule.min_size or rule.lot
    if rule.market == "spot":
        return shared | {
            "innovation": "0",
            "marginTrading": "none",
            "lotSizeFilter": {
                "basePrecision": rule.lot,
                "quotePrecision": "0.00000001",
                "minOrderQty": least,
                "maxOrderQty": "1000000",
                "minOrderAmt": rule.min_notional or "5",
                "maxOrderAmt": "4000000",
            },
            "priceFilter": {"tickSize": rule.tick},
        }
    return shared | {
        "contractType": "LinearPerpetual",
        "launchTime": str((rule.listed_at or 0) // 1000),
        "deliveryTime": str((rule.delisting_at or 0) // 1000),
        "deliveryFeeRate": "",
        "priceScale": str(max(0, -int(Decimal(rule.tick).as_tuple().exponent))),
        "leverageFilter": {"minLeverage": "1", "maxLeverage": "100.00", "leverageStep": "0.01"},
        "priceFilter": {"minPrice": rule.tick, "maxPrice": "1999999.80", "tickSize": rule.tick},
        "lotSizeFilter": {
            "maxOrderQty": "1000000",
            "minOrderQty": least,
            "qtyStep": rule.lot,
            "postOnlyMaxOrderQty": "1000000",
            "maxMktOrderQty": "500000",
            "minNotionalValue": rule.min_notional or "5",
        },
        "unifiedMarginTrade": True,
        "fundingInterval": 480,
        "settleCoin": listing.quote,
        "copyTrading": "both",
        "upperFundingRate": "0.00375",
        "lowerFundingRate": "-0.00375",
        "isPreListing": False,
        "preListingInfo": None,
    }


def _number(query: dict[str, str], key: str, default: int, least: int, most: int) -> int:
    text = query.get(key, "")
    if not text:
        return default
    if not text.isdigit():
        raise Refused(10001, f"params error: {key} invalid")
    return min(max(int(text), least), most)


def _moment(query: dict[str, str], key: str) -> Micros | None:
    text = query.get(key, "")
    if not text:
        return None
    if not text.isdigit() or int(text) * 1000 > FOREVER:
        raise Refused(10001, f"params error: {key} invalid")
    return int(text) * 1000
