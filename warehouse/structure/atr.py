"""Wilder's range measures (1978), in TA-Lib's arithmetic: true range, ATR, and the directional index ADX."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import msgspec

from warehouse.metrics.bars import Bar
from warehouse.structure.smoothing import wilder

LENGTH = 14
"""Wilder's own length, used for every ATR here."""


def true_ranges(bars: Sequence[Bar]) -> list[int | None]:
    """`max(H - L, |H - C_prev|, |L - C_prev|)` in ticks; None for the first bar, which has no close before it."""
    out: list[int | None] = [None] if bars else []
    for before, bar in itertools.pairwise(bars):
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
    plus = minus = span = 0.0
    dx_sum = 0.0
    average: float | None = None
    decay = 1.0 - 1.0 / n
    for i, (before, bar) in enumerate(itertools.pairwise(bars), 1):
        close, high, low = before.close, bar.high, bar.low
        up, down = high - before.high, before.low - low
        range_ = (high if high > close else close) - (low if low < close else close)
        keep = 1.0 if i < n else decay
        plus = plus * keep + (up if up > 0 and up > down else 0)
        minus = minus * keep + (down if down > 0 and down > up else 0)
        span = span * keep + range_
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
