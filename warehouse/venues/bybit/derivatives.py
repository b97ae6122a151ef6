"""Bybit's further REST walks: mark and index bars, open interest, insurance, states, news, the book.

`history` exports them. Bounds of the venue are inclusive milliseconds and pages run from new to old.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence

from warehouse.clock import DAY, HOUR, MINUTE, Micros
from warehouse.errors import Rejected
from warehouse.instruments import Listing, Rules, timeframe_us
from warehouse.records import Record
from warehouse.venues.base import Answer, Fetch, MarkKind, Walk
from warehouse.venues.bybit import decode_feeds, decode_pages
from warehouse.venues.bybit.decode import SPELLED, VENUE
from warehouse.venues.bybit.envelope import absent, opened
from warehouse.venues.bybit.wire import InstrumentRow, InstrumentRows
from warehouse.venues.bybit.wire_feeds import BookPage, InterestRow, InterestRows, News, Pools, PriceKlines

CANDLES = 1000
"""Most rows of a kline page."""

INTEREST = 200
"""Most rows of an open interest page."""

NEWS = 50
"""Announcements of each kind that are read."""

LEVELS = 1000
"""Most levels a side of the book."""

PERIODS: dict[str, tuple[Micros, str]] = {
    "5m": (5 * MINUTE, "5min"),
    "15m": (15 * MINUTE, "15min"),
    "30m": (30 * MINUTE, "30min"),
    "1h": (HOUR, "1h"),
    "4h": (4 * HOUR, "4h"),
    "1d": (DAY, "1d"),
}
"""Spans of open interest rows: our name, length, the venue's name."""

PRICES: dict[MarkKind, tuple[str, str]] = {
    "mark": ("/v5/market/mark-price-kline", "publicGetV5MarketMarkPriceKline"),
    "index": ("/v5/market/index-price-kline", "publicGetV5MarketIndexPriceKline"),
}


