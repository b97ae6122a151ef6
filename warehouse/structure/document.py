"""Closed bars and past trades in, context document out: the one place where all of structure is put together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from warehouse.clock import Micros
from warehouse.context import (
    BreakPoint,
    ContextDocument,
    LevelContext,
    SwingPoint,
    TimeframeContext,
    digest,
)
from warehouse.instruments import TIMEFRAMES, Grid, Rules, timeframe_us
from warehouse.metrics.bars import Bar, bar_of
from warehouse.metrics.base import Reason
from warehouse.metrics.volumes import DAY_MINUTES
from warehouse.records import Candle
from warehouse.structure.atr import LENGTH, adx, atr
from warehouse.structure.breaks import Break, breaks
from warehouse.structure.efficiency import choppiness, efficiency_ratio
from warehouse.structure.estimators import ESTIMATORS, volatility
from warehouse.structure.levels import KeyLevel, levels
from warehouse.structure.regime import regime
from warehouse.structure.swings import Swing, structure_state, swings
from warehouse.structure.traded import Notes, TradeHistory, price, profiles_of, size
from warehouse.structure.trend import htf_bias, trend, trend_alignment
from warehouse.structure.volume import volume_ema, volume_sma

__all__ = ["TradeHistory", "build", "closed_bars", "document_of", "unbroken"]

LEVEL_TIMEFRAMES = ("1d", "12h", "4h", "1h")
KEPT_BARS = 120
KEPT_SWINGS = 16
KEPT_BREAKS = 12


def closed_bars(candles: Iterable[Candle], timeframe: str, grid: Grid, as_of: Micros) -> list[Bar]:
    """The bars of closed candles, as `unbroken` has them."""
    length = timeframe_us(timeframe)
    bars = [bar_of(c, grid) for c in candles if c.closed and c.open_time + length <= as_of]
    return unbroken(bars, timeframe, as_of)


def unbroken(bars: Iterable[Bar], timeframe: str, as_of: Micros) -> list[Bar]:
    """Bars closed at `as_of`, ascending, one per open time, from the newest hole on: nothing is bridged."""
    length = timeframe_us(timeframe)
    kept = {bar.open_time: bar for bar in bars if bar.open_time + length <= as_of}
    times = sorted(kept)
    start = 0
    for i in range(1, len(times)):
        if times[i] - times[i - 1] != length:
            start = i
    return [kept[at] for at in times[start:]]


def build(
    rules: Rules, bars_by_timeframe: Mapping[str, Sequence[Candle]], trades: TradeHistory | None, as_of: Micros
) -> ContextDocument:
    """The context of one instrument as of `as_of`, from its candles, which may hold open ones (left out).

    Raises ValueError for a price off the instrument's grid.
    """
    bars = {tf: closed_bars(candles, tf, rules.grid, as_of) for tf, candles in bars_by_timeframe.items()}
    return document_of(rules, bars, trades, as_of)


def document_of(
    rules: Rules, closed: Mapping[str, Sequence[Bar]], trades: TradeHistory | None, as_of: Micros
) -> ContextDocument:
    """The context of one instrument as of `as_of`, from its closed bars by timeframe, in any order.

    Same inputs, same document. Too little history gives null with a reason, never a guess.
    """
    grid = rules.grid
    notes = Notes()
    bars = {tf: unbroken(closed.get(tf, ()), tf, as_of) for tf in TIMEFRAMES}
    ranges = {tf: atr(bars[tf]) for tf in TIMEFRAMES}
    swung = {tf: swings(bars[tf], timeframe_us(tf), atr=ranges[tf]) for tf in TIMEFRAMES}
    frames: dict[str, TimeframeContext] = {}
    for timeframe in TIMEFRAMES:
        if bars[timeframe]:
            frames[timeframe] = _frame(timeframe, bars[timeframe], ranges[timeframe], swung[timeframe], grid, notes)
        else:
            notes.missing(f"timeframes.{timeframe}", Reason.NO_HISTORY)
    score, bias = htf_bias({tf: frame.trend_score for tf, frame in frames.items()})
    alignment = trend_alignment({tf: frame.trend for tf, frame in frames.items()})
    if bias.value is None:
        notes.missing("htf_bias", bias.reason)
    newest = _newest(bars)
    judged = {tf: bars[tf] for tf in LEVEL_TIMEFRAMES if bars[tf]}
    found = levels(judged, newest.close, ranges=ranges, swung=swung) if newest else []
    if not found:
        notes.missing("levels", Reason.NO_HISTORY)
    profiles, ring, areas = profiles_of(
        rules, bars, frames["1d"].atr if "1d" in frames else None, trades, as_of, newest, notes
    )
    minutes = bars["1m"][-DAY_MINUTES:]
    document = ContextDocument(
        venue=rules.venue,
        instrument=rules.instrument,
        created=as_of,
        tick=rules.tick,
        lot=rules.lot,
        contract_value=rules.contract_value,
        batch_end={tf: frame.batch_end for tf, frame in frames.items()},
        bars={tf: bars[tf][-KEPT_BARS:] for tf in TIMEFRAMES if bars[tf]},
        timeframes=frames,
        levels=[_level(level, grid) for level in found],
        htf_bias=None if bias.value is None else str(bias.value),
        htf_bias_score=notes.number("htf_bias_score", score),
        trend_alignment=notes.number("trend_alignment", alignment),
        profiles=profiles,
        zones=areas,
        reasons=notes.reasons,
        ring=None if ring is None else msgspec.json.encode(ring.state()),
        cut=None if ring is None else ring.second,
        last_trade_id=None if trades is None or ring is None else trades.last_trade_id,
        minutes_from=minutes[0].open_time if minutes else 0,
        minutes=[bar.lots for bar in minutes],
        sizes=None if trades is None else trades.sizes,
    )
    return msgspec.structs.replace(document, digest=digest(document))


def _newest(bars: Mapping[str, Sequence[Bar]]) -> Bar | None:
    """The bar whose end is latest; of equals the shortest."""
    ends = [(bars[tf][-1].open_time + timeframe_us(tf), i, tf) for i, tf in enumerate(TIMEFRAMES) if bars[tf]]
    return bars[max(ends)[2]][-1] if ends else None


def _frame(
    timeframe: str, bars: list[Bar], ranges: list[float | None], pivots: list[Swing], grid: Grid, notes: Notes
) -> TimeframeContext:
    path = f"timeframes.{timeframe}"
    length = timeframe_us(timeframe)
    directions = adx(bars)
    scale, last = ranges[-1], directions[-1]
    if scale is None:
        notes.missing(f"{path}.atr", Reason.NO_HISTORY)
        notes.missing(f"{path}.natr", Reason.NO_HISTORY)
    if last is None or last.adx is None:
        notes.missing(f"{path}.adx", Reason.NO_HISTORY)
    if last is None:
        notes.missing(f"{path}.plus_di", Reason.NO_HISTORY)
        notes.missing(f"{path}.minus_di", Reason.NO_HISTORY)
    state = structure_state(pivots)
    broken, direction = breaks(bars, pivots, length, ranges)
    way = trend(bars, state, ranges=ranges)
    kind = regime(bars, ranges=ranges, directions=directions)
    for name, value, reason in (
        ("trend", way.trend, way.reason),
        ("trend_score", way.score, way.reason),
        ("trend_strength", way.strength, way.reason),
        ("structure_state", state, Reason.WARMUP),
        ("structure_trend", direction, Reason.WARMUP),
        ("regime", kind.regime, kind.reason),
        ("regime_raw", kind.raw, kind.reason),
        ("volatility_rank", kind.rank, kind.reason or Reason.NO_HISTORY),
    ):
        if value is None:
            notes.missing(f"{path}.{name}", reason)
    sma = notes.number(f"{path}.volume_sma", volume_sma(bars))
    ema = notes.number(f"{path}.volume_ema", volume_ema(bars))
    return TimeframeContext(
        batch_end=bars[-1].open_time + length,
        count=len(bars),
        close=price(grid, bars[-1].close),
        atr=None if scale is None else price(grid, scale),
        natr=None if scale is None else scale / bars[-1].close,
        plus_di=None if last is None else last.plus_di,
        minus_di=None if last is None else last.minus_di,
        adx=None if last is None else last.adx,
        volatility={name: notes.number(f"{path}.volatility.{name}", volatility(name, bars)) for name in ESTIMATORS},
        efficiency_ratio=notes.number(f"{path}.efficiency_ratio", efficiency_ratio(bars)),
        choppiness=notes.number(f"{path}.choppiness", choppiness(bars, LENGTH)),
        volume_sma=None if sma is None else size(grid, sma),
        volume_ema=None if ema is None else size(grid, ema),
        trend=way.trend,
        trend_score=way.score,
        trend_strength=way.strength,
        trend_partial=way.partial,
        structure_state=state,
        structure_trend=direction,
        regime=kind.regime,
        regime_raw=kind.raw,
        regime_age=kind.age,
        volatility_rank=kind.rank,
        swings=[_swing(swing, grid) for swing in pivots[-KEPT_SWINGS:]],
        breaks=[_break(event, grid) for event in broken[-KEPT_BREAKS:]],
    )


def _swing(swing: Swing, grid: Grid) -> SwingPoint:
    return SwingPoint(
        kind=swing.kind,
        price=grid.price(swing.price),
        pivot_time=swing.pivot_time,
        known_at=swing.known_at,
        label=swing.label,
    )


def _break(event: Break, grid: Grid) -> BreakPoint:
    return BreakPoint(
        type=event.type,
        direction=event.direction,
        level=grid.price(event.level),
        close=grid.price(event.close),
        pivot_time=event.pivot_time,
        known_at=event.known_at,
        excess_atr=event.excess_atr,
        initial=event.initial,
    )


def _level(level: KeyLevel, grid: Grid) -> LevelContext:
    return LevelContext(
        price=price(grid, level.price),
        zone_low=price(grid, level.zone_low),
        zone_high=price(grid, level.zone_high),
        role=level.role,
        touches=level.touches,
        holds=level.holds,
        breaks=level.breaks,
        strength=level.strength,
        timeframes=level.timeframes,
        first_seen=level.first_seen,
        last_touch=level.last_touch,
        hold_rate=level.hold_rate,
    )
