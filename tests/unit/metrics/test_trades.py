"""The worked examples of the trade metrics."""

from __future__ import annotations

import pytest

from tests.unit.metrics.fixtures import GRID, f1_ring
from warehouse.metrics import TRADE_METRICS
from warehouse.metrics.base import Reason
from warehouse.metrics.cvd import BuyVolume, Cvd, CvdQuote, DeltaRatio, SellVolume
from warehouse.metrics.ring import TradeRing
from warehouse.metrics.volatility import RealizedVolatility, SigmaBps, Volatility, VolatilityAnnual
from warehouse.metrics.vwap import MeanReversion, Vwap, VwapSd, VwapZ

S = 1_000_000


def test_delta_by_the_example() -> None:
    ring = f1_ring()
    windows = [ring.window(end, 3) for end in (3, 4, 5, 6)]
    assert [Cvd().value(w).value for w in windows] == [1.5, -5.0, -2.5, 0.0]
    assert [DeltaRatio().value(w).value for w in windows] == pytest.approx([1 / 3, -1.0, -0.555555556, 0.0])
    assert [BuyVolume().value(w).value for w in windows][:3] == [3.0, 0.0, 1.0]
    assert [SellVolume().value(w).value for w in windows][:3] == [1.5, 5.0, 3.5]
    assert CvdQuote().value(windows[3]).value == 1.2
    assert DeltaRatio().value(windows[3]).n == 5
    assert Cvd().value(ring.session(6)).value == 1.5
    assert Cvd().value(ring.window(2, 3)).reason is Reason.WARMUP


def test_a_quiet_window_has_a_true_zero_delta_and_no_ratio() -> None:
    ring = f1_ring(60)
    quiet = ring.window(60, 10)
    assert Cvd().value(quiet).value == 0.0
    assert DeltaRatio().value(quiet).reason is Reason.NO_TRADES
    assert Vwap().value(quiet).reason is Reason.NO_TRADES
    assert Volatility().value(quiet).reason is Reason.NO_TRADES


def test_vwap_by_the_example() -> None:
    window = f1_ring().window(6, 6)
    assert (window.lots, window.tick_lots - 1000 * window.lots) == (115, 95)
    assert Vwap().value(window).value == pytest.approx(100.082608696)
    assert VwapSd().value(window).value == pytest.approx(0.168502803)
    assert VwapZ(min_trades=8).value(window).value == pytest.approx(1.883596582)
    assert MeanReversion(min_trades=8).value(window).value == "SELL"
    assert VwapZ().value(window).reason is Reason.WARMUP


def test_one_price_has_no_z() -> None:
    ring = TradeRing(GRID)
    ring.start(0)
    for i in range(40):
        ring.add(i * 100_000, 1000, 5, True)
    window = ring.window(4, 4)
    assert VwapSd().value(window).value == 0.0
    assert VwapZ().value(window).reason is Reason.ZERO_VARIANCE
    assert MeanReversion().value(window).reason is Reason.ZERO_VARIANCE


def _closes() -> TradeRing:
    ring = TradeRing(GRID)
    ring.start(0)
    for second, ticks in enumerate((1000, 1001, 1000.5, None, 1002, 1002, 1000, 999, 1001, 1001.5, 1001)):
        if ticks is not None:
            ring.add(second * S, round(ticks * 10), 1, True)
    ring.advance(13)
    return ring


def test_volatility_by_the_example() -> None:
    window = _closes().window(11, 10)
    assert Volatility().value(window).value == pytest.approx(0.0011965173170, rel=1e-9)
    assert RealizedVolatility().value(window).value == pytest.approx(0.0036034404812, rel=1e-9)
    assert SigmaBps().value(window).value == pytest.approx(37.83719982, rel=1e-9)
    assert VolatilityAnnual().value(window).value == pytest.approx(6.719273083, rel=1e-9)
    assert Volatility().value(window).n == 10


def test_volatility_needs_a_price_before_the_window() -> None:
    assert Volatility().value(_closes().window(10, 10)).reason is Reason.WARMUP


def test_a_price_that_never_moves_has_a_true_zero_volatility() -> None:
    ring = TradeRing(GRID)
    ring.start(0)
    for second in range(20):
        ring.add(second * S, 1000, 1, True)
    assert Volatility().value(ring.window(20, 10)).value == 0.0


def test_every_trade_metric_answers_every_window_with_a_value_or_a_reason() -> None:
    ring = f1_ring(60)
    ring.gap(30 * S, 31 * S)
    for metric in TRADE_METRICS:
        assert metric.spec.name
        assert metric.spec.unit
        assert metric.spec.formula
        assert metric.spec.source
        for end, seconds in ((6, 3), (6, 100), (31, 5), (60, 5)):
            value = metric.value(ring.window(end, seconds))
            assert (value.value is None) != (value.reason is None)
        assert metric.value(ring.window(31, 5)).reason is Reason.GAP
