"""A worker's journal in memory: an emulated market with its history, a seam, a hole and a broken connection."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from urllib.parse import parse_qsl, urlsplit

import msgspec

from realtime.decoding import Decoding, answered
from realtime.emulator.seeded import Seeded, Terms
from warehouse.clock import DAY, MINUTE, SECOND, ManualClock, Micros
from warehouse.context import ContextDocument, encode
from warehouse.instruments import TIMEFRAMES, Rules, timeframe_us
from warehouse.journal import Entry, Kind
from warehouse.records import Candle, Trade
from warehouse.seam import Certificate
from warehouse.structure.document import TradeHistory, build
from warehouse.venues import venue
from warehouse.venues.base import EmulatedConnection, Fetch, Output, Send

START: Micros = 1_795_000_020 * SECOND
"""When the market opens, the start of a minute."""

CUT = START + 3 * SECOND
"""Where the certified seam of `tape` hands over from history to the stream."""

KEPT = ("BTC-USDT-PERP", "ETH-USDT-PERP")
"""Instruments that have a history."""


class Market(msgspec.Struct, frozen=True):
    """A worker's journal of five perpetuals. `public` names the connection that carries the books."""

    rules: list[Rules]
    entries: list[Entry]
    public: str = "binance.perp.public"


def _source(clock: ManualClock) -> Seeded:
    source = Seeded(clock, 0, ["binance"], Terms(seed=1, rate=20.0, lookback_us=MINUTE, t0=START))
    source.open()
    return source


@lru_cache(maxsize=4)
def market(seconds: int) -> Market:
    """Record so many seconds of an emulated market, snapshots and acknowledgements included."""
    clock = ManualClock(START)
    source = _source(clock)
    view = source.view("binance")
    side = venue("binance").emulated(view)
    rules = [rule for rule in view.rules() if rule.market == "perp"]
    decoding = Decoding("binance", rules)
    entries: list[Entry] = []
    wires: dict[str, EmulatedConnection] = {}

    def take(kind: Kind, name: str, payload: bytes) -> None:
        entry = Entry(clock.now(), name, int(kind), payload)
        entries.append(entry)
        obey(decoding.feed(entry))

    def obey(outputs: Sequence[tuple[str, Output]]) -> None:
        for name, output in outputs:
            if isinstance(output, Send):
                for frame in wires[name].receive(output.frame, clock.now()):
                    take(Kind.FRAME, name, frame)
            elif isinstance(output, Fetch):
                reply = side.rest(output.base, output.path, output.query, clock.now())
                take(Kind.ANSWER, name, answered(output, reply.status, reply.body))

    for name, session in decoding.sessions.items():
        parts = urlsplit(session.path)
        wires[name] = side.connect(session.base, parts.path, dict(parse_qsl(parts.query)), clock.now())
        take(Kind.CONNECTED, name, b"")
    for _ in range(seconds * 10):
        clock.advance(SECOND // 10)
        for _, event in source.advance(clock.now()):
            for name, wire in wires.items():
                for frame in wire.event(event, clock.now()):  # type: ignore[arg-type]  # seeded sources play records
                    take(Kind.FRAME, name, frame)
        take(Kind.TICK, "", b"")
    return Market(rules, entries)


def trades_of(recording: Market, instrument: str) -> list[Trade]:
    """Every live trade of an instrument, decoded."""
    decoding = Decoding("binance", recording.rules)
    found = [output for entry in recording.entries for _, output in decoding.feed(entry)]
    return [one for one in found if isinstance(one, Trade) and one.instrument == instrument]


def context(recording: Market, rules: Rules, as_of: Micros) -> ContextDocument:
    """The document of an instrument: generated candles, and the trades of one minute before and of the tape."""
    view = _source(ManualClock(START)).view("binance")
    view.markets[rules.instrument].prepare()
    bars: dict[str, list[Candle]] = {}
    for timeframe in TIMEFRAMES:
        start = START - START % DAY - 200 * timeframe_us(timeframe)
        bars[timeframe] = view.candles(rules.instrument, timeframe, start, START, 200, True)
    past = view.trades_by_time(rules.instrument, START - MINUTE, START, 1_000_000, False)
    both = [*past, *(one for one in trades_of(recording, rules.instrument) if one.ts_event < as_of)]
    prints = [(one.ts_event, one.ticks, one.lots, one.taker_side == "buy", 1) for one in both]
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
    extra.append(Entry(down, recording.public, int(Kind.DISCONNECTED), b"cut by the test"))
    entries = sorted([*recording.entries, *extra], key=lambda entry: entry.ts_recv)
    return tuple(recording.rules), tuple(entries)
