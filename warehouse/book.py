"""One instrument's order book: sizes by price, and the best levels of each side in order.

A diff costs a look-up and a write each level, and a place in a short list for new levels near the top; reading the
best ones costs a slice. Prices and sizes stay the venue's floats (equal text, equal key); what is read becomes integer
ticks and lots on the instrument's grid.
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
from warehouse.records import WHOLE, BookUpdate, Level

__all__ = ["Book", "BookTop", "Levels"]

Levels = list[list[float]]
"""Of `[price, wire size]`."""

_NEAR = 64  # best levels that a side keeps in order, give or take as many
_SPARE = 1024  # far levels that may be gone, besides as many as there are, before they are swept out


class Book:
    """The book of one instrument, from updates that are already proven to follow one another.

    It is valid between a snapshot and the next `invalidate`. `update_id` and `ts_event` are those of the last update.
    Where the venue cut its snapshot off, only the changes since are known beyond: `known` bounds the whole part, by the
    worst bid and the worst ask of the snapshot (0 and infinity for a side that was not cut).
    """

    __slots__ = ("_asks", "_bids", "_room", "grid", "known", "ts_event", "update_id", "valid", "why")

    def __init__(self, grid: Grid) -> None:
        self.grid = grid
        self.valid = False
        self.why = "no snapshot yet"
        self.update_id = 0
        self.ts_event: Micros = 0
        self.known = WHOLE
        self._room = WHOLE  # half of the way from the snapshot's best levels to there
        self._bids = _Side(highest_first=True)
        self._asks = _Side(highest_first=False)

    def apply(self, update: BookUpdate) -> bool:
        """Take over new absolute sizes; 0 removes a level. False: ignored, for the book waits for a snapshot."""
        if update.snapshot:
            self._bids.reset(update.bids)
            self._asks.reset(update.asks)
            self.valid = True
            self.why = ""
            self._bound(update.known)
        elif not self.valid:
            return False
        else:
            self._bids.write(update.bids)
            self._asks.write(update.asks)
        self.update_id = update.update_id
        self.ts_event = update.ts_event
        return True

    def _bound(self, known: tuple[float, float]) -> None:
        self.known = self._room = known
        bids, asks = self.best(1)
        if bids and asks and known != WHOLE:
            low, high = known
            self._room = low and (low + bids[0][0]) / 2, (high + asks[0][0]) / 2

    @property
    def worn(self) -> bool:
        """Has the price gone more than half of the way to where the snapshot was cut off? It wants a new one then."""
        bids, asks = self.best(1)
        low, high = self._room
        return bool((bids and bids[0][0] < low) or (asks and asks[0][0] > high))

    def invalidate(self, why: str) -> None:
        """Nothing may be read until the next snapshot."""
        self.valid = False
        self.why = why
        self.known = self._room = WHOLE
        self._bids.reset(())
        self._asks.reset(())

    def __len__(self) -> int:
        """Number of levels on both sides."""
        return len(self._bids.levels()) + len(self._asks.levels())

    def best(self, n: int) -> tuple[Levels, Levels]:
        """The best `n` bids and asks that we have as `[price, wire size]`, best first; fewer where there are fewer.

        To be read at once: the next update changes them.
        """
        return self._bids.best(n), self._asks.best(n)

    @property
    def crossed(self) -> bool:
        """Best bid at or above best ask: no venue's engine shows that, so the feed is at fault."""
        bids, asks = self.best(1)
        return bool(bids) and bool(asks) and bids[0][0] >= asks[0][0]

    def top(self, n: int) -> BookTop:
        """The best `n` levels of each side (fewer where fewer are there, or `known`), in ticks and lots.

        The best one is always told: the rails hold it against the venue's own quotes.
        Raises ValueError for a level that is not on the grid: the instrument's rules have changed.
        """
        if not self.valid:
            return BookTop([], [], [], [], Reason.GAP)
        ticks, lots = self.grid.ticks_of.__getitem__, self.grid.all_lots
        bids, asks = self.best(n)
        low, high = self.known
        if bids and bids[-1][0] < low:
            bids = [level for level in bids if level[0] >= low] or bids[:1]
        if asks and asks[-1][0] > high:
            asks = [level for level in asks if level[0] <= high] or asks[:1]
        bid_ticks, ask_ticks = [ticks(price) for price, _ in bids], [ticks(price) for price, _ in asks]
        bid_lots, ask_lots = lots(size for _, size in bids), lots(size for _, size in asks)
        reason = None
        if not bid_ticks or not ask_ticks:
            reason = Reason.ONE_SIDED
        elif bid_ticks[0] >= ask_ticks[0]:
            reason = Reason.CROSSED
        return BookTop(bid_ticks, bid_lots, ask_ticks, ask_lots, reason)

    def levels(self) -> tuple[list[Level], list[Level]]:
        """All bids and asks as (price, wire size), best first."""
        return sorted(self._bids.levels().items(), reverse=True), sorted(self._asks.levels().items())

    def state(self) -> dict[str, object]:
        """All of it as JSON-able values."""
        bids, asks = self.levels()
        return {
            "valid": self.valid,
            "why": self.why,
            "update_id": self.update_id,
            "ts_event": self.ts_event,
            "known": _bounds(self.known),
            "room": _bounds(self._room),
            "bids": [list(level) for level in bids],
            "asks": [list(level) for level in asks],
        }

    def restore(self, state: Mapping[str, object]) -> None:
        """The inverse of `state`."""
        self.valid = bool(state["valid"])
        self.why = str(state["why"])
        self.update_id = cast("int", state["update_id"])
        self.ts_event = cast("int", state["ts_event"])
        self.known, self._room = (_bounded(cast("list[float | None]", state[name])) for name in ("known", "room"))
        for side, name in ((self._bids, "bids"), (self._asks, "asks")):
            side.reset([(float(price), float(size)) for price, size in cast("list[Level]", state[name])])


