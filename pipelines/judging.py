"""What an answer says of a hole: which of its rows are there, what stays open, and why. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from pipelines.holes import Hole, absent
from pipelines.load import Fetched
from pipelines.plan import INTEREST_STEP, Dataset, Part, Span, bar_of
from warehouse.clock import MINUTE, Micros
from warehouse.instruments import timeframe_us
from warehouse.records import Candle, GapState, OpenInterest, Record, Trade
from warehouse.rows import PriceCandle

GRANULE: Micros = 1000
"""Venues tell the times of trades in milliseconds."""


def part(hole: Hole) -> Part:
    """What a source is asked: a hole's time, in its granules."""
    start, end = hole.start, hole.end
    if hole.stream == "trades":
        start, end = start - start % GRANULE, end - end % -GRANULE
    return Part(cast("Dataset", hole.stream), hole.venue, hole.instrument, hole.timeframe, start, end)


def closes(hole: Hole, near: Sequence[Trade], fetched: Fetched) -> bool:
    """Whether an answer leaves nothing of a hole open."""
    if hole.stream != "trades":
        return not left(hole, fetched)
    told = [row for row in fetched.answer.records if isinstance(row, Trade)] if fetched.answer is not None else []
    return whole(hole, [*near, *told]) or (hole.first_id is None and complete(fetched, (hole.start, hole.end)))


def left(hole: Hole, fetched: Fetched) -> list[Span]:
    """What of a hole's time the answer leaves without a row."""
    rows = fetched.answer.records if fetched.answer is not None else []
    if hole.stream == "funding":
        return [] if rows else [(hole.start, hole.end)]
    step = INTEREST_STEP if hole.stream == "open_interest" else timeframe_us(bar_of(hole.timeframe))
    times = [_time(row) for row in rows if not (isinstance(row, Candle) and not row.closed)]
    return absent(times, step, [(hole.start, hole.end)])


def _time(row: Record) -> Micros:
    if isinstance(row, Candle | PriceCandle):
        return row.open_time
    assert isinstance(row, OpenInterest)
    return row.ts_event


def explained(hole: Hole, fetched: Fetched | None, span: Span) -> tuple[GapState, str]:
    """Why something is still missing though the sources were asked."""
    if fetched is None or fetched.answer is None:
        return "unrecoverable", str(fetched.error) if fetched is not None else "no source has it"
    if complete(fetched, span) and (fetched.answer.note is None or hole.stream != "trades"):
        return "legitimate", f"{hole.venue} answered for all of this time and has nothing there"
    return "unrecoverable", fetched.answer.note or f"{hole.venue} does not answer for this time"


def complete(fetched: Fetched, span: Span) -> bool:
    """Whether an answer says that it has everything of `span`."""
    answer = fetched.answer
    if answer is None or answer.complete_from is None or answer.complete_to is None:
        return False
    return answer.complete_from <= span[0] and answer.complete_to >= span[1]


def held(hole: Hole, fetched: Fetched | None) -> Span | None:
    """The time of a hole that an answer holds: all of it, or the minutes that it holds whole; None for nothing."""
    answer = fetched.answer if fetched is not None else None
    if answer is None or answer.complete_from is None or answer.complete_to is None:
        return None
    first, last = answer.complete_from, answer.complete_to
    start = hole.start if first <= hole.start else first + -first % MINUTE
    end = hole.end if last >= hole.end else last - last % MINUTE
    return (start, end) if start < end else None


def inside(hole: Hole, row: Trade) -> bool:
    """Whether a trade is one of a hole's: by its id where ids count, else by its time."""
    if hole.first_id is not None and hole.last_id is not None:
        return row.trade_seq is not None and hole.first_id <= row.trade_seq <= hole.last_id
    return hole.start <= row.ts_event < hole.end


def whole(hole: Hole, rows: Sequence[Trade]) -> bool:
    """Whether `rows` are all trades of a hole: known only where ids count."""
    if hole.first_id is None or hole.last_id is None:
        return False
    there = {row.trade_seq for row in rows if inside(hole, row)}
    return len(there) == hole.last_id - hole.first_id + 1
