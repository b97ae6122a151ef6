"""Taker orders, put together again from the prints that venues make of them.

Binance and Bybit print a row per fill or price, OKX per fill: sizes of prints cannot be compared, those of orders can.
Consecutive prints of one side and one venue time are one order.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import msgspec

from warehouse.clock import Micros
from warehouse.records import TakerSide, Trade

WAIT: Micros = 100_000
"""So long after its first print came, a print still belongs to an order; then the order is over."""


class Order(msgspec.Struct, gc=False):
    """One taker order. `ts_event` is that of all its prints, `prices` their ticks in order, `tick_lots` its notional.

    `until` is the `ts_recv` from which on no print joins it; 0 for a retail-price-improvement print: it stands alone.
    """

    ts_event: Micros
    taker_side: TakerSide
    until: Micros
    lots: int
    tick_lots: int
    prices: list[int]
    first_id: str
    last_id: str

    @property
    def levels(self) -> int:
        """Distinct prices that it took; from three on it is called a sweep."""
        return len(set(self.prices))


class Orders:
    """Gives each order when it is over: by the next print that is not its own, or by time.

    Two takers in one millisecond on one side are taken for one; of Binance's perpetuals, whose prints are aggregates
    of up to 100 ms, more often.
    """

    __slots__ = ("_open",)

    def __init__(self) -> None:
        self._open: Order | None = None

    def add(self, trade: Trade) -> Order | None:
        """The order that this market trade ends, if one was open and it is not part of it."""
        order, ticks, lots = self._open, trade.ticks, trade.lots
        if (
            order is not None
            and trade.ts_event == order.ts_event
            and trade.ts_recv < order.until
            and trade.taker_side == order.taker_side
            and not trade.rpi
        ):
            order.lots += lots
            order.tick_lots += ticks * lots
            order.prices.append(ticks)
            order.last_id = trade.trade_id
            return None
        name = trade.trade_id
        until = 0 if trade.rpi else trade.ts_recv + WAIT
        self._open = Order(trade.ts_event, trade.taker_side, until, lots, ticks * lots, [ticks], name, name)
        return order

    def due(self, now: Micros) -> Order | None:
        """The open order, if it is over at `now` (our clock, as `ts_recv`)."""
        order = self._open
        if order is None or now < order.until:
            return None
        self._open = None
        return order

    def state(self) -> dict[str, object] | None:
        """The open order as JSON-able values."""
        return None if self._open is None else cast("dict[str, object]", msgspec.to_builtins(self._open))

    def restore(self, state: Mapping[str, object] | None) -> None:
        """The inverse of `state`."""
        self._open = msgspec.convert(state, Order | None)
