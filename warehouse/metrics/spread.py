"""The two best prices: spread, mid price, size-weighted mid price. Inputs are the book's top in ticks and lots."""

from __future__ import annotations

from typing import ClassVar

from warehouse.instruments import Grid
from warehouse.metrics.base import Spec, Value
from warehouse.metrics.top import BookTop

_SOURCE = "Gatheral and Oomen (2010), Finance and Stochastics 14"


class Spread:
    """Best ask minus best bid."""

    spec: ClassVar[Spec] = Spec(
        name="spread", unit="quote per base", formula="best_ask - best_bid", source=_SOURCE, inputs=("depth",)
    )

    def value(self, top: BookTop, grid: Grid, /) -> Value:
        """A price distance; null with the book's reason."""
        if top.reason is not None:
            return Value.missing(top.reason)
        return Value.of(grid.price(top.ask_ticks[0] - top.bid_ticks[0]))


class SpreadBps:
    """The spread relative to the mid price."""

    spec: ClassVar[Spec] = Spec(
        name="spread_bps", unit="basis points", formula="1e4 * spread / mid_price", source=_SOURCE, inputs=("depth",)
    )

    def value(self, top: BookTop, grid: Grid, /) -> Value:
        """Basis points; null with the book's reason."""
        if top.reason is not None:
            return Value.missing(top.reason)
        bid, ask = top.bid_ticks[0], top.ask_ticks[0]
        return Value.of(20_000 * (ask - bid) / (ask + bid))


class MidPrice:
    """Half-way between the best bid and the best ask."""

    spec: ClassVar[Spec] = Spec(
        name="mid_price", unit="quote per base", formula="(best_bid + best_ask) / 2", source=_SOURCE, inputs=("depth",)
    )

    def value(self, top: BookTop, grid: Grid, /) -> Value:
        """A price; null with the book's reason."""
        if top.reason is not None:
            return Value.missing(top.reason)
        return Value.of((top.bid_ticks[0] + top.ask_ticks[0]) * grid.tick_num / (2 * grid.tick_den))


class MicroPrice:
    """Size-weighted mid price: it leans to the thinner side. (Not Stoikov's fitted micro-price.)"""

    spec: ClassVar[Spec] = Spec(
        name="micro_price",
        unit="quote per base",
        formula="(best_bid * ask_size + best_ask * bid_size) / (bid_size + ask_size)",
        source=_SOURCE,
        inputs=("depth",),
    )

    def value(self, top: BookTop, grid: Grid, /) -> Value:
        """A price between the best two; null with the book's reason."""
        if top.reason is not None:
            return Value.missing(top.reason)
        bid_lots, ask_lots = top.bid_lots[0], top.ask_lots[0]
        weighted = top.bid_ticks[0] * ask_lots + top.ask_ticks[0] * bid_lots
        return Value.of(weighted * grid.tick_num / ((bid_lots + ask_lots) * grid.tick_den))
