"""Structure never looks ahead: bars 0..m give exactly the facts that the full run knew by m."""

from __future__ import annotations

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from warehouse.metrics.bars import Bar
from warehouse.structure.atr import adx, atr
from warehouse.structure.breaks import breaks
from warehouse.structure.levels import levels
from warehouse.structure.profile import Profile, coarser, nodes, value_area
from warehouse.structure.regime import classify, rank, regime
from warehouse.structure.swings import swings
from warehouse.structure.zones import zones

DAY = 86_400_000_000


@st.composite
def bars(draw: st.DrawFn, least: int = 1, most: int = 60) -> list[Bar]:
    """A random walk of bars in ticks; small steps, so that plateaus and equal prices are common."""
    close = 1000
    out = []
    for i in range(draw(st.integers(least, most))):
        step, up, down = draw(st.tuples(st.integers(-6, 6), st.integers(0, 4), st.integers(0, 4)))
        start, close = close, max(50, close + step)
        out.append(Bar(i * DAY, start, max(start, close) + up, min(start, close) - down, close, 1 + up))
    return out


@given(bars(), st.integers(1, 4), st.integers(1, 4))
def test_swings_and_breaks_are_prefix_stable(given_bars: list[Bar], left: int, right: int) -> None:
    ranges = atr(given_bars)
    pivots = swings(given_bars, DAY, left, right, ranges)
    events, _ = breaks(given_bars, pivots, DAY, ranges)
    assert [p.known for p in pivots] == sorted(p.known for p in pivots)
    for m in range(1, len(given_bars) + 1):
        prefix = given_bars[:m]
        some = swings(prefix, DAY, left, right, atr(prefix))
        assert some == [p for p in pivots if p.known < m]
        assert breaks(prefix, some, DAY, atr(prefix))[0] == [e for e in events if e.at < m]


@given(bars(least=3))
def test_swings_equal_their_definition(given_bars: list[Bar]) -> None:
    expected = []
    for j in range(2, len(given_bars) - 3):
        before, after = given_bars[j - 2 : j], given_bars[j + 1 : j + 4]
        bar = given_bars[j]
        if bar.high > max(b.high for b in before) and bar.high >= max(b.high for b in after):
            expected.append(("high", j))
        if bar.low < min(b.low for b in before) and bar.low <= min(b.low for b in after):
            expected.append(("low", j))
    assert [(s.kind, s.at) for s in swings(given_bars, DAY, 2, 3)] == expected


@given(bars())
def test_atr_and_adx_are_prefix_stable(given_bars: list[Bar]) -> None:
    for m in range(len(given_bars) + 1):
        assert atr(given_bars[:m], 5) == atr(given_bars, 5)[:m]
        assert adx(given_bars[:m], 5) == adx(given_bars, 5)[:m]


@given(bars(least=40, most=120))
@settings(max_examples=40)
def test_levels_keep_within_their_bounds(given_bars: list[Bar]) -> None:
    found = levels({"1d": given_bars}, given_bars[-1].close)
    assert len(found) <= 20
    assert [level.strength for level in found] == sorted((level.strength for level in found), reverse=True)
    for level in found:
        assert 0.0 <= level.strength < 1.0
        assert level.zone_low <= level.price <= level.zone_high
        assert level.first_seen <= given_bars[-1].open_time + DAY
        assert level.touches >= 1
    assert found == levels({"1d": given_bars}, given_bars[-1].close)


@given(bars(least=150, most=700), st.sampled_from([3, 14]))
@settings(max_examples=15, deadline=None)
def test_the_regime_equals_its_definition(given_bars: list[Bar], n: int) -> None:
    scales, directions = atr(given_bars, n), adx(given_bars, n)
    natr = [None if scale is None else scale / bar.close for scale, bar in zip(scales, given_bars, strict=True)]
    confirmed, before, since = None, None, n - 1
    for i in range(n, len(given_bars)):
        ranked = sorted(value for value in natr[max(0, i - 500) : i] if value is not None)
        direction, now, raw = directions[i], natr[i], None
        if len(ranked) >= 100 and direction is not None and direction.adx is not None and now is not None:
            path = sum(abs(given_bars[k].close - given_bars[k - 1].close) for k in range(i - 19, i + 1))
            if path:
                efficiency = abs(given_bars[i].close - given_bars[i - 20].close) / path
                raw = classify(rank(now, ranked), direction.adx, efficiency, direction.plus_di, direction.minus_di)
        if raw is not None and raw == before and raw != confirmed:
            confirmed, since = raw, i
        before = raw
    found = regime(given_bars, n)
    if before is not None:
        assert (found.regime, found.raw, found.age) == (confirmed, before, len(given_bars) - 1 - since)
    else:
        assert found.reason is not None


@given(bars(least=150, most=170))
@settings(max_examples=10, deadline=None)
def test_the_regime_is_null_only_with_a_reason(given_bars: list[Bar]) -> None:
    found = regime(given_bars)
    assert (found.regime is None) == (found.reason is not None)


volumes = st.lists(st.integers(0, 50).map(float), min_size=1, max_size=60).filter(lambda v: v[0] > 0 and v[-1] > 0)


@given(volumes)
def test_the_value_area_is_the_least_it_can_be(given_volumes: list[float]) -> None:
    low, high, share = value_area(given_volumes)
    total = sum(given_volumes)
    assert 0 <= low <= high < len(given_volumes)
    assert share == sum(given_volumes[low : high + 1]) / total
    assert share >= 0.7 or (low, high) == (0, len(given_volumes) - 1)


@given(volumes, st.integers(-500, 500), st.integers(1, 40))
def test_nodes_zones_and_wider_bins_keep_what_they_hold(given_volumes: list[float], first: int, most: int) -> None:
    profile = Profile(width=5, first=first, volumes=given_volumes, source="trades")
    wide = coarser(profile, max(3, most))
    assert sum(wide.volumes) == sum(given_volumes)
    assert len(wide.volumes) <= max(3, most)
    high, low = nodes(given_volumes)
    assert all(0 <= k < len(given_volumes) and prominence > 0 for k, prominence in [*high, *low])
    found = zones(profile)
    assert all(a.high <= b.low for a, b in itertools.pairwise(found))
    for zone in found:
        assert 0.0 <= zone.share <= 1.0 + 1e-12
        assert 0.0 <= zone.strength < 1.0
        assert zone.low < zone.high
