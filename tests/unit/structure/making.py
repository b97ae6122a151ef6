"""Makes small context documents and candles for tests."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from warehouse.clock import Micros
from warehouse.context import ContextDocument, LevelContext, ProfileContext
from warehouse.instruments import Rules, timeframe_us
from warehouse.metrics.bars import Bar
from warehouse.records import Candle
from warehouse.structure.levels import KeyLevel, levels
from warehouse.structure.measured import Lengths, Measured, measure
from warehouse.structure.series import Series
from warehouse.structure.swings import swings

RULES = Rules(venue="binance", instrument="BTC-USDT", symbol="BTCUSDT", market="spot", tick="0.01", lot="0.001")


def series(bars: Iterable[Bar], timeframe: str = "1d") -> Series:
    return Series.of(timeframe, bars)


def alone(bars: Iterable[Bar], lengths: Lengths = Lengths(), timeframe: str = "1d") -> Measured:  # noqa: B008
    return measure([series(bars, timeframe)], lengths)[0]


def levels_of(bars: list[Bar]) -> list[KeyLevel]:
    """Of daily bars, as of their last close."""
    one = alone(bars)
    return levels({"1d": one}, {"1d": swings(one.series)}, bars[-1].close)


def level(price: float, low: float, high: float, strength: float = 0.5) -> LevelContext:
    return LevelContext(
        price=price,
        zone_low=low,
        zone_high=high,
        role="SUPPORT" if price < 103 else "RESISTANCE",
        touches=2,
        holds=1,
        breaks=0,
        strength=strength,
        timeframes=["1d"],
        first_seen=0,
        last_touch=0,
        hold_rate=1.0,
    )


def context(levels: list[LevelContext], poc: float) -> ContextDocument:
    profile = ProfileContext(
        start=0,
        end=1,
        source="trades",
        bin_width=0.5,
        first_bin=poc - 0.25,
        bins=[1.0],
        poc=poc,
        vah=poc + 40,
        val=poc - 40,
        va_pct=1.0,
        total=1.0,
        hvn=[],
        lvn=[],
    )
    return ContextDocument(
        venue="binance",
        instrument="BTC-USDT",
        created=0,
        tick="0.01",
        lot="0.001",
        contract_value="1",
        batch_end={},
        bars={},
        timeframes={},
        levels=levels,
        htf_bias=None,
        htf_bias_score=None,
        trend_alignment=None,
        profiles={"day": profile},
        zones=[],
        reasons={},
    )


def walk(timeframe: str, count: int, end: Micros, seed: int = 1) -> Iterator[Candle]:
    """A seeded random walk of closed candles that ends at `end`; prices on a grid of 0.01."""
    length = timeframe_us(timeframe)
    state, close = seed * 2_654_435_761 % 2**32, 10_000_00
    for i in range(count):
        steps = []
        for _ in range(3):
            state = (state * 1_664_525 + 1_013_904_223) % 2**32
            steps.append(state // 65_536 % 2001 - 1000)
        start, close = close, max(100_00, close + steps[0])
        yield Candle(
            venue="binance",
            instrument="BTC-USDT",
            ts_event=end - (count - i) * length,
            ts_recv=0,
            timeframe=timeframe,
            open_time=end - (count - i) * length,
            open=start / 100,
            high=(max(start, close) + abs(steps[1])) / 100,
            low=(min(start, close) - abs(steps[2])) / 100,
            close=close / 100,
            volume=(1 + state % 5000) / 1000,
            quote_volume=None,
        )
