"""How unusual a value is among its own recent past: ranks over a ring of samples on the 60 s grid."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Sequence

from warehouse.metrics.base import Reason, Value

DEPTH = 1440
"""One day of minutes."""

LEAST = 240
"""Samples below which a rank says nothing."""


class Samples:
    """The last `depth` samples of one number, kept in order of time and of size."""

    __slots__ = ("_ordered", "_ring", "depth", "least")

    def __init__(self, depth: int = DEPTH, least: int = LEAST) -> None:
        self.depth = depth
        self.least = least
        self._ring: list[float] = []
        self._ordered: list[float] = []

    def __len__(self) -> int:
        return len(self._ring)

    def add(self, x: float) -> None:
        """Take a sample; the oldest leaves when the ring is full."""
        self._ring.append(x)
        insort(self._ordered, x)
        if len(self._ring) > self.depth:
            del self._ordered[bisect_left(self._ordered, self._ring.pop(0))]

    def rank(self, x: float) -> Value:
        """Share of samples below `x`, plus half of those equal; `x` itself must not have been added yet."""
        n = len(self._ordered)
        if n < self.least:
            return Value.missing(Reason.WARMUP, n=n, coverage=n / self.least)
        below, until = bisect_left(self._ordered, x), bisect_right(self._ordered, x)
        return Value.of((below + 0.5 * (until - below)) / n, n=n)

    def quantile(self, share: float) -> Value:
        """Quantile of the samples, linear between neighbours (type 7)."""
        n = len(self._ordered)
        if n < self.least:
            return Value.missing(Reason.WARMUP, n=n, coverage=n / self.least)
        at = share * (n - 1)
        low = int(at)
        high = min(low + 1, n - 1)
        return Value.of(self._ordered[low] + (at - low) * (self._ordered[high] - self._ordered[low]), n=n)

    def state(self) -> list[float]:
        """The samples, oldest first."""
        return list(self._ring)

    def restore(self, state: Sequence[float]) -> None:
        """The inverse of `state`."""
        self._ring = [float(x) for x in state]
        self._ordered = sorted(self._ring)
