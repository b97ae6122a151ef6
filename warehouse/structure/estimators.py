"""Volatility per bar from closed bars, by five estimators. `u = ln(H/O)`, `d = ln(L/O)`, `c = ln(C/O)`."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from math import fsum, log, sqrt

from warehouse.metrics.bars import Bar
from warehouse.metrics.base import Reason, Value

LENGTH = 20

MAX_FLAT = 0.2
"""Share of bars without movement above which a range estimator is biased too far down to be shown."""


def _variance(values: Sequence[float]) -> float:
    mean = fsum(values) / len(values)
    return fsum((value - mean) ** 2 for value in values) / (len(values) - 1)


def _close_to_close(bars: Sequence[Bar]) -> float:
    return _variance([log(b.close / a.close) for a, b in itertools.pairwise(bars)])


def _parkinson(bars: Sequence[Bar]) -> float:
    return fsum(log(b.high / b.low) ** 2 for b in bars) / (4.0 * len(bars) * log(2.0))


def _garman_klass(bars: Sequence[Bar]) -> float:
    shrink = 2.0 * log(2.0) - 1.0
    return fsum(0.5 * log(b.high / b.low) ** 2 - shrink * log(b.close / b.open) ** 2 for b in bars) / len(bars)


def _rogers_satchell(bars: Sequence[Bar]) -> float:
    return fsum(
        log(b.high / b.open) * log(b.high / b.close) + log(b.low / b.open) * log(b.low / b.close) for b in bars
    ) / len(bars)


def _yang_zhang(bars: Sequence[Bar]) -> float:
    n = len(bars) - 1
    k = 0.34 / (1.34 + (n + 1) / (n - 1))
    overnight = _variance([log(b.open / a.close) for a, b in itertools.pairwise(bars)])
    inside = _variance([log(b.close / b.open) for b in bars[1:]])
    return overnight + k * inside + (1.0 - k) * _rogers_satchell(bars[1:])


ESTIMATORS: dict[str, tuple[Callable[[Sequence[Bar]], float], int]] = {
    "cc": (_close_to_close, 1),
    "pk": (_parkinson, 0),
    "gk": (_garman_klass, 0),
    "rs": (_rogers_satchell, 0),
    "yz": (_yang_zhang, 1),
}
"""Close-to-close, Parkinson (1980), Garman-Klass (1980), Rogers-Satchell (1991), Yang-Zhang (2000), by short name, each
with how many bars it needs beyond `n`: those that use the close before.
"""


def volatility(name: str, bars: Sequence[Bar], n: int = LENGTH) -> Value:
    """Standard deviation per bar over the last `n` bars, by the estimator `name`.

    `NO_HISTORY` with fewer bars; `NO_TRADES` if more than a fifth of them saw no trade (close-to-close excepted).
    Prices that never moved give a true 0.
    """
    variance, extra = ESTIMATORS[name]
    if len(bars) < n + extra:
        return Value.missing(Reason.NO_HISTORY, n=len(bars), coverage=len(bars) / (n + extra))
    used = bars[-(n + extra) :]
    flat = sum(1 for bar in used if bar.lots == 0)
    if name != "cc" and flat > MAX_FLAT * len(used):
        return Value.missing(Reason.NO_TRADES, n=len(used) - flat)
    return Value.of(sqrt(max(0.0, variance(used))), n=n)
