"""OKX's own side over a `MarketView`: REST with envelopes, exclusive bounds, descending pages and rate limits.

The WebSocket side is `emulate_socket.py`. Both are pure: no socket, no clock of their own.
"""

from __future__ import annotations

import msgspec

from warehouse.clock import DAY, SECOND, Micros
from warehouse.instruments import timeframe_us
from warehouse.records import Candle
from warehouse.venues.base import MarketView, Reply
from warehouse.venues.okx import emulate_feeds, render, render_feeds
from warehouse.venues.okx.emulate_archive import Archive
from warehouse.venues.okx.emulate_feeds import RECENT_BARS, TIMEFRAME_OF, Feeds
from warehouse.venues.okx.emulate_socket import EmulatedOkxConnection
from warehouse.venues.okx.queries import FAR, Answerer, Query, Refused, between, integer, limited, one_of, rules_of
from warehouse.venues.okx.requests import BOOK_DEPTH, CANDLES_PAGE, FUNDING_PAGE, NEWEST_TRADES, TRADES_PAGE

REACH: Micros = 90 * DAY
"""Three months: how far back single trades and funding rates are served."""
WINDOW: Micros = 2 * SECOND
LIMITS: dict[str, tuple[int, str]] = {
    "/api/v5/public/time": (10, ""),
    "/api/v5/public/instruments": (20, "instType"),
    "/api/v5/public/funding-rate-history": (10, "instId"),
    "/api/v5/market/books": (40, ""),
    "/api/v5/market/candles": (40, ""),
    "/api/v5/market/history-candles": (20, ""),
    "/api/v5/market/trades": (100, ""),
    "/api/v5/market/history-trades": (20, ""),
    "/api/v5/public/market-data-history": (5, ""),
    **emulate_feeds.LIMITS,
}
"""Requests per two seconds (or as `WINDOWS` has it) and address, and the parameter that has a budget of its own."""


