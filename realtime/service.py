"""The worker process of one venue: a wiring diagram.

    sockets, REST, timer, bus keys ──► one block per loop turn ──► journal ──► engine ──► sink
                  ▲                                                              │
                  └────────────────── commands (send, fetch, reconnect) ◄────────┘

Nothing waits between a frame and its write; a worker that cannot journal stops, rather than publish what cannot be
replayed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import TypeVar

import msgspec
import structlog

from realtime import collector
from realtime.channels import streams
from realtime.config import EngineConfig
from realtime.connections import Connections
from realtime.feed import Rest
from realtime.journaled import Epoch, Journaled, Work
from realtime.mailbox import Mailbox
from realtime.message import Message, record_name
from realtime.pulse import Pulse
from realtime.sinks.base import receipt
from realtime.sinks.redis import RedisSink
from warehouse.budgets.own import WORKER_ALONE, OwnBudget
from warehouse.budgets.shared import SharedBudget
from warehouse.clock import MINUTE, Clock, Micros, monotonic
from warehouse.errors import ConfigError, FusionError, JournalError, VenueError
from warehouse.instruments import Listing, Rules
from warehouse.journal import Entry, Kind
from warehouse.records import Disconnected, Undecodable, VenueNotice
from warehouse.venues import VENUES, history, venue
from warehouse.venues.base import TODAY, Dialect, Fetch

log = structlog.get_logger()

TICK_US: Micros = 100_000
PATIENCE_S = 5.0
"""How long a restarted worker waits for the bus to take what is sent again."""

Found = TypeVar("Found")


class WorkerOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Plain values of one worker. `endpoints` maps the venue's base names to URLs."""

    venue: str
    realm: str
    instruments: list[str]
    endpoints: dict[str, str]
    bus_url: str
    journal: Path
    engine: EngineConfig
    transport: str = "picows"
    rotate_bytes: int = 256 << 20
    rotate_us: Micros = 15 * MINUTE
    fsync_us: Micros = TICK_US
    ntp: str | None = None


