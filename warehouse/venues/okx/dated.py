"""Books as recorded before 2026-06-23, when a checksum over OKX's own texts proved them.

Frames of 2022 have no `seqId` at all. Where ids are missing, pushes are counted as they come, and the checksum alone
says whether one was lost.
"""

from __future__ import annotations

import msgspec

from warehouse.clock import Micros
from warehouse.venues.okx import wire
from warehouse.venues.okx.sequence import checksum
from warehouse.venues.okx.wire import BookLevel, BookRow, DatedBookRow, TextLevel

CHECKSUM_UNTIL: Micros = 1_782_172_800_000_000
"""2026-06-23: since then `checksum` is always 0."""


class TextBook(msgspec.Struct, gc=False):
    """A book as price text to size text."""

    bids: dict[str, str] = {}
    asks: dict[str, str] = {}

    def take(self, row: DatedBookRow, *, snapshot: bool) -> bool:
        """Apply a push; False when the best 25 levels then contradict its checksum (0 or absent: nothing to check)."""
        if snapshot:
            self.bids, self.asks = {}, {}
        _merge(self.bids, row.bids)
        _merge(self.asks, row.asks)
        return not row.checksum or checksum(self.bids, self.asks) == row.checksum


def read(frame: bytes) -> tuple[list[tuple[DatedBookRow, BookRow]], bool]:
    """The rows of a push as text and as numbers, and whether it is a snapshot.

    Raises msgspec.DecodeError or ValueError when it cannot be read.
    """
    push = wire.dated_books_push.decode(frame)
    if push.action is msgspec.UNSET:
        raise ValueError("a books push says whether it is a snapshot")
    return [(row, _plain(row)) for row in push.data], push.action == "snapshot"


def number(row: BookRow, last: int | None) -> None:
    """Give a row from before `seqId` the ids of its place behind `last`. Raises ValueError for half a pair of ids."""
    if row.seqId is None:
        row.prevSeqId = last or 0
        row.seqId = row.prevSeqId + 1
    elif row.prevSeqId is None:
        raise ValueError("a numbered books push carries prevSeqId")


def _plain(row: DatedBookRow) -> BookRow:
    asks, bids = [_level(level) for level in row.asks], [_level(level) for level in row.bids]
    return BookRow(asks, bids, row.ts, row.seqId, row.prevSeqId)


def _level(text: TextLevel) -> BookLevel:
    price, size = float(text.px), float(text.sz)
    if not (0.0 < price < 1e15 and 0.0 <= size < 1e15):
        raise ValueError(f"level {text.px!r}, {text.sz!r} is no price and size")
    return BookLevel(price, size)


def _merge(side: dict[str, str], levels: list[TextLevel]) -> None:
    for level in levels:
        if float(level.sz) == 0.0:
            side.pop(level.px, None)
        else:
            side[level.px] = level.sz
