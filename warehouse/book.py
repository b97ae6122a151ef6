"""One instrument's order book: sizes by price, and the best prices of each side in order.

A diff costs dictionary writes, and a place in a short list for the levels near the top; what is read costs look-ups.
Prices and sizes stay the venue's floats (equal text, equal key); what is read becomes integer ticks and lots on the
instrument's grid.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Mapping
from math import inf
from typing import cast

from warehouse.clock import Micros
from warehouse.instruments import Grid
from warehouse.metrics.base import Reason
from warehouse.metrics.top import BookTop
from warehouse.records import BookUpdate, Level

__all__ = ["Book", "BookTop"]

_NEAR = 64  # best prices that a side keeps in order, give or take as many


class Book:
    """The book of one instrument, from updates that are already proven to follow one another.

    It is valid between a snapshot and the next `invalidate`. `update_id` and `ts_event` are those of the last update.
    """

    __slots__ = ("_asks", "_bids", "grid", "ts_event", "update_id", "valid", "why")

    def __init__(self, grid: Grid) -> None:
        self.grid = grid
        self.valid = False
        self.why = "no snapshot yet"
        self.update_id = 0
        self.ts_event: Micros = 0
        self._bids = _Side(highest_first=True)
        self._asks = _Side(highest_first=False)

    def apply(self, update: BookUpdate) -> bool:
        """Take over new absolute sizes; 0 removes a level. False: ignored, for the book waits for a snapshot."""
        if update.snapshot:
            self._bids.reset(update.bids)
            self._asks.reset(update.asks)
            self.valid = True
            self.why = ""
        elif not self.valid:
            return False
        else:
            self._bids.write(update.bids)
            self._asks.write(update.asks)
        self.update_id = update.update_id
        self.ts_event = update.ts_event
        return True

    def invalidate(self, why: str) -> None:
        """Nothing may be read until the next snapshot."""
        self.valid = False
        self.why = why
        self._bids.reset(())
        self._asks.reset(())

    def __len__(self) -> int:
        """Number of levels on both sides."""
        return len(self._bids.sizes) + len(self._asks.sizes)

    def best(self, n: int) -> tuple[list[float], list[float], list[float], list[float]]:
        """Prices and wire sizes of the best `n` bids, then of the asks, best first; fewer where there are fewer."""
        bids, asks = self._bids.best(n), self._asks.best(n)
        bid_sizes, ask_sizes = self._bids.sizes.__getitem__, self._asks.sizes.__getitem__
        return bids, list(map(bid_sizes, bids)), asks, list(map(ask_sizes, asks))

    @property
    def crossed(self) -> bool:
        """Best bid at or above best ask: no venue's engine shows that, so the feed is at fault."""
        bids, asks = self._bids.best(1), self._asks.best(1)
        return bool(bids) and bool(asks) and bids[0] >= asks[0]

    def top(self, n: int) -> BookTop:
        """The best `n` levels of each side (fewer where there are fewer), in ticks and lots.

        Raises ValueError for a level that is not on the grid: the instrument's rules have changed.
        """
        if not self.valid:
            return BookTop([], [], [], [], Reason.GAP)
        ticks, lots = self.grid.ticks_of.__getitem__, self.grid.all_lots
        bids, bid_sizes, asks, ask_sizes = self.best(n)
        bid_ticks, ask_ticks = list(map(ticks, bids)), list(map(ticks, asks))
        bid_lots, ask_lots = lots(bid_sizes), lots(ask_sizes)
        reason = None
        if not bid_ticks or not ask_ticks:
            reason = Reason.ONE_SIDED
        elif bid_ticks[0] >= ask_ticks[0]:
            reason = Reason.CROSSED
        return BookTop(bid_ticks, bid_lots, ask_ticks, ask_lots, reason)

    def levels(self) -> tuple[list[Level], list[Level]]:
        """All bids and asks as (price, wire size), best first."""
        return sorted(self._bids.sizes.items(), reverse=True), sorted(self._asks.sizes.items())

    def state(self) -> dict[str, object]:
        """All of it as JSON-able values."""
        bids, asks = self.levels()
        return {
            "valid": self.valid,
            "why": self.why,
            "update_id": self.update_id,
            "ts_event": self.ts_event,
            "bids": [list(level) for level in bids],
            "asks": [list(level) for level in asks],
        }

    def restore(self, state: Mapping[str, object]) -> None:
        """The inverse of `state`."""
        self.valid = bool(state["valid"])
        self.why = str(state["why"])
        self.update_id = cast("int", state["update_id"])
        self.ts_event = cast("int", state["ts_event"])
        for side, name in ((self._bids, "bids"), (self._asks, "asks")):
            side.reset([(float(price), float(size)) for price, size in cast("list[Level]", state[name])])


class _Side:
    """Sizes by price. `_near` holds, ascending, all prices of `[_low, _high]`, the best among them."""

    __slots__ = ("_high", "_highest_first", "_low", "_near", "sizes")

    def __init__(self, *, highest_first: bool) -> None:
        self._highest_first = highest_first
        self.reset(())

    def reset(self, levels: Iterable[Level]) -> None:
        """These levels and no others."""
        self.sizes = {price: size for price, size in levels if size > 0.0}
        self._look(_NEAR)

    def _look(self, n: int) -> None:
        """Order anew, the best `n` at least."""
        self._near = sorted(self.sizes)
        self._low, self._high = 0.0, inf
        if len(self._near) > 2 * n:
            self._trim(n)

    def _trim(self, n: int) -> None:
        near = self._near
        if self._highest_first:
            del near[:-n]
            self._low = near[0]
        else:
            del near[n:]
            self._high = near[-1]

    def write(self, levels: list[Level]) -> None:
        """Take over new sizes."""
        sizes, near, low, high = self.sizes, self._near, self._low, self._high
        known = len(sizes)
        for price, size in levels:
            if size > 0.0:
                sizes[price] = size
                if len(sizes) != known:
                    known += 1
                    if low <= price <= high:
                        insort(near, price)
            elif sizes.pop(price, None) is not None:
                known -= 1
                if low <= price <= high:
                    del near[bisect_left(near, price)]
        if len(near) > 2 * _NEAR:
            self._trim(_NEAR)

    def best(self, n: int) -> list[float]:
        """The best `n` prices, best first; fewer where there are fewer."""
        near = self._near
        if len(near) < n and len(near) < len(self.sizes):
            self._look(max(n, _NEAR))
            near = self._near
        return near[: -n - 1 : -1] if self._highest_first else near[:n]
