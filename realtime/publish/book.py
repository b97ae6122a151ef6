"""What is said of one instrument's book and best quote: `bbo`, `depth` and `book_snapshot`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from realtime.config import EngineConfig
from realtime.inputs import Inputs
from realtime.message import Message
from realtime.outlet import Outlet
from realtime.publish.ladder import Ladder, snapshot_message
from realtime.publish.quotes import Quotes, top_of
from warehouse.book import Book
from warehouse.clock import Micros
from warehouse.instruments import Grid
from warehouse.metrics.base import Reason
from warehouse.metrics.top import BookTop
from warehouse.records import BestQuote

UNREADABLE = BookTop([], [], [], [], Reason.GAP)


def readable(book: Book, levels: int) -> BookTop:
    """The best levels, converted; a level off the grid makes the book unreadable until its next snapshot."""
    try:
        return book.top(levels)
    except ValueError as error:
        book.invalidate(str(error))
        return UNREADABLE


class BookVoice:
    """Each method gives the message that is due, None when it would say nothing new. `now` becomes its `ts_recv`."""

    def __init__(self, outlets: Mapping[str, Outlet], grid: Grid, config: EngineConfig, inputs: Inputs) -> None:
        self._grid = grid
        self._inputs = inputs
        self._quotes = Quotes(outlets["bbo"])
        self._ladder = Ladder(outlets["depth"], config.depth_levels, config.depth_snapshot_ms * 1000)
        self._whole = outlets["book_snapshot"]
        self._levels = config.snapshot_levels
        self._snapshot_id = 0

    def depth(self, book: Book, top: BookTop, boundary: Micros, now: Micros) -> Message | None:
        """Changes of the best levels, or all of them when it is time for that."""
        return self._ladder.message(
            top,
            self._grid,
            update_id=book.update_id,
            ts_event=book.ts_event,
            ts_recv=now,
            now=boundary,
            complete=self._inputs.verdict("depth", now).ok,
        )

    def snapshot(self, book: Book, now: Micros) -> Message | None:
        """The book as far down as configured; while it cannot be read, its emptiness is said once by `depth`."""
        if not book.valid or book.update_id == self._snapshot_id:
            return None
        self._snapshot_id = book.update_id
        complaints = self._inputs.complaints(("depth",), now)
        return snapshot_message(self._whole, readable(book, self._levels), self._grid, book, now, complaints)

    def best(self, quote: BestQuote | None, book: Book, top: BookTop, now: Micros) -> Message | None:
        """The venue's best quote; without one, the best of the book."""
        if quote is None:
            complaints = self._inputs.complaints(("depth",), now)
            return self._quotes.message("book", top, self._grid, book.ts_event, now, complaints)
        try:
            top = top_of(quote, self._grid)
        except ValueError:
            top = UNREADABLE
        complaints = self._inputs.complaints(("bbo",), now)
        return self._quotes.message("quotes", top, self._grid, quote.ts_event, now, complaints)

    def state(self) -> dict[str, Any]:
        """What was said last, as JSON-able values."""
        shown = self._quotes.shown
        return {
            "bbo": None if shown is None else list(shown),
            "depth": self._ladder.state(),
            "snapshot_id": self._snapshot_id,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """The inverse of `state`."""
        self._quotes.shown = None if state["bbo"] is None else tuple(state["bbo"])
        self._ladder.restore(state["depth"])
        self._snapshot_id = state["snapshot_id"]
