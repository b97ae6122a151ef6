"""One instrument's order book: sizes by price, sorted when somebody looks.

A diff costs dictionary writes only. Prices and sizes stay the venue's floats (equal text, equal key); what is read
becomes integer ticks and lots on the instrument's grid.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from operator import sub
from typing import cast

from warehouse.clock import Micros
from warehouse.instruments import Grid
from warehouse.metrics.base import Reason
from warehouse.metrics.top import BookTop
from warehouse.records import BookUpdate, Level

__all__ = ["Book", "BookTop"]

_UNREAD = 4096  # changes kept for a book that nobody reads


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
        self._bids = _Side()
        self._asks = _Side()

    def apply(self, update: BookUpdate) -> bool:
        """Take over new absolute sizes; 0 removes a level. False: ignored, for the book waits for a snapshot."""
        if update.snapshot:
            self._bids, self._asks = _Side(update.bids), _Side(update.asks)
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
        self._bids, self._asks = _Side(), _Side()

    def __len__(self) -> int:
        """Number of levels on both sides."""
        return len(self._bids.sizes) + len(self._asks.sizes)

    def best(self) -> tuple[Level | None, Level | None]:
        """Best bid and ask as (price, wire size); None for an empty side."""
        bids, asks = self._bids.prices(), self._asks.prices()
        bid = (bids[-1], self._bids.sizes[bids[-1]]) if bids else None
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
        bid_ticks, bid_lots = self._integers(self._bids.prices()[: -n - 1 : -1], self._bids.sizes)
        ask_ticks, ask_lots = self._integers(self._asks.prices()[:n], self._asks.sizes)
        reason = None
        if not bid_ticks or not ask_ticks:
            reason = Reason.ONE_SIDED
        elif bid_ticks[0] >= ask_ticks[0]:
            reason = Reason.CROSSED
        return BookTop(bid_ticks, bid_lots, ask_ticks, ask_lots, reason)

    def _integers(self, prices: list[float], sizes: dict[float, float]) -> tuple[list[int], list[int]]:
        grid = self.grid
        tick_inv, lot_inv = grid.tick_inv, grid.lot_inv
        raw_ticks = [price * tick_inv for price in prices]
        raw_lots = [sizes[price] * lot_inv for price in prices]
        ticks, lots = list(map(round, raw_ticks)), list(map(round, raw_lots))
        if prices and max(map(abs, map(sub, raw_ticks + raw_lots, ticks + lots))) > 1e-4:
            return [grid.ticks(price) for price in prices], [grid.lots(sizes[price]) for price in prices]
        return ticks, lots

    def levels(self) -> tuple[list[Level], list[Level]]:
        """All bids and asks as (price, wire size), best first."""
        bids, asks = self._bids, self._asks
        return (
            [(price, bids.sizes[price]) for price in reversed(bids.prices())],
            [(price, asks.sizes[price]) for price in asks.prices()],
        )

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
        self._bids = _Side((float(price), float(size)) for price, size in cast("list[Level]", state["bids"]))
        self._asks = _Side((float(price), float(size)) for price, size in cast("list[Level]", state["asks"]))


class _Side:
    """Sizes by price; the sorted prices are mended on read, by what came and went since the last one."""

    __slots__ = ("_changed", "_prices", "sizes")

    def __init__(self, levels: Iterable[Level] = ()) -> None:
        self.sizes = {price: size for price, size in levels if size > 0.0}
        self._prices = sorted(self.sizes)
        self._changed: list[float] = []

    def write(self, levels: list[Level]) -> None:
        sizes, changed = self.sizes, self._changed
        known = len(sizes)
        for price, size in levels:
            if size > 0.0:
                sizes[price] = size
                if len(sizes) != known:
                    known += 1
                    changed.append(price)
            elif sizes.pop(price, None) is not None:
                known -= 1
                changed.append(price)
        if len(changed) > _UNREAD:
            self.prices()

    def prices(self) -> list[float]:
        """All prices, ascending."""
        changed, prices = self._changed, self._prices
        if not changed:
            return prices
        if len(changed) * 4 > len(prices):
            prices = self._prices = sorted(self.sizes)
        else:
            for price in changed:
                at = bisect_left(prices, price)
                listed = at < len(prices) and prices[at] == price
                if price in self.sizes:
                    if not listed:
                        prices.insert(at, price)
                elif listed:
                    del prices[at]
        self._changed = []
        return prices
