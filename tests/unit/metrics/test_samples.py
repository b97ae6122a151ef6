"""Ranks among the recent past."""

from __future__ import annotations

import pytest

from warehouse.metrics.base import Reason
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
