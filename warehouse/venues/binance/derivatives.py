"""Binance over REST besides trades, candles of trades and funding: mark and index prices, open interest, insurance,
states, dates, and books. All raise DecodeError for a page that cannot be read.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import msgspec

from warehouse.clock import DAY, MINUTE, Micros
from warehouse.instruments import Listing, Market, Rules, timeframe_us
from warehouse.records import Candle, InstrumentStatus, Record
from warehouse.venues.base import Answer, MarkKind, Walk
from warehouse.venues.binance import decode, decode_feeds, requests, wire, wire_feeds
from warehouse.venues.binance.bars import bars
from warehouse.venues.binance.listed import listed

INTEREST_REACH = 30 * DAY
"""How far back `openInterestHist` answers."""

PERIODS = ("5m", "15m", "30m", "1h", "2h", "4h", "6h", "12h", "1d")
"""Of open interest."""


def mark_candles(rules: Rules, kind: MarkKind, timeframe: str, start: Micros, end: Micros, now: Micros) -> Walk:
    """Candles of the mark or index price that open in `[start, end)`, with volumes of 0; complete up to the last
    closed one.
    """
    if rules.market == "spot":
        return Answer(records=[], note="spot has no mark or index price")

    def build(row: wire.KlineRow) -> Candle:
        candle = decode.candle_row(row, rules.instrument, timeframe, now)
        return msgspec.structs.replace(
            candle, volume=0.0, quote_volume=None, trade_count=None, taker_buy_volume=None
        )  # the venue writes zeros, and counts seconds where trades would stand

    ask = partial(requests.mark_klines, rules, kind, timeframe)
    return (yield from bars(ask, build, timeframe, start, end, now))


def open_interest(rules: Rules, period: str, start: Micros, end: Micros, now: Micros) -> Walk:
    """Open interest, base and quote, at the ends of periods that lie in `[start, end)`; 30 days back at most."""
    if rules.market == "spot":
        return Answer(records=[], note="spot has no open interest")
    if period not in PERIODS:
        return Answer(records=[], note=f"binance keeps open interest per {', '.join(PERIODS)}, not per {period}")
    step = timeframe_us(period)
    begin, note = start, None
    if start < now - INTEREST_REACH:
        begin = min(now - INTEREST_REACH + MINUTE, end)
        note = "binance serves open interest of the last 30 days only"
    records: list[Record] = []
    cursor, last_ms = requests.ceil_ms(begin), requests.ceil_ms(end) - 1
    while cursor <= last_ms:
        until = min(cursor + (requests.INTEREST_PAGE - 1) * (step // 1000), last_ms)
        page = yield requests.open_interest_history(rules, period, cursor, until)
        records += [
            decode_feeds.open_interest_row(row, rules.instrument, step, now)
            for row in decode.page(page, list[wire_feeds.OpenInterestRow])
            if cursor <= row.timestamp <= until
        ]
        cursor = until + 1
    complete_to = end
    if end > now - step:  # the newest periods may not be out yet
        complete_to = max(begin, min(end, records[-1].ts_event + 1)) if records else begin
    ended = len(range(-(-begin // step) * step, complete_to, step))
    if len(records) < ended:
        note = f"binance serves {len(records)} of {ended} {period} readings" + (f"; {note}" if note else "")
    return Answer(records=records, complete_from=begin, complete_to=complete_to, note=note)


def insurance(now: Micros) -> Walk:
    """Every pool's assets, as published now."""
    page = yield requests.insurance()
    records: list[Record] = [*decode_feeds.insurance(decode.page(page, list[wire_feeds.InsuranceGroup]), now)]
    return Answer(records=records)


def statuses(instruments: Sequence[str], now: Micros) -> Walk:
    """The states of these instruments; what the venue does not list is left out."""
    records: list[Record] = []
    listings = [Listing.parse(decode.VENUE, name) for name in instruments]
    markets: tuple[Market, ...] = ("spot", "perp")
    for market in markets:
        asked = {f"{x.base}{x.quote}": x.instrument for x in listings if x.market == market}
        if not asked:
            continue
        if market == "spot":
            pages = yield from listed(requests.spot_states, list(asked))
        else:
            pages = [decode.page((yield requests.perp_states()), wire.ExchangeInfo)]
        records += [
            decode_feeds.status_of(info, asked[info.symbol], page.serverTime * 1000 or now, now)
            for page in pages
            for info in page.symbols
            if info.symbol in asked and info.contractType in (None, "PERPETUAL")
        ]
    return Answer(records=records)


def calendar(now: Micros) -> Walk:
    """Perpetuals that are not yet traded, and those with a day of delisting."""
    page = decode.page((yield requests.perp_states()), wire.ExchangeInfo)
    at = page.serverTime * 1000 or now
    records: list[Record] = []
    for info in page.symbols:
        if info.contractType != "PERPETUAL":
            continue
        listing = Listing(decode.VENUE, info.baseAsset, info.quoteAsset, "perp")
        status = decode_feeds.status_of(info, listing.instrument, at, now)
        if _ahead(status, now):
            records.append(status)
    note = "binance announces spot listings and delistings to holders of a key only; these are the perpetuals' dates"
    return Answer(records=records, note=note)


def book(rules: Rules, now: Micros) -> Walk:
    """The book, 1000 levels a side."""
    page = yield requests.book(rules, "")
    return Answer(records=[decode.book_snapshot(decode.page(page, wire.DepthSnapshot), rules.instrument, now)])


def _ahead(status: InstrumentStatus, now: Micros) -> bool:
    """Is something still to come?"""
    return any(day is not None and day > now for day in (status.listed_at, status.delisting_at))
