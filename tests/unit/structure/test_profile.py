"""Profiles, nodes, zones: the worked examples."""

from __future__ import annotations

import pytest

from tests.unit.metrics.fixtures import F2, F6
from warehouse.structure.profile import (
    Profile,
    bin_width,
    coarser,
    from_bars,
    from_counts,
    nodes,
    point_of_control,
    smoothed,
    value_area,
)
from warehouse.structure.zones import zones


@pytest.mark.parametrize(
    ("atr", "tick", "ticks"),
    [
        (2500.0, "0.1", 500),
        (120.0, "0.01", 200),
        (7.0, "0.01", 10),
        (0.09, "0.0001", 10),
        (0.001, "0.01", 1),
        (2500.0, "0.25", 200),
    ],
)
def test_bin_width_by_the_examples(atr: float, tick: str, ticks: int) -> None:
    assert bin_width(atr, tick) == ticks


def test_value_area_by_the_example() -> None:
    assert point_of_control(F6) == 3
    assert value_area(F6) == (0, 7, 0.72)


def test_one_bin_is_its_own_value_area() -> None:
    assert value_area([5.0]) == (0, 0, 1.0)


def test_a_profile_of_counts_fills_the_bins_between() -> None:
    profile = from_counts({200: 5, 202: 7}, 5, "trades")
    assert profile is not None
    assert (profile.first, profile.volumes, profile.source) == (200, [5.0, 0.0, 7.0], "trades")
    assert from_counts({}, 5, "trades") is None


def test_a_profile_of_candles_spreads_volume_by_overlap() -> None:
    profile = from_bars(F2, 10, "1m")
    assert profile is not None
    expected = [10, 17.1111, 27.1389, 20.9389, 17.9956, 13.1204, 20.98, 24.8185, 18.8966, 8.2, 2.8]
    assert profile.first == 98
    assert profile.volumes == pytest.approx(expected, abs=5e-5)
    assert sum(profile.volumes) == pytest.approx(182)
    assert point_of_control(profile.volumes) + 98 == 100
    low, high, share = value_area(profile.volumes)
    assert (low + 98, high + 99) == (99, 106)
    assert share == pytest.approx(0.780788, abs=1e-6)
    assert profile.source == "candles_1m"


def test_too_many_bins_become_wider_ones() -> None:
    wide = coarser(Profile(width=5, first=-3, volumes=[1.0] * 21, source="trades"), 5)
    assert (wide.width, wide.first, wide.volumes) == (25, -1, [3.0, 5.0, 5.0, 5.0, 3.0])


def test_nodes_by_the_example() -> None:
    assert smoothed(F6) == [1.25, 3.25, 6.25, 8.25, 7, 3.75, 2.25, 4.5, 6.25, 4.5, 2]
    assert nodes(F6) == ([(3, 8.25), (8, 4.0)], [(6, 4.0)])


def test_zones_by_the_example() -> None:
    found = zones(Profile(width=5, first=200, volumes=F6, source="trades"))
    first = found[0]
    assert (first.low / 10, first.high / 10) == pytest.approx((100.895833, 102.692308))
    assert (first.volume, first.share, first.strength) == pytest.approx((25.163462, 0.503269, 0.417709), abs=1e-6)
    assert first.centre == 1017.5
    assert len(found) == 2
