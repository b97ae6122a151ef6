"""Walks over what OKX keeps beside trades and candles: price candles, open interest, insurance, states, news, a book.

https://www.okx.com/docs-v5/en/#public-data-rest-api
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from warehouse.clock import DAY, Micros
from warehouse.instruments import Rules, timeframe_us
from warehouse.records import BookUpdate, Candle, OpenInterest, Record, VenueNotice
from warehouse.venues.base import Answer, Fetch, MarkKind, Walk
from warehouse.venues.okx import decode_feeds, requests, wire, wire_feeds
from warehouse.venues.okx.channels import index_of
from warehouse.venues.okx.pages import SETTLED_AFTER, bars, decoded, listed, rows

NEWEST_BARS = 1000
"""Bars of a price for which the endpoint of the newest 1440 is asked."""

NEWS: tuple[tuple[str, str], ...] = ((requests.LISTINGS, "listing"), (requests.DELISTINGS, "delisting"))
NEWS_REACH: Micros = 30 * DAY
NEWS_PAGES = 5


def mark_candles(rules: Rules, kind: MarkKind, timeframe: str, start: Micros, end: Micros, now: Micros) -> Walk:
    """Bars of the mark or index price that open in `[start, end)`; a spot pair has an index alone."""
    if kind == "mark" and rules.market == "spot":
        return Answer(records=[], complete_from=start, complete_to=end, note="spot has no mark price")
    bar = requests.BARS[timeframe]
    about = rules.symbol if kind == "mark" else index_of(rules)

    def ask(before_ms: int, deep: bool) -> Fetch:
        return requests.flat_candles(about, rules.instrument, kind, bar, before_ms, deep=deep)

    def read(answer: object) -> list[Candle]:
        return [
            decoded(partial(decode_feeds.flat_candle, row, rules, timeframe, now), row)
            for row in rows(answer, wire_feeds.FlatCandle)
        ]

    return (yield from bars(ask, read, timeframe, start, end, now, NEWEST_BARS))


def open_interest(rules: Rules, period: str, start: Micros, end: Micros, now: Micros) -> Walk:
    """Readings in `[start, end)`; OKX serves the newest 1440 of each period.

    Each request is about no more time than one page holds, so that it does not matter from which end OKX fills it.
    """
    if rules.market == "spot":
        return Answer(records=[], complete_from=start, complete_to=end, note="spot has no open interest")
    spelled = requests.PERIODS.get(period)
    if spelled is None:
        return Answer(records=[], note=f"OKX has no open interest by {period}; it has {', '.join(requests.PERIODS)}")
    step = timeframe_us(period)
    reach = now // step * step - (requests.OPEN_INTEREST_ROWS - 1) * step
    first = max(start, reach)
    found: dict[Micros, OpenInterest] = {}
    upper = min(end, now + 1)
    while upper > first:
        lower = max(first, upper - requests.OPEN_INTEREST_PAGE * step)
        answer = yield requests.open_interest(
            rules.symbol, rules.instrument, spelled, (lower - 1) // 1000, -(-upper // 1000)
        )
        for row in rows(answer, wire_feeds.OpenInterestBar):
            one = decode_feeds.open_interest(row, rules, now, "rest", step)
            if first <= one.ts_event < end:
                found[one.ts_event] = one
        upper = lower
    records: list[Record] = [found[at] for at in sorted(found)]
    note = None if start >= reach else f"OKX serves the newest {requests.OPEN_INTEREST_ROWS} readings by {period}"
    complete_to = end if end <= now - step - SETTLED_AFTER else min(end, max(found, default=first - step) + step)
    if complete_to <= first:
        return Answer(records=records, note=note or "no reading in this range yet")
    return Answer(records=records, complete_from=first, complete_to=complete_to, note=note)


def insurance(now: Micros) -> Walk:
    """The pools of all families of swaps settled in USDT, day by day for as long as OKX shows on one page."""
    answer = yield requests.instruments("SWAP")
    swaps = [row for row in rows(answer, wire.InstrumentRow) if row.ctType == "linear" and row.settleCcy == "USDT"]
    found: list[Record] = []
    for family in dict.fromkeys(row.instFamily for row in swaps if row.instFamily):
        answer = yield requests.insurance_fund(family)
        for row in rows(answer, wire_feeds.FundRow):
            found += decode_feeds.insurance(row, now)
    found.sort(key=lambda one: one.ts_event)
    note = None if found else "OKX shows no insurance fund"
    return Answer(records=found, note=note)


def statuses(instruments: Sequence[str], now: Micros) -> Walk:
    """The states of those of `instruments` that OKX lists; what it has delisted it does not show."""
    found = yield from listed(instruments)
    records: list[Record] = [
        decoded(partial(decode_feeds.instrument_status, row, listing.instrument, now, "rest"), row)
        for listing, row in found
    ]
    missing = len(instruments) - len(records)
    return Answer(records=records, note=f"OKX lists {missing} of these not" if missing else None)


def calendar(now: Micros) -> Walk:
    """Instruments that OKX will list or delist, with their dates, and its headlines about that of the last month."""
    found: list[Record] = []
    for kind in ("SPOT", "SWAP"):
        answer = yield requests.instruments(kind)
        for row in rows(answer, wire.InstrumentRow):
            if (row.expTime or row.state == "preopen") and (kind == "SPOT" or row.ctType == "linear"):
                name = row.instId.removesuffix("-SWAP") + ("-PERP" if kind == "SWAP" else "")
                found.append(decoded(partial(decode_feeds.instrument_status, row, name, now, "rest"), row))
    for kind, code in NEWS:
        for page in range(1, NEWS_PAGES + 1):
            answer = yield requests.announcements(kind, page)
            pages = rows(answer, wire_feeds.AnnouncementPage)
            told = [one for each in pages for one in each.details]
            found += [_headline(one, code, now) for one in told if one.pTime * 1000 >= now - NEWS_REACH]
            last = max((each.totalPage for each in pages), default=0)
            if page >= last or not told or told[-1].pTime * 1000 < now - NEWS_REACH:
                break
    return Answer(records=sorted(found, key=lambda one: one.ts_event))


def _headline(one: wire_feeds.Announcement, code: str, now: Micros) -> VenueNotice:
    return VenueNotice(
        venue="okx",
        instrument="",
        ts_event=one.pTime * 1000,
        ts_recv=now,
        connection="",
        code=code,
        words=one.title,
    )


def book(rules: Rules, now: Micros) -> Walk:
    """The 1000 best levels of each side, as of a second ago at most. OKX numbers this book not: `update_id` is 0."""
    answer = yield requests.deep_book(rules.symbol, rules.instrument)
    records: list[Record] = [
        BookUpdate(
            venue="okx",
            instrument=rules.instrument,
            ts_event=row.ts * 1000,
            ts_recv=now,
            bids=[(level.px, level.sz) for level in row.bids],
            asks=[(level.px, level.sz) for level in row.asks],
            snapshot=True,
            update_id=0,
        )
        for row in rows(answer, wire_feeds.DeepBook)
    ]
    return Answer(records=records, note=None if records else "OKX answered without a book")
