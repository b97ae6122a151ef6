"""Wilder's range measures (1978), in TA-Lib's arithmetic: true range, ATR, and the directional index ADX."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice, pairwise

import msgspec

from warehouse.metrics.bars import Bar
from warehouse.structure.smoothing import wilder

LENGTH = 14
"""Wilder's own length, used for every ATR here."""


def true_ranges(bars: Sequence[Bar]) -> list[int | None]:
    """`max(H - L, |H - C_prev|, |L - C_prev|)` in ticks; None for the first bar, which has no close before it."""
    out: list[int | None] = [None] if bars else []
    for before, bar in pairwise(bars):
        close, high, low = before.close, bar.high, bar.low
        out.append((high if high > close else close) - (low if low < close else close))
    return out


def atr(bars: Sequence[Bar], n: int = LENGTH) -> list[float | None]:
    """Average true range in ticks: at index n the mean of the first n true ranges, then Wilder's average."""
    ranges = [float(r) for r in true_ranges(bars)[1:] if r is not None]
    head: list[float | None] = [None] if bars else []
    return head + wilder(ranges, n)


class Directional(msgspec.Struct, frozen=True, gc=False):
    """+DI and -DI (0 to 100, from index n) and ADX (from index 2n-1, None before)."""

    plus_di: float
    minus_di: float
    adx: float | None


def adx(bars: Sequence[Bar], n: int = LENGTH) -> list[Directional | None]:
    """Directional movement: sums seeded over n-1 moves, DX averaged over n.

    A bar on which both DI are 0 leaves the ADX unchanged (DX would be 0/0).
    """
    out: list[Directional | None] = [None] * min(len(bars), n)
    if not bars:
        return out
    plus = minus = span = 0.0
    dx_sum = 0.0
    average: float | None = None
    keep = 1.0
    high_before, low_before, close = bars[0].high, bars[0].low, bars[0].close
    for i, bar in enumerate(islice(bars, 1, None), 1):
        high, low = bar.high, bar.low
        up, down = high - high_before, low_before - low
        if i == n:
            keep = 1.0 - 1.0 / n
        plus *= keep
        minus *= keep
        if up > down:
            if up > 0:
                plus += up
        elif down > up and down > 0:
            minus += down
        span = span * keep + ((high if high > close else close) - (low if low < close else close))
        high_before, low_before, close = high, low, bar.close
        if i < n:
            continue
        plus_di, minus_di = (100.0 * plus / span, 100.0 * minus / span) if span > 0.0 else (0.0, 0.0)
        total = plus_di + minus_di
        if total > 0.0:
            dx = 100.0 * abs(plus_di - minus_di) / total
            if i < 2 * n:
                dx_sum += dx
            elif average is not None:
                average = (average * (n - 1) + dx) / n
        if i == 2 * n - 1:
            average = dx_sum / n
        out.append(Directional(plus_di, minus_di, average))
    return out
