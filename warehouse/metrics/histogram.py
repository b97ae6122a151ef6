"""Quantiles of a heavy-tailed stream over the last day: counts in logarithmic bins, by the hour.

Every quantile is within half a percent of the true one. All counts and edges are integers, so that an hour leaves
exactly as it came, and everyone who counts the same values has the same histogram.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from typing import cast

HOURS = 24
"""Hours counted, the running one included: between 23 and 24 hours of time."""

Sparse = list[int]
"""Counts as pairs in a row: bins stepped over since the bin before, and the count."""


def _edges() -> list[int]:
    edge, found = 1, [1]
    while edge < 1 << 62:
        edge = max(edge + 1, edge * 201 // 199)
        found.append(edge)
    return found


EDGES = _edges()
"""Largest value of each bin; neighbours differ by 201/199 at most (1.005 / 0.995), or by one."""

LAST = len(EDGES) - 1
"""The last bin takes whatever is larger, too."""


def value_of(bin: int) -> float:
    """A value within half a percent of everything in the bin (Masson, Rim and Lee 2019, PVLDB 12: DDSketch)."""
    low, high = (EDGES[bin - 1] + 1 if bin else 1), EDGES[bin]
    return 2 * low * high / (low + high)


def sparse(counts: Iterable[tuple[int, int]]) -> Sparse:
    """(bin, count), ascending by bin, as pairs of steps and counts."""
    found: Sparse = []
    before = 0
    for bin, count in counts:
        found += (bin - before, count)
        before = bin
    return found


class _Rank:
    """Where a quantile stands: the bin, and how many values lie in bins below it."""

    __slots__ = ("at", "below", "den", "num")

    def __init__(self, num: int, den: int) -> None:
        self.num, self.den = num, den
        self.at = self.below = 0


class DayHistogram:
    """Positive integers of the last 24 hours, the hours being whole ones of UTC.

    `quantiles` are the fractions (numerator, denominator) that `values` answers; their bins are followed step by step,
    so that asking costs nothing. `total` counts the values.
    """

    __slots__ = ("_counts", "_hour", "_past", "_ranks", "_start", "total")

    def __init__(self, quantiles: Sequence[tuple[int, int]]) -> None:
        self._ranks = [_Rank(num, den) for num, den in quantiles]
        self.total = 0
        self._hour = -1
        self._counts = array("I", bytes(4 * len(EDGES)))
        self._start = self._counts[:]  # as the running hour found it
        self._past: dict[int, tuple[array[int], array[int]]] = {}

    def add(self, hour: int, values: Sequence[int]) -> None:
        """Count values in the running hour; `hour` (UTC, since the epoch) makes a later one run."""
        if hour > self._hour:
            self._turn(hour)
        counts, edges = self._counts, EDGES
        bins = sorted([bisect_left(edges, value, 0, LAST) for value in values])
        for bin in bins:
            counts[bin] += 1
        self.total += len(bins)
        for rank in self._ranks:
            rank.below += bisect_left(bins, rank.at)

    def _turn(self, hour: int) -> None:
        if found := list(self._running()):
            self._past[self._hour] = array("H", [bin for bin, _ in found]), array("I", [count for _, count in found])
        for old in [old for old in self._past if old <= hour - HOURS]:
            self._count(zip(*self._past.pop(old), strict=True), -1)
        self._hour, self._start = hour, self._counts[:]

    def _running(self) -> Iterable[tuple[int, int]]:
        for bin, (before, count) in enumerate(zip(self._start, self._counts, strict=True)):
            if count != before:
                yield bin, count - before

    def _count(self, found: Iterable[tuple[int, int]], sign: int) -> None:
        for bin, count in found:
            self._counts[bin] += sign * count
            self.total += sign * count
            for rank in self._ranks:
                if bin < rank.at:
                    rank.below += sign * count

    def values(self) -> list[float]:
        """Each quantile: the bin of the value that has `num / den * (total - 1)` before it. IndexError when empty."""
        counts, found = self._counts, []
        for rank in self._ranks:
            target, den, at, below = rank.num * (self.total - 1), rank.den, rank.at, rank.below
            while below * den > target:
                at -= 1
                below -= counts[at]
            while (below + counts[at]) * den <= target:
                below += counts[at]
                at += 1
            rank.at, rank.below = at, below
            found.append(value_of(at))
        return found

    def hours(self) -> list[tuple[int, Sparse]]:
        """The counts of every hour that has some, ascending."""
        past = [(hour, sparse(zip(*pair, strict=True))) for hour, pair in self._past.items()]
        running = sparse(self._running())
        return [*past, (self._hour, running)] if running else past

    def load(self, hours: Iterable[tuple[int, Sparse]]) -> None:
        """The inverse of `hours`, into an empty histogram."""
        for hour, pairs in hours:
            self._turn(hour)
            bins, at = [], 0
            for step in pairs[::2]:
                at += step
                bins.append(at)
            self._count(zip(bins, pairs[1::2], strict=True), 1)

    def state(self) -> dict[str, object]:
        """All of it as JSON-able values."""
        return {"hour": self._hour, "hours": [list(one) for one in self.hours()]}

    def restore(self, state: Mapping[str, object]) -> None:
        """The inverse of `state`, into an empty histogram."""
        self.load([(hour, pairs) for hour, pairs in cast("list[tuple[int, Sparse]]", state["hours"])])
        if cast("int", state["hour"]) > self._hour:
            self._turn(cast("int", state["hour"]))
