"""REST pages of an emulated Bybit: envelopes, limits, bounds, orders and error codes of the real one.

https://bybit-exchange.github.io/docs/v5/market/kline and its neighbours. Further pages are in `emulate_pages`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import msgspec

from warehouse.clock import MINUTE, SECOND, Micros
from warehouse.instruments import Rules
from warehouse.records import Trade
from warehouse.venues.base import MarketView, Reply
from warehouse.venues.bybit.emulate_feeds import Feeds
from warehouse.venues.bybit.emulate_pages import FeedPages, Page, book_rows
from warehouse.venues.bybit.emulate_query import Catalogue, Refused, bars_asked, moment, number
from warehouse.venues.bybit.spelling import Text, decimal, execution_id

REQUESTS, WINDOW, BAN = 600, 5 * SECOND, 10 * MINUTE
"""600 requests in 5 s per address; one more and everything is refused for ten minutes."""


class RestSide:
    """`reply` answers one GET."""

    def __init__(self, view: MarketView, rules: Sequence[Rules], feeds: Feeds) -> None:
        self._view = view
        self._catalogue = Catalogue(rules)
        self._asked: deque[Micros] = deque()
        self._banned_until: Micros = 0
        self._pages: dict[str, Page] = {
            **FeedPages(view, self._catalogue, feeds).pages,
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

    def _time(self, query: dict[str, str], now: Micros) -> object:
        return {"timeSecond": str(now // SECOND), "timeNano": str(now * 1000)}

    def _kline(self, query: dict[str, str], now: Micros) -> object:
        rule = self._catalogue.rule(query)
        text = self._catalogue.text(rule)
        rows = self._view.candles(rule.instrument, *bars_asked(query, now))
        listed = ",".join([text.bar(row) for row in reversed(rows)])
        return {"symbol": rule.symbol, "category": query["category"], "list": msgspec.Raw(f"[{listed}]".encode())}

    def _recent(self, query: dict[str, str], now: Micros) -> object:
        rule = self._catalogue.rule(query)
        spot = rule.market == "spot"
        limit = number(query, "limit", 60 if spot else 500, 1, 60 if spot else 1000)
        rows = self._view.trades_by_time(rule.instrument, 0, now + 1, limit, True)
        text = self._catalogue.text(rule)
        return {"category": query["category"], "list": [_execution(row, rule, text) for row in reversed(rows)]}

    def _funding(self, query: dict[str, str], now: Micros) -> object:
        rule = self._catalogue.rule(query, linear=True)
        limit = number(query, "limit", 200, 1, 200)
        start, end = moment(query, "startTime"), moment(query, "endTime")
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
        rule = self._catalogue.rule(query)
        limit = number(query, "limit", 1 if rule.market == "spot" else 25, 1, 1000)
        return book_rows(self._view, self._catalogue, rule, limit, now)


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