def _bounds(bounds: tuple[float, float]) -> list[float | None]:
    """Without infinity, which JSON does not have."""
    return [bounds[0], None if bounds[1] == inf else bounds[1]]


def _bounded(kept: list[float | None]) -> tuple[float, float]:
    low, high = kept
    return low or 0.0, inf if high is None else high


class _Side:
    """One side's levels: the best in order, the others by price alone.

    `_near` holds, ascending by price, the levels on the good side of `_edge`: bids from it up, asks below it. Each is
    one mutable `[price, size]`, found by price in `_at`, so that a new size moves nothing. `_far` holds the sizes of
    all others; one that is gone stays there with size 0 until it is swept out.
    """

    __slots__ = ("_at", "_edge", "_far", "_highest_first", "_most", "_near")

    def __init__(self, *, highest_first: bool) -> None:
        self._highest_first = highest_first
        self.reset(())

    def reset(self, levels: Iterable[Level]) -> None:
        """These levels and no others."""
        self._near: list[list[float]] = []
        self._far = dict(levels)
        self._look()

    def levels(self) -> dict[float, float]:
        """All sizes by price, in no order."""
        levels = {price: size for price, size in self._far.items() if size > 0.0}
        levels.update(self._near)  # type: ignore[arg-type]  # pairs
        return levels

    def _look(self) -> None:
        """Order anew."""
        self._near = sorted(map(list, self.levels().items()))
        self._at = {level[0]: level for level in self._near}
        self._far = {}
        self._edge = 0.0 if self._highest_first else inf
        self._trim()

    def _trim(self) -> None:
        """The worst of many near levels become far ones."""
        near, far = self._near, self._far
        if len(near) > 2 * _NEAR:
            worst = slice(None, -_NEAR) if self._highest_first else slice(_NEAR, None)
            gone = near[worst]
            del near[worst]
            self._edge = near[0][0] if self._highest_first else gone[0][0]
            for price, size in gone:
                del self._at[price]
                far[price] = size
        self._most = 2 * len(far) + _SPARE

    def write(self, levels: list[Level]) -> None:
        """Take over new sizes."""
        near, at, far, edge, bids = self._near, self._at, self._far, self._edge, self._highest_first
        known = at.get
        for price, size in levels:
            if (price >= edge) is not bids:
                far[price] = size
            elif size > 0.0:
                level = known(price)
                if level is not None:
                    level[1] = size
                else:
                    level = at[price] = [price, size]
                    insort(near, level)
            else:
                level = at.pop(price, None)
                if level is not None:
                    del near[bisect_left(near, level)]
        if len(near) > 2 * _NEAR:
            self._trim()
        elif len(far) > self._most:
            self._far = {price: size for price, size in far.items() if size > 0.0}
            self._most = 2 * len(self._far) + _SPARE

    def best(self, n: int) -> Levels:
        """The best `n` levels, best first; fewer where there are fewer."""
        near = self._near
        if len(near) < n and self._far:
            if n > _NEAR:
                return sorted(map(list, self.levels().items()), reverse=self._highest_first)[:n]
            self._look()
            near = self._near
        return near[: -n - 1 : -1] if self._highest_first else near[:n]
