"""OKX's REST endpoints of derivatives, tickers, insurance and announcements over a `MarketView`."""

from __future__ import annotations

from collections.abc import Sequence

from warehouse.clock import DAY, SECOND, Micros
from warehouse.instruments import Rules, timeframe_us
from warehouse.records import InsuranceFund, VenueStatus
from warehouse.venues.base import MarketView, MarkKind
from warehouse.venues.okx import render, render_feeds
from warehouse.venues.okx.channels import index_of
from warehouse.venues.okx.queries import Answerer, Query, Refused, between, integer, limited, one_of, rules_of
from warehouse.venues.okx.requests import (
    BARS,
    DEEPEST,
    DELISTINGS,
    FLAT_PAGE,
    INSURANCE_PAGE,
    LISTINGS,
    OPEN_INTEREST_PAGE,
    OPEN_INTEREST_ROWS,
    PERIODS,
)

RECENT_BARS = 1440
HEADLINES = 20
"""Announcements a page."""

TIMEFRAME_OF = {bar: timeframe for timeframe, bar in BARS.items()}
PERIOD_OF = {spelled: period for period, spelled in PERIODS.items()}
KINDS = {"SPOT": "spot", "SWAP": "perp"}

LIMITS: dict[str, tuple[int, str]] = {
    "/api/v5/market/ticker": (20, ""),
    "/api/v5/market/tickers": (20, ""),
    "/api/v5/market/index-tickers": (20, ""),
    "/api/v5/market/books-full": (10, ""),
    "/api/v5/market/mark-price-candles": (20, ""),
    "/api/v5/market/history-mark-price-candles": (10, ""),
    "/api/v5/market/index-candles": (20, ""),
    "/api/v5/market/history-index-candles": (10, ""),
    "/api/v5/public/mark-price": (10, "instId"),
    "/api/v5/public/funding-rate": (10, "instId"),
    "/api/v5/public/open-interest": (20, "instId"),
    "/api/v5/public/insurance-fund": (10, ""),
    "/api/v5/rubik/stat/contracts/open-interest-history": (10, "instId"),
    "/api/v5/support/announcements": (5, ""),
    "/api/v5/system/status": (1, ""),
}
"""Requests per two seconds (or as `WINDOWS` has it) and address, and the parameter that has a budget of its own."""

WINDOWS: dict[str, Micros] = {"/api/v5/system/status": 5 * SECOND}
"""Where requests are counted over another time."""


