"""What kind of market it is: trending, ranging, volatile or quiet. Judged at each bar's close only."""

from __future__ import annotations

import itertools
from bisect import bisect_left, bisect_right, insort
from collections.abc import Sequence

import msgspec

from warehouse.metrics.bars import Bar
from warehouse.metrics.base import Reason
from warehouse.structure.atr import LENGTH, Directional, adx, atr

RANKED = 500
MIN_RANKED = 100
MIN_BARS = 150


class Regime(msgspec.Struct, frozen=True, gc=False):
    """`regime` has been confirmed by two bars in a row, `raw` is the newest bar's class, `age` counts bars since the
    change. `rank` is where NATR stands among the bars before, 0 to 1. On null all are None with a reason.
    """

    regime: str | None
    raw: str | None
    age: int
    rank: float | None
    reason: Reason | None = None


def rank(x: float, ordered: Sequence[float]) -> float:
    """Mid-rank of `x` among sorted values: the share below it plus half the share equal to it."""
    below, until = bisect_left(ordered, x), bisect_right(ordered, x)
    return (below + 0.5 * (until - below)) / len(ordered)


def classify(rank_: float, adx_: float, efficiency: float, plus_di: float, minus_di: float) -> str:
    """First rule that fits (Wilder's 20 and 25, Kaufman's ratio; the order is this project's own)."""
    if rank_ >= 0.90 and efficiency < 0.30:
        return "VOLATILE"
    if adx_ >= 25.0 and efficiency >= 0.30:
        return "TRENDING_UP" if plus_di > minus_di else "TRENDING_DOWN"
    if rank_ <= 0.10:
        return "QUIET"
    if adx_ < 20.0:
        return "RANGING"
    return "TRANSITION"


def regime(
    bars: Sequence[Bar],
    n: int = LENGTH,
    path: int = 20,
    *,
    ranges: Sequence[float | None] | None = None,
    directions: Sequence[Directional | None] | None = None,
) -> Regime:
    """The regime after the last closed bar; `NO_HISTORY` below 150 bars, `ZERO_VARIANCE` if price does not move.

    `ranges` and `directions` are the bars' ATR and ADX of length `n`, where they are known already.
    """
    if len(bars) < MIN_BARS:
        return Regime(None, None, 0, None, Reason.NO_HISTORY)
    ranges = atr(bars, n) if ranges is None else ranges
    directions = adx(bars, n) if directions is None else directions
    natr = [None if r is None else r / bar.close for r, bar in zip(ranges, bars, strict=True)]
    steps = [0, *(abs(b.close - a.close) for a, b in itertools.pairwise(bars))]
    walked = sum(steps[1 : path + 1])
    ordered: list[float] = []
    confirmed: str | None = None
    raw: str | None = None
    standing: float | None = None
    age = 0
    for i in range(len(bars)):
        now, direction = natr[i], directions[i]
        if i > path:
            walked += steps[i] - steps[i - path]
        if now is None:
            continue
        before, raw = raw, None
        if len(ordered) >= MIN_RANKED and direction is not None and direction.adx is not None:
            standing = rank(now, ordered)
            if walked:
                efficiency = abs(bars[i].close - bars[i - path].close) / walked
                raw = classify(standing, direction.adx, efficiency, direction.plus_di, direction.minus_di)
        age += 1
        if raw is not None and raw == before and raw != confirmed:
            confirmed, age = raw, 0
        insort(ordered, now)
        if len(ordered) > RANKED:
            old = natr[i - RANKED]
            if old is not None:
                del ordered[bisect_left(ordered, old)]
    if raw is None:
        return Regime(None, None, 0, standing, Reason.ZERO_VARIANCE)
    return Regime(confirmed, raw, age, standing, None if confirmed else Reason.WARMUP)
