"""The venue's end without a socket: `VenueServer` in virtual time, faults included."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from realtime.emulator.budgets import Budget
from realtime.emulator.faults import wording
from realtime.emulator.faults.desk import Desk
from realtime.emulator.faults.parts import Abort, Asked, Close, Freeze, Out, Piece, Refusal, Tools, Treatment
from realtime.emulator.faults.parts import Link as Face
from realtime.emulator.market import Cold
from realtime.emulator.source import Played
from realtime.emulator.tape import stream_of
from realtime.lab.ground import Ground
from warehouse.clock import Micros
from warehouse.records import InstrumentStatus, Record
from warehouse.venues import venue as venue_module
from warehouse.venues.base import EmulatedConnection, EmulatedVenue, Reply

BEAT: Micros = 100_000
"""Connections are asked each 100 ms what is due by time."""


class Link:
    """One connection as the venue has it (`realtime.emulator.faults.parts.Link`). `up` until either side ended it."""

    def __init__(self, number: int, base: str, path: str, query: dict[str, str], side: EmulatedConnection) -> None:
        self.number = number
        self.base = base
        self.path = path
        self.query = query
        self.side = side
        self.heard: list[bytes] = []
        self.up = True
        self.frozen = False

    @property
    def name(self) -> str:
        """`ws_spot#3`"""
        return f"{self.base}#{self.number}"


class Far:
    """One venue over its ground, and the faults of `desk`. `carry` takes what goes out on a link: bytes, or the end of
    it.
    """

    def __init__(
        self,
        venue: str,
        ground: Ground,
        desk: Desk,
        carry: Callable[[Link, bytes | Close | Abort], None],
    ) -> None:
        self.links: dict[int, Link] = {}
        self._ground = ground
        self._view = ground.view
        self._clock = ground.there
        self._desk = desk
        self._carry = carry
        self._module = venue_module(venue)
        self._venue: EmulatedVenue = self._module.emulated(self._view)
        self._listed = list(self._view.rules())
        self._budget = Budget(venue)
        self._opened = 0
        self._beat_at: Micros = 0
        rules = {rule.instrument: rule for rule in self._listed}
        tools = Tools(venue=venue, rules=rules, fresh=self._fresh, rest=self._rest, links=self._open)
        desk.start(self._clock.now() + ground.opens, tools)

    def _open(self) -> Sequence[Face]:
        return list(self.links.values())

    def _rest(self, asked: Asked, now: Micros) -> Reply:
        while True:
            try:
                return self._venue.rest(asked.base, asked.path, asked.query, now)
            except Cold as cold:
                cold.market.prepare()

    def _fresh(self, link: Face, name: str, now: Micros) -> list[bytes]:
        """What a new subscriber of one of the link's streams would be sent first."""
        side = self._venue.connect(link.base, link.path, {}, now)
        answers = (answer for frame in link.heard for answer in side.receive(frame, now))
        return [answer for answer in answers if stream_of(answer) == name][-1:]

    def _now(self) -> Micros:
        return self._desk.stamp(self._clock.now())

    # -- what clients do ------------------------------------------------------------------------------------------

    def dial(self, base: str, path: str, query: dict[str, str]) -> Link | Refusal:
        """A handshake has arrived."""
        refusal = self._desk.handshake(base, self._clock.now())
        if refusal is not None:
            return refusal
        self._opened += 1
        side = self._venue.connect(base, path, query, self._now())
        link = self.links[self._opened] = Link(self._opened, base, path, query, side)
        self._push(link, self._desk.opened(link, self._clock.now()))
        return link

    def hear(self, link: Link, frame: bytes) -> None:
        """A client's frame has arrived."""
        if not link.up or link.frozen:
            return
        answer = self._desk.answered(link, frame, self._clock.now())
        if answer is not None:
            self._push(link, answer)
            return
        if wording.subscription(frame) is not None or wording.unsubscription(frame) is not None:
            link.heard.append(frame)
        while True:
            try:
                answers = link.side.receive(frame, self._now())
                break
            except Cold as cold:
                cold.market.prepare()
        self._say(link, answers, None)

    def hang_up(self, link: Link) -> None:
        """The connection is over."""
        link.up = False
        self.links.pop(link.number, None)

    def request(self, asked: Asked) -> Treatment | None:
        """A request has arrived: what is done to it."""
        return self._desk.request(asked, self._clock.now())

    def reply(self, asked: Asked, treatment: Treatment | None) -> Reply:
        """The answer, after whatever time the treatment takes."""
        if treatment is not None and treatment.reply is not None:
            return treatment.reply
        now = self._now()
        reply = self._budget.before(now) or self._budget.after(self._rest(asked, now), now)
        return reply if treatment is None or treatment.alter is None else treatment.alter(reply)

    # -- what happens by itself -----------------------------------------------------------------------------------

    def turn(self) -> None:
        """All that has happened by now."""
        now = self._clock.now()
        self._desk.turn(now)
        for record in self._desk.records(now):
            self._event(record, now)
        for number, out in self._desk.due(now):
            if (link := self.links.get(number)) is not None:
                self._push(link, (out,))
        for happened in self._ground.advance(now):
            self._event(happened, now)
        if now >= self._beat_at:
            self._beat_at = now + BEAT
            self._desk.beat()
            self._ground.held([(link.base, name) for link in self.links.values() for name in link.side.streams])
            for link in list(self.links.values()) if self._ground.speaks else ():
                self._say(link, link.side.tick(self._now()), None)

    def _event(self, happened: Record | Played, now: Micros) -> None:
        if isinstance(happened, InstrumentStatus):
            self._relist(now)
        happened = self._desk.happened(happened, now)
        for link in list(self.links.values()):
            if isinstance(happened, Played):
                if link.base == happened.base and happened.stream in link.side.streams:
                    self._say(link, (happened.frame,), None)
            else:
                self._say(link, link.side.event(happened, self._desk.stamp(now)), happened)

    def _relist(self, now: Micros) -> None:
        """From now on the venue speaks of its instruments as they are, on old connections too."""
        rules = list(self._view.rules())
        if rules == self._listed:
            return
        self._listed = rules
        self._venue = self._module.emulated(self._view)
        for link in self.links.values():
            link.side = self._venue.connect(link.base, link.path, link.query, now)
            for frame in link.heard:
                link.side.receive(frame, now)

    def _say(self, link: Link, frames: Sequence[bytes], record: Record | None) -> None:
        if frames:
            self._push(link, self._desk.passed(link, frames, record, self._clock.now()))

    def _push(self, link: Link, out: Sequence[Out]) -> None:
        for one in out:
            if link.frozen or not link.up:
                return
            if isinstance(one, Freeze):
                link.frozen = True
                continue
            if isinstance(one, Close | Abort):
                self.hang_up(link)
                self._carry(link, one)
                return
            self._carry(link, one.frame if isinstance(one, Piece) else one)
