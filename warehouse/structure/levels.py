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
import numpy as np

from warehouse.clock import Micros
from warehouse.instruments import TIMEFRAMES, timeframe_us
from warehouse.structure.measured import Measured
from warehouse.structure.series import Series
from warehouse.structure.swings import Swing

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


def _rejection(series: Series, at: int, price: float, upwards: bool, scale: float) -> float:
    """Largest move away from `price` within the bars after `at` that have already closed, in ATR."""
    after = (series.high if upwards else series.low)[at + 1 : at + 1 + REJECTION_BARS]
    if not after:
        return 0.0
    move = max(after) - price if upwards else price - min(after)
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


def _visits(series: Series, start: int, low: float, high: float, scale: float) -> list[_Visit]:
    """Returns to a zone by price that had closed at least an ATR outside; each ends in a hold or a break."""
    found: list[_Visit] = []
    above, below = high + scale, low - scale
    over, under = high + 0.25 * scale, low - 0.25 * scale
    side = 0  # where price was last an ATR away: 1 above, -1 below
    entered = -1
    closes = series.columns["close"][start:]
    inside = (series.columns["low"][start:] <= high) & (series.columns["high"][start:] >= low)
    # Outside the zone a bar changes nothing that closes within the same bounds as the one before it.
    place = np.searchsorted([below, under], closes) + np.searchsorted([over, above], closes, "right")
    told = np.flatnonzero(inside | (np.diff(place, prepend=-1) != 0))
    for i, close, within in zip((told + start).tolist(), closes[told].tolist(), inside[told].tolist(), strict=True):
        if entered < 0 and side and within:
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


def _level(group: Sequence[Pivot], judged: Mapping[str, Measured], close: int) -> KeyLevel:
    timeframe = next(tf for tf in TIMEFRAMES if any(p.timeframe == tf for p in group))
    series, scale = judged[timeframe].series, judged[timeframe].atr[-1] or 0.0
    low = min(p.price for p in group) - 0.1 * scale
    high = max(p.price for p in group) + 0.1 * scale
    known = [judged[p.timeframe].series.open_time[p.known] + timeframe_us(p.timeframe) for p in group]
    touched = [judged[p.timeframe].series.open_time[p.at] for p in group]
    start = bisect_left(series.open_time, min(known))
    weights = [(p.weight, p.timeframe) for p in group]
    holds = breaks = 0
    own = [p.at for p in group if p.timeframe == timeframe]
    for visit in _visits(series, start, low, high, scale):
        touched.append(series.open_time[visit.last])
        if not visit.held:
            breaks += 1
            weights = [(0.5 * weight, tf) for weight, tf in weights]
            continue
        holds += 1
        if not any(visit.first <= at <= visit.last for at in own):  # else it is one of the pivots already
            edge = high if visit.from_above else low
            rejection = _rejection(series, visit.first, edge, visit.from_above, scale)
            weights.append((Pivot(edge, len(series) - 1 - visit.first, rejection).weight, timeframe))
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


def pivots_of(found: Sequence[Swing], series: Series, scale: float) -> list[Pivot]:
    """The swings of one timeframe with age and rejection as of its last bar; `scale` is its ATR in ticks."""
    return [
        Pivot(
            swing.price,
            len(series) - 1 - swing.at,
            _rejection(series, swing.at, swing.price, swing.kind == "low", scale),
            series.timeframe,
            swing.at,
            swing.known,
        )
        for swing in found
    ]


def levels(measured: Mapping[str, Measured], swung: Mapping[str, Sequence[Swing]], close: int) -> list[KeyLevel]:
    """The strongest levels of the given timeframes (`1d 12h 4h 1h` by custom), strongest first; empty below 5 pivots.

    `swung` are the major swings of each timeframe, `close` the newest price in ticks. A timeframe without an ATR, or
    with an ATR of 0, takes no part.
    """
    judged: dict[str, Measured] = {}
    scales: dict[str, float] = {}
    pivots: list[Pivot] = []
    for timeframe in TIMEFRAMES:
        one = measured.get(timeframe)
        if one is not None and one.atr and (scale := one.atr[-1]):
            judged[timeframe], scales[timeframe] = one, scale
            pivots.extend(pivots_of(swung[timeframe], one.series, scale))
    if len(pivots) < MIN_PIVOTS:
        return []
    kept = [_level(group, judged, close) for group in cluster(pivots, scales)]
    return sorted(kept, key=lambda level: (-level.strength, level.price))[:KEPT]
