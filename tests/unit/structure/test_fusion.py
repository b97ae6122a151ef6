"""Price against context: the worked examples."""

from __future__ import annotations

import pytest

from tests.unit.structure.making import context, level
from warehouse.metrics.bars import Bar
from warehouse.metrics.base import Reason
from warehouse.structure.fusion import (
    broken_levels,
    close_location,
    confluence,
    distance,
    noisy_or,
    resistance,
    reward_to_risk,
    risk_flags,
    stop,
    support,
    va_position,
)

LEVELS = [level(100.0, 99.8, 100.23), level(108.0, 107.5, 108.5), level(104.0, 103.9, 104.1, strength=0.05)]


def test_distances_by_the_example() -> None:
    below, above = support(103.0, LEVELS), resistance(103.0, LEVELS)
    assert below is not None
    assert above is not None
    assert distance(103.0, below, 2.0).value == pytest.approx(1.385)
    assert distance(103.0, above, 2.0).value == 2.25
    assert distance(100.0, below, 2.0).value == 0.0
    assert support(99.0, LEVELS) is None
    assert distance(103.0, below, 0.0).reason is Reason.ZERO_VARIANCE
    assert distance(103.0, below, None).reason is Reason.NO_HISTORY


def test_weak_levels_are_no_levels() -> None:
    assert support(105.0, LEVELS) is LEVELS[0]
    assert resistance(103.0, LEVELS) is LEVELS[1]
    assert resistance(110.0, LEVELS) is None


def test_position_in_the_value_area_by_the_example() -> None:
    position, name = va_position(103.0, 100.0, 104.0)
    assert (position.value, name.value) == (0.75, "INSIDE")
    assert va_position(105.0, 100.0, 104.0)[1].value == "ABOVE"
    assert va_position(99.0, 100.0, 104.0)[1].value == "BELOW"
    assert va_position(99.0, 100.0, 100.0)[0].reason is Reason.ZERO_VARIANCE


def test_close_location_by_the_example() -> None:
    assert close_location(Bar(5, 1003, 1004, 1003, 1004, 25)).value == 1.0
    assert close_location(Bar(5, 1003, 1003, 1003, 1003, 25)).reason is Reason.ZERO_VARIANCE


def test_confluence_is_a_noisy_or_of_families() -> None:
    assert noisy_or([0.45, 0.3, 0.2]) == pytest.approx(0.692)
    made = context([level(103.0, 102.9, 103.1, strength=0.45)], poc=103.2)
    found = confluence(103.0, made, 2.0, session_vwap=103.3)
    assert found.value == pytest.approx(0.692)
    assert found.n == 3
    assert confluence(110.0, made, 2.0).value == 0.0
    assert confluence(110.0, made, None).reason is Reason.NO_HISTORY


def test_stop_by_the_example() -> None:
    found = stop(103.0, 100.23, 2.0, "long")
    assert found is not None
    assert [found.price, found.atrs] == pytest.approx([99.73, 1.635])
    assert found.basis == "LEVEL"
    mirrored = stop(100.0, 102.77, 2.0, "short")
    assert mirrored is not None
    assert [mirrored.price, mirrored.atrs] == pytest.approx([103.27, 1.635])


def test_a_level_too_near_or_too_far_gives_way_to_the_atr() -> None:
    for edge in (102.9, 90.0, None):
        found = stop(103.0, edge, 2.0, "long")
        assert found is not None
        assert (found.price, found.basis) == (100.0, "ATR")
    assert stop(103.0, 100.0, None, "long") is None


def test_reward_by_the_example() -> None:
    assert reward_to_risk(103.0, 99.73, 107.5).value == pytest.approx(4.5 / 3.27)
    assert reward_to_risk(103.0, None, 107.5).reason is Reason.NO_HISTORY
    assert reward_to_risk(103.0, 99.73, None).reason is Reason.NO_LEVEL


def test_flags_come_in_a_fixed_order() -> None:
    assert broken_levels(99.2, LEVELS, 2.0) == [LEVELS[0]]
    assert broken_levels(99.5, LEVELS, 2.0) == []
    flags = risk_flags(now=0, next_funding_at=599_000_000, level_broken=True, stale=True, volatility_ratio=2.0)
    assert flags == ["NEAR_FUNDING", "LEVEL_BREAK", "STALE_VENUE", "VOL_SPIKE"]
    assert risk_flags(now=0, next_funding_at=None, level_broken=False, stale=False, volatility_ratio=None) == []
