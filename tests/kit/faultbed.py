"""One emulated venue with faults and without sockets: market events in, what each connection would be sent out."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import msgspec

from realtime.emulator.faults.desk import Desk, FaultLog
from realtime.emulator.faults.markets import changes
from realtime.emulator.faults.parts import Abort, Asked, Close, Fault, Freeze, Link, Out, Piece, Tools, Treatment
from realtime.emulator.faults.plan import Plan
from realtime.emulator.listings import COINS
from realtime.emulator.market import Cold
from realtime.emulator.path import Path
from realtime.emulator.tape import stream_of
from realtime.emulator.view import SeededView
from warehouse.clock import MINUTE, SECOND, ManualClock, Micros
from warehouse.venues import venue as venue_module
from warehouse.venues.base import EmulatedConnection, Reply

T0: Micros = 1_795_000_020_000_000
STEP: Micros = SECOND // 20


@cache
def _paths() -> dict[str, Path]:
    paths = {base: Path(5, base) for base in COINS}
    for path in paths.values():
        path.price(T0 + 120 * MINUTE)
    return paths


class Wire:
    """A connection without a socket (`realtime.emulator.faults.parts.Link`). `got`: what it was sent, in order."""

    def __init__(self, number: int, base: str, path: str, side: EmulatedConnection) -> None:
        self.number = number
        self.base = base
        self.path = path
        self.side = side
        self.heard: list[bytes] = []
        self.got: list[bytes | Close | Abort | Freeze] = []

    @property
    def name(self) -> str:
        return f"{self.base}#{self.number}"

    @property
    def frames(self) -> list[bytes]:
        return [one for one in self.got if isinstance(one, bytes)]

    def of(self, name: str) -> list[bytes]:
        """The readable frames of one stream, as the venue names it."""
        return [frame for frame in self.frames if stream_of(frame) == name]


class Bed:
    """`faults` happen at `venue`, on a market of `names`; two runs of the same plan give the same."""

    def __init__(self, venue: str, faults: Sequence[Fault], names: Sequence[str] = ("BTC-USDT",)) -> None:
        self.venue = venue
        self.names = list(names)
        self.clock = ManualClock(T0)
        self.view = SeededView(venue, 5, _paths(), self.clock, T0, MINUTE, 20.0)
        listed = [rule.instrument for rule in self.view.rules()]
        drawn = Plan(seed=9, faults=tuple(faults)).drawn([venue], listed)
        for change in changes(drawn, T0, listed):
            self.view.markets[change.instrument].plan([change])
        self.emulated = venue_module(venue).emulated(self.view)
        self.log = FaultLog()
        self.desk = Desk(venue, drawn, 9, self.log)
        self.wires: list[Wire] = []
        rules = {rule.instrument: rule for rule in self.view.rules()}
        self.desk.start(T0, Tools(venue=venue, rules=rules, fresh=self._fresh, rest=self._rest, links=self._links))

    def _links(self) -> Sequence[Link]:
        return [wire for wire in self.wires if not any(isinstance(one, Close | Abort) for one in wire.got)]

    def _rest(self, asked: Asked, now: Micros) -> Reply:
        try:
            return self.emulated.rest(asked.base, asked.path, asked.query, now)
        except Cold as cold:
            cold.market.prepare()
            return self._rest(asked, now)

    def _fresh(self, link: Link, name: str, now: Micros) -> list[bytes]:
        side = self.emulated.connect(link.base, link.path, {}, now)
        answers = (answer for frame in link.heard for answer in side.receive(frame, now))
        return [answer for answer in answers if stream_of(answer) == name][-1:]

    def connect(self, base: str, path: str) -> Wire:
        """A new connection."""
        now = self.clock.now()
        wire = Wire(len(self.wires) + 1, base, path, self.emulated.connect(base, path, {}, now))
        self.wires.append(wire)
        self._send(wire, self.desk.opened(wire, now))
        return wire

    def ask(self, wire: Wire, frame: object) -> list[bytes]:
        """A client's frame; returns the answers that came back."""
        now, text = self.clock.now(), msgspec.json.encode(frame)
        before = len(wire.got)
        answer = self.desk.answered(wire, text, now)
        if answer is None:
            wire.heard.append(text)
            answer = self.desk.passed(wire, wire.side.receive(text, now), None, now)
        self._send(wire, answer)
        return [one for one in wire.got[before:] if isinstance(one, bytes)]

    def get(self, asked: Asked) -> tuple[Treatment | None, Reply]:
        """A request, and what is done to it."""
        treatment = self.desk.request(asked, self.clock.now())
        if treatment is not None and treatment.reply is not None:
            return treatment, treatment.reply
        reply = self._rest(asked, self.clock.now())
        return treatment, reply if treatment is None or treatment.alter is None else treatment.alter(reply)

    def run(self, seconds: float) -> None:
        """Let time pass."""
        end = self.clock.now() + int(seconds * SECOND)
        while self.clock.now() < end:
            self.clock.advance(STEP)
            now = self.clock.now()
            self.desk.turn(now)
            events = [*self.desk.records(now)]
            for name in self.names:
                events += self.view.markets[name].advance(now)
            for number, out in self.desk.due(now):
                self._send(self.wires[number - 1], (out,))
            for event in events:
                told = self.desk.happened(event, now)
                assert not isinstance(told, Piece)
                for wire in self.wires:
                    if not any(isinstance(one, Close | Abort | Freeze) for one in wire.got):
                        frames = wire.side.event(told, self.desk.stamp(now))  # type: ignore[arg-type]
                        self._send(wire, self.desk.passed(wire, frames, event, now))

    def _send(self, wire: Wire, out: Sequence[Out]) -> None:
        wire.got += [one.frame if isinstance(one, Piece) else one for one in out]
