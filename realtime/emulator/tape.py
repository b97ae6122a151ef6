"""Recorded journals as a source: frames as they came, at their own pace, in their own time.

The clock of everybody is offset so that a tape is now. Its first seconds are served over REST only; from then on, once
all its streams are subscribed, each frame goes out at the instant it was received, to the connections that hold its
stream. The same frames, read by the venue's own sessions, are the market behind REST.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from heapq import merge
from pathlib import Path

import msgspec
import structlog

from realtime.decoding import Decoding
from realtime.emulator.changes import Change
from realtime.emulator.playback import TapeView
from realtime.emulator.recorded import Shelf
from realtime.emulator.source import About, Played
from realtime.tape import read_segments
from warehouse.clock import SECOND, Clock, Micros
from warehouse.errors import ConfigError
from warehouse.instruments import Rules
from warehouse.journal import Entry, Header, Kind
from warehouse.records import Record
from warehouse.venues import venue as venue_module
from warehouse.venues.base import EmulatedVenue, Send, Session

log = structlog.get_logger()

REST_ONLY: Micros = 10 * SECOND
"""How much of a tape's beginning is served over REST alone, so that history and stream overlap."""


class Arg(msgspec.Struct):
    """OKX names a stream by channel and instrument, or kind of instruments."""

    channel: str = ""
    instId: str = ""  # noqa: N815 as the venue spells it
    instType: str = ""  # noqa: N815


class Named(msgspec.Struct):
    """The head of a frame of any venue: what stream it belongs to."""

    stream: str | None = None
    topic: str | None = None
    arg: Arg | None = None
    event: str | None = None


_named = msgspec.json.Decoder(Named)


def stream_of(frame: bytes) -> str | None:
    """The venue's name of the stream that a frame belongs to; None for control messages and what is no JSON."""
    try:
        named = _named.decode(frame)
    except msgspec.DecodeError:
        return None
    if named.arg is not None and named.event is None:
        return f"{named.arg.channel}:{named.arg.instId or named.arg.instType}"
    return named.stream or named.topic


class Reel(msgspec.Struct, frozen=True):
    """One recorded journal: its first header and all its entries in order."""

    path: str
    header: Header
    entries: list[Entry]

    @classmethod
    def read(cls, path: Path) -> Reel:
        """A journal folder or segment. Raises JournalError, and ConfigError when it holds no frames."""
        header: Header | None = None
        entries: list[Entry] = []
        for segment, found in read_segments(path):
            header = header or segment.header
            entries += [entry for _, entry in found if entry.kind != Kind.TICK]
        if header is None or not any(entry.kind == Kind.FRAME for entry in entries):
            raise ConfigError(f"{path}: this journal holds no frames, there is nothing to play")
        return cls(str(path), header, entries)

    @property
    def span(self) -> tuple[Micros, Micros]:
        """Receive times of the first and the last frame."""
        times = [entry.ts_recv for entry in self.entries if entry.kind == Kind.FRAME]
        return times[0], times[-1]


class Tape(msgspec.Struct, frozen=True):
    """Some journals of one time. `start` and `end` are the first and last receive times of all frames."""

    reels: list[Reel]
    history: tuple[str, ...]
    start: Micros
    end: Micros

    @classmethod
    def read(cls, paths: Sequence[Path], venues: Sequence[str], history: tuple[str, ...]) -> Tape:
        """The journals at `paths` that are of one of `venues`. Raises ConfigError when they are of different times."""
        reels = [reel for reel in map(Reel.read, paths) if reel.header.venue in venues]
        if not reels:
            raise ConfigError("no tape of an enabled venue was given")
        spans = [reel.span for reel in reels]
        if max(start for start, _ in spans) >= min(end for _, end in spans):
            raise ConfigError(
                "the tapes are of different times and cannot play together: "
                + ", ".join(f"{reel.path} {start}..{end}" for reel, (start, end) in zip(reels, spans, strict=True))
            )
        return cls(reels, history, min(start for start, _ in spans), max(end for _, end in spans))

    @property
    def venues(self) -> tuple[str, ...]:
        """The venues on the tape, in the order of its journals."""
        return tuple(dict.fromkeys(reel.header.venue for reel in self.reels))


