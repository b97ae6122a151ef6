"""Further REST pages of an emulated Bybit: instruments, tickers, mark and index bars, open interest, insurance, status.

https://bybit-exchange.github.io/docs/v5/market/tickers and its neighbours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from urllib.parse import quote, unquote

from warehouse.clock import HOUR, MINUTE, Micros
from warehouse.instruments import Listing, Rules
from warehouse.records import FundingRate, InstrumentStatus, TradingState
from warehouse.venues.base import MarketView, MarkKind
from warehouse.venues.bybit.decode_pages import STATES
from warehouse.venues.bybit.derivatives import PERIODS
from warehouse.venues.bybit.emulate_feeds import Feeds
from warehouse.venues.bybit.emulate_frames import Shown
from warehouse.venues.bybit.emulate_query import Catalogue, Refused, bars_asked, category, moment, number

Page = Callable[[dict[str, str], Micros], object]
"""A query and the time to the result of the page. Raises Refused."""

WORDS: dict[TradingState, str] = {state: word for word, state in STATES.items()}

FULL_BOOK = 10_000
"""Most levels a side of the full book; spot only so far."""


class FeedPages:
    """`pages` by path."""

    def __init__(self, view: MarketView, catalogue: Catalogue, feeds: Feeds) -> None:
        self._view = view
        self._catalogue = catalogue
        self._feeds = feeds
        self.pages: dict[str, Page] = {
            "/v5/market/instruments-info": self._instruments,
            "/v5/market/tickers": self._tickers,
            "/v5/market/mark-price-kline": self._bars("mark"),
            "/v5/market/index-price-kline": self._bars("index"),
            "/v5/market/open-interest": self._interest,
            "/v5/market/insurance": self._insurance,
            "/v5/market/full_orderbook": self._full_book,
            "/v5/system/status": self._status,
            "/v5/announcements/index": self._news,
        }

    def _instruments(self, query: dict[str, str], now: Micros) -> object:
        theirs, wanted, status = category(query), query.get("symbol"), query.get("status") or WORDS["trading"]
        known = self._all(theirs)
        if wanted is not None:
            known = [rule for rule in known if rule.symbol == wanted]
            if not known:
                raise Refused(10001, "params error: symbol invalid")
        rows = []
        for rule in known:
            told = self._view.status(rule.instrument)
            word = told.code if told.code in STATES else WORDS[told.state]
            if word == status:
                rows.append(_instrument(rule, told, word, self._view.funding_now(rule.instrument)))
        if theirs == "spot":
            return {"category": theirs, "list": rows}
        limit = number(query, "limit", 500, 1, 1000)
        begin = number(query, "cursor", 0, 0, len(rows))
        cursor = str(begin + limit) if begin + limit < len(rows) else ""
        return {"category": theirs, "list": rows[begin : begin + limit], "nextPageCursor": cursor}

    def _tickers(self, query: dict[str, str], now: Micros) -> object:
        theirs = category(query)
        asked = [self._catalogue.rule(query)] if query.get("symbol") else self._all(theirs)
        rows = [(rule.symbol, self._feeds.ticker(Shown(rule))) for rule in asked]
        return {"category": theirs, "list": [{"symbol": symbol, **found} for symbol, found in rows if found]}

    def _all(self, theirs: str) -> list[Rules]:
        return [rule for (market, _), rule in self._catalogue.rules.items() if market == theirs]

    def _bars(self, kind: MarkKind) -> Page:
        def page(query: dict[str, str], now: Micros) -> object:
            rule = self._catalogue.rule(query, linear=True)
            price = self._catalogue.text(rule).price
            rows = self._view.mark_candles(rule.instrument, kind, *bars_asked(query, now))
            listed = [
                [str(row.open_time // 1000), price(row.open), price(row.high), price(row.low), price(row.close)]
                for row in reversed(rows)
            ]
            return {"symbol": rule.symbol, "category": query["category"], "list": listed}

        return page

    def _interest(self, query: dict[str, str], now: Micros) -> object:
        rule = self._catalogue.rule(query, linear=True)
        period = next((span for span, name in PERIODS.values() if name == query.get("intervalTime")), None)
        if period is None:
            raise Refused(10001, "params error: intervalTime invalid")
        limit = number(query, "limit", 50, 1, 200)
        start, end = moment(query, "startTime") or 0, moment(query, "endTime")
        last = min(now, now if end is None else end, _before(query, now)) + 1
        rows = self._view.open_interest(rule.instrument, period, start, last, limit + 1, True)
        more, rows = len(rows) > limit, rows[-limit:]
        size = self._catalogue.text(rule).size
        listed = [
            {
                "openInterest": size(2 * row.open_interest),
                "singleOpenInterest": size(row.open_interest),
                "timestamp": str(row.ts_event // 1000),
            }
            for row in reversed(rows)
        ]
        cursor = quote(f"lastid={len(rows)}&lasttime={rows[0].ts_event // 1000}") if more else ""
        return {"symbol": rule.symbol, "category": query["category"], "list": listed, "nextPageCursor": cursor}

    def _insurance(self, query: dict[str, str], now: Micros) -> object:
        coin = query.get("coin")
        pools = [pool for pool in self._view.insurance() if coin in (None, "", pool.asset)]
        listed = [
            {
                "coin": pool.asset,
                "symbols": pool.pool,
                "balance": f"{pool.balance:.8f}",
                "value": "" if pool.balance_usd is None else f"{pool.balance_usd:.8f}",
            }
            for pool in pools
        ]
        updated = max((pool.ts_event for pool in pools), default=now)
        return {"updatedTime": str(updated // 1000), "list": listed}

    def _full_book(self, query: dict[str, str], now: Micros) -> object:
        rule = self._catalogue.rule(query)
        if rule.market != "spot":
            raise Refused(10001, "params error: Category is invalid")
        return book_rows(self._view, self._catalogue, rule, FULL_BOOK, now)

    def _status(self, query: dict[str, str], now: Micros) -> object:
        wanted, state = query.get("id"), query.get("state")
        rows = reversed(self._feeds.notices.rows)
        return {"list": [row for row in rows if wanted in (None, row["id"]) and state in (None, row["state"])]}

    def _news(self, query: dict[str, str], now: Micros) -> object:
        if not query.get("locale"):
            raise Refused(10001, "params error: locale is required")
        wanted = query.get("type")
        rows = sorted((row for row in self._headlines(now) if wanted in (None, "", row[1])), reverse=True)
        page, limit = number(query, "page", 1, 1, 10_000), number(query, "limit", 20, 1, 1000)
        listed = [
            {
                "title": title,
                "description": "",
                "type": {"title": "New Listings" if key == "new_crypto" else "Delistings", "key": key},
                "tags": [],
                "url": "",
                "dateTimestamp": at // 1000,
                "startDateTimestamp": at // 1000,
                "endDateTimestamp": at // 1000,
            }
            for at, key, title in rows[(page - 1) * limit : page * limit]
        ]
        return {"total": len(rows), "list": listed}

    def _headlines(self, now: Micros) -> Iterator[tuple[Micros, str, str]]:
        """When, of which kind, and what was announced of the instruments."""
        for rule in self._catalogue.rules.values():
            told = self._view.status(rule.instrument)
            name = f"{rule.symbol} {'Spot Pair' if rule.market == 'spot' else 'Perpetual Contract'}"
            listed, ends = told.listed_at or rule.listed_at, told.delisting_at or rule.delisting_at
            if listed is not None:
                yield min(listed, now), "new_crypto", f"New Listing: {name}"
            if ends is not None:
                yield min(told.ts_event or now, now), "delistings", f"Delisting of {name}"


def book_rows(view: MarketView, catalogue: Catalogue, rule: Rules, limit: int, now: Micros) -> object:
    """The best `limit` levels of both sides."""
    book, text = view.book(rule.instrument), catalogue.text(rule)
    return {
        "s": rule.symbol,
        "b": [text.level(level) for level in book.bids[:limit]],
        "a": [text.level(level) for level in book.asks[:limit]],
        "ts": now // 1000,
        "u": book.update_id,
        "seq": book.update_id,
        "cts": book.ts_event // 1000,
    }


def _before(query: dict[str, str], now: Micros) -> Micros:
    """The last time of a further page: the cursor names the first of the page before."""
    text = query.get("cursor", "")
    if not text:
        return now
    tail = unquote(text).rpartition("lasttime=")[2]
    if not tail.isdigit():
        raise Refused(10001, "params error: cursor invalid")
    return int(tail) * 1000 - 1


def _instrument(rule: Rules, status: InstrumentStatus, word: str, funding: FundingRate | None) -> dict[str, object]:
    listing = Listing.parse(rule.venue, rule.instrument)
    shared: dict[str, object] = {
        "symbol": rule.symbol,
        "baseCoin": listing.base,
        "quoteCoin": listing.quote,
        "status": word,
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
    every = (funding.interval_us if funding is not None else None) or 8 * HOUR
    return shared | {
        "contractType": "LinearPerpetual",
        "launchTime": str((status.listed_at or rule.listed_at or 0) // 1000),
        "deliveryTime": str((status.delisting_at or rule.delisting_at or 0) // 1000),
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
        "fundingInterval": every // MINUTE,
        "settleCoin": listing.quote,
        "copyTrading": "both",
        "upperFundingRate": "0.00375",
        "lowerFundingRate": "-0.00375",
        "isPreListing": word == WORDS["pre_launch"],
        "preListingInfo": None,
    }
