"""A worker's journal in memory: an emulated market with its history, a seam, a hole and a broken connection."""

from __future__ import annotations

from functools import lru_cache

import msgspec

from p9.frames import START, Recording, record
from realtime.decoding import Decoding
from realtime.emulator.seeded import Seeded, Terms
from warehouse.clock import DAY, MINUTE, SECOND, ManualClock, Micros
from warehouse.context import ContextDocument, encode
from warehouse.instruments import TIMEFRAMES, Rules, timeframe_us
from warehouse.journal import Entry, Kind
from warehouse.records import Candle, Trade
from warehouse.seam import Certificate
from warehouse.structure.document import TradeHistory, build

CUT = START + 3 * SECOND
"""Where the certified seam of `tape` hands over from history to the stream."""

KEPT = ("BTC-USDT-PERP", "ETH-USDT-PERP")
"""Instruments that have a history."""


@lru_cache(maxsize=4)
def market(seconds: int, rate: float = 20.0) -> Recording:
    """Bare recording of five perpetuals; see `p9.frames.record`."""
    return record(seconds, rate)


def trades_of(recording: Recording, instrument: str) -> list[Trade]:
    """Every live trade of an instrument, decoded."""
    decoding = Decoding("binance", recording.rules)
    found = [output for entry in recording.entries for _, output in decoding.feed(entry)]
    return [one for one in found if isinstance(one, Trade) and one.instrument == instrument]


def context(recording: Recording, rules: Rules, as_of: Micros) -> ContextDocument:
    """The document of an instrument: generated candles, and the trades of one minute before and of the tape."""
    source = Seeded(ManualClock(START), 0, ["binance"], Terms(seed=1, rate=20.0, lookback_us=MINUTE, t0=START))
    source.open()
    view = source.view("binance")
    view.markets[rules.instrument].prepare()
    bars: dict[str, list[Candle]] = {}
    for timeframe in TIMEFRAMES:
        start = START - START % DAY - 200 * timeframe_us(timeframe)
        bars[timeframe] = view.candles(rules.instrument, timeframe, start, START, 200, True)
    past = view.trades_by_time(rules.instrument, START - MINUTE, START, 1_000_000, False)
    both = [*past, *(one for one in trades_of(recording, rules.instrument) if one.ts_event < as_of)]
    prints = [(one.ts_event, one.ticks, one.lots, one.taker_side == "buy") for one in both]
    history = TradeHistory(trades=prints, complete_from=START - MINUTE, complete_to=as_of)
    return build(rules, bars, history, as_of)


def certificate(instrument: str, state: str = "proven") -> bytes:
    """A seam certificate with its cut at `CUT`."""
    found = Certificate(
        venue="binance",
        instrument=instrument,
        state=state,  # type: ignore[arg-type]
        cut=CUT if state in ("proven", "supported") else None,
        reason=None if state == "proven" else "made so by a test",
        created=CUT,
    )
    return msgspec.msgpack.encode(found)


@lru_cache(maxsize=1)
def tape(seconds: int = 66) -> tuple[tuple[Rules, ...], tuple[Entry, ...]]:
    """Rules and entries: history and seam arrive after five seconds; the book's connection breaks after twenty."""
    recording = market(seconds)
    first = START + 5 * SECOND
    extra: list[Entry] = []
    for rule in recording.rules:
        if rule.instrument in KEPT:
            document = encode(context(recording, rule, first))
            extra.append(Entry(first, rule.instrument, int(Kind.CONTEXT), document))
            extra.append(Entry(first + SECOND, rule.instrument, int(Kind.SEAM), certificate(rule.instrument)))
    down = START + 20 * SECOND
    name = next(name for name, _ in recording.frames if name.endswith(".public"))
    extra.append(Entry(down, name, int(Kind.DISCONNECTED), b"cut by the test"))
    entries = sorted([*recording.entries, *extra], key=lambda entry: entry.ts_recv)
    return tuple(recording.rules), tuple(entries)
