"""The book as an emulated Bybit keeps it: one ladder per instrument, one counter per depth topic for everybody.

A topic shows the best N levels of a side. What leaves them is deleted and what enters them is inserted, so a client
that applies every message holds exactly these N levels.
"""

from __future__ import annotations

from warehouse.clock import Micros
from warehouse.records import BookUpdate, Level

DEPTHS = (50, 200, 1000)
KEPT = 256
"""Messages remembered per topic, so that several connections get the same bytes."""


class Topic:
    """`orderbook.{depth}.{symbol}`: the view last published, and the counter `u`."""

    def __init__(self, depth: int, ladder: Ladder) -> None:
        self.depth = depth
        self.u = max(2, ladder.update_id)
        self.bids, self.asks = ladder.top(depth)

    def restart(self, ladder: Ladder) -> None:
        """Publish the ladder as a new snapshot; a market whose ids are a recorded `u` goes on with them."""
        self.bids, self.asks = ladder.top(self.depth)
        self.u = max(self.u + 1, ladder.update_id)

    def advance(self, ladder: Ladder) -> tuple[list[Level], list[Level]]:
        """Changes that make the published view the ladder's; counts `u` up when there are any."""
        bids, asks = ladder.top(self.depth)
        changed = _changes(self.bids, bids), _changes(self.asks, asks)
        self.bids, self.asks = bids, asks
        if changed[0] or changed[1]:
            self.u += 1
        return changed


class Ladder:
    """All levels of one instrument as of `update_id`, price to wire size."""

    def __init__(self, book: BookUpdate) -> None:
        self.bids: dict[float, float] = {}
        self.asks: dict[float, float] = {}
        self.update_id = 0
        self.at: Micros = 0
        self.absorb(book)

    def absorb(self, update: BookUpdate) -> None:
        """Apply a snapshot or a change."""
        if update.snapshot:
            self.bids, self.asks = {}, {}
        for side, levels in ((self.bids, update.bids), (self.asks, update.asks)):
            for price, size in levels:
                if size:
                    side[price] = size
                else:
                    side.pop(price, None)
        self.update_id, self.at = update.update_id, update.ts_event

    def top(self, depth: int) -> tuple[dict[float, float], dict[float, float]]:
        """The best levels of both sides, best first."""
        bids = sorted(self.bids, reverse=True)[:depth]
        asks = sorted(self.asks)[:depth]
        return {price: self.bids[price] for price in bids}, {price: self.asks[price] for price in asks}

    def follows(self, update: BookUpdate) -> bool:
        """This update continues the ladder; a snapshot always does."""
        return update.snapshot or update.previous_id in (None, self.update_id)


def _changes(before: dict[float, float], after: dict[float, float]) -> list[Level]:
    gone = [(price, 0.0) for price in before if price not in after]
    return [*gone, *((price, size) for price, size in after.items() if before.get(price) != size)]
