"""Wilder's true range and its average, the ATR (1978), in TA-Lib's arithmetic."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

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
