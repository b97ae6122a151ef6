"""History and the present in one payload: `fusion_data` for those who look, `precision9_context` for those who decide.

Everything here is a pure function of accumulators and the context document. No number is invented to complete a row:
each null has its own reason. Nothing here gives orders; it describes risk.
"""

from __future__ import annotations

from realtime.fields import Fields
from realtime.history import History
from realtime.outlet import Part
from realtime.publish.candles import bar_fields
from realtime.publish.orderflow import DEPTH, windows
from realtime.publish.quotes import best_fields
from realtime.session import Area
from warehouse.clock import SECOND, Micros
from warehouse.instruments import TIMEFRAMES, Grid, timeframe_us
from warehouse.metrics import TRADE_METRICS, WINDOWS
from warehouse.metrics.bars import Bar, BarStore, Forming
from warehouse.metrics.base import Reason, Value
from warehouse.metrics.ring import TradeRing
from warehouse.metrics.top import BookTop
from warehouse.metrics.windows import TradeWindow
from warehouse.structure.atr import atr
from warehouse.structure.fusion import close_location, distance, in_atr, resistance, support, va_position
from warehouse.structure.volume import relative_volume, volume_sma

ATR_TIMEFRAME = "1h"
"""Distances are told in ATRs of this timeframe."""

REGIME_TIMEFRAMES = ("4h", "15m")
IMBALANCE = tuple(pair for pair in DEPTH if pair[0].startswith("book_imbalance"))
FLOW = ("cvd", "delta_ratio", "trade_count", "buy_volume", "sell_volume", "vwap", "vwap_z", "mr_signal")
VOLATILITY = ("volatility", "sigma_bps", "volatility_annual")
FLOW_METRICS = tuple(metric for name in FLOW for metric in TRADE_METRICS if metric.spec.name == name)
VOLATILITY_METRICS = tuple(metric for name in VOLATILITY for metric in TRADE_METRICS if metric.spec.name == name)
SESSION_METRICS = tuple(metric for metric in FLOW_METRICS if metric.spec.name not in ("vwap_z", "mr_signal"))
FIELDS = (
    *((window, f"{metric.spec.name}_{window}", metric) for window in WINDOWS for metric in FLOW_METRICS),
    *(("session", f"{metric.spec.name}_session", metric) for metric in SESSION_METRICS),
    *((window, f"{metric.spec.name}_{window}", metric) for window in WINDOWS for metric in VOLATILITY_METRICS),
)
"""Trade metrics of `fusion_data`: window, field name, definition."""


class Scales:
    """ATR and usual volume of every timeframe's closed bars, computed when bars change and not before."""

    __slots__ = ("_store", "kept")

    def __init__(self, store: BarStore) -> None:
        self._store = store
        self.kept: dict[str, tuple[Value, Value]] = {}

    def of(self, timeframe: str) -> tuple[Value, Value]:
        """(ATR in ticks, mean volume in lots); null with `NO_HISTORY` where there are too few bars."""
        found = self.kept.get(timeframe)
        if found is None:
            bars = _unbroken(self._store.closed(timeframe), timeframe_us(timeframe))
            ranges = atr(bars)
            last = ranges[-1] if ranges else None
            scale = Value.missing(Reason.NO_HISTORY, n=len(bars)) if last is None else Value.of(last, n=len(bars))
            found = self.kept[timeframe] = (scale, volume_sma(bars))
        return found

    def forget(self) -> None:
        """Bars have changed."""
        self.kept.clear()


def _unbroken(bars: list[Bar], length: Micros) -> list[Bar]:
    """The newest bars that follow one another without a hole."""
    for i in range(len(bars) - 1, 0, -1):
        if bars[i].open_time - bars[i - 1].open_time != length:
            return bars[i:]
    return bars


class Situation:
    """What both payloads need to know of this moment: prices in ticks, levels in quote.

    `next_funding_at` is None for spot and while the venue has not said it.
    """

    __slots__ = (
        "_found", "area", "atr", "basis", "grid", "history", "next_funding_at", "now", "price", "resistance", "ring",
        "support", "ticks", "top",
    )  # fmt: skip

    def __init__(
        self,
        grid: Grid,
        top: BookTop,
        ring: TradeRing,
        scales: Scales,
        history: History,
        area: Area | Reason,
        now: Micros,
        *,
        book_ok: bool,
        next_funding_at: Micros | None,
    ) -> None:
        self.grid, self.top, self.ring = grid, top, ring
        self.next_funding_at = next_funding_at
        self._found: dict[str, TradeWindow] | None = None
        self.history, self.area, self.now = history, area, now
        last = ring.last_ticks
        self.ticks: float | None = None
        self.basis: str | None = None
        if top.reason is None and book_ok:
            self.ticks, self.basis = (top.bid_ticks[0] + top.ask_ticks[0]) / 2, "mid_price"
        elif last:
            self.ticks, self.basis = float(last), "last_trade"
        self.price = None if self.ticks is None else self.ticks * grid.tick_num / grid.tick_den
        scale = scales.of(ATR_TIMEFRAME)[0].value
        self.atr = None if scale is None else self.quote(float(scale))
        self.support = None if self.price is None else support(self.price, history.levels)
        self.resistance = None if self.price is None else resistance(self.price, history.levels)

    @property
    def found(self) -> dict[str, TradeWindow]:
        """The rolling windows of trades and the session, made when first asked for."""
        if self._found is None:
            self._found = windows(self.ring)
        return self._found

    @property
    def no_level(self) -> Reason:
        """Why there is no level on a side."""
        if self.price is None:
            return self.no_price
        return Reason.NO_HISTORY if self.history.document is None else Reason.NO_LEVEL

    @property
    def no_price(self) -> Reason:
        """Why there is no price."""
        return self.top.reason or Reason.NO_TRADES

    def quote(self, ticks: float) -> float:
        """Ticks, whole or not, as quote per base."""
        return ticks * self.grid.tick_num / self.grid.tick_den


