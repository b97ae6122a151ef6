"""Volume by price: the profile, its point of control, its value area, its nodes.

Bins lie on the absolute price axis, so profiles of different days add up. A profile says whether it was made from
trades (exact) or from candles (each bar's volume spread over its range: an approximation, never passed off as exact).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from math import fsum

import msgspec

from warehouse.clock import MINUTE, Micros
from warehouse.metrics.bars import Bar

VALUE_AREA = 0.70
PROMINENCE = 0.10
"""A node stands out by at least this share of the smoothed profile's maximum."""

SESSION_AGE: Micros = 30 * MINUTE
SESSION_TRADES = 100
"""A session younger than the one or of fewer trades than the other has no value area yet (`WARMUP`)."""


def bin_width(daily_atr: float, tick: str) -> int:
    """Width of a bin in ticks: the largest 1-2-5 step of price that is at most a fiftieth of the daily ATR.

    `daily_atr` in quote per base, `tick` as decimal text. At least one tick, always a whole number of them.
    """
    step = Fraction(tick)
    limit = Fraction(daily_atr) / 50
    power = Fraction(1)
    while power > limit and power > step:
        power /= 10
    while power * 10 <= limit:
        power *= 10
    for width in (5 * power, 2 * power, power, power / 2, power / 5):
        if step <= width <= limit and (width / step).denominator == 1:
            return int(width / step)
    return 1


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """Volumes of adjacent bins, lowest first: bin `i` covers `[(first + i) * width, (first + i + 1) * width)` ticks.

    `volumes` in lots (whole numbers from trades); `source` is `trades` or `candles_{timeframe}`.
    """

    width: int
    first: int
    volumes: list[float]
    source: str


def from_counts(counts: Mapping[int, float], width: int, source: str) -> Profile | None:
    """The profile of lots by bin; None if there are none."""
    kept = {k: v for k, v in counts.items() if v > 0}
    if not kept:
        return None
    low, high = min(kept), max(kept)
    return Profile(width=width, first=low, volumes=[float(kept.get(k, 0)) for k in range(low, high + 1)], source=source)


def from_bars(bars: Iterable[Bar], width: int, timeframe: str) -> Profile | None:
    """The profile with each bar's volume spread evenly over its range; None without volume."""
    bars = list(bars)
    base = min((bar.low for bar in bars), default=0) // width
    volumes = [0.0] * (max((bar.high for bar in bars), default=0) // width - base + 1)
    for bar in bars:
        span = bar.high - bar.low
        first, last = bar.low // width - base, (bar.high - 1) // width - base
        if span == 0:
            volumes[first] += bar.lots
            continue
        whole = bar.lots * width / span
        for k in range(first + 1, last):
            volumes[k] += whole
        for k in (first, last) if last > first else (first,):
            overlap = min(bar.high, (base + k + 1) * width) - max(bar.low, (base + k) * width)
            volumes[k] += bar.lots * overlap / span
    return from_counts(dict(enumerate(volumes, base)), width, f"candles_{timeframe}")


def coarser(profile: Profile, most: int) -> Profile:
    """The same volumes in at most `most` bins: wider by 2, 5, 10, 20, 50, ... where there are too many."""
    last = profile.first + len(profile.volumes) - 1
    sizes = (step * 10**power for power in range(20) for step in (1, 2, 5))
    factor = next(size for size in sizes if last // size - profile.first // size < most)
    if factor == 1:
        return profile
    counts: dict[int, float] = {}
    for i, volume in enumerate(profile.volumes):
        k = (profile.first + i) // factor
        counts[k] = counts.get(k, 0.0) + volume
    return from_counts(counts, profile.width * factor, profile.source) or profile


def trades_in(bars: Iterable[Bar]) -> int:
    """How many trades the bars are made of, at least: one with volume that does not count them has one."""
    return sum(min(bar.lots, 1) if bar.count is None else bar.count for bar in bars)


def point_of_control(volumes: Sequence[float]) -> int:
    """Index of the largest bin; of equals the nearest to the volume-weighted mean bin, then the lower."""
    top = max(volumes)
    mean = fsum(i * v for i, v in enumerate(volumes)) / fsum(volumes)
    return min((abs(i - mean), i) for i, v in enumerate(volumes) if v == top)[1]


def value_area(volumes: Sequence[float], share: float = VALUE_AREA) -> tuple[int, int, float]:
    """First and last bin of the value area, and the share of the volume in it.

    Grows from the point of control one bin at a time towards the larger neighbour, upwards on a tie, until the share is
    reached (Dalton, Jones and Dalton 1990; the exchange-floor variant compares pairs of rows).
    """
    low = high = point_of_control(volumes)
    total = fsum(volumes)
    inside = volumes[low]
    while inside < share * total and (low > 0 or high < len(volumes) - 1):
        above = volumes[high + 1] if high < len(volumes) - 1 else -1.0
        below = volumes[low - 1] if low > 0 else -1.0
        if above >= below:
            high += 1
            inside += above
        else:
            low -= 1
            inside += below
    return low, high, inside / total


def smoothed(volumes: Sequence[float]) -> list[float]:
    """Weights (1, 2, 1)/4, with nothing beyond the edges."""
    padded = [0.0, *volumes, 0.0]
    return [(padded[i - 1] + 2 * padded[i] + padded[i + 1]) / 4 for i in range(1, len(padded) - 1)]


def peaks(values: Sequence[float]) -> list[tuple[int, float]]:
    """Local maxima strictly inside `values` with their prominence; of a plateau the middle, the lower of two."""
    found = []
    i = 1
    while i < len(values) - 1:
        last = i
        while last < len(values) - 1 and values[last + 1] == values[i]:
            last += 1
        if values[i - 1] < values[i] and last < len(values) - 1 and values[last + 1] < values[i]:
            middle = (i + last) // 2
            found.append((middle, values[middle] - max(_base(values, middle, -1), _base(values, middle, 1))))
        i = last + 1
    return found


def _base(values: Sequence[float], peak: int, step: int) -> float:
    """The lowest value on the way to higher ground (or to the edge)."""
    top = lowest = values[peak]
    way = values[peak:] if step > 0 else values[peak::-1]
    for value in way:
        if value > top:
            break
        if value < lowest:
            lowest = value
    return lowest


def nodes(volumes: Sequence[float]) -> tuple[list[tuple[int, float]], list[tuple[int, float]]]:
    """High- and low-volume nodes as (bin, prominence): extrema of the smoothed profile that stand out."""
    curve = smoothed(volumes)
    least = PROMINENCE * max(curve)
    high = [(i - 1, p) for i, p in peaks([0.0, *curve, 0.0]) if p >= least]
    low = [(i, p) for i, p in peaks([-v for v in curve]) if p >= least]
    return high, low