class Feeds:
    """The answers, by path in `paths`. `status` holds the venue's maintenances, newest last."""

    def __init__(self, view: MarketView) -> None:
        self.view = view
        self.status: list[VenueStatus] = []
        self.paths: dict[str, Answerer] = {
            "/api/v5/market/ticker": self._ticker,
            "/api/v5/market/tickers": self._tickers,
            "/api/v5/market/index-tickers": self._index_tickers,
            "/api/v5/market/books-full": self._deep_book,
            "/api/v5/market/mark-price-candles": lambda query, now: self._candles("mark", query, now, RECENT_BARS),
            "/api/v5/market/history-mark-price-candles": lambda query, now: self._candles("mark", query, now),
            "/api/v5/market/index-candles": lambda query, now: self._candles("index", query, now, RECENT_BARS),
            "/api/v5/market/history-index-candles": lambda query, now: self._candles("index", query, now),
            "/api/v5/public/mark-price": self._marks,
            "/api/v5/public/funding-rate": self._accruing,
            "/api/v5/public/open-interest": self._open_interest,
            "/api/v5/public/insurance-fund": self._insurance,
            "/api/v5/rubik/stat/contracts/open-interest-history": self._open_interest_history,
            "/api/v5/support/announcements": self._announcements,
            "/api/v5/system/status": self._status,
        }

    def announce(self, one: VenueStatus) -> None:
        """A maintenance that several connections may tell of."""
        if one not in self.status[-1:]:
            self.status.append(one)

    def _perps(self, query: Query, anyone: str = "") -> Sequence[Rules]:
        """The swaps that a request means: one, or all where it names none (or `anyone`)."""
        if query.get("instId", anyone) != anyone:
            rules = rules_of(self.view, query)
            if rules.market != "perp":
                raise Refused("51000", "Parameter instId error")
            return [rules]
        return [rules for rules in self.view.rules() if rules.market == "perp"]

    def _swaps(self, query: Query) -> Sequence[Rules]:
        if query.get("instType") != "SWAP":
            raise Refused("51000", "Parameter instType error")
        return self._perps(query)

    def _marks(self, query: Query, now: Micros) -> list[object]:
        found = ((self.view.mark_price(rules.instrument), rules) for rules in self._swaps(query))
        return [row for one, rules in found if one is not None and (row := render_feeds.mark(one, rules)) is not None]

    def _accruing(self, query: Query, now: Micros) -> list[object]:
        if not query.get("instId"):
            raise Refused("50014", "Parameter instId can not be empty.")
        found = ((self.view.funding_now(rules.instrument), rules) for rules in self._perps(query, "ANY"))
        return [render_feeds.accruing(one, rules) for one, rules in found if one is not None]

    def _open_interest(self, query: Query, now: Micros) -> list[object]:
        found = ((self.view.open_interest_now(rules.instrument), rules) for rules in self._swaps(query))
        return [render_feeds.open_interest(one, rules) for one, rules in found if one is not None]

    def _index_tickers(self, query: Query, now: Micros) -> list[object]:
        index, quote = query.get("instId", ""), query.get("quoteCcy", "")
        if not index and not quote:
            raise Refused("50014", "Either parameter instId or quoteCcy is required.")
        rows: list[object] = []
        for rules in self._perps({}):
            name = index_of(rules)
            one = self.view.mark_price(rules.instrument) if name == index or name.endswith(f"-{quote}") else None
            if one is not None and (row := render_feeds.index(one, rules)) is not None:
                rows.append(row)
        return rows

    def _ticker(self, query: Query, now: Micros) -> list[object]:
        return self._tickers_of([rules_of(self.view, query)])

    def _tickers(self, query: Query, now: Micros) -> list[object]:
        market = one_of(query, "instType", KINDS)
        return self._tickers_of([rules for rules in self.view.rules() if rules.market == market])

    def _tickers_of(self, those: Sequence[Rules]) -> list[object]:
        found = ((self.view.ticker(rules.instrument), rules) for rules in those)
        book = self.view.book
        return [render_feeds.ticker(one, rules, book(rules.instrument)) for one, rules in found if one is not None]

    def _deep_book(self, query: Query, now: Micros) -> list[object]:
        rules, depth = rules_of(self.view, query), integer(query, "sz", 1)
        if depth is None or not 1 <= depth <= DEEPEST:
            raise Refused("51000", "Parameter sz error")
        return [render_feeds.deep_book(self.view.book(rules.instrument), depth)]

    def _candles(self, kind: MarkKind, query: Query, now: Micros, reach: int | None = None) -> list[object]:
        if kind == "index":
            rules = rules_of(self.view, {"instId": f"{query.get('instId', '')}-SWAP"})
        else:
            rules = rules_of(self.view, query)
        timeframe = one_of(query, "bar", TIMEFRAME_OF, "1m")
        start, end = between(query)
        step = timeframe_us(timeframe)
        if reach is not None:
            start = max(start, now // step * step - (reach - 1) * step)
        limit = limited(query, FLAT_PAGE, FLAT_PAGE)
        rows = self.view.mark_candles(rules.instrument, kind, timeframe, start, min(end, now + 1), limit, True)
        return [render_feeds.flat_candle(row) for row in reversed(rows)]

    def _open_interest_history(self, query: Query, now: Micros) -> list[object]:
        rules = rules_of(self.view, query)
        period = timeframe_us(one_of(query, "period", PERIOD_OF, "5m"))
        start, end = between(query, "begin", "end")
        start = max(start, now // period * period - (OPEN_INTEREST_ROWS - 1) * period)
        limit = limited(query, OPEN_INTEREST_PAGE, OPEN_INTEREST_PAGE)
        rows = self.view.open_interest(rules.instrument, period, start, min(end, now + 1), limit, True)
        return [render_feeds.open_interest_bar(row, rules) for row in reversed(rows)]

    def _insurance(self, query: Query, now: Micros) -> list[object]:
        if query.get("instType") != "SWAP" or not query.get("instFamily"):
            raise Refused("51000", "Parameter instFamily error")
        start, end = between(query)
        days: list[InsuranceFund] = [
            one
            for one in self.view.insurance()
            if one.pool == query["instFamily"]
            and start <= one.ts_event < end
            and query.get("ccy", one.asset) == one.asset
        ]
        newest = sorted(days, key=lambda one: -one.ts_event)[: limited(query, INSURANCE_PAGE, INSURANCE_PAGE)]
        return [render_feeds.insurance(newest)] if newest else []

    def _status(self, query: Query, now: Micros) -> list[object]:
        """Without a wish for a state: what lies ahead or goes on."""
        wanted = query.get("state", "")
        rows = [render_feeds.maintenance(one) for one in self.status]
        return [
            {name: value for name, value in row.items() if name != "ts"}
            for row in reversed(rows)
            if row["state"] == wanted or (not wanted and row["state"] != "completed")
        ]

    def _announcements(self, query: Query, now: Micros) -> list[object]:
        kind, page = query.get("annType", ""), integer(query, "page", 1) or 1
        found = sorted(
            (at, name, f"OKX to {verb} {rules.symbol}")
            for rules in self.view.rules()
            for at, name, verb in self._told(rules)
            if at <= now and kind in ("", name)
        )
        details = [
            {
                "annType": name,
                "title": title,
                "url": f"https://www.okx.com/help/{title.lower().replace(' ', '-')}",
                "pTime": render.millis(at),
                "businessPTime": render.millis(at),
            }
            for at, name, title in found[::-1][(page - 1) * HEADLINES : page * HEADLINES]
        ]
        return [{"details": details, "totalPage": str(max(1, -(-len(found) // HEADLINES)))}]

    def _told(self, rules: Rules) -> list[tuple[Micros, str, str]]:
        """When this instrument was in the news: a day before its listing, a week before its delisting."""
        one = self.view.status(rules.instrument)
        news = [(one.listed_at, DAY, LISTINGS, "list"), (one.delisting_at, 7 * DAY, DELISTINGS, "delist")]
        return [(at - before, name, verb) for at, before, name, verb in news if at is not None]
