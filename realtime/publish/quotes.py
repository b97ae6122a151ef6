"""`bbo`: best bid and ask, from the venue's own best-quote stream, else from the top of the book."""

from __future__ import annotations

from realtime.fields import Fields
from realtime.message import Message
from realtime.outlet import Outlet
from warehouse.clock import Micros
from warehouse.instruments import Grid
from warehouse.metrics.base import Reason
from warehouse.metrics.spread import MicroPrice, MidPrice, Spread, SpreadBps
from warehouse.metrics.top import BookTop
from warehouse.records import BestQuote

SPREADS = (MidPrice(), MicroPrice(), Spread(), SpreadBps())

Shown = tuple[str, int, int, int, int, str]


def top_of(quote: BestQuote, grid: Grid) -> BookTop:
    """A best quote as a book of one level a side. Raises ValueError off the grid."""
    bid, ask = grid.ticks(quote.best_bid), grid.ticks(quote.best_ask)
    bid_lots = round(quote.best_bid_size * grid.size_den / grid.size_num)
    ask_lots = round(quote.best_ask_size * grid.size_den / grid.size_num)
    reason = None
    if not bid_lots or not ask_lots:
        reason = Reason.ONE_SIDED
    elif bid >= ask:
        reason = Reason.CROSSED
    return BookTop([bid], [bid_lots], [ask], [ask_lots], reason)


def agrees(quote: BestQuote, top: BookTop, grid: Grid) -> bool:
    """Does a readable book show the same best prices and sizes?"""
    if top.reason is not None:
        return False
    try:
        found = top_of(quote, grid)
    except ValueError:
        return False
    return (found.bid_ticks, found.bid_lots, found.ask_ticks, found.ask_lots) == (
        top.bid_ticks[:1],
        top.bid_lots[:1],
        top.ask_ticks[:1],
        top.ask_lots[:1],
    )


def best_fields(fields: Fields, top: BookTop, grid: Grid) -> None:
    """The best prices and what follows from them."""
    missing = top.reason
    shown = missing is None
    fields.set("best_bid", grid.price(top.bid_ticks[0]) if shown else None, missing)
    fields.set("best_bid_size", grid.size(top.bid_lots[0]) if shown else None, missing)
    fields.set("best_ask", grid.price(top.ask_ticks[0]) if shown else None, missing)
    fields.set("best_ask_size", grid.size(top.ask_lots[0]) if shown else None, missing)
    for metric in SPREADS:
        fields.put(metric.spec.name, metric.value(top, grid))


class Quotes:
    """Publishes on change. `shown` is what was said last."""

    __slots__ = ("_outlet", "shown")

    def __init__(self, outlet: Outlet) -> None:
        self._outlet = outlet
        self.shown: Shown | None = None

    def message(
        self, basis: str, top: BookTop, grid: Grid, ts_event: Micros, ts_recv: Micros, complaints: list[str]
    ) -> Message | None:
        """The message for this top, None when nothing differs from the last one. `basis` is `quotes` or `book`."""
        trouble = f"{top.reason}|{'|'.join(complaints)}"
        if top.reason is None:
            shown = (basis, top.bid_ticks[0], top.bid_lots[0], top.ask_ticks[0], top.ask_lots[0], trouble)
        else:
            shown = (basis, 0, 0, 0, 0, trouble)
        if shown == self.shown:
            return None
        self.shown = shown
        fields = Fields()
        fields.values["basis"] = basis
        best_fields(fields, top, grid)
        return self._outlet.fields(fields, ts_event=ts_event, ts_recv=ts_recv, complaints=complaints)
