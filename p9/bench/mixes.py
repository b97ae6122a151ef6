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
GROWTH = 6
"""Events a level in which a book grows to its size, before anybody looks."""

BARS = 200
"""Closed candles of each timeframe behind the context document, so that no metric lacks its history."""


class Mix(msgspec.Struct, frozen=True):
    """A market by its pace: `events` a second and instrument, of which `share` are market orders, a book update each
    `flush` microseconds, and `whole` the share of cancellations that take all of a level. `levels` has each side of a
    book: 1,000 at the snapshot, and more the longer it is followed.
    """

    name: str
    words: str
    events: int
    share: float
    flush: Micros
    whole: float
    levels: int


MIXES: tuple[Mix, ...] = (
    Mix(
        "usual",
        "BTCUSDT on 2023-04-04: 6.8 quotes, 0.9 trades a book of 52 levels, 8% gone, 2,000 a side",
        events=16_500, share=0.01, flush=4000, whole=0.12, levels=2000,
    ),
    Mix(
        "busy",
        "BTCUSDT on 2024-08-08: 19.2 quotes, 3.0 trades a book of 118 levels, 23% gone, 4,800 a side",
        events=21_000, share=0.017, flush=8000, whole=0.5, levels=4800,
    ),
    Mix(
        "small",
        "small coins on 2021-07-22: 0.8 quotes, 0.1 trades a book of 8 levels, 2% gone, 1,000 a side",
        events=9000, share=0.01, flush=1000, whole=0.05, levels=1000,
    ),
)  # fmt: skip
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


class Market:
    """The emulated venue and a worker's sessions on it, without a socket between. `entries` is what they journal."""

    def __init__(self, mix: Mix, seed: int = 1, bars: int = BARS) -> None:
        """With `bars` candles of each timeframe behind it (0: no history); subscribed, before the first frame."""
        self.clock = ManualClock(START)
        self._source = Seeded(
            self.clock, 0, ["binance"], Terms(seed=seed, rate=mix.events, lookback_us=MINUTE, t0=START)
        )
        self._source.open()
        self.view = self._source.view("binance")
        for instrument in [name for name, one in self.view.markets.items() if one.rules.market == "spot"]:
            del self.view.markets[instrument]
        for market in self.view.markets.values():
            flow = market.flow
            flow.flush, flow.least, flow.most = mix.flush, mix.levels, mix.levels + mix.levels // 10
            flow.share, flow.whole = mix.share, mix.whole
        self._step = min(mix.flush, 1000)
        self.side = venue("binance").emulated(self.view)
        self.rules = list(self.view.rules())
        self._decoding = Decoding("binance", self.rules)
        self._wires: dict[str, EmulatedConnection] = {}
        self.entries = [_context(self.view, rule, bars) for rule in self.rules] if bars else []
        self.clock.advance(-(-GROWTH * mix.levels * SECOND // (mix.events * GRID)) * GRID)
        for _ in self._source.advance(self.clock.now()):
            pass
        for name, session in self._decoding.sessions.items():
            parts = urlsplit(session.path)
            query = dict(parse_qsl(parts.query))
            self._wires[name] = self.side.connect(session.base, parts.path, query, self.clock.now())
            self._take(Kind.CONNECTED, name, b"")

    def advance(self, us: Micros) -> None:
        """Live on for `us` microseconds."""
        end = self.clock.now() + us
        while self.clock.now() < end:
            self.clock.advance(self._step)
            now = self.clock.now()
            for _, event in self._source.advance(now):
                for name, wire in self._wires.items():
                    for frame in wire.event(event, now):  # type: ignore[arg-type]  # a seeded source plays records only
                        self._take(Kind.FRAME, name, frame)
            if now % GRID == 0:
                self._take(Kind.TICK, "", b"")

    def _take(self, kind: Kind, source: str, payload: bytes) -> None:
        entry = Entry(self.clock.now(), source, int(kind), payload)
        self.entries.append(entry)
        self._obey(self._decoding.feed(entry))

    def _obey(self, outputs: Sequence[tuple[str, Output]]) -> None:
        now = self.clock.now()
        for name, output in outputs:
            if isinstance(output, Send):
                for frame in self._wires[name].receive(output.frame, now):
                    self._take(Kind.FRAME, name, frame)
            elif isinstance(output, Fetch):
                reply = self.side.rest(output.base, output.path, output.query, now)
                self._take(Kind.ANSWER, name, answered(output, reply.status, reply.body))


def emulated(mix: Mix, seconds: float, seed: int = 1, bars: int = BARS) -> Recording:
    """`seconds` of a mix, in time of its market."""
    market = Market(mix, seed, bars)
    market.advance(int(seconds * SECOND))
    return cut(mix.name, mix.words, market.rules, TODAY, market.entries)
