"""ATR, ADX, volatility estimators, efficiency, volume: the worked examples."""

from __future__ import annotations

import pytest

from tests.unit.metrics.fixtures import F2
from tests.unit.structure.making import alone
from warehouse.metrics.bars import Bar
from warehouse.metrics.base import Reason
from warehouse.structure.atr import atr, true_ranges
from warehouse.structure.efficiency import choppiness, efficiency_ratio
from warehouse.structure.estimators import ESTIMATORS, volatility
from warehouse.structure.measured import Lengths
from warehouse.structure.volume import relative_volume, volume_sma

FLAT = [Bar(i, 1000, 1000, 1000, 1000, 1) for i in range(40)]


def test_true_range_and_atr_by_the_example() -> None:
    assert true_ranges(F2) == [None, 30, 25, 27, 30, 22, 32, 29, 19, 29, 20, 30]
    ranges = atr(F2, 3)
    assert ranges[:3] == [None, None, None]
    expected = [2.733333, 2.822222, 2.614815, 2.809877, 2.839918, 2.526612, 2.651075, 2.434050, 2.622700]
    assert [r / 10 for r in ranges[3:] if r is not None] == pytest.approx(expected, abs=1e-6)
    assert atr([], 3) == []


def test_adx_by_the_example() -> None:
    found = alone(F2, Lengths(range=3))
    assert found.adx[5:] == pytest.approx(
        [41.492537, 42.148018, 50.811161, 57.422212, 64.785013, 70.444620, 76.634137], abs=1e-6
    )
    assert found.plus_di[:3] == [None] * 3
    assert found.adx[:5] == [None] * 5
    assert None not in found.plus_di[3:]
    assert (found.plus_di[-1], found.minus_di[-1]) == pytest.approx((36.591081, 2.126941), abs=1e-6)


@pytest.mark.parametrize(
    ("name", "n", "expected"),
    [
        ("cc", 11, 0.0171807002),
        ("pk", 12, 0.0159555566),
        ("gk", 12, 0.0155426294),
        ("rs", 12, 0.0147441591),
        ("yz", 11, 0.0146194992),
    ],
)
def test_estimators_by_the_example(name: str, n: int, expected: float) -> None:
    assert volatility(name, F2, n).value == pytest.approx(expected, abs=1e-10)


def test_estimators_refuse_what_they_cannot_judge() -> None:
    for name in ESTIMATORS:
        assert volatility(name, F2, 20).reason is Reason.NO_HISTORY
        assert volatility(name, FLAT, 20).value == 0.0
    quiet = [*F2, *(Bar(20 + i, 1080, 1080, 1080, 1080, 0) for i in range(6))]
    assert volatility("pk", quiet, 12).reason is Reason.NO_TRADES


def test_efficiency_and_choppiness_by_the_example() -> None:
    assert efficiency_ratio(F2, 10).value == pytest.approx(0.3254437870)
    assert choppiness(F2, 10).value == pytest.approx(40.2922409211)
    assert efficiency_ratio(FLAT, 10).reason is Reason.ZERO_VARIANCE
    assert choppiness(FLAT, 10).reason is Reason.ZERO_VARIANCE


def test_relative_volume_by_the_example() -> None:
    average = volume_sma(F2[:-1], 10).value
    assert isinstance(average, float)
    assert relative_volume(F2[-1].lots, average).value == pytest.approx(1.390728477)
    assert relative_volume(10, average, 0.05).reason is Reason.WARMUP
    assert relative_volume(10, 0.0).reason is Reason.NO_TRADES
    assert relative_volume(10, None).reason is Reason.NO_HISTORY
    assert volume_sma(F2, 20).reason is Reason.NO_HISTORY
    assert alone(F2, Lengths(volume=20)).volume is None
    assert alone(F2, Lengths(volume=12)).volume == volume_sma(F2, 12).value
