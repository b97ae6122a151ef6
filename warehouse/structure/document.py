"""Measured series and past trades in, context document out: the one place where all of structure is put together."""

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
from warehouse.structure.breaks import Break, breaks
from warehouse.structure.efficiency import choppiness, efficiency_ratio
from warehouse.structure.estimators import ESTIMATORS, volatility
from warehouse.structure.levels import KeyLevel, levels
from warehouse.structure.measured import Measured, measured
from warehouse.structure.regime import regime
from warehouse.structure.series import Series
from warehouse.structure.swings import Swing, structure_state, swings
from warehouse.structure.traded import Notes, TradeHistory, price, profiles_of, size
from warehouse.structure.trend import htf_bias, trend, trend_alignment
from warehouse.structure.volume import volume_sma

__all__ = ["TradeHistory", "build", "closed_bars", "document_of"]

LEVEL_TIMEFRAMES = ("1d", "12h", "4h", "1h")
KEPT_BARS = 120
KEPT_SWINGS = 16
KEPT_BREAKS = 12


def closed_bars(candles: Iterable[Candle], timeframe: str, grid: Grid, as_of: Micros) -> Series:
    """The unbroken bars of closed candles. Raises ValueError for a price off the grid."""
    return Series.of(timeframe, (bar_of(one, grid) for one in candles if one.closed)).unbroken(as_of)


def build(
    rules: Rules, candles_by_timeframe: Mapping[str, Sequence[Candle]], trades: TradeHistory | None, as_of: Micros
) -> ContextDocument:
    """The context of one instrument as of `as_of`, from its candles, which may hold open ones (left out).

    Raises ValueError for a price off the instrument's grid.
    """
    series = {tf: closed_bars(candles, tf, rules.grid, as_of) for tf, candles in candles_by_timeframe.items()}
    return document_of(rules, measured({"": series})[""], trades, as_of)


def document_of(
    rules: Rules, given: Mapping[str, Measured], trades: TradeHistory | None, as_of: Micros
) -> ContextDocument:
    """The context of one instrument as of `as_of`, from its measured series by timeframe, of bars closed by then.

    Same inputs, same document. Too little history gives null with a reason, never a guess.
    """
    grid = rules.grid
    notes = Notes()
    known = {tf: given[tf] for tf in TIMEFRAMES if tf in given and len(given[tf].series)}
    series = {tf: one.series for tf, one in known.items()}
    bars = {tf: one.newest(KEPT_BARS) for tf, one in series.items()}
    swung = {tf: swings(one.series, atr=one.atr) for tf, one in known.items()}
    frames: dict[str, TimeframeContext] = {}
    for timeframe in TIMEFRAMES:
        if timeframe in known:
            frames[timeframe] = _frame(known[timeframe], bars[timeframe], swung[timeframe], grid, notes)
        else:
            notes.missing(f"timeframes.{timeframe}", Reason.NO_HISTORY)
    score, bias = htf_bias({tf: frame.trend_score for tf, frame in frames.items()})
    alignment = trend_alignment({tf: frame.trend for tf, frame in frames.items()})
    if bias.value is None:
        notes.missing("htf_bias", bias.reason)
    newest = _newest(bars)
    found = levels({tf: known[tf] for tf in LEVEL_TIMEFRAMES if tf in known}, swung, newest.close) if newest else []
    if not found:
        notes.missing("levels", Reason.NO_HISTORY)
    profiles, ring, areas = profiles_of(
        rules, series, frames["1d"].atr if "1d" in frames else None, trades, as_of, newest, notes
    )
    minutes = series.get("1m")
    document = ContextDocument(
        venue=rules.venue,
        instrument=rules.instrument,
        created=as_of,
        tick=rules.tick,
        lot=rules.lot,
        contract_value=rules.contract_value,
        batch_end={tf: frame.batch_end for tf, frame in frames.items()},
        bars=bars,
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
        minutes_from=0 if minutes is None else minutes.open_time[-DAY_MINUTES:][0],
        minutes=[] if minutes is None else minutes.columns["lots"][-DAY_MINUTES:].tolist(),
        sizes=None if trades is None else trades.sizes,
    )
    return msgspec.structs.replace(document, digest=digest(document))


def _newest(bars: Mapping[str, Sequence[Bar]]) -> Bar | None:
    """The bar whose end is latest; of equals the shortest."""
    ends = [(bars[tf][-1].open_time + timeframe_us(tf), i, tf) for i, tf in enumerate(TIMEFRAMES) if tf in bars]
    return bars[max(ends)[2]][-1] if ends else None


def _frame(measured: Measured, bars: list[Bar], pivots: list[Swing], grid: Grid, notes: Notes) -> TimeframeContext:
    """`bars` are the newest of the series: as many as the document keeps."""
    series = measured.series
    path = f"timeframes.{series.timeframe}"
    scale, natr = measured.atr[-1], measured.natr[-1]
    plus_di, minus_di, adx = measured.plus_di[-1], measured.minus_di[-1], measured.adx[-1]
    state = structure_state(pivots)
    broken, direction = breaks(series, pivots, measured.atr)
    way = trend(measured, state)
    kind = regime(measured)
    for name, value, reason in (
        ("atr", scale, Reason.NO_HISTORY),
        ("natr", natr, Reason.NO_HISTORY),
        ("adx", adx, Reason.NO_HISTORY),
        ("plus_di", plus_di, Reason.NO_HISTORY),
        ("minus_di", minus_di, Reason.NO_HISTORY),
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
    if measured.volume is None:
        notes.missing(f"{path}.volume_ema", Reason.NO_HISTORY)
    return TimeframeContext(
        batch_end=bars[-1].open_time + timeframe_us(series.timeframe),
        count=len(series),
        close=price(grid, bars[-1].close),
        atr=None if scale is None else price(grid, scale),
        natr=natr,
        plus_di=plus_di,
        minus_di=minus_di,
        adx=adx,
        volatility={name: notes.number(f"{path}.volatility.{name}", volatility(name, bars)) for name in ESTIMATORS},
        efficiency_ratio=notes.number(f"{path}.efficiency_ratio", efficiency_ratio(bars)),
        choppiness=notes.number(f"{path}.choppiness", choppiness(bars)),
        volume_sma=None if sma is None else size(grid, sma),
        volume_ema=None if measured.volume is None else size(grid, measured.volume),
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
