"""Frames for a benchmark, as entries of a worker's journal, and what other libraries are given of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import msgspec

from realtime.engine import Engine, EngineConfig
from realtime.tape import read_segments, segments
from warehouse.errors import ConfigError
from warehouse.instruments import Rules
from warehouse.journal import Entry, Kind
from warehouse.records import BookUpdate
from warehouse.venues.base import TODAY, Dialect

PER_TIMER = 1000
"""Frames of a journal between two timer entries: what 10,000 frames a second bring in 100 ms."""

STREAMS = {b"bookTicker": "quote", b"aggTrade": "trade", b"trade": "trade", b"depth": "book"}
KINDS = ("quote", "trade", "book")

FRAME, TICK = int(Kind.FRAME), int(Kind.TICK)


class Recording(msgspec.Struct, frozen=True):
    """What contestants are given: ours `entries`, after `warm` unmeasured ones; the others `frames`, the market data
    among them as (connection, bytes). `books` is the book of each instrument before the first of them. `whole` is all
    that a worker's journal holds in that time: `entries`, and among them every other feed, by stream or by poll.
    """

    name: str
    words: str
    rules: list[Rules]
    dialect: Dialect
    warm: list[Entry]
    entries: list[Entry]
    frames: list[tuple[str, bytes]]
    books: dict[str, BookUpdate]
    whole: list[Entry]

    def only(self, kind: str) -> Recording:
        """The frames of one kind alone, without timers."""
        return msgspec.structs.replace(
            self,
            entries=[entry for entry in self.entries if entry.kind == FRAME and kind_of(entry.payload) == kind],
            whole=[],
            frames=[(name, frame) for name, frame in self.frames if kind_of(frame) == kind],
        )

    def describe(self) -> str:
        """What it is made of, for a person."""
        total = len(self.frames)
        counts = Counter(kind_of(frame) for _, frame in self.frames)
        mix = ", ".join(f"{counts[kind] / total:.0%} {kind}s" for kind in KINDS)
        size = sum(len(frame) for _, frame in self.frames) / total
        books = [_levels(frame) for _, frame in self.frames if kind_of(frame) == "book"]
        levels = sum(books) / max(1, len(books))
        return (
            f"{self.name} (as recorded of {self.words}): {total:,} frames of {len(self.rules)} instruments, "
            f"{size:.0f} bytes each: {mix} of {levels:.0f} levels; a timer entry each {self._per_timer():,.0f} frames"
        )

    def _per_timer(self) -> float:
        return len(self.frames) / max(1, sum(entry.kind == TICK for entry in self.entries))


def kind_of(frame: bytes) -> str:
    """`quote`, `trade` or `book`; empty for what contestants do not read: other streams, off-market prints."""
    at = frame.find(b"@", 0, 48)
    if at < 0:
        return ""
    for stream, kind in STREAMS.items():
        if frame.startswith(stream, at + 1):
            return "" if b'"X":' in frame and b'"X":"MARKET"' not in frame else kind
    return ""


def _levels(frame: bytes) -> int:
    """Levels of a book update."""
    return frame.count(b'["')


def cut(name: str, words: str, rules: list[Rules], dialect: Dialect, entries: list[Entry]) -> Recording:
    """Split behind the first timer entry at which every instrument has its book: what is made once is made by then.

    Raises ConfigError when that never comes.
    """
    engine = Engine("binance", "live", rules, EngineConfig(), dialect)
    start, timer = 0, False
    while not timer or not all(one.book.valid for one in engine.instruments.values()):
        if start == len(entries):
            raise ConfigError(f"{name}: an instrument never has a book, for its snapshot is missing")
        timer = entries[start].kind == TICK
        engine.run(start + 1, entries[start : start + 1])
        start += 1
    books = {}
    for instrument, one in engine.instruments.items():
        bids, asks = one.book.levels()
        books[instrument] = BookUpdate(
            venue="binance", instrument=instrument, ts_event=one.book.ts_event, ts_recv=0, bids=bids, asks=asks,
            snapshot=True, update_id=one.book.update_id,
        )  # fmt: skip
    measured = [entry for entry in entries[start:] if entry.kind == TICK or wanted(entry)]
    frames = [(entry.source, entry.payload) for entry in measured if entry.kind == FRAME and kind_of(entry.payload)]
    if not frames:
        raise ConfigError(f"{name}: no market data after the first book")
    return Recording(name, words, rules, dialect, entries[:start], measured, frames, books, entries[start:])


def wanted(entry: Entry) -> bool:
    """A quote, a trade (off-market prints too, which are part of our chain of ids) or a book update."""
    return entry.kind == FRAME and (bool(kind_of(entry.payload)) or b"@trade" in entry.payload[:48])


def journal(folder: Path) -> Recording:
    """A worker's journal of Binance USD-M. Raises ConfigError for a journal of something else."""
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
            entries.extend(_timed(entry for _, entry in found))
    assert rules is not None
    symbols = ", ".join(rule.symbol for rule in rules)
    return cut(folder.name, symbols, rules, dialect, entries)


def _timed(entries: Iterable[Entry]) -> Iterable[Entry]:
    """With as many timer entries as a worker at 10,000 frames a second would see, whatever the recorded pace."""
    frames = 0
    for entry in entries:
        if entry.kind == TICK:
            continue
        yield entry
        if entry.kind == FRAME:
            frames += 1
            if frames % PER_TIMER == 0:
                yield Entry(entry.ts_recv, "", TICK, b"")
