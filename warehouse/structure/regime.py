"""What kind of market it is: trending, ranging, volatile or quiet. Judged at each bar's close only."""

from __future__ import annotations

import itertools
from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator, Sequence

import msgspec

from warehouse.metrics.base import Reason
from warehouse.structure.measured import Measured

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


def regime(measured: Measured, path: int = 20) -> Regime:
    """The regime after the last closed bar; `NO_HISTORY` below 150 bars, `ZERO_VARIANCE` if price does not move."""
    bars = len(measured.series)
    if bars < MIN_BARS:
        return Regime(None, None, 0, None, Reason.NO_HISTORY)
    judged = _classes(measured, path)
    raw, standing = next(judged, (None, None))
    if raw is None:
        return Regime(None, None, 0, standing, Reason.ZERO_VARIANCE)
    confirmed: str | None = None
    age = bars - measured.lengths.range  # never confirmed: since the first bar with an ATR
    after: str | None = raw
    for back, (kind, _) in enumerate(judged):
        if kind is not None and kind == after:
            if confirmed not in (None, kind):
                break
            confirmed, age = kind, back
        after = kind
    return Regime(confirmed, raw, age, standing, None if confirmed else Reason.WARMUP)


def _classes(measured: Measured, path: int) -> Iterator[tuple[str | None, float | None]]:
    """The class and the rank of every bar that has enough before it, the newest first: who asks soon knows enough."""
    closes, first = measured.series.close, measured.lengths.range
    natr = [one for one in measured.natr if one is not None]
    closes, adx = closes[first:], measured.adx[first:]
    plus, minus = measured.plus_di[first:], measured.minus_di[first:]
    i = len(natr) - 1
    ordered = sorted(natr[max(0, i - RANKED) : i])
    walked = sum(abs(b - a) for a, b in itertools.pairwise(closes[i - path :]))
    while len(ordered) >= MIN_RANKED and (strength := adx[i]) is not None:
        standing = rank(natr[i], ordered)
        kind = None
        if walked:
            efficiency = abs(closes[i] - closes[i - path]) / walked
            kind = classify(standing, strength, efficiency, plus[i] or 0.0, minus[i] or 0.0)
        yield kind, standing
        walked += abs(closes[i - path] - closes[i - path - 1]) - abs(closes[i] - closes[i - 1])
        i -= 1
        del ordered[bisect_left(ordered, natr[i])]
        if i >= RANKED:
            insort(ordered, natr[i - RANKED])
