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

_NEAR = 128  # best prices that a side keeps in order, give or take as many


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
        self._bids = _Side(-1.0)
        self._asks = _Side(1.0)

    def apply(self, update: BookUpdate) -> bool:
        """Take over new absolute sizes; 0 removes a level. False: ignored, for the book waits for a snapshot."""
        if update.snapshot:
            self._bids, self._asks = _Side(-1.0, update.bids), _Side(1.0, update.asks)
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
        self._bids, self._asks = _Side(-1.0), _Side(1.0)

    def __len__(self) -> int:
        """Number of levels on both sides."""
        return len(self._bids.sizes) + len(self._asks.sizes)

    def best(self) -> tuple[Level | None, Level | None]:
        """Best bid and ask as (price, wire size); None for an empty side."""
        bids, asks = self._bids.best(1), self._asks.best(1)
        bid = (bids[0], self._bids.sizes[bids[0]]) if bids else None
        ask = (asks[0], self._asks.sizes[asks[0]]) if asks else None
        return bid, ask

    @property
    def crossed(self) -> bool:
        """Best bid at or above best ask: no venue's engine shows that, so the feed is at fault."""
        bid, ask = self.best()
        return bid is not None and ask is not None and bid[0] >= ask[0]

    def top(self, n: int) -> BookTop:
        """The best `n` levels of each side (fewer where there are fewer), in ticks and lots.

        Raises ValueError for a level that is not on the grid: the instrument's rules have changed.
        """
        if not self.valid:
            return BookTop([], [], [], [], Reason.GAP)
        ticks, lots = self.grid.ticks_of.__getitem__, self.grid.lots_of.__getitem__
        bids, asks = self._bids.best(n), self._asks.best(n)
        bid_ticks, ask_ticks = list(map(ticks, bids)), list(map(ticks, asks))
        bid_lots = list(map(lots, map(self._bids.sizes.__getitem__, bids)))
        ask_lots = list(map(lots, map(self._asks.sizes.__getitem__, asks)))
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
        self._bids = _Side(-1.0, ((float(price), float(size)) for price, size in cast("list[Level]", state["bids"])))
        self._asks = _Side(1.0, ((float(price), float(size)) for price, size in cast("list[Level]", state["asks"])))


class _Side:
    """Sizes by price. `_near` holds the best prices times `sign`, ascending: all that are not beyond `_bound`."""

    __slots__ = ("_bound", "_near", "_sign", "sizes")

    def __init__(self, sign: float, levels: Iterable[Level] = ()) -> None:
        self.sizes = {price: size for price, size in levels if size > 0.0}
        self._sign = sign
        self._look(_NEAR)

    def _look(self, n: int) -> None:
        """Order anew, the best `n` at least."""
        sign = self._sign
        near = sorted([price * sign for price in self.sizes])
        self._bound = inf
        if len(near) > 2 * n:
            del near[n:]
            self._bound = near[-1]
        self._near = near

    def write(self, levels: list[Level]) -> None:
        """Take over new sizes."""
        sizes, near, sign, bound = self.sizes, self._near, self._sign, self._bound
        known = len(sizes)
        for price, size in levels:
            if size > 0.0:
                sizes[price] = size
                if len(sizes) != known:
                    known += 1
                    key = price * sign
                    if key <= bound:
                        insort(near, key)
            elif sizes.pop(price, None) is not None:
                known -= 1
                key = price * sign
                if key <= bound:
                    del near[bisect_left(near, key)]
        if len(near) > 2 * _NEAR:
            del near[_NEAR:]
            self._bound = near[-1]

    def best(self, n: int) -> list[float]:
        """The best `n` prices, best first; fewer where there are fewer."""
        if len(self._near) < n and self._bound != inf:
            self._look(max(n, _NEAR))
        sign = self._sign
        return [key * sign for key in self._near[:n]]