def fast_fields(now: Situation) -> Fields:
    """The part of `fusion_data` that is of the very moment: prices, imbalance, distances, position in value."""
    fields = Fields()
    price_fields(fields, now)
    best_fields(fields, now.top, now.grid)
    for name, metric in IMBALANCE:
        fields.put(name, metric.value(now.top, now.grid))
    level_fields(fields, now)
    area_fields(fields, now)
    return fields


def slow_part(now: Situation, forming: dict[str, Forming], scales: Scales) -> Part:
    """The part of `fusion_data` that moves by the second: windows of trades, forming bars, bias."""
    fields = Fields()
    fields.set("window_end", now.found["1m"].end * SECOND)
    found = now.found
    for window, field, metric in FIELDS:
        fields.put(field, metric.value(found[window]))
    candles = fields.section("candles")
    for timeframe in TIMEFRAMES:
        candle_fields(candles.section(timeframe), forming[timeframe], scales.of(timeframe), now.grid)
    bias_fields(fields, now)
    return Part.of(fields)


def price_fields(fields: Fields, now: Situation) -> None:
    """The price everything is measured from: mid price of a readable book, else the last trade."""
    fields.set("price", now.price, now.no_price)
    fields.set("price_basis", now.basis, now.no_price)
    last = now.ring.last_ticks
    fields.set("last_price", now.quote(last) if last else None, Reason.NO_TRADES)


def candle_fields(fields: Fields, form: Forming, scales: tuple[Value, Value], grid: Grid) -> None:
    """A forming bar with where it closes in its range, its range in ATRs, and its volume beside the usual."""
    fields.set("open_time", form.open_time or None, form.reason)
    bar_fields(fields, form.bar, form.reason, grid)
    fields.set("progress", form.progress)
    fields.set("coverage", form.coverage)
    bar, (scale, usual) = form.bar, scales
    if bar is None:
        for name in ("close_location", "bar_range_atr", "relative_volume"):
            fields.set(name, None, form.reason)
        return
    fields.put("close_location", close_location(bar))
    fields.put("bar_range_atr", in_atr(float(bar.high - bar.low), None if scale.value is None else float(scale.value)))
    average = None if usual.value is None else float(usual.value)
    fields.put("relative_volume", relative_volume(bar.lots, average, form.progress))


def level_fields(fields: Fields, now: Situation) -> None:
    """The nearest support and resistance and how far they are; 0 inside a zone."""
    price, gone = now.price, now.no_level
    for side, level in (("support", now.support), ("resistance", now.resistance)):
        for name in ("price", "zone_low", "zone_high", "strength"):
            fields.set(f"{side}_{name}", None if level is None else getattr(level, name), gone)
        if level is None or price is None:
            fields.set(f"dist_{side}_atr", None, gone)
        else:
            fields.put(f"dist_{side}_atr", distance(price, level, now.atr))
    fields.set("atr", now.atr, Reason.NO_HISTORY)
    fields.set("atr_timeframe", ATR_TIMEFRAME)


def area_fields(fields: Fields, now: Situation) -> None:
    """Point of control and value area of the session, and where the price stands in it."""
    area = now.area
    if isinstance(area, Reason):
        for name in ("poc", "vah", "val", "va_pct", "profile_total", "va_position", "va_class", "poc_dist_atr"):
            fields.set(name, None, area)
        return
    poc, high, low = now.quote(area.poc), now.quote(area.vah), now.quote(area.val)
    fields.set("poc", poc)
    fields.set("vah", high)
    fields.set("val", low)
    fields.set("va_pct", area.share)
    fields.set("profile_total", now.grid.size(area.lots))
    if now.ticks is None or now.price is None:
        for name in ("va_position", "va_class", "poc_dist_atr"):
            fields.set(name, None, now.no_price)
        return
    position, name_of = va_position(now.ticks, area.val, area.vah)
    fields.put("va_position", position)
    fields.put("va_class", name_of)
    fields.put("poc_dist_atr", in_atr(now.price - poc, now.atr))


def bias_fields(fields: Fields, now: Situation) -> None:
    """What the larger timeframes lean to, and whether the last five minutes went with it."""
    document = now.history.document
    for name in ("htf_bias", "htf_bias_score", "trend_alignment"):
        value = None if document is None else getattr(document, name)
        fields.set(name, value, now.history.reason(name))
    score = None if document is None else document.htf_bias_score
    window = now.found["5m"]
    if score is None:
        fields.set("with_trend", None, now.history.reason("htf_bias_score"))
    elif window.reason is not None or not window.base_ticks:
        fields.set("with_trend", None, window.reason or Reason.WARMUP)
    else:
        move = window.last_ticks - window.base_ticks
        fields.set("with_trend", (move > 0) - (move < 0) == (score > 0) - (score < 0))
