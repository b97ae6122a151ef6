"""Liquidity zones: the price ranges around high-volume nodes where trade has gathered."""

from __future__ import annotations

from collections.abc import Sequence
from math import exp, floor

import msgspec

from warehouse.metrics.bars import Bar
from warehouse.structure.profile import Profile, nodes, smoothed


class Zone(msgspec.Struct, frozen=True, gc=False):
    """`low`, `high`, `centre` (largest bin) in ticks, `volume` in lots, `share` of the profile's volume.

    `strength` in [0, 1): how much denser than the average of the profile, `1 - exp(1 - density)`. `tests` counts the
    separate visits of the bars it was made with.
    """

    low: float
    high: float
    centre: float
    volume: float
    share: float
    strength: float
    tests: int


def zones(profile: Profile, bars: Sequence[Bar] = ()) -> list[Zone]:
    """Zones by price, lowest first: half-prominence width of each node, overlapping ones merged."""
    volumes = profile.volumes
    curve = [0.0, *smoothed(volumes), 0.0]
    found = []
    for node, prominence in nodes(volumes)[0]:
        level = curve[node + 1] - prominence / 2
        found.append((_crossing(curve, node + 1, -1, level) - 1, _crossing(curve, node + 1, 1, level) - 1))
    spans: list[tuple[float, float]] = []
    for low, high in sorted(found):
        if spans and low <= spans[-1][1]:
            spans[-1] = (spans[-1][0], max(high, spans[-1][1]))
        else:
            spans.append((low, high))
    return [_zone(profile, low, high, bars) for low, high in spans]


def _crossing(curve: Sequence[float], peak: int, step: int, level: float) -> float:
    """Where the curve falls through `level` on its way from the peak, between bins."""
    i = peak
    while 0 < i < len(curve) - 1 and curve[i] > level:
        i += step
    if curve[i] >= level:
        return float(i)
    inner = i - step
    return inner + step * (curve[inner] - level) / (curve[inner] - curve[i])


def _zone(profile: Profile, low: float, high: float, bars: Sequence[Bar]) -> Zone:
    volumes = profile.volumes
    inside = [
        (max(0.0, min(high, k + 0.5) - max(low, k - 0.5)), k)
        for k in range(max(0, floor(low)), min(len(volumes), floor(high) + 2))
    ]
    volume = sum(part * volumes[k] for part, k in inside)
    share = volume / sum(volumes)
    density = share / ((high - low) / len(volumes))
    top = max((k for part, k in inside if part > 0), key=lambda k: (volumes[k], -k))
    bottom_ticks, top_ticks = (
        (profile.first + low + 0.5) * profile.width,
        (profile.first + high + 0.5) * profile.width,
    )
    touching = [bar.low <= top_ticks and bar.high >= bottom_ticks for bar in bars]
    tests = sum(1 for i, here in enumerate(touching) if here and (i == 0 or not touching[i - 1]))
    return Zone(
        low=bottom_ticks,
        high=top_ticks,
        centre=(profile.first + top + 0.5) * profile.width,
        volume=volume,
        share=share,
        strength=1.0 - exp(1.0 - density) if density > 1.0 else 0.0,
        tests=tests,
    )
