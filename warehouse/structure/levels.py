"""Key levels: prices where swings cluster, and how often they were touched, held and broken since.

Own definition, built from touch counting (Osler 2000; Lo, Mamaysky and Wang 2000). Levels are a pure function of the
closed bars: they remember no earlier clustering.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from math import fsum
from typing import Literal

import msgspec

from warehouse.clock import Micros
from warehouse.instruments import TIMEFRAMES, timeframe_us
from warehouse.metrics.bars import Bar
from warehouse.structure.atr import atr
from warehouse.structure.swings import Swing, swings

TIMEFRAME_WEIGHT = {"1d": 1.0, "12h": 0.8, "6h": 0.8, "4h": 0.6}
"""What a touch on a timeframe counts; 0.4 on all below four hours."""

HALF_LIFE = 100
REJECTION_BARS = 10
KEPT = 20
MIN_PIVOTS = 5

Role = Literal["SUPPORT", "RESISTANCE", "INSIDE"]


class Pivot(msgspec.Struct, frozen=True, gc=False):
    """A swing as a level sees it: price in ticks, age in bars, `rejection` the move away from it since, in ATR."""

    price: float
    age: float
    rejection: float
    timeframe: str = "1d"
    at: int = 0
    known: int = 0

    @property
    def weight(self) -> float:
        """1 for a fresh pivot that price left by two ATR; halves with every hundred bars of age."""
        return float(2.0 ** (-self.age / HALF_LIFE)) * min(1.0, self.rejection / 2.0)


class KeyLevel(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One level. Prices in ticks; `strength` in [0, 1); `hold_rate` None if it was never visited again.

    `first_seen` is when its first pivot became known, `last_touch` when price was last there. `role` is by the newest
    close: SUPPORT below it, RESISTANCE above it, INSIDE around it.
    """

    price: float
    zone_low: float
    zone_high: float
    role: Role
    touches: int
    holds: int
    breaks: int
    strength: float
    timeframes: list[str]
    first_seen: Micros
    last_touch: Micros
    hold_rate: float | None


class _Series(msgspec.Struct, frozen=True):
    """Closed bars of one timeframe with its latest ATR, in ticks."""

    timeframe: str
    bars: Sequence[Bar]
    atr: float


def _rejection(bars: Sequence[Bar], at: int, price: float, upwards: bool, scale: float) -> float:
    """Largest move away from `price` within the bars after `at` that have already closed, in ATR."""
    after = bars[at + 1 : at + 1 + REJECTION_BARS]
    if not after:
        return 0.0
    move = max(bar.high for bar in after) - price if upwards else price - min(bar.low for bar in after)
    return max(0.0, move / scale)


def cluster(pivots: Sequence[Pivot], atrs: Mapping[str, float]) -> list[list[Pivot]]:
    """Pivots by price in clusters no wider than half an ATR of the largest timeframe in them; nothing chains."""
    groups: list[list[Pivot]] = []
    width = 0.0
    for pivot in sorted(pivots, key=lambda p: (p.price, TIMEFRAMES.index(p.timeframe), p.at)):
        own = 0.5 * atrs[pivot.timeframe]
        if groups and pivot.price <= groups[-1][0].price + max(width, own):
            groups[-1].append(pivot)
            width = max(width, own)
        else:
            groups.append([pivot])
            width = own
    return groups


def level_price(pivots: Sequence[Pivot]) -> float:
    """Mean of the pivots' prices by weight; the plain mean if no pivot has any."""
    total = fsum(p.weight for p in pivots)
    if total == 0.0:
        return fsum(p.price for p in pivots) / len(pivots)
    return fsum(p.weight * p.price for p in pivots) / total


def strength(weights: Sequence[tuple[float, str]]) -> float:
    """Noisy-or of the touches: `1 - prod(1 - 0.25 * m * w)` over (weight, timeframe)."""
    left = 1.0
    for weight, timeframe in weights:
        left *= 1.0 - 0.25 * TIMEFRAME_WEIGHT.get(timeframe, 0.4) * weight
    return 1.0 - left


class _Visit(msgspec.Struct, frozen=True):
    first: int
    last: int
    held: bool
    from_above: bool


