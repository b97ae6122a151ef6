"""A venue's sessions and walks on its emulated side over the seeded market: virtual time, no socket, no engine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar, cast

import msgspec

from realtime.emulator.seeded import Seeded, Terms
from warehouse.clock import MINUTE, SECOND, ManualClock, Micros
from warehouse.records import Record
from warehouse.venues import venue
from warehouse.venues.base import Answer, EmulatedConnection, Fetch, Output, Send, Session, Walk

START: Micros = 1_795_000_020 * SECOND
STEP: Micros = 100_000

R = TypeVar("R", bound=Record)


class World:
    """One venue's market with its clock in hand, and the sessions of one coin's instruments on it."""

    def __init__(self, name: str, coin: str = "BTC", rate: float = 5.0) -> None:
        self.clock = ManualClock(START)
        source = Seeded(self.clock, 0, (name,), Terms(seed=7, rate=rate, lookback_us=MINUTE, t0=START))
        source.open()
        self.view = source.view(name)
        self.side = venue(name).emulated(self.view)
        self.rules = [rules for rules in self.view.rules() if rules.instrument.startswith(f"{coin}-")]
        self._markets = [self.view.markets[rules.instrument] for rules in self.rules]
        for market in self._markets:
            market.prepare()
        self.lines: list[tuple[Session, EmulatedConnection]] = []
        self.outputs: list[Output] = []
        self.replies: list[tuple[str, int]] = []
        """Path and status of every answer to a session."""
        for one in venue(name).sessions(self.rules):
            far = self.side.connect(one.base, one.path, {}, START)
            self.lines.append((one, far))
            self._obey(one, far, one.connected(START))

    def live(self, span: Micros) -> None:
        """Let time pass in steps of 100 ms."""
        for _ in range(span // STEP):
            self.clock.advance(STEP)
            now = self.clock.now()
            said = [event for market in self._markets for event in market.advance(now) if isinstance(event, Record)]
            for one, far in self.lines:
                for frame in [frame for record in said for frame in far.event(record, now)] + list(far.tick(now)):
                    self._obey(one, far, one.receive(frame, now))
                self._obey(one, far, one.tick(now))

    def seen(self, kind: type[R]) -> list[R]:
        """The records of one kind so far."""
        return [output for output in self.outputs if isinstance(output, kind)]

    def walk(self, steps: Walk) -> list[Record]:
        """A walk's records."""
        return list(self.ask(steps).records)

    def ask(self, steps: Walk) -> Answer:
        """What a walk brings; a reply that is none fails here."""
        try:
            fetch = next(steps)
            while True:
                self.clock.advance(SECOND)
                reply = self.side.rest(fetch.base, fetch.path, fetch.query, self.clock.now())
                assert reply.status == 200, (fetch, reply)
                fetch = steps.send(msgspec.json.decode(reply.body))
        except StopIteration as done:
            return cast("Answer", done.value)

    def _obey(self, one: Session, far: EmulatedConnection, outputs: Sequence[Output]) -> None:
        now = self.clock.now()
        for output in outputs:
            self.outputs.append(output)
            if isinstance(output, Send):
                for frame in far.receive(output.frame, now):
                    self._obey(one, far, one.receive(frame, now))
            elif isinstance(output, Fetch):
                reply = self.side.rest(output.base, output.path, output.query, now)
                self.replies.append((output.path, reply.status))
                self._obey(one, far, one.answer(output, reply.status, reply.body, now))
