"""Our end of the wire in virtual time: what `feed`, `connections` and `pulse` do, without a loop and without a socket.

A handshake that is refused is tried again with the same growing pauses, a frame that is too large ends its connection,
a half open connection takes all and says nothing, requests wait for a slot and for a Retry-After.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Generator
from random import Random
from urllib.parse import parse_qsl, urlsplit

import msgspec

from realtime.decoding import TAKEN, answered
from realtime.emulator.faults.parts import Abort, Asked, Close, Refusal, Treatment
from realtime.feed import CALM_S, MAX_FRAME, OPEN_S, REST_S, SLOTS, Accept, Backoff, explain
from realtime.lab.far import Far, Link
from realtime.pulse import EVERY_S, SAMPLES
from realtime.rails.clocks import Health
from realtime.sockets import too_large
from realtime.succession import MARK
from warehouse.budgets.limits import told_to_wait
from warehouse.budgets.own import PATIENCE
from warehouse.clock import SECOND, ManualClock, Micros
from warehouse.errors import RateLimited, VenueError
from warehouse.instruments import Market
from warehouse.journal import Kind
from warehouse.venues import history
from warehouse.venues.base import CloseHeir, Command, Fetch, OpenHeir, Reconnect, Send, TakeOver

LEAST, MOST = 5_000, 40_000
"""One way takes so long, microseconds; drawn for each frame, which never overtakes another of its connection."""

TIMED_OUT = "no answer in time; check the network"


class Timeline:
    """What is to be done when, in virtual time; equal times in the order in which they were asked for."""

    def __init__(self, clock: ManualClock, random: Random) -> None:
        self.clock = clock
        self.random = random
        self._due: list[tuple[Micros, int, Callable[[], None]]] = []
        self._count = 0

    def after(self, span_us: float, action: Callable[[], None]) -> None:
        """Do it so many microseconds from now."""
        self.at(self.clock.now() + int(span_us), action)

    def at(self, due: Micros, action: Callable[[], None]) -> None:
        """Do it then."""
        self._count += 1
        heapq.heappush(self._due, (due, self._count, action))

    def way(self) -> Micros:
        """How long one way takes."""
        return self.random.randrange(LEAST, MOST)

    def turn(self) -> None:
        """Do what is due."""
        now = self.clock.now()
        while self._due and self._due[0][0] <= now:
            heapq.heappop(self._due)[2]()


class Line:
    """One connection kept open, as `realtime.feed.Feed` keeps it."""

    def __init__(self, name: str, base: str, path: str, edge: Edge) -> None:
        self.name = name
        self.base = base
        self.path = path
        self.link: Link | None = None
        self._edge = edge
        self._backoff = Backoff(draw=edge.time.random.uniform)
        self._retired = False
        self._opened: Micros = 0
        self._up: Micros = 0
        self.down: Micros = 0

    def dial(self) -> None:
        """Begin a handshake."""
        if not self._retired:
            self._edge.time.after(self._edge.time.way(), self._arrived)

    def _arrived(self) -> None:
        parts = urlsplit(self.path)
        found = self._edge.far.dial(self.base, parts.path, dict(parse_qsl(parts.query)))
        if isinstance(found, Link):
            self._edge.lines[found.number] = self
            self.link, self._up, self.down = found, 0, 0
            self._edge.time.after(self._edge.time.way(), lambda: self._stands(found))
        elif found.status == 0:
            self._edge.time.after(OPEN_S * SECOND, lambda: self._refused(TIMED_OUT))
        else:
            self._edge.time.after(self._edge.time.way(), lambda: self._refused(_words(found)))

    def _stands(self, link: Link) -> None:
        if self.link is not link:
            return
        if self._retired:
            self._drop()
            return
        self._opened = self._edge.time.clock.now()
        self._edge.accept(self.name, Kind.CONNECTED, b"")

    def _refused(self, why: str) -> None:
        if not self._given_up(why):
            self._edge.time.after(self._backoff.next() * SECOND, self.dial)

    def _given_up(self, why: str) -> bool:
        if self._retired or not self.name.endswith(MARK):
            return self._retired
        self._edge.accept(self.name, Kind.DISCONNECTED, why.encode())
        return True

    def lost(self, link: Link, why: str) -> None:
        """The connection is over, for whatever reason."""
        if self.link is not link:
            return
        self._drop()
        if self._given_up(why):
            return
        self._edge.accept(self.name, Kind.DISCONNECTED, why.encode())
        if self._edge.time.clock.now() - self._opened > CALM_S * SECOND:
            self._backoff.reset()
        self._edge.time.after(self._backoff.next() * SECOND, self.dial)

    def _drop(self) -> None:
        link, self.link = self.link, None
        if link is not None:
            self._edge.far.hang_up(link)

    def received(self, link: Link, frame: bytes) -> None:
        """A frame has come."""
        if self.link is not link:
            return
        if len(frame) > MAX_FRAME:
            self.lost(link, too_large(MAX_FRAME))
        else:
            self._edge.accept(self.name, Kind.FRAME, frame)

    def send(self, frame: bytes) -> None:
        """Write a frame; dropped when the connection is down."""
        link = self.link
        if link is not None:
            self._up = max(self._up, self._edge.time.clock.now() + self._edge.time.way())
            self._edge.time.at(self._up, lambda: self._edge.far.hear(link, frame))

    def close(self) -> None:
        """End the connection; its successor is dialled by `lost`."""
        if self.link is not None:
            link = self.link
            self._edge.time.after(0, lambda: self.lost(link, "connection lost"))

    def retire(self) -> None:
        """End the connection for good."""
        self._retired = True
        self._drop()


def _words(refusal: Refusal) -> str:
    return explain(OSError(f"handshake refused: HTTP {refusal.status}"))


class Edge:
    """All connections and requests of one worker. `accept` takes each input of the engine, as the worker's does."""

    def __init__(self, venue: str, time: Timeline, accept: Accept) -> None:
        self.venue = venue
        self.time = time
        self.accept = accept
        self.far: Far
        self.lines: dict[int, Line] = {}
        self.all_up_at: Micros = 0
        self._named: dict[str, Line] = {}
        self._waiting: deque[tuple[Fetch, Callable[[int, bytes], None]]] = deque()
        self._free = SLOTS
        self._not_before: Micros = 0

    def open(self, name: str, base: str, path: str) -> None:
        """Keep a connection from now on."""
        self._named[name] = Line(name, base, path, self)
        self._named[name].dial()

    def look(self) -> None:
        """Note whether every connection stands now: `all_up_at`."""
        if all(line.link is not None for line in self._named.values()):
            self.all_up_at = self.time.clock.now()

    def carry(self, link: Link, out: bytes | Close | Abort) -> None:
        """The venue says something on a connection, or ends it; in order."""
        line = self.lines[link.number]
        line.down = max(line.down, self.time.clock.now() + self.time.way())
        if isinstance(out, bytes):
            self.time.at(line.down, lambda: line.received(link, out))
        elif isinstance(out, Close):
            why = f"closed by the venue: {out.code} {out.words}".strip()
            self.time.at(line.down, lambda: line.lost(link, why))
        else:
            self.time.at(line.down, lambda: line.lost(link, "connection lost"))

    def obey(self, name: str, command: Command) -> None:
        """One command of a session, as `realtime.connections.Connections` carries it out."""
        line = self._named.get(name) or self._named[name.removesuffix(MARK)]
        match command:
            case Send(frame=frame):
                line.send(frame)
            case Fetch():
                self.ask(command, lambda status, body: self._answer(name, command, status, body))
            case Reconnect():
                line.close()
            case OpenHeir():
                self.open(name + MARK, line.base, line.path)
            case CloseHeir():
                self._named.pop(name + MARK).retire()
            case TakeOver():
                heir = self._named.pop(name + MARK)
                line.retire()
                heir.name = name
                self.accept(name, Kind.CONNECTED, TAKEN)
                if heir.link is not None:
                    self._named[name] = heir
                else:
                    self.open(name, line.base, line.path)

    def _answer(self, name: str, fetch: Fetch, status: int, body: bytes) -> None:
        self.accept(name, Kind.ANSWER, answered(fetch, status, body))

    # -- requests -------------------------------------------------------------------------------------------------

    def ask(self, fetch: Fetch, done: Callable[[int, bytes], None]) -> None:
        """One GET, when a slot is free and the venue has not asked us to wait; `done` gets status and body."""
        self._waiting.append((fetch, done))
        self._next()

    def _next(self) -> None:
        while self._free and self._waiting:
            fetch, done = self._waiting.popleft()
            self._free -= 1
            pause = max(0, self._not_before - self.time.clock.now())
            if pause > PATIENCE:
                self.time.after(0, lambda done=done, pause=pause: self._refused(done, pause))  # type: ignore[misc]
            else:
                self.time.after(pause, lambda fetch=fetch, done=done: self._go(fetch, done))  # type: ignore[misc]

    def _refused(self, done: Callable[[int, bytes], None], pause: Micros) -> None:
        """The budget forbids to ask for too long to wait."""
        self._free += 1
        done(0, str(RateLimited(self.venue, pause)).encode())

    def _go(self, fetch: Fetch, done: Callable[[int, bytes], None]) -> None:
        sent = self.time.clock.now()
        asked = Asked(base=fetch.base, path=fetch.path, query=dict(fetch.query))

        def arrive() -> None:
            treatment = self.far.request(asked)
            wait = 0.0 if treatment is None else treatment.wait
            back = self.time.way()
            if self.time.clock.now() + wait * SECOND + back - sent > REST_S * SECOND:
                self.time.at(sent + int(REST_S * SECOND), lambda: finish(0, TIMED_OUT.encode()))
            else:
                self.time.after(wait * SECOND, lambda: reply(treatment, back))

        def reply(treatment: Treatment | None, back: Micros) -> None:
            found = self.far.reply(asked, treatment)
            self.time.after(back, lambda: come(found.status, found.body, found.headers))

        def come(status: int, body: bytes, headers: dict[str, str]) -> None:
            now = self.time.clock.now()
            if (wait := told_to_wait(status, body, headers, now)) is not None:
                self._not_before = now + wait
            finish(status, body)

        def finish(status: int, body: bytes) -> None:
            self._free += 1
            done(status, body)
            self._next()

        self.time.after(self.time.way(), arrive)