def _visits(bars: Sequence[Bar], start: int, low: float, high: float, scale: float) -> list[_Visit]:
    """Returns to a zone by price that had closed at least an ATR outside; each ends in a hold or a break."""
    found: list[_Visit] = []
    above, below = high + scale, low - scale
    over, under = high + 0.25 * scale, low - 0.25 * scale
    side = 0  # where price was last an ATR away: 1 above, -1 below
    entered = -1
    for i in range(start, len(bars)):
        bar = bars[i]
        close = bar.close
        if entered < 0 and side and bar.low <= high and bar.high >= low:
            entered = i
        if entered >= 0:
            broken = close <= under if side > 0 else close >= over
            if broken or (close >= above if side > 0 else close <= below):
                found.append(_Visit(entered, i, not broken, side > 0))
                entered = -1
                side = 0
        if entered < 0:
            if close >= above:
                side = 1
            elif close <= below:
                side = -1
    return found


def _level(group: Sequence[Pivot], series: Mapping[str, _Series], close: int) -> KeyLevel:
    timeframe = next(tf for tf in TIMEFRAMES if any(p.timeframe == tf for p in group))
    bars, scale = series[timeframe].bars, series[timeframe].atr
    low = min(p.price for p in group) - 0.1 * scale
    high = max(p.price for p in group) + 0.1 * scale
    known = [series[p.timeframe].bars[p.known].open_time + timeframe_us(p.timeframe) for p in group]
    touched = [series[p.timeframe].bars[p.at].open_time for p in group]
    start = bisect_left(bars, min(known), key=_open_time)
    weights = [(p.weight, p.timeframe) for p in group]
    holds = breaks = 0
    own = [p.at for p in group if p.timeframe == timeframe]
    for visit in _visits(bars, start, low, high, scale):
        touched.append(bars[visit.last].open_time)
        if not visit.held:
            breaks += 1
            weights = [(0.5 * weight, tf) for weight, tf in weights]
            continue
        holds += 1
        if not any(visit.first <= at <= visit.last for at in own):  # else it is one of the pivots already
            edge = high if visit.from_above else low
            rejection = _rejection(bars, visit.first, edge, visit.from_above, scale)
            weights.append((Pivot(edge, len(bars) - 1 - visit.first, rejection).weight, timeframe))
    return KeyLevel(
        price=level_price(group),
        zone_low=low,
        zone_high=high,
        role="SUPPORT" if close > high else "RESISTANCE" if close < low else "INSIDE",
        touches=len(weights),
        holds=holds,
        breaks=breaks,
        strength=strength(weights),
        timeframes=[tf for tf in TIMEFRAMES if any(p.timeframe == tf for p in group)],
        first_seen=min(known),
        last_touch=max(touched),
        hold_rate=holds / (holds + breaks) if holds + breaks else None,
    )


def _open_time(bar: Bar) -> Micros:
    return bar.open_time


def pivots_of(found: Sequence[Swing], bars: Sequence[Bar], scale: float, timeframe: str) -> list[Pivot]:
    """The swings of one timeframe with age and rejection as of its last bar."""
    return [
        Pivot(
            swing.price,
            len(bars) - 1 - swing.at,
            _rejection(bars, swing.at, swing.price, swing.kind == "low", scale),
            timeframe,
            swing.at,
            swing.known,
        )
        for swing in found
    ]


def levels(
    bars_by_timeframe: Mapping[str, Sequence[Bar]],
    close: int,
    *,
    ranges: Mapping[str, Sequence[float | None]] | None = None,
    swung: Mapping[str, Sequence[Swing]] | None = None,
) -> list[KeyLevel]:
    """The strongest levels of the given timeframes (`1d 12h 4h 1h` by custom), strongest first; empty below 5 pivots.

    `close` is the newest price in ticks. A timeframe without an ATR, or with an ATR of 0, takes no part. `ranges` and
    `swung` are the ATR and the major swings of each timeframe, where they are known already.
    """
    series: dict[str, _Series] = {}
    pivots: list[Pivot] = []
    for timeframe in TIMEFRAMES:
        bars = bars_by_timeframe.get(timeframe, ())
        if not bars:
            continue
        scale = (ranges[timeframe] if ranges else atr(bars))[-1]
        if scale:
            series[timeframe] = _Series(timeframe, bars, scale)
            found = swung[timeframe] if swung else swings(bars, timeframe_us(timeframe))
            pivots.extend(pivots_of(found, bars, scale, timeframe))
    if len(pivots) < MIN_PIVOTS:
        return []
    groups = cluster(pivots, {tf: one.atr for tf, one in series.items()})
    kept = [_level(group, series, close) for group in groups]
    return sorted(kept, key=lambda level: (-level.strength, level.price))[:KEPT]
