"""An emulated venue and an engine in virtual time: every connection and request with a delay of its own, no socket."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from copy import deepcopy
from random import Random
from urllib.parse import parse_qsl, urlsplit

from realtime.decoding import TAKEN, answered
from realtime.emulator.seeded import Seeded, Terms
from realtime.engine import Engine, EngineConfig, Produced
from realtime.succession import MARK
from warehouse.book import Book, Levels
from warehouse.clock import MINUTE, SECOND, ManualClock, Micros
from warehouse.instruments import Rules
from warehouse.journal import Entry, Kind
from warehouse.records import BookUpdate, Trade
from warehouse.venues import venue
from warehouse.venues.base import (
    CloseHeir,
    Command,
    EmulatedConnection,
    Fetch,
    OpenHeir,
    Reconnect,
    Reply,
    Send,
    TakeOver,
)

START: Micros = 1_795_000_020 * SECOND
TICK: Micros = 100_000

Tops = tuple[Levels, Levels]


class Wire:
    """One connection: what the venue sends is received later, in order, each frame after a delay of its own."""

    def __init__(self, far: EmulatedConnection, random: Random, delay_us: Micros) -> None:
        self.far = far
        self._random = random
        self._delay = delay_us
        self._queue: deque[tuple[Micros, bytes]] = deque()
        self._last = 0

    def send(self, frames: Sequence[bytes], now: Micros) -> None:
        """The venue says something."""
        for frame in frames:
            self._last = max(self._last, now + self._random.randrange(self._delay))
            self._queue.append((self._last, frame))

    def arrived(self, now: Micros) -> list[bytes]:
        """What has reached us by now."""
        found = []
        while self._queue and self._queue[0][0] <= now:
            found.append(self._queue.popleft()[1])
        return found


class Bench:
    """One venue's engine beside its emulated venue. `trades` is the truth since the first connection, `books` the best
    twenty levels of each side after every recent update, by its id. `delay`: frames of a connection that is opened now
    take up to so many microseconds. `blocks`: there are block trades and large orders.
    """

    def __init__(
        self,
        name: str,
        seed: int,
        *,
        rate: float,
        instruments: Sequence[str] | None = None,
        step_us: Micros = 10_000,
        delay_us: Micros = 30_000,
        flush_us: Micros = 100_000,
        lookback_us: Micros = MINUTE,
        blocks: bool = False,
    ) -> None:
        self.clock = ManualClock(START)
        self.random = Random(f"{name}:{seed}")
        self._step, self.delay = step_us, delay_us
        terms = Terms(seed=seed, rate=rate, lookback_us=lookback_us, t0=START)
        self._source = Seeded(self.clock, 0, [name], terms, blocks=blocks)
        self._source.open()
        self.view = self._source.view(name)
        for market in self.view.markets.values():
            market.prepare()
            market.flow.flush = flush_us
        self.side = venue(name).emulated(self.view)
        self.rules: list[Rules] = [
            rule for rule in self.view.rules() if instruments is None or rule.instrument in instruments
        ]
        self.engine = Engine(name, "emulated", self.rules, EngineConfig())
        self.wires: dict[str, Wire] = {}
        self.answers: list[tuple[Micros, str, bytes]] = []
        self.trades: dict[str, list[Trade]] = {rule.instrument: [] for rule in self.rules}
        self.books: dict[str, dict[int, Tops]] = {rule.instrument: {} for rule in self.rules}
        self._truth = {rule.instrument: Book(rule.grid) for rule in self.rules}
        self.frames = 0
        self.rate = 0.0
        self.taken = 0
        self.heard: Callable[[Produced], None] = lambda produced: None
        self.alter: Callable[[str, bytes], Sequence[bytes]] = lambda name, frame: (frame,)
        self.refuse: Callable[[Fetch], bool] = lambda fetch: False
        self._seq = 1
        self._ticked = START
        self._paths = {one.name: (one.base, one.path) for one in self.engine.sessions.values()}
        for connection in self._paths:
            self.connect(connection)

    def _picture(self, update: BookUpdate) -> None:
        book, pictures = self._truth[update.instrument], self.books[update.instrument]
        if not pictures:
            book.apply(self.view.book(update.instrument))
        else:
            book.apply(update)
        pictures[update.update_id] = deepcopy(book.best(20))
        if len(pictures) > 2000:
            del pictures[next(iter(pictures))]

    def connect(self, name: str) -> None:
        """Open a connection; an heir's beside the one it is to succeed."""
        base, path = self._paths[name.removesuffix(MARK)]
        parts = urlsplit(path)
        far = self.side.connect(base, parts.path, dict(parse_qsl(parts.query)), self.clock.now())
        self.wires[name] = Wire(far, self.random, self.delay)
        self.take(name, Kind.CONNECTED, b"")

    def take(self, source: str, kind: Kind, payload: bytes) -> None:
        """One input of the engine."""
        produced = self.engine.run(self._seq, [Entry(self.clock.now(), source, int(kind), payload)])
        self._seq += 1
        self.heard(produced)
        for name, command in produced.commands:
            self._obey(name, command)

    def _obey(self, name: str, command: Command) -> None:
        now = self.clock.now()
        match command:
            case Send(frame=frame):
                wire = self.wires.get(name) or self.wires[name.removesuffix(MARK)]
                wire.send(wire.far.receive(frame, now), now)
            case Fetch():
                reply = self.side.rest(command.base, command.path, command.query, now)
                if self.refuse(command):
                    reply = Reply(status=503, body=b"try again")
                due = now + self.random.randrange(4 * self.delay)
                self.answers.append((due, name, answered(command, reply.status, reply.body)))
            case OpenHeir():
                self.connect(name + MARK)
            case CloseHeir():
                self.wires.pop(name + MARK, None)
            case TakeOver():
                self.wires[name] = self.wires.pop(name + MARK)
                self.taken += 1
                self.take(name, Kind.CONNECTED, TAKEN)
            case Reconnect(why=why):
                self.wires.pop(name, None)
                self.take(name, Kind.DISCONNECTED, why.encode())
                self.connect(name)

    def run(self, span_us: Micros) -> None:
        """Let time pass."""
        end = self.clock.now() + span_us
        while self.clock.now() < end:
            self.clock.advance(self._step)
            now = self.clock.now()
            for _, event in self._source.advance(now):
                if isinstance(event, Trade) and event.instrument in self.trades:
                    self.trades[event.instrument].append(event)
                elif isinstance(event, BookUpdate) and event.instrument in self.books:
                    self._picture(event)
                for wire in self.wires.values():
                    wire.send(wire.far.event(event, now), now)  # type: ignore[arg-type]
            for wire in self.wires.values():
                wire.send(wire.far.tick(now), now)
            for name in list(self.wires):
                for frame in self.wires[name].arrived(now) if name in self.wires else ():
                    self.frames += 1
                    for one in self.alter(name, frame):
                        if name in self.wires:
                            self.take(name, Kind.FRAME, one)
            due = [one for one in self.answers if one[0] <= now]
            self.answers = [one for one in self.answers if one[0] > now]
            for _, name, answer in due:
                self.take(name, Kind.ANSWER, answer)
            while self._ticked + TICK <= now:
                self._ticked += TICK
                self.take("", Kind.TICK, b"")
