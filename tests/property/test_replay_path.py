"""A worker's life on disk: however segments, restarts, rules and settings fall, replay gives every message again."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from realtime.engine import EngineConfig
from realtime.journaled import Journaled, Work
from realtime.message import Message
from realtime.replay import turns
from realtime.tape import read_segments, segments
from tests.kit.tapes import tape
from warehouse.clock import ManualClock
from warehouse.instruments import Rules
from warehouse.journal import Entry, Kind
from warehouse.venues.base import TODAY

LENGTH = 1600
BLOCK = 40

Happening = tuple[int, str]
"""After which entry, and what: `rotate`, `restart`, `settings` (a restart with another cadence), `rules` (a new tick),

`listing` (a restart with one instrument less, which begins a new epoch).
"""

HAPPENINGS = st.lists(
    st.tuples(st.integers(1, LENGTH - 1), st.sampled_from(["rotate", "restart", "settings", "rules", "listing"])),
    max_size=5,
)


class Life:
    """One worker after another on the same journal folder; `sent` is what they made of what came in, in order."""

    def __init__(self, folder: Path, rules: Sequence[Rules]) -> None:
        self.work = Work(
            venue="binance",
            realm="emulated",
            folder=folder,
            config=EngineConfig(),
            rules=list(rules),
            dialect=TODAY,
        )
        self.clock = ManualClock(0)
        self.sent: list[Message] = []
        self.again: list[Message] = []
        self.epoch = 0
        self.begun = 0

    async def start(self) -> None:
        """What was made since the newest segment's beginning is made again, and is the same."""
        self.again = []
        self.journal = await Journaled.open(self.work, self.clock, self._resend, self._epoch)
        assert [one.produced for one in self.again] == [one.produced for one in self.sent[self.begun :]]
        self.begun = len(self.sent)
        if self.journal.warm:
            self.take([Entry(0, name, int(Kind.DISCONNECTED), b"restart") for name in self.journal.engine.sessions])
        self.take([Entry(0, "", int(Kind.RULES), msgspec.msgpack.encode(self.work.rules))])
        self.take([Entry(0, name, int(Kind.CONNECTED), b"") for name in self.journal.engine.sessions])

    async def _resend(self, messages: Sequence[Message]) -> None:
        self.again += messages

    async def _epoch(self, least: int, fresh: bool) -> int:
        self.epoch = max(least, self.epoch + 1) if fresh else least
        return self.epoch

    def take(self, entries: list[Entry]) -> None:
        self.sent += self.journal.run(entries).messages

    async def happen(self, what: str) -> None:
        work = self.work
        if what == "rotate":
            self.journal.rotate()
            self.begun = len(self.sent)
            return
        if what == "rules":
            one = msgspec.structs.replace(work.rules[0], tick="0.5" if work.rules[0].tick != "0.5" else "0.1")
            self.work = msgspec.structs.replace(work, rules=[one, *work.rules[1:]])
            self.take([Entry(0, "", int(Kind.RULES), msgspec.msgpack.encode(self.work.rules))])
            return
        if what == "settings":
            cadence = 300 if work.config.fusion_ms == 100 else 100
            self.work = msgspec.structs.replace(work, config=EngineConfig(fusion_ms=cadence))
        elif what == "listing" and len(work.rules) > 2:
            self.work = msgspec.structs.replace(work, rules=work.rules[:-1])
        self.journal.writer.close()
        await self.start()


async def live(folder: Path, happenings: Sequence[Happening]) -> list[Message]:
    rules, entries = tape()
    life = Life(folder, rules)
    await life.start()
    at = 0
    for stop, what in [*sorted(happenings), (LENGTH, "")]:
        while at < stop:
            block = list(entries[at : min(stop, at + BLOCK)])
            life.take(block)
            at += len(block)
        if what:
            await life.happen(what)
    life.journal.writer.close()
    return life.sent


def replayed(path: Path, from_seq: int = 0, block: int = 256) -> list[bytes]:
    return [one.produced for turn in turns(path, block, from_seq) for one in turn.produced.messages]


def check(happenings: Sequence[Happening]) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        expected = [one.produced for one in asyncio.run(live(folder, happenings))]
        assert len(expected) > 500
        assert replayed(folder) == expected
        parts = [replayed(path, block=7) for path in segments(folder)]
        assert [body for part in parts for body in part] == expected
        numbers = [segment.header.first_seq for segment, _ in read_segments(folder)]
        assert replayed(folder, numbers[-1]) == parts[-1]


@pytest.mark.parametrize(
    "happenings",
    [
        [(700, "rules"), (900, "rotate"), (1300, "restart")],
        [(1, "restart"), (155, "rules"), (893, "rotate")],  # a gap is known before a ring has begun
        [(500, "settings"), (1200, "listing"), (1201, "restart"), (1201, "rotate")],
    ],
)
def test_rules_settings_and_restarts_are_replayed(happenings: list[Happening]) -> None:
    check(happenings)


@settings(max_examples=3, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(HAPPENINGS)
def test_any_life_is_replayed(happenings: list[Happening]) -> None:
    check(happenings)


@pytest.mark.slow
@pytest.mark.timeout(600)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(HAPPENINGS)
def test_many_lives_are_replayed(happenings: list[Happening]) -> None:
    check(happenings)
