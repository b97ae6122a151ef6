"""Markets of known proportions for the benchmark: an emulated Binance USD-M, five perpetuals, in virtual time.

How many quotes and trades come with each book update, and how many levels an update has, decides what a library can do
in a second. The proportions here are those of recorded sessions, brought to today's subscriptions (`bookTicker`,
`aggTrade`, `depth@100ms`): fills of one taker order at one price counted once, book updates of 100 ms taken together.
The emulated market runs faster than a real one, so that some 10,000 frames come in each of its seconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import parse_qsl, urlsplit

import msgspec

from p9.bench.frames import Recording, cut
from realtime.decoding import Decoding, answered
from realtime.emulator.seeded import Seeded, Terms
from realtime.emulator.view import SeededView
from warehouse import context
from warehouse.clock import MINUTE, SECOND, ManualClock, Micros
from warehouse.instruments import TIMEFRAMES, Rules, timeframe_us
from warehouse.journal import Entry, Kind
from warehouse.structure.document import build
from warehouse.venues import venue
from warehouse.venues.base import TODAY, EmulatedConnection, Fetch, Output, Send

START: Micros = 1_795_000_020 * SECOND
GRID: Micros = 100_000
LEAST, MOST = 900, 1000
"""Levels a side, as in the venue's snapshots."""

GROWTH = 6000
"""Events in which a book grows to its levels, before anybody looks."""


BARS = 200
"""Closed candles of each timeframe behind the context document, so that no metric lacks its history."""


class Mix(msgspec.Struct, frozen=True):
    """A market by its pace: `events` a second and instrument, of which `share` are market orders, and a book update
    each `flush` microseconds.
    """

    name: str
    words: str
    events: int
    share: float
    flush: Micros


MIXES: tuple[Mix, ...] = (
    Mix("usual", "as BTCUSDT on 2023-04-04: 6.8 quotes, 0.9 trades a book update of 52 levels", 16_500, 0.01, 4000),
    Mix("busy", "as BTCUSDT on 2024-08-08: 19.2 quotes, 3.0 trades a book update of 118 levels", 21_000, 0.017, 8000),
    Mix(
        "small",
        "as four small perpetuals on 2021-07-22: 0.8 quotes, 0.1 trades an update of 8 levels",
        9000,
        0.01,
        1000,
    ),
)
"""The first is the headline: the ordinary hour of a perpetual that people trade."""


def _context(view: SeededView, rules: Rules, bars: int) -> Entry:
    """The historical context of an instrument up to the market's first moment."""
    name = rules.instrument
    view.markets[name].prepare()
    candles = {
        timeframe: view.candles(name, timeframe, START - bars * timeframe_us(timeframe), START, bars, True)
        for timeframe in TIMEFRAMES
    }
    return Entry(START, name, int(Kind.CONTEXT), context.encode(build(rules, candles, None, START)))


def emulated(mix: Mix, seconds: float, seed: int = 1, bars: int = BARS) -> Recording:
    """`seconds` of a mix, in time of its market, with `bars` candles of each timeframe behind it (0: no history)."""
    clock = ManualClock(START)
    source = Seeded(clock, 0, ["binance"], Terms(seed=seed, rate=mix.events, lookback_us=MINUTE, t0=START))
    source.open()
    view = source.view("binance")
    for market in view.markets.values():
        flow = market.flow
        flow.flush, flow.least, flow.most, flow.share = mix.flush, LEAST, MOST, mix.share
    side = venue("binance").emulated(view)
    rules = [rule for rule in view.rules() if rule.market == "perp"]
    decoding = Decoding("binance", rules)
    entries: list[Entry] = []
    wires: dict[str, EmulatedConnection] = {}

    def take(kind: Kind, source_name: str, payload: bytes) -> None:
        entry = Entry(clock.now(), source_name, int(kind), payload)
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

    if bars:
        entries += [_context(view, rule, bars) for rule in rules]
    clock.advance(-(-GROWTH * SECOND // (mix.events * GRID)) * GRID)
    for _ in source.advance(clock.now()):
        pass
    for name, session in decoding.sessions.items():
        parts = urlsplit(session.path)
        wires[name] = side.connect(session.base, parts.path, dict(parse_qsl(parts.query)), clock.now())
        take(Kind.CONNECTED, name, b"")
    end = clock.now() + int(seconds * SECOND)
    while clock.now() < end:
        clock.advance(min(mix.flush, 1000))
        now = clock.now()
        for _, event in source.advance(now):
            for name, wire in wires.items():
                for frame in wire.event(event, now):  # type: ignore[arg-type]  # a seeded source plays records only
                    take(Kind.FRAME, name, frame)
        if now % GRID == 0:
            take(Kind.TICK, "", b"")
    return cut(mix.name, mix.words, rules, TODAY, entries)