class Heart:
    """`realtime.pulse.Pulse` in virtual time: a `HEALTH` entry each second, the venue's time now and then."""

    def __init__(self, venue: str, market: Market, edge: Edge) -> None:
        self._venue = venue
        self._market: Market = market
        self._edge = edge
        self._samples: deque[tuple[Micros, Micros]] = deque(maxlen=SAMPLES)
        self._asked = 0

    def start(self) -> None:
        """From now on."""
        self._edge.time.after(SECOND, self._tell)
        self._measure()

    def _tell(self) -> None:
        uncertain, offset = min(self._samples) if self._samples else (0, None)
        health = Health(offset_us=offset, uncertainty_us=uncertain)
        self._edge.accept("", Kind.HEALTH, msgspec.msgpack.encode(health))
        self._edge.time.after(SECOND, self._tell)

    def _measure(self) -> None:
        self._asked += 1
        steps = history(self._venue).server_time(self._market)
        sent = self._edge.time.clock.now()
        self._edge.ask(next(steps), lambda status, body: self._came(steps, sent, status, body))

    def _came(self, steps: Generator[Fetch, object, Micros], sent: Micros, status: int, body: bytes) -> None:
        received = self._edge.time.clock.now()
        told = _told(steps, body) if status == 200 else None
        if told is not None:
            self._samples.append(((received - sent) // 2, told - (sent + received) // 2))
        self._edge.time.after(0 if self._asked < SAMPLES else EVERY_S * SECOND, self._measure)


def _told(steps: Generator[Fetch, object, Micros], body: bytes) -> Micros | None:
    """The time that a reply tells, None for one that cannot be read."""
    try:
        steps.send(msgspec.json.decode(body))
    except StopIteration as done:
        found: Micros = done.value
        return found
    except (msgspec.MsgspecError, VenueError):
        pass
    return None
