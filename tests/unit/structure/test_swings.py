"""Swings, labels, breaks, trend, bias, regime, levels: the worked examples."""

from __future__ import annotations

import pytest

from tests.unit.metrics.fixtures import F2, F3
from tests.unit.structure.making import alone, levels_of, series
from warehouse.instruments import TIMEFRAMES
from warehouse.metrics.bars import Bar
from warehouse.metrics.base import Reason
from warehouse.structure.breaks import breaks
from warehouse.structure.levels import Pivot, cluster, level_price, strength
from warehouse.structure.measured import Lengths
from warehouse.structure.regime import classify, rank, regime
from warehouse.structure.swings import structure_state, swings
from warehouse.structure.trend import htf_bias, regression, trend, trend_alignment


def test_swings_by_the_example() -> None:
    found = [(s.kind, s.price, s.at, s.known, s.label) for s in swings(series(F3), 2, 2)]
    assert found == [
        ("high", 120, 2, 4, None),
        ("low", 91, 5, 7, None),
        ("high", 134, 9, 11, "HH"),
        ("low", 109, 12, 14, "HL"),
        ("high", 129, 14, 16, "LH"),
    ]
    assert structure_state(swings(series(F3), 2, 2)) == "CONTRACTION"
    assert structure_state(swings(series(F3[:16]), 2, 2)) == "UPTREND"
    assert structure_state(swings(series(F3[:12]), 2, 2)) is None


def test_of_equal_highs_the_first_wins_once() -> None:
    bars = [Bar(i, p, p, p - 5, p, 1) for i, p in enumerate((10, 12, 15, 15, 15, 12, 10))]
    assert [(s.kind, s.at) for s in swings(series(bars), 2, 2)] == [("high", 2)]


def test_near_equal_swings_change_nothing() -> None:
    atr: list[float | None] = [600.0] * len(F3)
    assert [s.label for s in swings(series(F3), 2, 2, atr)] == [None, None, "EQH", "EQL", "EQH"]


def test_breaks_by_the_example() -> None:
    events, direction = breaks(series(F3), swings(series(F3), 2, 2))
    assert [(e.type, e.direction, e.level, e.at, e.initial) for e in events] == [
        ("BOS", "UP", 120, 8, True),
        ("CHOCH", "DOWN", 109, 16, False),
    ]
    assert direction == "DOWN"


def test_a_wick_that_does_not_hold_is_a_sweep_and_changes_no_trend() -> None:
    bars = [*F3[:8], Bar(8, 114, 126, 112, 119, 1)]
    events, direction = breaks(series(bars), swings(series(bars), 2, 2), [10.0] * 9)
    assert [(e.type, e.direction, e.level, e.excess_atr) for e in events] == [("SWEEP", "UP", 120, -0.1)]
    assert direction is None


def test_trend_by_the_example() -> None:
    found = trend(alone(F2, Lengths(range=3, fast=3, slow=6)), "UPTREND", line=12)
    assert (found.c1, found.c2, found.c3) == pytest.approx((1, 0.472560, 0.615610), abs=1e-6)
    assert found.score == pytest.approx(0.696057, abs=1e-6)
    assert found.trend == "UP"
    fit = regression([float(bar.close) for bar in F2])
    assert fit is not None
    assert fit[0] == pytest.approx(0.0061084413)


def test_trend_without_history_or_movement_is_null() -> None:
    assert trend(alone(F2), None).reason is Reason.NO_HISTORY
    assert trend(alone(Bar(i, 9, 9, 9, 9, 1) for i in range(60)), None).reason is Reason.ZERO_VARIANCE


def test_bias_and_alignment_by_the_example() -> None:
    score, name = htf_bias({"1d": 0.6, "12h": 0.2, "6h": -0.1, "4h": -0.5})
    assert score.value == pytest.approx(0.23)
    assert name.value == "NEUTRAL"
    assert htf_bias({"12h": 0.9})[0].reason is Reason.NO_HISTORY
    assert htf_bias({"1d": 0.5, "4h": 0.5})[1].value == "BULLISH"
    ways = ["UP", "UP", "UP", "FLAT", "DOWN", "DOWN", "FLAT", "UP", "UP", "UP", "DOWN"]
    assert trend_alignment(dict(zip(TIMEFRAMES, ways, strict=True))).value == pytest.approx(0.364007419)
    assert trend_alignment({}).reason is Reason.NO_HISTORY


def test_levels_cluster_by_the_example() -> None:
    rows = [
        (100.0, 10, 1.6),
        (100.6, 60, 2.4),
        (101.9, 120, 0.8),
        (107.0, 5, 3.0),
        (107.4, 200, 1.0),
        (112.0, 300, 0.5),
    ]
    groups = cluster([Pivot(*row) for row in rows], {"1d": 2.0})
    assert [level_price(group) for group in groups] == pytest.approx([100.281509, 101.9, 107.045832, 112.0])
    assert [len(group) for group in groups] == [2, 1, 2, 1]
    found = [strength([(p.weight, p.timeframe) for p in group]) for group in groups]
    assert found == pytest.approx([0.320766, 0.043528, 0.265188, 0.007812], abs=1e-6)


def _wave(n: int, period: int = 24) -> list[Bar]:
    """A triangle wave between 1000 and 1000 + period/2 * 10."""
    out = []
    for i in range(n):
        phase = i % period
        price = 1000 + 10 * (phase if phase < period // 2 else period - phase)
        out.append(Bar(i * 86_400_000_000, price, price + 4, price - 4, price, 10))
    return out


def test_a_range_has_its_two_edges_as_levels() -> None:
    bars = _wave(240)
    found = levels_of(bars)
    assert [level.role for level in found] == ["SUPPORT", "RESISTANCE"] or [level.role for level in found] == [
        "RESISTANCE",
        "SUPPORT",
    ]
    prices = sorted(level.price for level in found)
    assert prices == pytest.approx([996.0, 1124.0])
    assert all(level.touches >= 8 and level.breaks == 0 and level.strength > 0.5 for level in found)
    assert all(level.holds > 0 and level.hold_rate == 1.0 for level in found)


def test_levels_need_pivots() -> None:
    assert levels_of(F2) == []


def test_regime_by_the_examples() -> None:
    assert classify(0.55, 31, 0.42, 29, 14) == "TRENDING_UP"
    assert classify(0.93, 20, 0.12, 1, 2) == "VOLATILE"
    assert classify(0.5, 17, 0.2, 1, 2) == "RANGING"
    assert classify(0.5, 22, 0.2, 1, 2) == "TRANSITION"
    assert classify(0.05, 22, 0.2, 1, 2) == "QUIET"
    ordered = [float(x) for x in range(1, 11)]
    assert [rank(x, ordered) for x in (3, 8.5, 10)] == [0.25, 0.80, 0.95]


def test_regime_needs_150_bars_and_movement() -> None:
    bars = _wave(300)
    assert regime(alone(bars[:149])).reason is Reason.NO_HISTORY
    assert regime(alone(bars)).regime is not None
    climb = [Bar(i, 1000 + 20 * i, 1010 + 20 * i, 990 + 20 * i, 1008 + 20 * i, 1) for i in range(300)]
    assert regime(alone(climb)).regime in ("TRENDING_UP", "QUIET")
    assert regime(alone(Bar(i, 9, 9, 9, 9, 1) for i in range(200))).reason is Reason.ZERO_VARIANCE