class Recorded:
    """A `Source` that plays a tape once. `done` when its last frame has been played; `told` hears what it means."""

    def __init__(
        self,
        clock: Clock,
        offset: Micros,
        tape: Tape,
        patience: Micros,
        told: Callable[[Record], None] = lambda record: None,
        rest_only: Micros = REST_ONLY,
    ) -> None:
        self.tape = tape
        self.venues = tape.venues
        self.clock_offset_us = offset
        self.playing = False
        self.done = False
        self._clock = clock
        self._told = told
        self._opens = tape.start + rest_only
        self._deadline = max(self._opens, tape.start + patience)
        self._views: dict[str, TapeView] = {}
        self._bases: dict[str, str] = {}
        self._wanted: dict[str, dict[tuple[str, str], None]] = {}
        self._decodings: list[Decoding] = []
        self._ahead: Iterator[tuple[Micros, int, Entry]] = iter(())
        self._next: tuple[Micros, int, Entry] | None = None

    def open(self) -> None:
        """Read the recorded history and find out which streams there are."""
        rules = {name: self._rules(name) for name in self.venues}
        shelf = Shelf.read(self.tape.history, [rule for found in rules.values() for rule in found], self.tape.end)
        self._decodings = [Decoding.of(reel.header) for reel in self.tape.reels]
        self._bases = {name: side.base for one in self._decodings for name, side in one.sessions.items()}
        for name in self.venues:
            self._views[name] = TapeView(rules[name], shelf, self._clock, self.tape.start)
            dialect = self.about(name).dialect
            emulated = venue_module(name).emulated(self._views[name])
            heard = self._heard(name)
            asked = subscriptions(emulated, venue_module(name).sessions(rules[name], dialect), self.tape.start)
            self._wanted[name] = {stream: None for stream in asked if stream in heard}
        self._ahead = merge(*(_timed(number, reel) for number, reel in enumerate(self.tape.reels)), key=_when)
        self._next = next(self._ahead, None)

    def _of(self, venue: str) -> list[Reel]:
        return [reel for reel in self.tape.reels if reel.header.venue == venue]

    def _rules(self, venue: str) -> list[Rules]:
        return list({rule.instrument: rule for reel in self._of(venue) for rule in reel.header.rules}.values())

    def _heard(self, venue: str) -> dict[tuple[str, str], None]:
        frames = (entry for reel in self._of(venue) for entry in reel.entries if entry.kind == Kind.FRAME)
        found = ((self._bases.get(entry.source, ""), stream_of(entry.payload)) for entry in frames)
        return {(base, stream): None for base, stream in found if stream is not None}

    @property
    def begun(self) -> Micros:
        """The tape's first frame."""
        return self.tape.start

    def clock(self, venue: str) -> Clock:
        """All venues of a tape have the tape's time."""
        return self._clock

    def change(self, changes: Sequence[Change]) -> None:
        """What was recorded stays. Raises ConfigError."""
        raise ConfigError("a tape's market cannot be changed")

    def view(self, venue: str) -> TapeView:
        return self._views[venue]

    def about(self, venue: str) -> About:
        headers = [reel.header for reel in self._of(venue)]
        named = [header.streams for header in headers if header.streams is not None]
        return About(
            venue=venue,
            clock_offset_us=self.clock_offset_us,
            streams=tuple(dict.fromkeys(name for names in named for name in names)) if named else None,
            dialect_at=next((header.dialect_at for header in headers if header.dialect_at is not None), None),
            trades_from=self.tape.start,
            tape=tuple(reel.path for reel in self._of(venue)),
        )

    def subscribed(self, venue: str, streams: Sequence[tuple[str, str]]) -> None:
        """Cross off what is subscribed; when nothing is left to wait for, frames flow."""
        for stream in streams:
            self._wanted[venue].pop(stream, None)

    def cold(self) -> None:
        """Nothing is slow here."""
        return

    def _may_play(self, now: Micros) -> bool:
        waiting = any(self._wanted.values())
        if not self.playing and now >= self._opens and (not waiting or now >= self._deadline):
            self.playing = True
            log.info("tape_plays", late_us=now - self.tape.start, missing=sum(map(len, self._wanted.values())))
        return self.playing

    def advance(self, now: Micros) -> Iterator[tuple[str, Record | Played]]:
        """Move the market up to `now`; yield the frames that go out."""
        playing = self._may_play(now)
        while self._next is not None and self._next[0] <= now:
            _, number, entry = self._next
            self._next = next(self._ahead, None)
            decoding = self._decodings[number]
            view = self._views[decoding.venue]
            for _, output in decoding.feed(entry):
                if isinstance(output, Record):
                    view.take(output)
                    self._told(output)
            if playing and entry.kind == Kind.FRAME and (stream := stream_of(entry.payload)) is not None:
                yield decoding.venue, Played(self._bases.get(entry.source, ""), stream, entry.payload)
        if self._next is None and not self.done:
            self.done = True
            log.info("tape_ended")


def _timed(number: int, reel: Reel) -> Iterator[tuple[Micros, int, Entry]]:
    return ((entry.ts_recv, number, entry) for entry in reel.entries)


def _when(item: tuple[Micros, int, Entry]) -> Micros:
    return item[0]


def subscriptions(emulated: EmulatedVenue, sessions: Sequence[Session], now: Micros) -> list[tuple[str, str]]:
    """The (base, stream) pairs that these sessions would hold: they talk to the venue's side, without a socket."""
    held: dict[tuple[str, str], None] = {}
    for session in sessions:
        side = emulated.connect(session.base, session.path, {}, now)
        outputs = list(session.connected(now))
        for step in range(1, 101):
            for output in outputs:
                if isinstance(output, Send):
                    for answer in side.receive(output.frame, now):
                        session.receive(answer, now)
            outputs = list(session.tick(now + step * SECOND // 10))
        held.update({(session.base, stream): None for stream in side.streams})
    return list(held)