class EmulatedOkx:
    """The venue (`warehouse.venues.base.EmulatedVenue`)."""

    def __init__(self, view: MarketView) -> None:
        self.view = view
        self.feeds = Feeds(view)
        self._asked: dict[tuple[str, str], list[Micros]] = {}
        self._connections = 0
        self._archive = Archive(view)
        self._paths: dict[str, Answerer] = {
            "/api/v5/public/time": self._time,
            "/api/v5/public/instruments": self._instruments,
            "/api/v5/public/funding-rate-history": self._funding,
            "/api/v5/market/books": self._book,
            "/api/v5/market/candles": self._recent_candles,
            "/api/v5/market/history-candles": self._candles,
            "/api/v5/market/trades": self._newest_trades,
            "/api/v5/market/history-trades": self._trades,
            "/api/v5/public/market-data-history": self._archive.links,
            **self.feeds.paths,
        }

    def connect(self, base: str, path: str, query: dict[str, str], now: Micros, /) -> EmulatedOkxConnection:
        """A new WebSocket on `/ws/v5/public` or `/ws/v5/business`."""
        self._connections += 1
        return EmulatedOkxConnection(self.view, self.feeds, path, f"{0xA4D3AE54 + self._connections:08x}")

    def rest(self, base: str, path: str, query: dict[str, str], now: Micros, /) -> Reply:
        """One GET. The reply to an unknown path is 404, to too many requests 429 with code 50011."""
        if base == "rest_archive":
            return self._archive.reply(path, now)
        answer = self._paths.get(path)
        if answer is None:
            return _reply(404, "404", "Invalid Request URI", [])
        limit, own = LIMITS[path]
        key = (path, query.get(own, "") if own else "")
        window = emulate_feeds.WINDOWS.get(path, WINDOW)
        asked = [at for at in self._asked.get(key, ()) if at > now - window]
        self._asked[key] = asked
        if len(asked) >= limit:
            return _reply(429, "50011", "Too Many Requests", [])
        try:
            reply = _reply(200, "0", "", answer(query, now))
        except Refused as refused:
            reply = _reply(400, refused.code, refused.words, [])
        asked.append(now)  # what could not be answered yet is asked again, and counts once
        return reply

    def _time(self, query: Query, now: Micros) -> list[object]:
        return [{"ts": render.millis(now)}]

    def _instruments(self, query: Query, now: Micros) -> list[object]:
        kind = query.get("instType", "")
        if kind not in ("SPOT", "MARGIN", "SWAP", "FUTURES", "OPTION"):
            raise Refused("51000", "Parameter instType error")
        rows = render_feeds.instruments(self.view, kind)
        return [
            row for row in rows if query.get("instId", row["instId"]) == row["instId"] and row["state"] != "expired"
        ]

    def _book(self, query: Query, now: Micros) -> list[object]:
        rules, depth = rules_of(self.view, query), integer(query, "sz", 1)
        if depth is None or not 1 <= depth <= BOOK_DEPTH:
            raise Refused("51000", "Parameter sz error")
        return [render.book(self.view.book(rules.instrument), depth)]

    def _recent_candles(self, query: Query, now: Micros) -> list[object]:
        return self._candles(query, now, RECENT_BARS)

    def _candles(self, query: Query, now: Micros, reach: int | None = None) -> list[object]:
        rules = rules_of(self.view, query)
        timeframe = one_of(query, "bar", TIMEFRAME_OF, "1m")
        limit = limited(query, 100, CANDLES_PAGE)
        start, end = between(query)
        if reach is not None:
            step = timeframe_us(timeframe)
            start = max(start, now // step * step - (reach - 1) * step)
        rows: list[Candle] = self.view.candles(rules.instrument, timeframe, start, end, limit, True)
        return [render.candle(row, rules) for row in reversed(rows)]

    def _newest_trades(self, query: Query, now: Micros) -> list[object]:
        rules = rules_of(self.view, query)
        limit = limited(query, 100, NEWEST_TRADES)
        rows = self.view.trades_by_time(rules.instrument, 0, FAR, limit, True)
        return [render.trade(row, rules) for row in reversed(rows) if row.kind != "block"]

    def _trades(self, query: Query, now: Micros) -> list[object]:
        rules = rules_of(self.view, query)
        limit = limited(query, TRADES_PAGE, TRADES_PAGE)
        after, before = integer(query, "after"), integer(query, "before")
        kind = query.get("type", "1")
        if kind == "2":
            if before is not None:
                raise Refused("51000", "Parameter before error")
            end = FAR if after is None else after * 1000
            rows = self.view.trades_by_time(rules.instrument, 0, end, limit, True)
        elif kind != "1":
            raise Refused("51000", "Parameter type error")
        elif after is None:
            rows = self.view.trades_by_time(rules.instrument, 0, FAR, limit, True)
        else:
            rows = self.view.trades_by_id(rules.instrument, max(after - limit, 0), limit)
            rows = [row for row in rows if row.trade_seq is not None and row.trade_seq < after]
        if kind == "1" and before is not None:
            rows = [row for row in rows if row.trade_seq is not None and row.trade_seq > before]
        kept = (row for row in reversed(rows) if row.ts_event > now - REACH and row.kind != "block")
        return [render.trade(row, rules) for row in kept]

    def _funding(self, query: Query, now: Micros) -> list[object]:
        rules = rules_of(self.view, query)
        if rules.market != "perp":
            raise Refused("51000", "Parameter instId error")
        limit = limited(query, FUNDING_PAGE, FUNDING_PAGE)
        start, end = between(query)
        rows = self.view.funding(rules.instrument, max(start, now - REACH), min(end, now + 1), limit, True)
        return [render.funding(row, rules) for row in reversed(rows)]


def _reply(status: int, code: str, words: str, data: list[object]) -> Reply:
    body = msgspec.json.encode({"code": code, "msg": words, "data": data})
    return Reply(status=status, body=body, headers={"Content-Type": "application/json"})
