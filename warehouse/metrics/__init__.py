"""The metrics, listed once. Adding one is a file here and its line in this tuple; parity tests walk it.

`TRADE_METRICS` read a `TradeWindow` (`value(window)`), `BOOK_METRICS` the book's top (`value(top, grid)`). What needs a
memory of its own stands beside them: whales and blocks in `large.LargeOrders`, moved by each trade.
"""

from __future__ import annotations

from typing import Protocol

from warehouse.instruments import Grid
from warehouse.metrics.base import Spec, Value
from warehouse.metrics.cvd import BuyVolume, Cvd, CvdQuote, DeltaRatio, SellVolume, TradeCount
from warehouse.metrics.imbalance import BandImbalance, BookImbalance, DepthAsk, DepthBid, DepthSpanBps
from warehouse.metrics.spread import MicroPrice, MidPrice, Spread, SpreadBps
from warehouse.metrics.top import BookTop
from warehouse.metrics.volatility import RealizedVolatility, SigmaBps, Volatility, VolatilityAnnual
from warehouse.metrics.vwap import MeanReversion, Vwap, VwapSd, VwapZ
from warehouse.metrics.windows import TradeWindow


class TradeMetric(Protocol):
    """A pure function of a window of trades."""

    @property
    def spec(self) -> Spec: ...
    def value(self, window: TradeWindow, /) -> Value: ...


class BookMetric(Protocol):
    """A pure function of the book's top."""

    @property
    def spec(self) -> Spec: ...
    def value(self, top: BookTop, grid: Grid, /) -> Value: ...


TRADE_METRICS: tuple[TradeMetric, ...] = (
    Cvd(),
    CvdQuote(),
    BuyVolume(),
    SellVolume(),
    TradeCount(),
    DeltaRatio(),
    Vwap(),
    VwapSd(),
    VwapZ(),
    MeanReversion(),
    Volatility(),
    RealizedVolatility(),
    SigmaBps(),
    VolatilityAnnual(),
)

BOOK_METRICS: tuple[BookMetric, ...] = (
    Spread(),
    SpreadBps(),
    MidPrice(),
    MicroPrice(),
    BookImbalance(),
    DepthBid(),
    DepthAsk(),
    DepthSpanBps(),
    BandImbalance(),
)

METRICS: tuple[TradeMetric | BookMetric, ...] = (*TRADE_METRICS, *BOOK_METRICS)

WINDOWS: dict[str, int] = {"1m": 60, "5m": 300, "15m": 900}
"""The rolling windows of the live side, in seconds."""
