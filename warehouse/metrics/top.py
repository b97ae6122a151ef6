"""What a metric sees of an order book."""

from __future__ import annotations

import msgspec

from warehouse.metrics.base import Reason


class BookTop(msgspec.Struct, frozen=True, gc=False):
    """The best levels of both sides, best first: prices in ticks, sizes in lots.

    `reason` is None for a book that can be read; else `GAP` (invalid until its next snapshot), `ONE_SIDED` or
    `CROSSED` (best bid at or above best ask). An invalid book shows no levels, and no book those beyond its snapshot
    (but for the best), where others may go unsaid.
    """

    bid_ticks: list[int]
    bid_lots: list[int]
    ask_ticks: list[int]
    ask_lots: list[int]
    reason: Reason | None = None
