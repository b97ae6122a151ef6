"""Who is buying: volume signed by the aggressor."""

from __future__ import annotations

from typing import ClassVar

from warehouse.metrics.base import Reason, Spec, Value
from warehouse.metrics.windows import TradeWindow

_SOURCE = "Chordia, Roll and Subrahmanyam (2002), J. Financial Economics 65: order imbalance"


class Cvd:
    """Cumulative volume delta: what takers bought minus what they sold. A quiet window is a true 0."""

    spec: ClassVar[Spec] = Spec(
        name="cvd", unit="base", formula="sum(size of taker buys) - sum(size of taker sells)", source=_SOURCE
    )

    def value(self, window: TradeWindow, /) -> Value:
        """Base units over the window."""
        if window.reason is not None:
            return Value.missing(window.reason, n=window.count, coverage=window.coverage)
        delta = window.buy_lots - window.sell_lots
        return Value.of(window.grid.size(delta), n=window.count, final=window.final)


class CvdQuote:
    """The same in money: notional bought minus notional sold by takers."""

    spec: ClassVar[Spec] = Spec(
        name="cvd_quote", unit="quote", formula="sum(side * price * size), side +1 buy, -1 sell", source=_SOURCE
    )

    def value(self, window: TradeWindow, /) -> Value:
        """Quote units over the window."""
        if window.reason is not None:
            return Value.missing(window.reason, n=window.count, coverage=window.coverage)
        delta = window.buy_tick_lots - window.sell_tick_lots
        return Value.of(window.grid.notional(delta), n=window.count, final=window.final)


class BuyVolume:
    """What takers bought."""

    spec: ClassVar[Spec] = Spec(name="buy_volume", unit="base", formula="sum(size of taker buys)", source=_SOURCE)

    def value(self, window: TradeWindow, /) -> Value:
        """Base units over the window."""
        if window.reason is not None:
            return Value.missing(window.reason, n=window.count, coverage=window.coverage)
        return Value.of(window.grid.size(window.buy_lots), n=window.count, final=window.final)


class SellVolume:
    """What takers sold."""

    spec: ClassVar[Spec] = Spec(name="sell_volume", unit="base", formula="sum(size of taker sells)", source=_SOURCE)

    def value(self, window: TradeWindow, /) -> Value:
        """Base units over the window."""
        if window.reason is not None:
            return Value.missing(window.reason, n=window.count, coverage=window.coverage)
        return Value.of(window.grid.size(window.sell_lots), n=window.count, final=window.final)


class TradeCount:
    """How many trades."""

    spec: ClassVar[Spec] = Spec(name="trade_count", unit="trades", formula="count of trades", source=_SOURCE)

    def value(self, window: TradeWindow, /) -> Value:
        """A count; 0 for a quiet window."""
        if window.reason is not None:
            return Value.missing(window.reason, n=window.count, coverage=window.coverage)
        return Value.of(window.count, n=window.count, final=window.final)


class DeltaRatio:
    """The delta as a share of the volume, -1 (only selling) to 1 (only buying)."""

    spec: ClassVar[Spec] = Spec(
        name="delta_ratio", unit="fraction", formula="(buy - sell) / (buy + sell)", source=_SOURCE
    )

    def value(self, window: TradeWindow, /) -> Value:
        """A fraction; `NO_TRADES` for a quiet window."""
        if window.reason is not None:
            return Value.missing(window.reason, n=window.count, coverage=window.coverage)
        if window.lots == 0:
            return Value.missing(Reason.NO_TRADES, coverage=window.coverage)
        return Value.of((window.buy_lots - window.sell_lots) / window.lots, n=window.count, final=window.final)
