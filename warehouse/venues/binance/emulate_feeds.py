"""Binance's own side of REST for derivatives, tickers and states, over a market."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from warehouse.clock import DAY, Micros
from warehouse.instruments import Market, timeframe_us
from warehouse.records import FundingRate, MarkPrice
from warehouse.venues.base import MarketView, MarkKind
from warehouse.venues.binance import spell_feeds
from warehouse.venues.binance.emulate_query import Query, Refuse, Symbols, between, limit, symbol, timeframe
from warehouse.venues.binance.spell import Spelling

INTEREST_REACH = 30 * DAY
"""How far back `openInterestHist` answers."""


class Feeds:
    """Answers by path, each of a query at a time."""

    def __init__(self, view: MarketView, symbols: Symbols) -> None:
        self._view = view
        self._symbols = symbols
        self.paths: dict[str, Callable[[Query, Micros], object]] = {
            "/api/v3/ticker/24hr": lambda query, now: self._ticker("spot", query),
            "/sapi/v1/system/status": lambda query, now: {"status": 0, "msg": "normal"},
            "/fapi/v1/ticker/24hr": lambda query, now: self._ticker("perp", query),
            "/fapi/v1/premiumIndex": self._premium_index,
            "/fapi/v1/fundingInfo": self._funding_info,
            "/fapi/v1/openInterest": self._open_interest,
            "/fapi/v1/insuranceBalance": self._insurance,
            "/fapi/v1/markPriceKlines": lambda query, now: self._candles("mark", "symbol", query, now),
            "/fapi/v1/indexPriceKlines": lambda query, now: self._candles("index", "pair", query, now),
            "/futures/data/openInterestHist": self._open_interest_history,
        }

    def _asked(self, market: Market, query: Query) -> tuple[list[Spelling], bool]:
        """The symbol asked for, or all; and whether it was one."""
        if "symbol" in query:
            return [symbol(self._symbols, market, query)], True
        return [spelling for (of, _), spelling in self._symbols.items() if of == market], False

    def _ticker(self, market: Market, query: Query) -> object:
        asked, one = self._asked(market, query)
        found = ((spelling, self._view.ticker(spelling.rules.instrument)) for spelling in asked)
        return _one((spell_feeds.day_ticker(spelling, row) for spelling, row in found if row is not None), one)

    def _premium_index(self, query: Query, now: Micros) -> object:
        asked, one = self._asked("perp", query)
        found = ((spelling, *self._mark(spelling)) for spelling in asked)
        return _one((spell_feeds.premium_index(s, mark, rate) for s, mark, rate in found if mark is not None), one)

    def _mark(self, spelling: Spelling) -> tuple[MarkPrice | None, FundingRate | None]:
        name = spelling.rules.instrument
        return self._view.mark_price(name), self._view.funding_now(name)

    def _funding_info(self, query: Query, now: Micros) -> object:
        asked, _ = self._asked("perp", {})
        found = ((spelling, self._view.funding_now(spelling.rules.instrument)) for spelling in asked)
        return [
            spell_feeds.funding_info(spelling, rate)
            for spelling, rate in found
            if rate is not None and rate.interval_us is not None
        ]

    def _open_interest(self, query: Query, now: Micros) -> object:
        spelling = symbol(self._symbols, "perp", query)
        row = self._view.open_interest_now(spelling.rules.instrument)
        return _one((spell_feeds.open_interest(spelling, row),) if row is not None else (), True)

    def _insurance(self, query: Query, now: Micros) -> object:
        pools = self._view.insurance()
        if "symbol" not in query:
            return spell_feeds.insurance(pools)
        name = symbol(self._symbols, "perp", query).symbol
        return _one(spell_feeds.insurance([row for row in pools if name in row.pool.split(",")]), True)

    def _candles(self, kind: MarkKind, parameter: str, query: Query, now: Micros) -> object:
        spelling, name = symbol(self._symbols, "perp", query, parameter), timeframe(query)
        rows = limit("perp", query, 500, 1500)
        start, end = between(query)
        end = min(end, now // timeframe_us(name) * timeframe_us(name) + 1)
        newest = "startTime" not in query
        found = self._view.mark_candles(spelling.rules.instrument, kind, name, start, end, rows, newest)
        return [spell_feeds.mark_row(row) for row in found]

    def _open_interest_history(self, query: Query, now: Micros) -> object:
        spelling, name = symbol(self._symbols, "perp", query), timeframe(query, "period")
        rows = limit("perp", query, 30, 500)
        start, end = between(query)
        if "startTime" in query and start < now - INTEREST_REACH:
            raise Refuse(-1130, "parameter 'startTime' is invalid.")
        start, period = max(start, now - INTEREST_REACH), timeframe_us(name)
        newest = "startTime" not in query
        found = self._view.open_interest(spelling.rules.instrument, period, start, min(end, now + 1), rows, newest)
        return [spell_feeds.open_interest_row(spelling, row) for row in found]


def _one(rows: Iterable[object], one: bool) -> object:
    """The only row, or all; a market that knows none (a tape) answers like a venue in trouble."""
    found = list(rows)
    if not one:
        return found
    if not found:
        raise Refuse(-1008, "Server is currently overloaded with other requests. Please try again.", 503)
    return found[0]
