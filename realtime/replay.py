"""A journal through the live engine again: same entries, same bytes.

`source` says `replay` (`emulated` for an emulated journal) and `ts_pub` is `ts_recv`; nothing else differs from what
was published live. A journal converted from another recorder's files has no timer entries: they are put in here, on
the 100 ms grid.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

import msgspec

from realtime.engine import GRID, Engine, Mark, Produced
from realtime.sinks.base import Sink
from realtime.tape import read_segments
from warehouse.clock import SECOND, Micros, monotonic
from warehouse.journal import Entry, Header, Kind

BLOCK = 256
"""Entries given to the engine at once; the number changes nothing but speed."""


class Turn(msgspec.Struct, frozen=True, gc=False):
    """What the engine made of one block: `first_seq` is its first entry's `log_seq`, `at` its last one's `ts_recv`."""

    at: Micros
    header: Header
    first_seq: int
    entries: int
    epoch: int
    produced: Produced


class Summary(msgspec.Struct, kw_only=True):
    """What a replay went through."""

    realm: str = ""
    segments: int = 0
    entries: int = 0
    messages: int = 0
    epochs: int = 0
    first: Micros = 0
    last: Micros = 0


def source_of(realm: str) -> str:
    """What a replayed message says of itself: emulated wins over replay."""
    return "emulated" if realm == "emulated" else "replay"


def realm_of(path: Path) -> str:
    """The realm of a journal. Raises JournalError when there is none."""
    return next(read_segments(path))[0].header.realm


def turns(path: Path, block: int = BLOCK, from_seq: int = 0) -> Iterator[Turn]:
    """Every block of a journal (a folder, or one segment file) through the engine, from the segment that holds
    `from_seq`. Raises JournalError.

    A segment that continues the one before goes on with the same engine; any other begins at its checkpoint.
    """
    engine: Engine | None = None
    before: Header | None = None
    for segment, rows in read_segments(path, from_seq):
        header = segment.header
        mark = msgspec.json.decode(segment.checkpoint, type=Mark)
        if engine is None or before is None or not _continues(engine, mark, before, header):
            engine = Engine.restore(header, segment.checkpoint)
        before = header
        seq = header.first_seq
        entries: Iterable[Entry] = (entry for _, entry in rows)
        if not header.config:
            entries = ticked(entries)
        stream = iter(entries)
        while batch := list(islice(stream, block)):
            yield Turn(batch[-1].ts_recv, header, seq, len(batch), engine.epoch, engine.run(seq, batch))
            seq += len(batch)


def _continues(engine: Engine, mark: Mark, before: Header, header: Header) -> bool:
    same = (before.rules, before.config, before.streams, before.dialect_at, before.journal_id) == (
        (header.rules, header.config, header.streams, header.dialect_at, header.journal_id)
    )
    return same and engine.next_seq == header.first_seq == mark.next_seq and engine.epoch == mark.epoch


def ticked(entries: Iterable[Entry]) -> Iterator[Entry]:
    """The entries with a timer entry at each boundary of the 100 ms grid that they pass."""
    due: Micros | None = None
    for entry in entries:
        if due is None:
            due = entry.ts_recv - entry.ts_recv % GRID + GRID
        while due <= entry.ts_recv:
            yield Entry(due, "", int(Kind.TICK), b"")
            due += GRID
        yield entry


async def replay(path: Path, sink: Sink, speed: float | None = None) -> Summary:
    """Send a journal to a sink. `speed` 1.0 is the pace of the recording, None as fast as the sink takes it.

    Raises JournalError for a broken journal, PublishError or ConfigError from the sink.
    """
    summary = Summary()
    started = monotonic()
    epoch, header = 0, None
    for turn in turns(path, BLOCK if speed is None else 1):
        if turn.header is not header:
            header = turn.header
            summary.realm, summary.segments = header.realm, summary.segments + 1
        if turn.epoch != epoch:
            epoch, summary.epochs = turn.epoch, summary.epochs + 1
        summary.first = summary.first or turn.at
        summary.last = turn.at
        if speed is not None:
            ahead = (turn.at - summary.first) / SECOND / speed - (monotonic() - started)
            if ahead > 0:
                await asyncio.sleep(ahead)
        if sink.congested:
            await sink.write(())
        sink.put(turn.produced.messages)
        if summary.messages % BLOCK == 0:
            await asyncio.sleep(0)
        summary.entries += turn.entries
        summary.messages += len(turn.produced.messages)
    return summary
