"""Does price get anywhere? Kaufman's efficiency ratio and the choppiness index."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from math import log10

from warehouse.metrics.bars import Bar
from warehouse.metrics.base import Reason, Value
from warehouse.structure.atr import true_ranges


def efficiency_ratio(bars: Sequence[Bar], n: int = 20) -> Value:
    """Net move over the path walked, 0 to 1, of the last `n` closes (Kaufman 1995); `ZERO_VARIANCE` if none moved."""
    if len(bars) < n + 1:
        return Value.missing(Reason.NO_HISTORY, n=len(bars), coverage=len(bars) / (n + 1))
    closes = [bar.close for bar in bars[-(n + 1) :]]
    path = sum(abs(b - a) for a, b in itertools.pairwise(closes))
    if path == 0:
        return Value.missing(Reason.ZERO_VARIANCE, n=n)
    return Value.of(abs(closes[-1] - closes[0]) / path, n=n)


def choppiness(bars: Sequence[Bar], n: int = 14) -> Value:
    """`100 log10(sum TR / (max H - min L)) / log10 n`: near 100 sideways, low in a trend, no range null."""
    if len(bars) < n + 1:
        return Value.missing(Reason.NO_HISTORY, n=len(bars), coverage=len(bars) / (n + 1))
    walked = sum(r for r in true_ranges(bars[-(n + 1) :]) if r is not None)
    span = max(bar.high for bar in bars[-n:]) - min(bar.low for bar in bars[-n:])
    if span == 0:
        return Value.missing(Reason.ZERO_VARIANCE, n=n)
    return Value.of(100.0 * log10(walked / span) / log10(n), n=n)
