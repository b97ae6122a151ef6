"""An engine behind its journal: what it is given is written first, and what was written brings it back."""

from __future__ import annotations

import platform
import secrets
from collections.abc import Awaitable, Callable, Sequence
from itertools import islice
from pathlib import Path

import msgspec
import structlog

from realtime.engine import Engine, EngineConfig, Mark, Produced
from realtime.message import Message
from realtime.tape import Writer, end_of, read_segments, segments, taken
from warehouse.clock import Clock
from warehouse.errors import ConfigError, JournalError
from warehouse.instruments import Rules
from warehouse.journal import Entry, Header, Segment
from warehouse.venues.base import Dialect

log = structlog.get_logger()

AGAIN = 256
"""Entries given to the engine at once when a segment is run again."""

Resend = Callable[[Sequence[Message]], Awaitable[None]]
"""Takes messages that may have been sent before, returns when more may come; with none it waits for all to arrive."""

Epoch = Callable[[int, bool], Awaitable[int]]
"""Takes the least epoch to begin with, and whether it must be a new one; returns the epoch."""


class Work(msgspec.Struct, frozen=True, kw_only=True):
    """What a journal is kept for. `rules` are the venue's, today, in the order of the instruments."""

    venue: str
    realm: str
    folder: Path
    config: EngineConfig
    rules: list[Rules]
    dialect: Dialect


class Journaled:
    """Engine and writer of one worker.

    `counted_from` is the `log_seq` from which on this process has made messages, `warm` says whether it goes on where
    another one stopped.
    """

    def __init__(self, work: Work, clock: Clock, engine: Engine, header: Header, counted_from: int, warm: bool) -> None:
        self._work = work
        self._clock = clock
        self.engine = engine
        self.writer = Writer(work.folder, header, engine.checkpoint())
        self.counted_from = counted_from
        self.warm = warm

    @classmethod
    async def open(cls, work: Work, clock: Clock, resend: Resend, epoch: Epoch) -> Journaled:
        """Continue from the journal: last checkpoint, then its entries; else start anew.

        Opens a segment in either case. Raises ConfigError for a journal of the other realm.

        What was made since the last segment's beginning is sent again: nobody knows what of it had arrived. A segment's
        rules are those by which its checkpoint was made, whatever the venue lists by now.
        """
        files = segments(work.folder)
        journal_id, run_id = secrets.token_hex(8), secrets.token_hex(8)
        follows, least, old, counted_from = 1, 1, None, None
        if files:
            segment, follows, _ = end_of(files[-1])
            before = segment.header
            if before.realm != work.realm:
                raise ConfigError(f"{work.folder}: this journal is {before.realm!r}, the process {work.realm!r}")
            journal_id = before.journal_id
            least = msgspec.json.decode(segment.checkpoint, type=Mark).epoch + 1
            old = await _again(files[-1], segment, resend)
            counted_from = before.first_seq if old is not None else None
            if old is not None and not _fits(before, work):
                old = None
        first = max(follows, taken(work.folder, journal_id) + 1)
        rules = work.rules if old is None else old.rules
        header = _header(work, clock, journal_id, run_id, first, follows, rules)
        if old is None:
            number = await epoch(least, True)
            engine = Engine(work.venue, work.realm, work.rules, work.config, work.dialect, epoch=number)
        else:
            await epoch(old.epoch, False)
            engine = Engine.restore(header, old.checkpoint())
        log.info("journal_open", venue=work.venue, warm=old is not None, next_seq=first, epoch=engine.epoch)
        return cls(work, clock, engine, header, counted_from or first, old is not None)

    def run(self, entries: list[Entry]) -> Produced:
        """Write a turn's entries, then say what they mean. Raises JournalError when the disk refuses."""
        return self.engine.run(self.writer.append(entries), entries)

    def rotate(self) -> None:
        """Begin a new segment."""
        head, at = self.writer.header, self.writer.next_seq
        header = _header(self._work, self._clock, head.journal_id, head.run_id, at, at, self.engine.rules)
        self.writer.rotate(header, self.engine.checkpoint())


async def _again(path: Path, segment: Segment, resend: Resend) -> Engine | None:
    """The engine as it was at the segment's end; None when another release wrote it."""
    try:
        engine = Engine.restore(segment.header, segment.checkpoint)
    except JournalError as error:
        log.warning("cold_start", venue=segment.header.venue, why=str(error))
        return None
    at = segment.header.first_seq
    for _, entries in read_segments(path):
        stream = (entry for _, entry in entries)
        while block := list(islice(stream, AGAIN)):
            if messages := engine.run(at, block).messages:
                await resend(messages)
            at += len(block)
    await resend(())  # once the next segment has begun, this one's messages are not made again
    return engine


def _fits(before: Header, work: Work) -> bool:
    """Whether state goes on: the same instruments, streams and candles, on whatever grid and at whatever cadence."""
    same = [rule.instrument for rule in before.rules] == [rule.instrument for rule in work.rules]
    frames = EngineConfig.parse(before.config).timeframes
    return same and before.streams == work.dialect.streams and frames == work.config.timeframes


def _header(
    work: Work, clock: Clock, journal_id: str, run_id: str, first_seq: int, follows: int, rules: list[Rules]
) -> Header:
    return Header(
        journal_id=journal_id,
        run_id=run_id,
        realm=work.realm,
        venue=work.venue,
        first_seq=first_seq,
        follows=follows,
        created=clock.now(),
        rules=rules,
        config=work.config.text(),
        config_digest=work.config.digest(),
        platform=f"{platform.python_implementation()} {platform.python_version()} {platform.system()}",
        streams=work.dialect.streams,
        dialect_at=work.dialect.at,
    )
