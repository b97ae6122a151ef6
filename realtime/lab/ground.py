"""What lies behind the venue's end: a seeded market, or a recorded one that comes again as it was."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache

from realtime.decoding import Decoding
from realtime.emulator.faults.markets import changes, skew
from realtime.emulator.faults.parts import Fault
from realtime.emulator.listings import COINS
from realtime.emulator.path import Path
from realtime.emulator.seeded import Offset
from realtime.emulator.source import Played
from realtime.emulator.tape import REST_ONLY, Recorded, Tape
from realtime.emulator.view import SeededView
from warehouse.clock import MINUTE, SECOND, ManualClock, Micros
from warehouse.instruments import Rules
from warehouse.records import Record, Trade
from warehouse.venues.base import TODAY

T0: Micros = 1_795_000_020 * SECOND
RATE = 10.0
"""Book events a second of a seeded market."""

SAMPLE = 5000
"""Entries of a tape that tell how its recorder's clock stood to the venue's."""

Told = Callable[[Record], None]


@lru_cache(maxsize=2)
def _paths(seed: int) -> dict[str, Path]:
    """The prices of every coin under a seed; they never change, so all stages share them."""
    return {base: Path(seed, base) for base in COINS}


class Sown:
    """A seeded market of one instrument, with what the faults change in it.

    `clock` is ours, `there` the venue's, which is `skew` ahead; `told` hears each record before it goes out. The first
    clients come `opens` after the beginning. `speaks`: the venue says things by itself, beside what happens.
    """

    opens: Micros = 0
    dialect = TODAY
    speaks = True

    def __init__(self, venue: str, instrument: str, faults: Sequence[Fault], seed: int) -> None:
        self.clock = ManualClock(T0)
        self.skew = skew(faults, venue)
        self.there = Offset(self.clock, self.skew)
        self.view = SeededView(venue, seed, _paths(seed), self.there, T0, MINUTE, RATE)
        self.told: Told = _nobody
        self._market = self.view.markets[instrument]
        self._market.plan(changes(faults, T0, [instrument]))
        self._market.prepare()

    @property
    def rules(self) -> Rules:
        """As they are now."""
        return self._market.rules

    def advance(self, now: Micros) -> Iterator[Record]:
        """What happens up to `now` of the venue's time."""
        if self._market.due <= now:
            for record in self._market.advance(now):
                self.told(record)
                yield record

    def held(self, streams: Sequence[tuple[str, str]]) -> None:
        """A seeded market waits for nobody."""


class Replayed:
    """One instrument of a tape, once through, with the face of `Sown`. Faults of the market cannot happen in it, and
    its beginning is served over REST alone. Our clock is right, whatever the recorder's was.
    """

    skew: Micros = 0
    speaks = False

    def __init__(self, tape: Tape, instrument: str) -> None:
        venue = tape.venues[0]
        span = tape.end - tape.start
        self.opens: Micros = min(REST_ONLY, span // 20)
        self._behind = _behind(tape)
        self.clock = self.there = ManualClock(tape.start + self._behind)
        self.told: Told = _nobody
        recorder = Offset(self.clock, -self._behind)
        self._source = Recorded(recorder, 0, tape, span, lambda record: self.told(record), self.opens)
        self._source.open()
        self._venue = venue
        self.view = self._source.view(venue)
        self.dialect = self._source.about(venue).dialect
        self.rules = next(rule for rule in self.view.rules() if rule.instrument == instrument)

    def advance(self, now: Micros) -> Iterator[Played]:
        """The frames up to `now`, as soon as all streams of the tape are held."""
        for _, played in self._source.advance(now - self._behind):
            assert isinstance(played, Played)  # a tape plays nothing else
            yield played

    def held(self, streams: Sequence[tuple[str, str]]) -> None:
        """What all connections together are subscribed to, as (base, stream)."""
        self._source.subscribed(self._venue, streams)


def _behind(tape: Tape) -> Micros:
    """How far the recorder's clock was behind the venue's, at least: trades came before they had happened."""
    found = [0]
    for reel in tape.reels:
        decoding = Decoding.of(reel.header)
        for entry in reel.entries[:SAMPLE]:
            trades = (output for _, output in decoding.feed(entry) if isinstance(output, Trade))
            found += [trade.ts_event - trade.ts_recv for trade in trades if trade.origin == "stream"]
    return max(found)


Ground = Sown | Replayed


def _nobody(record: Record) -> None:
    """Before anybody listens."""
