"""Realised volatility of 1 s returns. The sums are integers, so a window is exact and nothing drifts."""

from __future__ import annotations

from math import sqrt
from typing import ClassVar

from warehouse.metrics.base import Reason, Spec, Value
from warehouse.metrics.windows import RETURN_BITS, TradeWindow

YEAR_SECONDS = 31_536_000
"""365 days: crypto trades on all of them."""

MIN_ACTIVE = 5
"""Seconds with trades that a window needs (`NO_TRADES` below)."""

_SOURCE = "Andersen, Bollerslev, Diebold and Labys (2003), Econometrica 71"
_UNIT = 1 << RETURN_BITS


def _missing(window: TradeWindow) -> Value | None:
    if window.reason is not None:
        return Value.missing(window.reason, n=window.seconds, coverage=window.coverage)
    if window.base_ticks == 0:
        return Value.missing(Reason.WARMUP, coverage=window.coverage)
    if window.active < MIN_ACTIVE:
        return Value.missing(Reason.NO_TRADES, n=window.active, coverage=window.coverage)
    return None


def _deviation(window: TradeWindow) -> float:
    """Sample standard deviation of the 1 s log returns."""
    n = window.seconds
    spread = n * window.returns2 - window.returns * window.returns
    return sqrt(spread / (n * (n - 1) * _UNIT * _UNIT))


class Volatility:
    """Standard deviation of 1 s log returns, last price carried through empty seconds."""

    spec: ClassVar[Spec] = Spec(
        name="volatility", unit="per square root second", formula="sqrt(sum((r - mean r)^2) / (n - 1))", source=_SOURCE
    )

    def value(self, window: TradeWindow, /) -> Value:
        """0 if the price never changed; `WARMUP` without a price before the window."""
        return _missing(window) or Value.of(_deviation(window), n=window.seconds, final=window.final)


class RealizedVolatility:
    """Size of the move the window really made: root of the summed squared returns."""

    spec: ClassVar[Spec] = Spec(name="realized_volatility", unit="fraction", formula="sqrt(sum(r^2))", source=_SOURCE)

    def value(self, window: TradeWindow, /) -> Value:
        """A fraction of the price over the whole window."""
        return _missing(window) or Value.of(
            sqrt(window.returns2 / (_UNIT * _UNIT)), n=window.seconds, final=window.final
        )


class SigmaBps:
    """Move expected over the window's length."""

    spec: ClassVar[Spec] = Spec(
        name="sigma_bps", unit="basis points", formula="1e4 * volatility * sqrt(seconds)", source=_SOURCE
    )

    def value(self, window: TradeWindow, /) -> Value:
        """Basis points over the window."""
        return _missing(window) or Value.of(
            1e4 * _deviation(window) * sqrt(window.seconds), n=window.seconds, final=window.final
        )


class VolatilityAnnual:
    """Volatility per year of 365 days."""

    spec: ClassVar[Spec] = Spec(
        name="volatility_annual", unit="fraction per year", formula="volatility * sqrt(31 536 000)", source=_SOURCE
    )

    def value(self, window: TradeWindow, /) -> Value:
        """A fraction per year (0.6 is 60 %)."""
        return _missing(window) or Value.of(
            _deviation(window) * sqrt(YEAR_SECONDS), n=window.seconds, final=window.final
        )
