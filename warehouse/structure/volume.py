"""What volume is usual, and how this bar's compares. The bar being judged is never part of its own average."""

from __future__ import annotations

from collections.abc import Sequence
from math import fsum

from warehouse.metrics.bars import Bar
from warehouse.metrics.base import Reason, Value

LENGTH = 20

MIN_PROGRESS = 0.1
"""A forming bar younger than this share of its timeframe is not compared yet."""


def volume_sma(bars: Sequence[Bar], n: int = LENGTH) -> Value:
    """Mean volume of the last `n` closed bars, in lots."""
    if len(bars) < n:
        return Value.missing(Reason.NO_HISTORY, n=len(bars), coverage=len(bars) / n)
    return Value.of(fsum(bar.lots for bar in bars[-n:]) / n, n=n)


def relative_volume(lots: float, average: float | None, progress: float = 1.0) -> Value:
    """Volume as a multiple of the average; of a forming bar, of the average's part for the time that has passed.

    `NO_HISTORY` without an average, `NO_TRADES` if it is 0, `WARMUP` while `progress` is below a tenth.
    """
    if average is None:
        return Value.missing(Reason.NO_HISTORY)
    if average == 0.0:
        return Value.missing(Reason.NO_TRADES)
    if progress < MIN_PROGRESS:
        return Value.missing(Reason.WARMUP, coverage=progress)
    return Value.of(lots / (average * progress), final=progress >= 1.0)
