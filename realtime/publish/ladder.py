"""`depth`: what changed among the best levels of the book, with a whole picture now and then. `book_snapshot`: all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from realtime.message import Message
from realtime.outlet import Outlet, encode
from realtime.payloads import Depth, PriceSize
from realtime.venue_payloads import BookSnapshot
from warehouse.book import Book
from warehouse.clock import Micros
from warehouse.instruments import Grid
from warehouse.metrics.top import BookTop


class Ladder:
    """Remembers the levels shown last, and whether they were said to be complete. `shown_at` is the time of the last
    whole picture, -1 before the first.
    """

    __slots__ = ("_asks", "_bids", "_levels", "_outlet", "_period", "complete", "empty", "shown_at")

    def __init__(self, outlet: Outlet, levels: int, period_us: Micros) -> None:
        self._outlet = outlet
        self._levels = levels
        self._period = period_us
        self._bids: dict[int, int] = {}
        self._asks: dict[int, int] = {}
        self.shown_at: Micros = -1
        self.empty = True
        self.complete = False

    def message(
        self,
        top: BookTop,
        grid: Grid,
        *,
        update_id: int,
        ts_event: Micros,
        ts_recv: Micros,
        now: Micros,
        complete: bool,
    ) -> Message | None:
        """Changes since the last message, None when there are none and it is as complete as it was. An invalid book is
        shown once, empty.
        """
        if not top.bid_ticks and not top.ask_ticks:
            if self.empty:
                return None
            self._bids, self._asks, self.empty, self.shown_at = {}, {}, True, -1
            self.complete = False
            return self._wrap(Depth(snapshot=True, levels=self._levels, update_id=update_id, bids=[], asks=[]),
                              ts_event, ts_recv, complete=False)  # fmt: skip
        bids = dict(zip(top.bid_ticks[: self._levels], top.bid_lots, strict=False))
        asks = dict(zip(top.ask_ticks[: self._levels], top.ask_lots, strict=False))
        whole = self.shown_at < 0 or now - self.shown_at >= self._period
        if whole:
            self._bids, self._asks = {}, {}
            self.shown_at = now
        changed_bids, changed_asks = _changes(self._bids, bids, grid), _changes(self._asks, asks, grid)
        self._bids, self._asks, self.empty = bids, asks, False
        complete = complete and top.reason is None
        if not whole and not changed_bids and not changed_asks and complete == self.complete:
            return None
        self.complete = complete
        depth = Depth(
            snapshot=whole, levels=self._levels, update_id=update_id, bids=changed_bids, asks=changed_asks
        )  # fmt: skip
        return self._wrap(depth, ts_event, ts_recv, complete=complete)

    def _wrap(self, depth: Depth, ts_event: Micros, ts_recv: Micros, *, complete: bool) -> Message:
        return self._outlet.wrap(
            encode(depth), ts_event=ts_event, ts_recv=ts_recv, complete=complete, keep=depth.snapshot
        )

    def state(self) -> dict[str, object]:
        """All of it as JSON-able values."""
        return {
            "bids": [list(level) for level in self._bids.items()],
            "asks": [list(level) for level in self._asks.items()],
            "shown_at": self.shown_at,
            "empty": self.empty,
            "complete": self.complete,
        }

    def restore(self, state: Mapping[str, object]) -> None:
        """The inverse of `state`."""
        bids, asks = cast("list[list[int]]", state["bids"]), cast("list[list[int]]", state["asks"])
        self._bids = {ticks: lots for ticks, lots in bids}
        self._asks = {ticks: lots for ticks, lots in asks}
        self.shown_at, self.empty = cast("int", state["shown_at"]), bool(state["empty"])
        self.complete = bool(state.get("complete", True))


def snapshot_message(
    outlet: Outlet, top: BookTop, grid: Grid, book: Book, ts_recv: Micros, complaints: list[str]
) -> Message:
    """`book_snapshot`: the best levels of a readable book, as they are."""
    found = BookSnapshot(
        levels=max(len(top.bid_ticks), len(top.ask_ticks)),
        update_id=book.update_id,
        bids=grid.levels(zip(top.bid_ticks, top.bid_lots, strict=True)),
        asks=grid.levels(zip(top.ask_ticks, top.ask_lots, strict=True)),
        incomplete=complaints,
    )
    complete = not complaints and top.reason is None
    return outlet.wrap(encode(found), ts_event=book.ts_event, ts_recv=ts_recv, complete=complete)


def _changes(before: dict[int, int], now: dict[int, int], grid: Grid) -> list[PriceSize]:
    """New and changed levels in their order, then those gone, with size 0."""
    if before == now:
        return []
    changed = grid.levels([level for level in now.items() if before.get(level[0]) != level[1]])
    changed.extend((grid.price(ticks), 0.0) for ticks in before if ticks not in now)
    return changed