class Worker:
    """One venue, followed live."""

    def __init__(self, options: WorkerOptions, clock: Clock) -> None:
        self.options = options
        self.clock = clock
        listings = [Listing.parse(options.venue, name) for name in options.instruments]
        own = sum(streams(listing, len(options.engine.timeframes)) for listing in listings)
        self.sink = RedisSink(options.bus_url, realm=options.realm, clock=clock, streams=len(VENUES) * own)
        self.budget = SharedBudget(OwnBudget(options.venue, WORKER_ALONE), options.bus_url, worker=True)
        self.rest = Rest(options.endpoints.__getitem__, self.accept, clock, self.budget)
        self.connections = Connections(self.accept, self.rest, self.budget, options.transport, self._failed)
        self.pulse = Pulse(self._venue_time, self.accept, clock, options.ntp)
        self.undecodable = 0
        self._block: list[Entry] = []
        self._scheduled = False
        self._ended: asyncio.Future[None] | None = None
        self._started = monotonic()

    # -- inputs ---------------------------------------------------------------------------------------------------

    def accept(self, source: str, kind: Kind, payload: bytes) -> None:
        """Take one input: stamp it, and put it into the block of this loop turn."""
        self._block.append(Entry(self.clock.now(), source, int(kind), payload))
        if not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._turn)

    def _turn(self) -> None:
        self._scheduled = False
        entries, self._block = self._block, []
        if not entries or self._ended is None or self._ended.done():
            return
        try:
            produced = self.journal.run(entries)
            self.sink.put(produced.messages)
        except FusionError as error:
            self._failed(error)
            return
        for name, command in produced.commands:
            self.connections.obey(name, command)
        for notice in produced.notices:
            self._tell(notice)
        self.pulse.worked(self.clock.now() - entries[0].ts_recv)

    def _failed(self, error: BaseException) -> None:
        if self._ended is not None and not self._ended.done():
            self._ended.set_exception(error)

    def _tell(self, notice: object) -> None:
        match notice:
            case Undecodable():
                self.undecodable += 1
                log.warning("undecodable", connection=notice.connection, why=notice.why, head=notice.head)
            case Disconnected():
                log.warning("disconnected", connection=notice.connection, why=notice.why)
            case VenueNotice():
                log.warning("venue_notice", connection=notice.connection, code=notice.code, words=notice.words)

    # -- life -----------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Until cancelled. Raises ConfigError when the venue cannot be used, JournalError when the disk refuses."""
        self._ended = asyncio.get_running_loop().create_future()
        try:
            dialect, rules = await self._discover()
            await self.sink.start()
            mailbox = Mailbox(self.options.bus_url, self.options.venue, list(rules), self.accept)
            ordered = [rules[name] for name in self.options.instruments if name in rules]
            await self._open(ordered, dialect, mailbox.epoch)
            collector.calm()
            bases = self.options.endpoints
            for name, session in self.engine.sessions.items():
                url = bases[session.base] + session.path
                self.connections.open(name, url)
            async with asyncio.TaskGroup() as group:
                group.create_task(mailbox.run(self.report))
                group.create_task(self._ticks())
                group.create_task(self.pulse.run())
                group.create_task(self._syncs())
                await self._ended
        except* FusionError as found:
            raise found.exceptions[0] from None
        finally:
            self.connections.close()
            await self.rest.close()
            await self.budget.close()
            await self.sink.close()
            if hasattr(self, "writer"):
                self.writer.close()

    async def _discover(self) -> tuple[Dialect, dict[str, Rules]]:
        """The venue's realm (from its own replies, never from a URL), the streams it holds, the rules of our
        instruments.
        """
        options = self.options
        name, module = options.venue, venue(options.venue)
        probe = next(history(name).server_time("spot"))
        status, body, headers = await self.rest.get(probe)
        if status == 0:
            raise ConfigError(f"{name}: cannot be reached at {options.endpoints[probe.base]}: {body.decode()}")
        if status in (403, 451):
            raise ConfigError(f"{name}: HTTP {status}: geo-blocked or banned for this address; use another network")
        realm = headers.get("X-P9-Realm", "live")
        if realm != options.realm:
            raise ConfigError(f"{name}: speaks for the realm {realm!r}, this process is {options.realm!r}")
        dialect = TODAY
        if realm == "emulated":
            _, told, _ = await self.rest.get(msgspec.structs.replace(probe, path="/p9/emulator", query={}))
            facts = msgspec.json.decode(told)
            streams = facts.get("streams")
            dialect = Dialect(streams=tuple(streams) if streams else None, at=facts.get("dialect_at"))
        found = await self.walk(history(name).instruments(options.instruments, self.clock.now()))
        rules = {rule.instrument: rule for rule in found}
        if missing := [wanted for wanted in options.instruments if wanted not in rules]:
            log.warning("not_listed", venue=module.NAME, instruments=missing)
        if not rules:
            raise ConfigError(f"{name}: lists none of {options.instruments}")
        return dialect, rules

    async def _venue_time(self) -> Micros:
        market = Listing.parse(self.options.venue, self.options.instruments[0]).market
        return await self.walk(history(self.options.venue).server_time(market))

    async def walk(self, steps: Generator[Fetch, object, Found]) -> Found:
        """Run a REST conversation to its end. Raises ConfigError when a request fails."""
        try:
            fetch = next(steps)
            while True:
                status, body, _ = await self.rest.get(fetch)
                if status != 200:
                    words = body[:200].decode(errors="replace")
                    raise ConfigError(f"{self.options.venue}: {fetch.path} answered HTTP {status}: {words}")
                fetch = steps.send(msgspec.json.decode(body))
        except (msgspec.MsgspecError, VenueError) as error:
            raise ConfigError(f"{self.options.venue}: an answer that cannot be read: {error}") from None
        except StopIteration as done:
            found: Found = done.value
            return found

    async def _open(self, rules: list[Rules], dialect: Dialect, epoch: Epoch) -> None:
        """Go on from the journal, or begin one. Today's rules are the first thing that is written."""
        options = self.options
        work = Work(
            venue=options.venue,
            realm=options.realm,
            folder=options.journal,
            config=options.engine,
            rules=rules,
            dialect=dialect,
        )
        self.journal = await Journaled.open(work, self.clock, self._resend, epoch)
        self.engine, self.writer = self.journal.engine, self.journal.writer
        if self.journal.warm:
            for name in self.engine.sessions:
                self.accept(name, Kind.DISCONNECTED, b"worker restarted")
        self.accept("", Kind.RULES, msgspec.msgpack.encode(rules))

    async def _resend(self, messages: Sequence[Message]) -> None:
        """What a journal gives again may be much: wait while the bus has too much of it, and at the end for all."""
        self.sink.put(messages)
        if self.sink.congested or not messages:
            await self.sink.settled(PATIENCE_S)

    async def _ticks(self) -> None:
        """A TICK entry at each 100 ms of the UTC grid; congestion pauses reading from the venue."""
        while True:
            await asyncio.sleep((TICK_US - self.clock.now() % TICK_US) / 1e6)
            self.accept("", Kind.TICK, b"")
            self.connections.pause(self.sink.congested)

    async def _syncs(self) -> None:
        """Flush the journal in a thread, and begin a new segment when this one is large or old.

        What was made from the old one should have been delivered by then: a restart makes only the newest again. A bus
        that is away for long may keep a segment open for twice its age or size.
        """
        options, writer = self.options, self.writer
        while True:
            await asyncio.sleep(options.fsync_us / 1e6)
            await asyncio.to_thread(writer.sync)
            full = max((self.clock.now() - writer.opened_at) / options.rotate_us, writer.size / options.rotate_bytes)
            if full > 2 or (full > 1 and not receipt(self.sink.accounts).outstanding):
                self.journal.rotate()

    def report(self) -> dict[str, object]:
        """What this process says of itself, for the board."""
        import resource

        totals = {"produced": 0, "delivered": 0, "superseded": 0, "lost": 0}
        produced: dict[str, int] = {}
        for channel, account in self.sink.accounts.items():
            for key in totals:
                totals[key] += getattr(account, key)
            kind = record_name(channel)
            produced[kind] = produced.get(kind, 0) + account.produced
        sessions = self.engine.sessions
        return {
            "process": f"worker-{self.options.venue}",
            "venue": self.options.venue,
            "realm": self.options.realm,
            "now": self.clock.now(),
            "up_s": round(monotonic() - self._started, 1),
            "journal_id": self.writer.header.journal_id,
            "run_id": self.writer.header.run_id,
            "counted_from": self.journal.counted_from,
            "next_seq": self.writer.next_seq,
            "produced": produced,
            "connections": {
                name: {
                    "up": feed.connected,
                    "ready": sessions[name].ready,
                    "needed": sessions[name].needed,
                    "why": feed.why,
                }
                for name, feed in self.connections.feeds.items()
                if name in sessions
            },
            "undecodable": self.undecodable,
            "health": msgspec.to_builtins(self.engine.vitals.clock.health),
            "complaints": self.engine.vitals.complaints(self.clock.now()),
            "messages": totals,
            "max_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
            "instruments": self.engine.status(self.clock.now()),
        }


async def work(options: WorkerOptions, clock: Clock) -> None:
    """Run a worker until cancelled. Raises FusionError in words for the operator."""
    worker = Worker(options, clock)
    try:
        await worker.run()
    except OSError as error:
        raise JournalError(f"{options.journal}: {error.strerror}") from None
