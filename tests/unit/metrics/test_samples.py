"""Ranks among the recent past, and live volume by price."""

from __future__ import annotations

import msgspec
import pytest

from warehouse.clock import DAY
from warehouse.metrics.base import Reason
from warehouse.metrics.price_bins import PriceBins
from warehouse.metrics.samples import Samples


def test_rank_by_the_example() -> None:
    samples = Samples(depth=10, least=10)
    for x in range(1, 11):
        samples.add(float(x))
    assert [samples.rank(x).value for x in (3, 8.5, 10)] == [0.25, 0.80, 0.95]
    assert samples.quantile(0.3).value == pytest.approx(3.7)


def test_the_oldest_sample_leaves_and_few_say_nothing() -> None:
    samples = Samples(depth=3, least=2)
    samples.add(100.0)
    assert samples.rank(1.0).reason is Reason.WARMUP
    for x in (1.0, 2.0, 3.0):
        samples.add(x)
    assert samples.rank(50.0).value == 1.0
    twin = Samples(depth=3, least=2)
    twin.restore(samples.state())
    assert twin.state() == samples.state() == [1.0, 2.0, 3.0]
    assert twin.quantile(1.0) == samples.quantile(1.0)


def test_price_bins_count_a_day_and_begin_anew_at_midnight() -> None:
    bins = PriceBins(5, since=0)
    bins.add(10, 1004, 3, True)
    bins.add(20, 1000, 2, False)
    bins.add(30, 1012, 1, False)
    assert bins.sides() == [(200, 3, 2), (202, 0, 1)]
    assert bins.counts() == {200: 5, 202: 1}
    assert bins.whole
    bins.resize(10)
    assert bins.width == 5
    bins.add(DAY + 5, 1012, 4, True)
    assert (bins.width, bins.counts(), bins.whole) == (10, {101: 4}, True)
    bins.add(DAY - 1, 1012, 4, True)
    assert bins.counts() == {101: 4}


def test_price_bins_begun_in_the_middle_of_a_day_say_so() -> None:
    bins = PriceBins(5)
    bins.add(DAY + 100, 1000, 1, True)
    assert not bins.whole
    twin = PriceBins(1)
    twin.restore(msgspec.json.decode(msgspec.json.encode(bins.state())))
    assert msgspec.json.encode(twin.state()) == msgspec.json.encode(bins.state())
    with pytest.raises(ValueError, match="0 ticks"):
        PriceBins(0)
