"""Moving averages, as sequences with None where nothing can be said yet."""

from __future__ import annotations

from collections.abc import Sequence
from math import fsum


def sma(values: Sequence[float], n: int) -> list[float | None]:
    """Mean of the last `n` values; first at index n-1."""
    return [None if i < n - 1 else fsum(values[i - n + 1 : i + 1]) / n for i in range(len(values))]


def ema(values: Sequence[float], n: int) -> list[float | None]:
    """Exponential average with weight 2/(n+1), seeded by the mean of the first `n` values."""
    return _recursive(values, n, 2.0 / (n + 1))


def wilder(values: Sequence[float], n: int) -> list[float | None]:
    """Wilder's average, weight 1/n, seeded by the mean of the first `n` values (Wilder 1978)."""
    return _recursive(values, n, 1.0 / n)


def _recursive(values: Sequence[float], n: int, weight: float) -> list[float | None]:
    out: list[float | None] = [None] * min(len(values), n - 1)
    if len(values) < n:
        return out
    average = fsum(values[:n]) / n
    out.append(average)
    for value in values[n:]:
        average += (value - average) * weight
        out.append(average)
    return out


def sign(x: float) -> int:
    """-1, 0 or 1."""
    return (x > 0) - (x < 0)


def clip(x: float, low: float, high: float) -> float:
    """`x` held within `[low, high]`."""
    return low if x < low else high if x > high else x
