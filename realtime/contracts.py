"""Contracts of the payloads that fuse history with the present; the other half of `payloads.py`."""

from __future__ import annotations

import msgspec

from realtime.fusion import FLOW_METRICS, IMBALANCE, REGIME_TIMEFRAMES, SESSION_METRICS, VOLATILITY_METRICS
from realtime.precision9 import SHOWN
from warehouse.clock import Micros
from warehouse.context import BreakPoint, LevelContext, ProfileContext, SwingPoint, TimeframeContext, ZoneContext
from warehouse.metrics import WINDOWS

Number = float | int | None
Text = str | None
Quality = dict[str, dict[str, float]]


class MarketContext(msgspec.Struct, frozen=True, kw_only=True):
    """All that closed bars and past trades say: the context document without its bars and sums.

    `digest` names the content. All timeframes and profiles are there, null where history does not reach.
    """

    created: Micros
    digest: str
    htf_bias: Text
    htf_bias_score: Number
    trend_alignment: Number
    levels: list[LevelContext]
    zones: list[ZoneContext]
    timeframes: dict[str, TimeframeContext | None]
    profiles: dict[str, ProfileContext | None]


class FrameStructure(msgspec.Struct, frozen=True, kw_only=True):
    """Structure of one timeframe as of `batch_end`."""

    batch_end: Micros
    trend: Text
    trend_score: Number
    trend_strength: Number
    structure_state: Text
    structure_trend: Text
    regime: Text
    regime_age: int
    swings: list[SwingPoint]
    breaks: list[BreakPoint]


class MarketStructure(msgspec.Struct, frozen=True, kw_only=True):
    """Market structure: swings, BOS and CHoCH, trend and regime per timeframe; key levels; bias."""

    created: Micros
    digest: str
    htf_bias: Text
    htf_bias_score: Number
    trend_alignment: Number
    levels: list[LevelContext]
    timeframes: dict[str, FrameStructure | None]


class NearLevel(msgspec.Struct, frozen=True, kw_only=True):
    """A key level in short: its price, its zone, its strength in [0, 1)."""

    price: float
    zone_low: float
    zone_high: float
    strength: float
    touches: int


class LiveCandle(msgspec.Struct, frozen=True, kw_only=True):
    """The forming bar of a timeframe. `relative_volume` is beside the mean of the last closed bars."""

    open_time: Micros | None
    open: Number
    high: Number
    low: Number
    close: Number
    volume: Number
    quote_volume: Number
    trade_count: int | None
    taker_buy_volume: Number
    progress: float
    coverage: float
    close_location: Number
    bar_range_atr: Number
    relative_volume: Number


PRICE = ("price", "last_price")
BEST = (
    "best_bid",
    "best_bid_size",
    "best_ask",
    "best_ask_size",
    "mid_price",
    "micro_price",
    "spread",
    "spread_bps",
)
LEVEL = tuple(
    f"{side}_{name}" for side in ("support", "resistance") for name in ("price", "zone_low", "zone_high", "strength")
)
DISTANCES = (*LEVEL, "dist_support_atr", "dist_resistance_atr", "atr")
AREA = ("poc", "vah", "val", "va_pct", "profile_total", "va_position", "poc_dist_atr")
STOPS = tuple(name for side in ("long", "short") for name in (f"stop_{side}", f"stop_{side}_atr", f"rr_{side}"))


def _of(name: str, numbers: tuple[str, ...], words: tuple[str, ...] = (), **others: object) -> type[msgspec.Struct]:
    fields = [*((one, Number) for one in numbers), *((one, Text) for one in words), *others.items()]
    return msgspec.defstruct(name, fields, frozen=True, kw_only=True)


def _windowed(metrics: tuple[object, ...], names: tuple[str, ...]) -> list[str]:
    return [f"{metric.spec.name}_{name}" for name in names for metric in metrics]  # type: ignore[attr-defined]


_flow = [*_windowed(FLOW_METRICS, tuple(WINDOWS)), *_windowed(SESSION_METRICS, ("session",))]

FusionData = _of(
    "FusionData",
    (
        *(*PRICE, *BEST, *(name for name, _ in IMBALANCE), *DISTANCES, *AREA),
        *(name for name in _flow if not name.startswith("mr_signal")),
        *_windowed(VOLATILITY_METRICS, tuple(WINDOWS)),
        *("htf_bias_score", "trend_alignment"),
    ),
    ("price_basis", "va_class", "htf_bias", *(name for name in _flow if name.startswith("mr_signal"))),
    window_end=Micros,
    atr_timeframe=str,
    with_trend=bool | None,
    candles=dict[str, LiveCandle],
    trends=dict[str, Text],
    levels=list[NearLevel],
    incomplete=list[str],
)
FusionData.__doc__ = """History fused with now.

`price` is the mid price of a readable book, else the last trade; distances are in ATRs of `atr_timeframe`. Windows
(`cvd_1m`, ...) end at `window_end`. The value area is of today's session: history's bins, then live trades. Windows,
candles and bias move by the second, the rest with every message. `trends` and `levels` come from the context.
`incomplete` says why `complete` is False; `quality` (optional) how much of a window was seen.
"""

Precision9 = _of(
    "Precision9",
    (
        *(*PRICE, *DISTANCES, *AREA, *STOPS, "confluence", "htf_bias_score", "trend_alignment"),
        *(f"{name}_{window}" for name, window in SHOWN),
    ),
    (
        "price_basis",
        "va_class",
        "htf_bias",
        "stop_long_basis",
        "stop_short_basis",
        *(f"regime_{timeframe}" for timeframe in REGIME_TIMEFRAMES),
    ),
    atr_timeframe=str,
    with_trend=bool | None,
    risk_flags=list[str],
    trends=dict[str, Text],
    levels=list[NearLevel],
    incomplete=list[str],
)
Precision9.__doc__ = """What a trading bot needs to decide and to size; it describes risk and gives no orders.

Stops stand a quarter ATR behind the nearest level (`stop_*_basis` `LEVEL`) or 1.5 ATRs away (`ATR`); `rr_*` is the
reward to the next level per unit of that risk. `risk_flags`: `STALE_VENUE`, `LEVEL_BREAK`, `VOL_SPIKE`.
"""
