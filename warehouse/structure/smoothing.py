"""Moving averages, as sequences with None where nothing can be said yet.

The recursive ones take numbers, or rows of numbers (arrays) that are averaged side by side: the steps are the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from operator import add
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Values = TypeVar("Values", float, NDArray[np.float64])
else:
    Values = TypeVar("Values")


def ema(values: Sequence[Values], n: int) -> list[Values | None]:
    """Exponential average with weight 2/(n+1), seeded by the mean of the first `n` values."""
    return _recursive(values, n, 2.0 / (n + 1))


def wilder(values: Sequence[Values], n: int) -> list[Values | None]:
    """Wilder's average, weight 1/n, seeded by the mean of the first `n` values (Wilder 1978)."""
    return _recursive(values, n, 1.0 / n)


def _recursive(values: Sequence[Values], n: int, weight: float) -> list[Values | None]:
    out: list[Values | None] = [None] * min(len(values), n - 1)
    if len(values) < n:
        return out
    average = reduce(add, values[:n]) / n
    out.append(average)
    for value in values[n:]:
        average = average + (value - average) * weight
        out.append(average)
    return out


def sign(x: float) -> int:
    """-1, 0 or 1."""
    return (x > 0) - (x < 0)


def clip(x: float, low: float, high: float) -> float:
    """`x` held within `[low, high]`."""
    return low if x < low else high if x > high else x
