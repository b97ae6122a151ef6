"""The average price of a window, how far prices spread around it, and how far the last one stands from it.

With Q = sum(lots), A = sum(ticks * lots), B = sum(ticks^2 * lots): mean A/Q, variance (Q*B - A^2) / Q^2, all integers
until the last division.
"""

from __future__ import annotations

from math import sqrt
from typing import ClassVar

from warehouse.metrics.base import Reason, Spec, Value
from warehouse.metrics.windows import TradeWindow

_SOURCE = "Berkowitz, Logue and Noser (1988), J. Finance 43(1)"

MIN_TRADES = 30
"""Trades below which a z-score means nothing (`WARMUP`)."""


def _missing(window: TradeWindow) -> Value | None:
    if window.reason is not None:
        return Value.missing(window.reason, n=window.count, coverage=window.coverage)
    if window.lots == 0:
        return Value.missing(Reason.NO_TRADES, coverage=window.coverage)
    return None


def _dispersion(window: TradeWindow) -> int:
    """Q*B - A^2: the variance in squared ticks, times the squared volume."""
    return window.lots * window.tick2_lots - window.tick_lots * window.tick_lots


class Vwap:
    """Average traded price, weighted by size."""

    spec: ClassVar[Spec] = Spec(
        name="vwap", unit="quote per base", formula="sum(price * size) / sum(size)", source=_SOURCE
    )

    def value(self, window: TradeWindow, /) -> Value:
        """A price; `NO_TRADES` for a quiet window."""
        missing = _missing(window)
        if missing is not None:
            return missing
        grid = window.grid
        price = window.tick_lots * grid.tick_num / (window.lots * grid.tick_den)
        return Value.of(price, n=window.count, final=window.final)


class VwapSd:
    """Standard deviation of the traded price around the VWAP, weighted by size."""

    spec: ClassVar[Spec] = Spec(
        name="vwap_sd", unit="quote per base", formula="sqrt(sum(size * (price - vwap)^2) / sum(size))", source=_SOURCE
    )

    def value(self, window: TradeWindow, /) -> Value:
        """A distance in price, 0 if every trade had one price; `NO_TRADES` for a quiet window."""
        missing = _missing(window)
        if missing is not None:
            return missing
        grid = window.grid
        ticks = sqrt(_dispersion(window) / (window.lots * window.lots))
        return Value.of(ticks * grid.tick_num / grid.tick_den, n=window.count, final=window.final)


class VwapZ:
    """Distance of the last price from the VWAP in standard deviations."""

    spec: ClassVar[Spec] = Spec(
        name="vwap_z", unit="standard deviations", formula="(last price - vwap) / vwap_sd", source=_SOURCE
    )

    def __init__(self, min_trades: int = MIN_TRADES) -> None:
        self.min_trades = min_trades

    def value(self, window: TradeWindow, /) -> Value:
        """`WARMUP` below `min_trades`, `ZERO_VARIANCE` if every trade had one price."""
        missing = _missing(window)
        if missing is not None:
            return missing
        if window.count < self.min_trades:
            return Value.missing(Reason.WARMUP, n=window.count, coverage=window.coverage)
        dispersion = _dispersion(window)
        if dispersion == 0:
            return Value.missing(Reason.ZERO_VARIANCE, n=window.count, coverage=window.coverage)
        distance = window.last_ticks * window.lots - window.tick_lots
        return Value.of(distance / sqrt(dispersion), n=window.count, final=window.final)


class MeanReversion:
    """What the z-score says to one who bets on the return to the mean: contrarian by construction, no advice."""

    spec: ClassVar[Spec] = Spec(
        name="mr_signal",
        unit="class",
        formula="STRONG_SELL z >= 2.5, SELL z >= 1.5, BUY z <= -1.5, STRONG_BUY z <= -2.5, else NEUTRAL",
        source="thresholds are this project's own",
    )

    def __init__(self, min_trades: int = MIN_TRADES) -> None:
        self._z = VwapZ(min_trades)

    def value(self, window: TradeWindow, /) -> Value:
        """A class; null with the z-score's reason."""
        z = self._z.value(window)
        if z.value is None:
            return z
        score = float(z.value)
        if abs(score) < 1.5:
            name = "NEUTRAL"
        else:
            name = ("STRONG_" if abs(score) >= 2.5 else "") + ("SELL" if score > 0 else "BUY")
        return Value.of(name, n=z.n, final=z.final)