def mark_candles(rules: Rules, kind: MarkKind, timeframe: str, start: Micros, end: Micros, now: Micros) -> Walk:
    """Bars of the mark or index price, in windows of a thousand; the last may be open (`closed` False)."""
    if rules.market == "spot":
        return Answer(records=[], complete_from=start, complete_to=end, note=f"spot has no {kind} price")
    length = timeframe_us(timeframe)
    first = max(-(-start // length), (rules.listed_at or 0) // length) * length
    path, method = PRICES[kind]
    found: list[Record] = []
    server = 0
    for at in range(first, end, CANDLES * length):
        if at > max(now, server):
            break
        stop = min(at + CANDLES * length, end)
        query = {
            **_named(rules),
            "interval": SPELLED[timeframe],
            "start": str(at // 1000),
            "end": str((stop - 1) // 1000),
            "limit": str(CANDLES),
        }
        answer = yield Fetch(
            purpose="candles", base="rest", path=path, query=query, ccxt=method, instrument=rules.instrument
        )
        page, told = opened(answer, PriceKlines)
        server = told or now
        rows = decode_pages.price_bars(page, rules.instrument, timeframe, now, server)
        found += [row for row in rows if at <= row.open_time < stop]
    known = min(end, (server or now) // length * length)
    if known <= start:
        return Answer(records=found, note="no bar of this range has closed yet")
    note = None if known >= end else "the range reaches past the last closed bar"
    return Answer(records=found, complete_from=start, complete_to=known, note=note)


def open_interest(rules: Rules, period: str, start: Micros, end: Micros, now: Micros) -> Walk:
    """Open interest of one side at the ends of periods in `[start, end)`, walked back from the end, to the launch."""
    if rules.market == "spot":
        return Answer(records=[], complete_from=start, complete_to=end, note="spot has no open interest")
    if period not in PERIODS:
        return Answer(records=[], note=f"Bybit has no open interest by {period}, only by {', '.join(PERIODS)}")
    length, name = PERIODS[period]
    rows: dict[int, InterestRow] = {}
    until, begin = (min(end, now + 1000) - 1) // 1000, -(-start // 1000)
    while until >= begin:
        query = {
            **_named(rules),
            "intervalTime": name,
            "startTime": str(begin),
            "endTime": str(until),
            "limit": str(INTEREST),
        }
        answer = yield Fetch(
            purpose="open_interest",
            base="rest",
            path="/v5/market/open-interest",
            query=query,
            ccxt="publicGetV5MarketOpenInterest",
            instrument=rules.instrument,
        )
        page, _ = opened(answer, InterestRows)
        inside = [row for row in page.rows if begin <= row.timestamp <= until]
        rows.update((row.timestamp, row) for row in inside)
        if len(page.rows) < INTEREST or not inside:
            break
        until = min(row.timestamp for row in inside) - 1
    records: list[Record] = [decode_pages.interest_row(rows[at], rules.instrument, length, now) for at in sorted(rows)]
    known = min(end, now // length * length)
    if known <= start:
        return Answer(records=records, note="no period of this range has ended yet")
    note = None if known >= end else "the range reaches past the last period that has ended"
    return Answer(records=records, complete_from=start, complete_to=known, note=note)


def insurance(now: Micros) -> Walk:
    """Every pool of every coin as published now: pools of one contract each minute, shared ones each day."""
    answer = yield Fetch(
        purpose="insurance", base="rest", path="/v5/market/insurance", query={}, ccxt="publicGetV5MarketInsurance"
    )
    page, server = opened(answer, Pools)
    at = (page.updatedTime or page.updateTime or 0) * 1000 or server or now
    return Answer(records=[decode_feeds.pool(row, at, now, "rest") for row in page.rows])


def statuses(instruments: Sequence[str], now: Micros) -> Walk:
    """The state of each instrument that trades or is about to; Bybit does not list the others."""
    found: list[Record] = []
    missing: list[str] = []
    for name in instruments:
        listing = Listing.parse(VENUE, name)
        row, server = yield from _instrument(listing, None)
        if row is None and listing.market == "perp":
            row, server = yield from _instrument(listing, "PreLaunch")
        if row is None:
            missing.append(name)
        else:
            found.append(decode_pages.status(row, name, server or now, now))
    note = f"Bybit lists neither as trading nor as coming: {', '.join(missing)}" if missing else None
    return Answer(records=found, note=note)


def calendar(now: Micros) -> Walk:
    """The newest announcements of listings and delistings, as headlines."""
    found: list[Record] = []
    for kind in decode_pages.NEWS:
        answer = yield Fetch(
            purpose="calendar",
            base="rest",
            path="/v5/announcements/index",
            query={"locale": "en-US", "type": kind, "page": "1", "limit": str(NEWS)},
            ccxt="publicGetV5AnnouncementsIndex",
        )
        page, _ = opened(answer, News)
        found += decode_pages.news(page.rows, now)
    found.sort(key=lambda record: record.ts_event)
    return Answer(records=found, note=f"the newest {NEWS} headlines of each kind; dates stand in their words")


def book(rules: Rules, now: Micros) -> Walk:
    """The whole book, up to a thousand levels a side."""
    answer = yield Fetch(
        purpose="book",
        base="rest",
        path="/v5/market/orderbook",
        query={**_named(rules), "limit": str(LEVELS)},
        ccxt="publicGetV5MarketOrderbook",
        instrument=rules.instrument,
    )
    page, _ = opened(answer, BookPage)
    return Answer(records=[decode_pages.book_page(page, rules, now)])


def _instrument(listing: Listing, status: str | None) -> Generator[Fetch, object, tuple[InstrumentRow | None, Micros]]:
    symbol = f"{listing.base}{listing.quote}"
    query = {"category": "spot" if listing.market == "spot" else "linear", "symbol": symbol}
    if status is not None:
        query["status"] = status
    answer = yield Fetch(
        purpose="status",
        base="rest",
        path="/v5/market/instruments-info",
        query=query,
        ccxt="publicGetV5MarketInstrumentsInfo",
        instrument=listing.instrument,
    )
    try:
        page, server = opened(answer, InstrumentRows)
    except Rejected as refused:
        if absent(refused):
            return None, 0
        raise
    return next((row for row in page.rows if row.symbol == symbol), None), server


def _named(rules: Rules) -> dict[str, str]:
    return {"category": "spot" if rules.market == "spot" else "linear", "symbol": rules.symbol}
