"""Frames for a benchmark, as entries of a worker's journal: an emulated Binance USD-M market in virtual time, or a
journal that was recorded.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import msgspec

from realtime.decoding import Decoding, answered
from realtime.emulator.seeded import Seeded, Terms
from realtime.engine import Engine, EngineConfig
from realtime.tape import read_segments, segments
from warehouse.clock import MINUTE, SECOND, ManualClock, Micros
from warehouse.errors import ConfigError
from warehouse.instruments import Rules
from warehouse.journal import Entry, Kind
from warehouse.records import BookUpdate
from warehouse.venues import venue
from warehouse.venues.base import TODAY, Dialect, EmulatedConnection, Fetch, Output, Send

START: Micros = 1_795_000_020 * SECOND
STEP: Micros = 2_000
FLUSH: Micros = 10_000
"""Book updates of the emulated market: ten times as often as `depth@100ms`, so that their share is that of a recorded
day (7 %) at ten times its pace."""

LEAST, MOST = 900, 1000
"""Levels a side, as in the venue's snapshots."""

PER_TICK = 1000
"""Frames between two timer entries: what 10,000 frames a second bring in 100 ms."""

SETTLE: Micros = 2 * SECOND
"""Time the emulated books have to grow, before anybody looks."""

KINDS = (b"depth", b"bookTicker", b"aggTrade", b"trade", b"kline_1m")


class Recording(msgspec.Struct, frozen=True):
    """What contestants are given. Ours reads `entries`, after `warm` unmeasured ones; the others read `frames`, the
    market data among them as (connection, bytes). A timer entry follows each 1,000 frames, as at 10,000 a second.

    `books` is the book of each instrument before the first of them; `kinds` counts frames by stream.
    """

    rules: list[Rules]
    dialect: Dialect
    warm: list[Entry]
    entries: list[Entry]
    frames: list[tuple[str, bytes]]
    books: dict[str, BookUpdate]
    kinds: dict[str, int]

    @property
    def seconds(self) -> float:
        """Length of what is measured, in time of the market."""
        return (self.entries[-1].ts_recv - self.entries[0].ts_recv) / SECOND

    @property
    def words(self) -> str:
        """What it is made of, for a person."""
        total = len(self.frames)
        mix = ", ".join(f"{count / total:.0%} {kind}" for kind, count in self.kinds.items())
        size = sum(len(frame) for _, frame in self.frames) / total
        return (
            f"{total:,} frames of {len(self.rules)} instruments, {total / self.seconds:,.0f}/s of market time, "
            f"{size:.0f} bytes each: {mix}"
        )


def kind_of(frame: bytes) -> str:
    """The stream's kind (`depth`, `trade`), empty for what contestants do not read: other streams, off-market
    prints.
    """
    at = frame.find(b"@", 0, 48)
    for kind in KINDS if at > 0 else ():
        if frame.startswith(kind, at + 1):
            return "" if b'"X":' in frame and b'"X":"MARKET"' not in frame else kind.decode()
    return ""


def cut(rules: list[Rules], dialect: Dialect, entries: list[Entry]) -> Recording:
    """Split where every instrument has its book. Raises ConfigError when that never comes."""
    engine = Engine("binance", "live", rules, EngineConfig(), dialect)
    start = 0
    while not all(one.book.valid for one in engine.instruments.values()):
        if start == len(entries):
            raise ConfigError("an instrument of this journal never has a book: its snapshot is missing")
        engine.run(start + 1, entries[start : start + 1])
        start += 1
    books = {}
    for name, one in engine.instruments.items():
        bids, asks = one.book.levels()
        books[name] = BookUpdate(
            venue="binance", instrument=name, ts_event=one.book.ts_event, ts_recv=0, bids=bids, asks=asks,
            snapshot=True, update_id=one.book.update_id,
        )  # fmt: skip
    measured = _loaded(entries[start:])
    frames = [(entry.source, entry.payload) for entry in measured if entry.kind == Kind.FRAME]
    if not frames:
        raise ConfigError("no market data after the first book of this journal")
    kinds = Counter(kind_of(frame) for _, frame in frames)
    return Recording(rules, dialect, entries[:start], measured, frames, books, dict(kinds.most_common()))


def journal(folder: Path) -> Recording:
    """A worker's journal of Binance USD-M.

    Raises ConfigError for a journal of something else.
    """
    files = segments(folder)
    if not files:
        raise ConfigError(f"{folder}: holds no journal segment")
    rules: list[Rules] | None = None
    dialect = TODAY
    entries: list[Entry] = []
    for file in files:
        for segment, found in read_segments(file):
            header = segment.header
            if header.venue != "binance" or any(rule.market != "perp" for rule in header.rules):
                raise ConfigError(f"{file}: p9 bench reads journals of Binance USD-M alone")
            if rules is None:
                rules, dialect = header.rules, Dialect(streams=header.streams, at=header.dialect_at)
            entries.extend(entry for _, entry in found)
    assert rules is not None
    return cut(rules, dialect, entries)


def _loaded(entries: list[Entry]) -> list[Entry]:
    """Those that contestants read, with as many timer entries as a worker under the load that is asked for would see:
    each is followed by all messages that are due.
    """
    out: list[Entry] = []
    frames = 0
    for entry in entries:
        if entry.kind == Kind.TICK or (entry.kind == Kind.FRAME and not kind_of(entry.payload)):
            continue
        out.append(entry)
        if entry.kind == Kind.FRAME:
            frames += 1
            if frames % PER_TICK == 0:
                out.append(Entry(entry.ts_recv, "", int(Kind.TICK), b""))
    return out


def emulated(seconds: int, rate: float, seed: int = 1) -> Recording:
    """Five perpetuals at `rate` book events a second each."""
    clock = ManualClock(START)
    source = Seeded(clock, 0, ["binance"], Terms(seed=seed, rate=rate, lookback_us=MINUTE, t0=START))
    source.open()
    view = source.view("binance")
    for market in view.markets.values():
        market.flow.flush, market.flow.least, market.flow.most = FLUSH, LEAST, MOST
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

    clock.advance(SETTLE)
    for _ in source.advance(clock.now()):
        pass
    for name, session in decoding.sessions.items():
        parts = urlsplit(session.path)
        wires[name] = side.connect(session.base, parts.path, dict(parse_qsl(parts.query)), clock.now())
        take(Kind.CONNECTED, name, b"")
    while clock.now() < START + SETTLE + seconds * SECOND:
        clock.advance(STEP)
        now = clock.now()
        for _, event in source.advance(now):
            for name, wire in wires.items():
                for frame in wire.event(event, now):  # type: ignore[arg-type]  # a seeded source plays records only
                    take(Kind.FRAME, name, frame)
    return cut(rules, TODAY, entries)
