"""What past trades and their volume by price say, for the context document: ring, profiles, zones."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from warehouse.clock import DAY, MINUTE, Micros
from warehouse.context import ProfileContext, ZoneContext
from warehouse.instruments import Grid, Rules, timeframe_us
from warehouse.metrics.bars import Bar
from warehouse.metrics.base import Reason, Value
from warehouse.metrics.ring import TradeRing
from warehouse.metrics.threshold import Sizes
from warehouse.structure.profile import (
    SESSION_AGE,
    SESSION_TRADES,
    Profile,
    bin_width,
    coarser,
    from_bars,
    from_counts,
    nodes,
    point_of_control,
    trades_in,
    value_area,
)
from warehouse.structure.series import Series
from warehouse.structure.zones import zones

RING_SECONDS = 1024
MAX_BINS = 400
PROFILE_TIMEFRAMES = ("1m", "3m", "5m", "15m")

Print = tuple[Micros, int, int, bool, int]
"""Market trades of one time, price and side: ts_event, ticks, lots together, whether the taker bought, how many."""


@dataclass(frozen=True, kw_only=True)
class TradeHistory:
    """Past market trades, ascending, known to be complete in `[complete_from, complete_to)`; none lies outside.

    `sizes` are the notionals of the last day's taker orders, as far as they are known; None where none is.
    """

    trades: Iterable[Print]
    complete_from: Micros
    complete_to: Micros
    last_trade_id: str | None = None
    sizes: Sizes | None = None


@dataclass
class Notes:
    """Collects why fields are null, by path."""

    reasons: dict[str, str] = field(default_factory=dict)

    def number(self, path: str, value: Value) -> float | None:
        """The number, or None with its reason noted."""
        if value.value is None:
            self.reasons[path] = str(value.reason)
            return None
        return float(value.value)

    def missing(self, path: str, reason: Reason | None) -> None:
        """This field is null (`NO_HISTORY` unless told otherwise)."""
        self.reasons[path] = str(reason or Reason.NO_HISTORY)


def price(grid: Grid, ticks: float) -> float:
    """Ticks, whole or not, as quote per base."""
    return ticks * grid.tick_num / grid.tick_den


def size(grid: Grid, lots: float) -> float:
    """Lots, whole or not, as base units."""
    return lots * grid.size_num / grid.size_den


def profiles_of(
    rules: Rules,
    series: Mapping[str, Series],
    daily_atr: float | None,
    trades: TradeHistory | None,
    as_of: Micros,
    newest: Bar | None,
    notes: Notes,
) -> tuple[dict[str, ProfileContext], TradeRing | None, list[ZoneContext]]:
    """Profiles by name, the ring of past trades, and the zones: one pass over the trades serves all."""
    grid = rules.grid
    width = bin_width(daily_atr, rules.tick) if daily_atr else None
    today = as_of - as_of % DAY
    spans = {
        "day": (as_of - as_of % MINUTE - DAY, as_of - as_of % MINUTE),
        "session": (today, as_of - as_of % MINUTE),
        "previous_session": (today - DAY, today),
    }
    counts: dict[str, dict[int, float]] = {name: {} for name in spans}
    numbers: Counter[str] = Counter()
    ring = None
    if trades is not None and trades.complete_to > trades.complete_from:
        ring = _ring(grid, trades, width, spans, counts, numbers)
    else:
        notes.missing("ring", Reason.NO_HISTORY)
    profiles: dict[str, ProfileContext] = {}
    areas: list[ZoneContext] = []
    for name, (start, end) in spans.items():
        profile = None
        over = _Bars("", [], start, end)
        if width is not None and end > start:
            over = _covering(series, start, end) or over
            if trades is not None and trades.complete_from <= start and trades.complete_to >= end:
                profile = from_counts(counts[name], width, "trades")
            elif over.bars:
                profile = from_bars(over.bars, width, over.timeframe)
                start, end = over.start, over.end
        if profile is None:
            notes.missing(f"profiles.{name}", Reason.NO_HISTORY)
            continue
        profile = coarser(profile, MAX_BINS)
        number = numbers[name] if profile.source == "trades" else max(numbers[name], trades_in(over.bars))
        young = name == "session" and (end - start < SESSION_AGE or number < SESSION_TRADES)
        if young:
            for one in ("poc", "vah", "val", "va_pct"):
                notes.missing(f"profiles.{name}.{one}", Reason.WARMUP)
        profiles[name] = _profile_context(profile, start, end, grid, number, young=young)
        if not areas and name != "session" and newest is not None:
            areas = _zones(profile, over.bars, newest.close, grid)
    if not areas:
        notes.missing("zones", Reason.NO_HISTORY)
    return profiles, ring, areas


def _ring(
    grid: Grid,
    trades: TradeHistory,
    width: int | None,
    spans: Mapping[str, tuple[Micros, Micros]],
    counts: dict[str, dict[int, float]],
    numbers: Counter[str],
) -> TradeRing:
    ring = TradeRing(grid, RING_SECONDS)
    ring.start(trades.complete_from)
    bounds = [(name, counts[name], start, end) for name, (start, end) in spans.items()]
    cut = trades.complete_to // 1_000_000
    for ts_event, ticks, lots, is_buy, count in trades.trades:
        if ts_event // 1_000_000 < cut:
            ring.add(ts_event, ticks, lots, is_buy, count)
        if width is not None:
            k = ticks // width
            for name, bins, start, end in bounds:
                if start <= ts_event < end:
                    numbers[name] += count
                    bins[k] = bins.get(k, 0) + lots
    ring.advance(cut)
    return ring


class _Bars(NamedTuple):
    """The whole bars within a span, and the time they cover."""

    timeframe: str
    bars: list[Bar]
    start: Micros
    end: Micros


def _covering(series: Mapping[str, Series], start: Micros, end: Micros) -> _Bars | None:
    """Those of the smallest timeframe of which none is missing."""
    for timeframe in PROFILE_TIMEFRAMES:
        if timeframe in series:
            length, times = timeframe_us(timeframe), series[timeframe].open_time
            first, last = -(-start // length) * length, end - end % length
            at, until = bisect_left(times, first), bisect_left(times, last)
            if until > at and until - at == (last - first) // length:
                return _Bars(timeframe, series[timeframe].take(at, until), first, last)
    return None


def _profile_context(
    profile: Profile, start: Micros, end: Micros, grid: Grid, trades: int, *, young: bool
) -> ProfileContext:
    """A `young` one has no point of control and no value area."""
    low, high, share = value_area(profile.volumes)
    peaks, valleys = nodes(profile.volumes)

    def edge(k: float) -> float:
        return price(grid, (profile.first + k) * profile.width)

    return ProfileContext(
        start=start,
        end=end,
        source=profile.source,
        bin_width=price(grid, profile.width),
        first_bin=edge(0),
        bins=[size(grid, volume) for volume in profile.volumes],
        poc=None if young else edge(point_of_control(profile.volumes) + 0.5),
        vah=None if young else edge(high + 1),
        val=None if young else edge(low),
        va_pct=None if young else share,
        total=size(grid, sum(profile.volumes)),
        hvn=[edge(k + 0.5) for k, _ in peaks],
        lvn=[edge(k + 0.5) for k, _ in valleys],
        trades=trades,
    )


def _zones(profile: Profile, bars: Sequence[Bar], close: int, grid: Grid) -> list[ZoneContext]:
    return [
        ZoneContext(
            low=price(grid, zone.low),
            high=price(grid, zone.high),
            centre=price(grid, zone.centre),
            volume=size(grid, zone.volume),
            share=zone.share,
            strength=zone.strength,
            role="SUPPORT" if close > zone.high else "RESISTANCE" if close < zone.low else "INSIDE",
            tests=zone.tests,
        )
        for zone in zones(profile, bars)
    ]
