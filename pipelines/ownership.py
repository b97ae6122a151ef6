"""Who may write a trade: the recorder inside recorded intervals, flows elsewhere. Pure.

A recorded interval begins with the first journaled trade, by id where ids are contiguous, and grows with the tape.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from pipelines.plan import Span, missing
from warehouse.clock import MINUTE, Micros
from warehouse.records import Trade
from warehouse.tables import Coverage

ALIVE: Micros = 5 * MINUTE
"""A recorded interval that grew within this time is still growing: what follows it will be recorded too."""

PROOF: Micros = 2 * MINUTE
"""How far past the first journaled trade history is fetched, to prove the seam."""

FOREVER: Micros = 1 << 62


class Interval(msgspec.Struct, frozen=True, order=True):
    """One recorded interval `[start, end)`. `first_seq` tells trades of the first instant apart; None: time must do.

    The stream itself began at `live_from` (None: not yet); what is older came in a page and proves nothing.
    """

    start: Micros
    end: Micros
    first_seq: int | None = None
    live_from: Micros | None = None

    def owns(self, trade: Trade) -> bool:
        """Whether this trade is the recorder's."""
        if trade.ts_event >= self.end:
            return False
        if self.first_seq is not None and trade.trade_seq is not None:
            return trade.trade_seq >= self.first_seq
        return trade.ts_event >= self.start


class Recorded(msgspec.Struct, frozen=True):
    """The recorded intervals of one instrument, ascending."""

    intervals: tuple[Interval, ...]

    @classmethod
    def of(cls, rows: Iterable[Coverage], now: Micros) -> Recorded:
        """From the recorder's coverage rows; the newest interval, while it is still growing, has no end."""
        *ended, newest = sorted(Interval(row.start, row.end, row.first_seq, row.live_from) for row in rows)
        if newest.end >= now - ALIVE:
            newest = msgspec.structs.replace(newest, end=FOREVER)
        return cls((*ended, newest))

    def outside(self, span: Span) -> list[Span]:
        """What of `span` is not recorded."""
        return missing(span, [(interval.start, interval.end) for interval in self.intervals])

    def inside(self, span: Span) -> list[Span]:
        """What of `span` is recorded."""
        return missing(span, self.outside(span))

    def growing(self, at: Micros) -> bool:
        """Whether `at` lies in an interval that is still recorded."""
        return any(one.start <= at and one.end == FOREVER for one in self.intervals)

    def settled(self) -> list[Span]:
        """What needs no fetching: recorded time without the stretch at each stream's beginning that proves the seam."""
        return [(one.live_from + PROOF, one.end) for one in self.intervals if one.live_from is not None]


def split(trades: Sequence[Trade], recorded: Recorded | None) -> tuple[list[Trade], list[Trade]]:
    """`(history, overlap)`: the trades that a flow may land, and those that the recorder owns."""
    history: list[Trade] = []
    overlap: list[Trade] = []
    for trade in trades:
        owned = recorded is not None and any(interval.owns(trade) for interval in recorded.intervals)
        (overlap if owned else history).append(trade)
    return history, overlap
