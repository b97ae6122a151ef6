"""Structure never looks ahead: bars 0..m give exactly the facts that the full run knew by m."""

from __future__ import annotations

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.structure.making import alone, levels_of, series
from warehouse.metrics.bars import Bar
from warehouse.structure.atr import atr
from warehouse.structure.breaks import breaks
from warehouse.structure.levels import _Visit, _visits
from warehouse.structure.measured import Lengths, measure
from warehouse.structure.profile import Profile, coarser, nodes, value_area
from warehouse.structure.regime import classify, rank, regime
from warehouse.structure.swings import swings
from warehouse.structure.zones import zones

DAY = 86_400_000_000
FIVE = Lengths(range=5, fast=3, slow=7, volume=4)


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
    pivots = swings(series(given_bars), left, right, ranges)
    events, _ = breaks(series(given_bars), pivots, ranges)
    assert [p.known for p in pivots] == sorted(p.known for p in pivots)
    for m in range(1, len(given_bars) + 1):
        prefix = given_bars[:m]
        some = swings(series(prefix), left, right, atr(prefix))
        assert some == [p for p in pivots if p.known < m]
        assert breaks(series(prefix), some, atr(prefix))[0] == [e for e in events if e.at < m]


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
    assert [(s.kind, s.at) for s in swings(series(given_bars), 2, 3)] == expected


@given(bars())
def test_atr_and_adx_are_prefix_stable(given_bars: list[Bar]) -> None:
    for m in range(len(given_bars) + 1):
        some, whole = alone(given_bars[:m], FIVE), alone(given_bars, FIVE)
        assert atr(given_bars[:m], 5) == atr(given_bars, 5)[:m] == some.atr
        for name in ("atr", "natr", "plus_di", "minus_di", "adx"):
            assert getattr(some, name) == getattr(whole, name)[:m]


@given(bars(least=0), st.integers(1, 7))
def test_the_directional_index_equals_its_definition(given_bars: list[Bar], n: int) -> None:
    told = alone(given_bars, Lengths(range=n))
    plus = minus = span = moved = 0.0
    average: float | None = None
    for i, bar in enumerate(given_bars):
        if i:
            before = given_bars[i - 1]
            up, down = bar.high - before.high, before.low - bar.low
            keep = 1.0 if i < n else 1.0 - 1.0 / n
            plus = plus * keep + (up if up > down and up > 0 else 0)
            minus = minus * keep + (down if down > up and down > 0 else 0)
            span = span * keep + (max(bar.high, before.close) - min(bar.low, before.close))
        if i < n:
            assert (told.plus_di[i], told.minus_di[i], told.adx[i]) == (None, None, None)
            continue
        ways = (100.0 * plus / span, 100.0 * minus / span) if span else (0.0, 0.0)
        if sum(ways):
            index = 100.0 * abs(ways[0] - ways[1]) / sum(ways)
            moved += index if i < 2 * n else 0.0
            average = None if average is None else (average * (n - 1) + index) / n
        average = moved / n if i == 2 * n - 1 else average
        assert (told.plus_di[i], told.minus_di[i], told.adx[i]) == (*ways, average)


@given(st.lists(bars(least=0), min_size=1, max_size=5))
def test_a_series_says_the_same_among_others_as_alone(several: list[list[Bar]]) -> None:
    names = ("atr", "natr", "plus_di", "minus_di", "adx", "fast", "slow", "volume")
    for one, given_bars in zip(measure([series(each) for each in several], FIVE), several, strict=True):
        own = alone(given_bars, FIVE)
        assert [getattr(one, name) for name in names] == [getattr(own, name) for name in names]


@given(bars(most=120), st.integers(980, 1020), st.integers(0, 6), st.integers(1, 8), st.integers(0, 5))
def test_visits_equal_their_definition(given_bars: list[Bar], low: int, wide: int, scale: int, start: int) -> None:
    high, side, entered, expected = low + wide, 0, -1, []
    for i, bar in enumerate(given_bars[start:], start):
        if entered < 0 and side and bar.low <= high and bar.high >= low:
            entered = i
        if entered >= 0:
            into = low - bar.close if side > 0 else bar.close - high
            back = bar.close - high if side > 0 else low - bar.close
            if into >= 0.25 * scale or back >= scale:
                expected.append(_Visit(entered, i, into < 0.25 * scale, side > 0))
                side, entered = 0, -1
        if entered < 0 and (bar.close >= high + scale or bar.close <= low - scale):
            side = 1 if bar.close >= high + scale else -1
    assert _visits(series(given_bars), start, low, high, scale) == expected


@given(bars(least=40, most=120))
@settings(max_examples=40)
def test_levels_keep_within_their_bounds(given_bars: list[Bar]) -> None:
    found = levels_of(given_bars)
    assert len(found) <= 20
    assert [level.strength for level in found] == sorted((level.strength for level in found), reverse=True)
    for level in found:
        assert 0.0 <= level.strength < 1.0
        assert level.zone_low <= level.price <= level.zone_high
        assert level.first_seen <= given_bars[-1].open_time + DAY
        assert level.touches >= 1
    assert found == levels_of(given_bars)


@given(bars(least=150, most=700), st.sampled_from([3, 14]))
@settings(max_examples=15, deadline=None)
def test_the_regime_equals_its_definition(given_bars: list[Bar], n: int) -> None:
    told = alone(given_bars, Lengths(range=n))
    natr = [None if scale is None else scale / bar.close for scale, bar in zip(told.atr, given_bars, strict=True)]
    confirmed, before, since = None, None, n - 1
    for i in range(n, len(given_bars)):
        ranked = sorted(value for value in natr[max(0, i - 500) : i] if value is not None)
        plus, minus, strength, now, raw = told.plus_di[i], told.minus_di[i], told.adx[i], natr[i], None
        if len(ranked) >= 100 and None not in (plus, minus, strength, now):
            path = sum(abs(given_bars[k].close - given_bars[k - 1].close) for k in range(i - 19, i + 1))
            if path:
                efficiency = abs(given_bars[i].close - given_bars[i - 20].close) / path
                raw = classify(rank(now, ranked), strength, efficiency, plus, minus)  # type: ignore[arg-type]
        if raw is not None and raw == before and raw != confirmed:
            confirmed, since = raw, i
        before = raw
    found = regime(told)
    if before is not None:
        assert (found.regime, found.raw, found.age) == (confirmed, before, len(given_bars) - 1 - since)
    else:
        assert found.reason is not None


@given(bars(least=150, most=170))
@settings(max_examples=10, deadline=None)
def test_the_regime_is_null_only_with_a_reason(given_bars: list[Bar]) -> None:
    found = regime(alone(given_bars))
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
