"""Binance's own side of REST over a market: limits, order, bounds and error bodies as published. No socket here."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import msgspec

from warehouse.clock import HOUR, MINUTE, SECOND, Micros
from warehouse.instruments import Listing, Market, timeframe_us
from warehouse.records import Trade
from warehouse.venues.base import EmulatedConnection, MarketView, Reply
from warehouse.venues.binance import spell_feeds
from warehouse.venues.binance.emulate_archive import Archive
from warehouse.venues.binance.emulate_feeds import Feeds
from warehouse.venues.binance.emulate_query import (
    FOREVER,
    PERP_DEPTH,
    Query,
    Refuse,
    between,
    limit,
    number,
    symbol,
    timeframe,
    weight,
)
from warehouse.venues.binance.emulate_socket import BinanceConnection
from warehouse.venues.binance.spell import Json, Spelling

WEIGHT_LIMIT: dict[str, int] = {"rest_spot": 6000, "rest_perp": 2400}
"""Request weight per minute and address."""

FUNDING_LIMIT = 500
"""Requests of `fundingRate` and `fundingInfo` together in five minutes, apart from the weight."""

DATA_LIMIT = 1000
"""Requests of `/futures/data` in five minutes, which cost no weight."""

PERP_REACH = 48 * HOUR

_BOTH: tuple[Market, ...] = ("spot", "perp")
_PREFIX: dict[Market, str] = {"spot": "/api/v3/", "perp": "/fapi/v1/"}


class EmulatedBinance:
    """`EmulatedVenue` of both markets: `/api/v3` on `rest_spot`, `/fapi/v1` on `rest_perp`."""

    def __init__(self, view: MarketView) -> None:
        self._view = view
        rules = [rule for rule in view.rules() if rule.venue == "binance"]
        self._symbols: dict[tuple[Market, str], Spelling] = {(r.market, r.symbol): Spelling(r) for r in rules}
        self._used: dict[str, tuple[Micros, int]] = {}  # base: (minute, weight)
        self._counted: dict[str, tuple[Micros, int]] = {}  # budget of requests: (five minutes, requests)
        paths: dict[str, Callable[[Market, Query, Micros], object]] = {
            "time": lambda market, query, now: {"serverTime": now // 1000},
            "exchangeInfo": self._exchange_info,
            "klines": self._klines,
            "aggTrades": self._agg_trades,
            "trades": self._recent_trades,
            "historicalTrades": self._historical_trades,
            "depth": self._depth,
        }
        self._paths: dict[str, Callable[[Query, Micros], object]] = {
            _PREFIX[market] + name: partial(answer, market) for market in _BOTH for name, answer in paths.items()
        }
        self._paths["/fapi/v1/fundingRate"] = self._funding_rate
        self._paths |= Feeds(view, self._symbols).paths
        self._archive = Archive(view, rules)

    def connect(self, base: str, path: str, query: Query, now: Micros) -> EmulatedConnection:
        """A WebSocket on `/stream`, `/ws/<stream>`, or the same behind `/public` and `/market` of futures."""
        market: Market = "spot" if base == "ws_spot" else "perp"
        known = [spelling for (of, _), spelling in self._symbols.items() if of == market]
        return BinanceConnection(market, path, query, known, self._view.funding_now)

    def rest(self, base: str, path: str, query: Query, now: Micros) -> Reply:
        """One GET. Every reply says how much of the minute's weight is used; beyond it comes 429 with Retry-After."""
        if base == "rest_archive":
            return self._archive.reply(path, now)
        market: Market = "spot" if base == "rest_spot" else "perp"
        answer = self._paths.get(path)
        if answer is None or path.startswith(("/api/", "/sapi/")) != (market == "spot"):
            return Reply(status=404, body=b"<html><body>Not Found</body></html>")
        minute, used = self._used.get(base, (0, 0))
        used = weight(market, path, query) + (used if minute == now // MINUTE else 0)
        headers = {"X-MBX-USED-WEIGHT-1M": str(used), "Content-Type": "application/json"}
        budget, most = _budget(path)
        window, count = self._counted.get(budget, (0, 0))
        count = 1 + (count if window == now // (5 * MINUTE) else 0)
        try:
            if used > WEIGHT_LIMIT[base]:
                headers["Retry-After"] = str((MINUTE - now % MINUTE) // SECOND + 1)
                raise Refuse(-1003, f"Too many requests; current limit is {WEIGHT_LIMIT[base]} per minute.", 429)
            if budget and count > most:
                headers["Retry-After"] = "60"
                raise Refuse(-1003, f"Too many requests; current limit is {most} per 5 minutes.", 429)
            body, status = msgspec.json.encode(answer(query, now)), 200
        except Refuse as error:
            body, status = msgspec.json.encode({"code": error.code, "msg": error.words}), error.status
        # what follows is not reached when the market asks for time to make its history
        self._used[base] = (now // MINUTE, used)
        self._counted[budget] = (now // (5 * MINUTE), count)
        return Reply(status=status, body=body, headers=headers)

    def _exchange_info(self, market: Market, query: Query, now: Micros) -> object:
        known = {symbol: spelling for (of, symbol), spelling in self._symbols.items() if of == market}
        asked = list(known)
        if market == "spot" and ("symbols" in query or "symbol" in query):
            try:
                asked = (
                    msgspec.json.decode(query["symbols"], type=list[str]) if "symbols" in query else [query["symbol"]]
                )
            except msgspec.MsgspecError:
                raise Refuse(-1100, "Illegal characters found in parameter 'symbols'.") from None
            if any(symbol not in known for symbol in asked):
                raise Refuse(-1121, "Invalid symbol.")
        spent: Json = {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1}
        symbols: list[Json] = []
        for name in asked:
            listing = Listing.parse("binance", known[name].rules.instrument)
            word = spell_feeds.code(market == "spot", self._view.status(listing.instrument))
            symbols.append(known[name].symbol_info(listing.base, listing.quote, word))
        return {
            "timezone": "UTC",
            "serverTime": now // 1000,
            "rateLimits": [spent | {"limit": WEIGHT_LIMIT[f"rest_{market}"]}],
            "exchangeFilters": [],
            "symbols": symbols,
        }

    def _klines(self, market: Market, query: Query, now: Micros) -> object:
        spelling = symbol(self._symbols, market, query)
        name = timeframe(query)
        most = limit(market, query, 500, 1000 if market == "spot" else 1500)
        start, end = between(query)
        newest = "startTime" not in query
        end = min(end, now // timeframe_us(name) * timeframe_us(name) + 1)
        rows = self._view.candles(spelling.rules.instrument, name, start, end, most, newest)
        return [spelling.kline_row(row) for row in rows]

    def _agg_trades(self, market: Market, query: Query, now: Micros) -> object:
        spelling = symbol(self._symbols, market, query)
        most = limit(market, query, 500, 1000)
        start, end = between(query)
        name = spelling.rules.instrument
        if "fromId" in query:
            if "startTime" in query or "endTime" in query:
                raise Refuse(-1128, "Combination of optional parameters invalid.")
            rows = self._view.trades_by_id(name, number(query, "fromId", 0), most)
        elif market == "perp" and start and end != FOREVER and end - start > HOUR:
            raise Refuse(-1127, "More than 1 hours between startTime and endTime.")
        elif market == "perp" and start and start < now - PERP_REACH:
            # seen in freqtrade#10941: instead of an error the newest rows come
            rows = self._view.trades_by_time(name, now - HOUR, now + 1, most, True)
        else:
            rows = self._view.trades_by_time(name, start, min(end, now + 1), most, "startTime" not in query)
        return [spelling.agg_trade(row) for row in rows if row.kind == "market"]

    def _recent_trades(self, market: Market, query: Query, now: Micros) -> object:
        spelling = symbol(self._symbols, market, query)
        rows = self._newest(spelling, limit(market, query, 500, 1000), now)
        return [spelling.historical_trade(row) for row in rows if row.kind != "block"]

    def _historical_trades(self, market: Market, query: Query, now: Micros) -> object:
        spelling = symbol(self._symbols, market, query)
        most = limit(market, query, 500 if market == "spot" else 100, 1000 if market == "spot" else 500)
        if "fromId" not in query:
            rows = self._newest(spelling, most, now)
        else:
            rows = self._view.trades_by_id(spelling.rules.instrument, number(query, "fromId", 0), most)
        return [spelling.historical_trade(row) for row in rows if row.kind != "block"]

    def _newest(self, spelling: Spelling, limit: int, now: Micros) -> list[Trade]:
        return self._view.trades_by_time(spelling.rules.instrument, 0, now + 1, limit, True)

    def _depth(self, market: Market, query: Query, now: Micros) -> object:
        spelling = symbol(self._symbols, market, query)
        levels = number(query, "limit", 100 if market == "spot" else 500)
        if market == "perp" and levels not in PERP_DEPTH:
            raise Refuse(-4021, f"Limit {levels} is not valid, choose from [5, 10, 20, 50, 100, 500, 1000].")
        return spelling.depth(self._view.book(spelling.rules.instrument), min(levels, 5000), now)

    def _funding_rate(self, query: Query, now: Micros) -> object:
        spelling = symbol(self._symbols, "perp", query)
        most = limit("perp", query, 100, 1000)
        start, end = between(query)
        rows = self._view.funding(spelling.rules.instrument, start, min(end, now + 1), most, "startTime" not in query)
        return [spelling.funding(row) for row in rows if row.settled]


def _budget(path: str) -> tuple[str, int]:
    """The budget of requests that a path has besides its weight, empty for none, and how many are in it."""
    if path in ("/fapi/v1/fundingRate", "/fapi/v1/fundingInfo"):
        return "funding", FUNDING_LIMIT
    return ("data", DATA_LIMIT) if path.startswith("/futures/data/") else ("", 0)
