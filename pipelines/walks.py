"""From a part to the conversation that answers it: which walk of the venue, and the rows that the lake keeps of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, cast

import msgspec

from pipelines.plan import Part
from warehouse.book import Book
from warehouse.clock import Micros
from warehouse.errors import DecodeError
from warehouse.instruments import Rules
from warehouse.records import BookUpdate, Candle, Record
from warehouse.rows import BookPicture, PriceCandle
from warehouse.venues import history
from warehouse.venues.base import Answer, MarkKind, Walk

LEVELS = 1000
"""Levels a side that are kept of a snapshot."""

INTEREST_PERIOD = "5m"


def walk(part: Part, rules: Mapping[str, Rules], now: Micros) -> Walk:
    """The venue's conversation that answers a part. Raises KeyError for an instrument without rules."""
    module = history(part.venue)
    if part.dataset == "insurance":
        return (yield from module.insurance(now))
    if part.dataset == "calendar":
        return (yield from _calendar(part, list(rules), now))
    rule = rules[part.instrument]
    if part.dataset == "books":
        return (yield from _book(part, rule, now))
    if part.dataset == "price_candles":
        return (yield from _price_candles(part, rule, now))
    if part.dataset == "candles":
        return (yield from module.candles(rule, part.timeframe, part.start, part.end, now))
    if part.dataset == "open_interest":
        return (yield from module.open_interest(rule, INTEREST_PERIOD, part.start, part.end, now))
    ask = module.trades if part.dataset == "trades" else module.funding
    return (yield from ask(rule, part.start, part.end, now))


def picture(update: BookUpdate, rules: Rules) -> BookPicture:
    """A snapshot as the lake keeps it: sizes in base units. Raises DecodeError for a level off the grid."""
    grid = rules.grid
    book = Book(grid)
    book.apply(update)
    try:
        top = book.top(LEVELS)
    except ValueError as error:
        raise DecodeError(
            update.venue, f"book of {rules.instrument}: {error}", repr(update.bids[:3]).encode()
        ) from None
    return BookPicture(
        venue=update.venue,
        instrument=update.instrument,
        ts_event=update.ts_event,
        ts_recv=update.ts_recv,
        update_id=update.update_id,
        bid_prices=list(map(grid.price, top.bid_ticks)),
        bid_sizes=list(map(grid.size, top.bid_lots)),
        ask_prices=list(map(grid.price, top.ask_ticks)),
        ask_sizes=list(map(grid.size, top.ask_lots)),
        origin="rest",
    )


def price_candle(bar: Candle, kind: Literal["mark", "index"]) -> PriceCandle:
    """A bar of a price as the lake keeps it: without volume."""
    return PriceCandle(
        venue=bar.venue,
        instrument=bar.instrument,
        ts_event=bar.ts_event,
        ts_recv=bar.ts_recv,
        kind=kind,
        timeframe=bar.timeframe,
        open_time=bar.open_time,
        open=bar.open,
        high=bar.high,
        low=bar.low,
        close=bar.close,
    )


def _book(part: Part, rules: Rules, now: Micros) -> Walk:
    answer = yield from history(part.venue).book(rules, now)
    shown: list[Record] = [picture(row, rules) for row in answer.records if isinstance(row, BookUpdate)]
    return msgspec.structs.replace(answer, records=shown)


def _price_candles(part: Part, rules: Rules, now: Micros) -> Walk:
    kind, _, timeframe = part.timeframe.partition(":")
    mark = cast("MarkKind", kind)
    answer = yield from history(part.venue).mark_candles(rules, mark, timeframe, part.start, part.end, now)
    bars: list[Record] = [price_candle(row, mark) for row in answer.records if isinstance(row, Candle) and row.closed]
    return msgspec.structs.replace(answer, records=bars)


def _calendar(part: Part, instruments: list[str], now: Micros) -> Walk:
    """The states of our instruments, then what the venue announces about any."""
    states = yield from history(part.venue).statuses(instruments, now)
    dates = yield from history(part.venue).calendar(now)
    notes = [note for note in (states.note, dates.note) if note]
    known = {(row.instrument, row.ts_event) for row in states.records}
    ahead = [row for row in dates.records if not row.instrument or (row.instrument, row.ts_event) not in known]
    return Answer(records=[*states.records, *ahead], note="; ".join(notes) or None)
