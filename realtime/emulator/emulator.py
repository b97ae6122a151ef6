"""All emulated venues in one event loop, and the async API for tests and the demo::

async with Emulator(Options(seed=7)) as emulator:
    emulator.endpoints["binance"]["rest_spot"]
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType

import msgspec
import structlog

from realtime.emulator.faults.desk import Desk, FaultLog
from realtime.emulator.faults.kinds import KINDS
from realtime.emulator.faults.markets import changes, skew
from realtime.emulator.faults.parts import Fault
from realtime.emulator.faults.plan import Plan, completed
from realtime.emulator.listings import listings
from realtime.emulator.seeded import Seeded, Terms, remembered
from realtime.emulator.server import VenueServer
from realtime.emulator.source import Source
from realtime.emulator.tape import Recorded, Tape
from realtime.emulator.truth import Truth
from warehouse.clock import MINUTE, SECOND, Micros, SystemClock
from warehouse.errors import ConfigError
from warehouse.venues import VENUES
from warehouse.venues.base import Dialect

log = structlog.get_logger()

STEP = 0.01
"""Seconds between looks at the markets."""

TICK: Micros = 100_000
"""Connections are asked each 100 ms what is due by time."""

HOME = "p9-emulated"
"""The home folder of who uses `write_config`'s file."""


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What to emulate: a seed, or `tapes` (folders or segments of journals) in their own time.

    `history` are folders of recorded candles and funding rates for tapes. `folder` keeps a seeded market over restarts;
    None: it lives once. `rate` is book events a second and instrument, `lookback_us` how far before its start a seeded
    market serves trades. A tape's clock begins `preroll_us` before the tape, and its frames flow when all its streams
    are subscribed, at the latest `patience_us` after the tape's first frame. `blocks`: a seeded market has block trades
    and large orders too. `truth` is a file for every other live trade of it. `faults` is what goes wrong (an empty
    plan: what `Emulator.inject` makes), `fault_log` a file for what did.
    """

    seed: int = 1
    tapes: tuple[Path, ...] = ()
    history: tuple[str, ...] = ()
    venues: tuple[str, ...] = VENUES
    folder: Path | None = None
    rate: float = 20.0
    lookback_us: Micros = 180 * MINUTE
    preroll_us: Micros = 0
    patience_us: Micros = 60 * SECOND
    truth: Path | None = None
    faults: Plan | None = None
    fault_log: Path | None = None
    clock_offset_us: Micros | None = None
    blocks: bool = False


class Emulator:
    """Opens the venues on entry, closes them on exit. `endpoints` is `{venue: {base: URL}}`."""

    def __init__(self, options: Options) -> None:
        if not 0.1 <= options.rate <= 10_000:
            raise ConfigError(f"rate {options.rate:g}: must be between 0.1 and 10000 events a second")
        if options.lookback_us < MINUTE or options.lookback_us % MINUTE:
            raise ConfigError("lookback: must be whole minutes, at least one")
        for name in options.venues:
            if name not in VENUES:
                raise ConfigError(f"unknown venue {name!r}; known: {', '.join(VENUES)}")
        self._options = options
        self._faults: list[Fault] = []
        self._desks: dict[str, Desk] = {}
        self._resumed: Micros | None = None
        self.fault_log = FaultLog(options.fault_log)
        self._truth = Truth(options.truth) if options.truth is not None else None
        self.clock = SystemClock(options.clock_offset_us)
        self.source: Source = self._tape() if options.tapes else self._seeded()
        self.servers: dict[str, VenueServer] = {}
        self._pump: asyncio.Task[None] | None = None

    def _seeded(self) -> Source:
        options = self._options
        wanted = Terms(
            seed=options.seed,
            rate=options.rate,
            lookback_us=options.lookback_us,
            t0=self.clock.now() // MINUTE * MINUTE,
            begun=-(-self.clock.now() // SECOND) * SECOND,
        )
        market = remembered(options.folder, wanted)
        self._resumed = None if market == wanted else self.clock.now()
        names = [listing.instrument for listing in listings(options.venues[0])] if options.venues else []
        self._plan(options.venues, names)
        return Seeded(
            self.clock,
            self.clock.offset_us,
            options.venues,
            market,
            self._truth,
            changes(self._faults, market.begun or market.t0, names),
            {venue: skew(self._faults, venue) for venue in options.venues},
            options.blocks,
        )

    def _plan(self, venues: Sequence[str], instruments: Sequence[str], tape: bool = False) -> None:
        """Draw what goes wrong; without a plan nobody asks."""
        plan = self._options.faults
        if plan is not None:
            self._faults = plan.drawn(venues, instruments, tape)
            self._desks = {venue: Desk(venue, self._faults, plan.seed, self.fault_log) for venue in venues}

    def _tape(self) -> Source:
        options = self._options
        tape = Tape.read(options.tapes, options.venues, options.history)
        self.clock = SystemClock(tape.start - options.preroll_us - SystemClock(0).now())
        rules = [rule for reel in tape.reels for rule in reel.header.rules]
        self._plan(tape.venues, list(dict.fromkeys(rule.instrument for rule in rules)), tape=True)
        return Recorded(self.clock, self.clock.offset_us, tape, options.patience_us)

    async def __aenter__(self) -> Emulator:
        await asyncio.to_thread(self.source.open)
        try:
            for venue in self.source.venues:
                clock, desk = self.source.clock(venue), self._desks.get(venue)
                server = VenueServer(venue, self.source.view(venue), self.source.about(venue), clock, desk)
                self.servers[venue] = server
                if desk is not None:
                    desk.start(self.source.begun, server.tools(), self._resumed)
                await server.start()
        except BaseException:
            await self._close()
            raise
        self._pump = asyncio.create_task(self._run())
        log.info("emulator_up", venues=list(self.servers), clock_offset_us=self.clock_offset_us)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._close()

    async def _close(self) -> None:
        if self._pump is not None:
            self._pump.cancel()
            await asyncio.wait((self._pump,))
        await asyncio.gather(*(server.close() for server in self.servers.values()))
        for venue, desk in self._desks.items():
            desk.close(self.source.clock(venue).now())
        self.fault_log.close()
        if self._truth is not None:
            self._truth.close()
        if self._pump is not None and not self._pump.cancelled():
            self._pump.result()

    @property
    def endpoints(self) -> dict[str, dict[str, str]]:
        """URL of every base of every venue."""
        return {venue: dict(server.endpoints) for venue, server in self.servers.items()}

    @property
    def clock_offset_us(self) -> Micros:
        """What every process of this realm adds to its clock (`P9_CLOCK_OFFSET_US`)."""
        return self.source.clock_offset_us

    @property
    def dialects(self) -> dict[str, Dialect]:
        """The dialect of each venue."""
        return {venue: self.source.about(venue).dialect for venue in self.source.venues}

    def inject(self, fault: Fault) -> str:
        """Let something go wrong now, whatever `at` and `after` say; returns its id in the log.

        Needs a plan in the options, if an empty one. Raises ConfigError for what cannot happen, or not at this time any
        more.
        """
        desk = self._desks.get(fault.venue)
        if desk is None:
            raise ConfigError(f"{fault.venue}: no faults here; give the emulator a plan, if an empty one")
        venue = self.source.view(fault.venue)
        name = fault.id or f"{len(self.fault_log.entries) + 1:03d}-{fault.kind}-{fault.venue}"
        whole = completed(
            msgspec.structs.replace(fault, id=name),
            self.source.venues,
            [rule.instrument for rule in venue.rules()],
            bool(self._options.tapes),
        )
        if KINDS[fault.kind].needs_plan:
            raise ConfigError(f"fault {name}: {fault.kind} must be planned before the market begins")
        now = self.source.clock(fault.venue).now()
        at_once = msgspec.structs.replace(whole, at=0.0, after=None)
        if meant := changes([at_once], now, [rule.instrument for rule in venue.rules()]):
            self.source.change(meant)
        desk.inject(at_once, now)
        return name

    def write_endpoints(self, path: Path) -> None:
        """Write where everything is, whole or not at all, as JSON.

        Its keys: `realm`, `clock_offset_us`, `instruments` (all that any venue lists), `endpoints`, `dialects`.
        """
        listed = (rule.instrument for venue in self.source.venues for rule in self.source.view(venue).rules())
        told = {
            "realm": "emulated",
            "instruments": list(dict.fromkeys(listed)),
            "clock_offset_us": self.clock_offset_us,
            "endpoints": self.endpoints,
            "dialects": self.dialects,
        }
        _write(path, told)

    def write_config(self, path: Path) -> None:
        """Write a configuration by which every command talks to these venues, with a home folder beside the file.

        It is JSON, which is YAML too. What is not emulated is switched off.
        """
        venues = {venue: {"endpoints": bases} for venue, bases in self.endpoints.items()}
        others = {venue: {"enabled": False} for venue in VENUES if venue not in venues}
        _write(path, {"realm": "emulated", "home": str(path.absolute().parent / HOME), "venues": {**venues, **others}})

    async def failed(self) -> None:
        """Return only by raising what ended the emulation, if anything ever does."""
        assert self._pump is not None, "enter the emulator first"
        await asyncio.wait((self._pump,))
        self._pump.result()

    async def _run(self) -> None:
        next_tick = 0
        warming: asyncio.Future[None] | None = None
        while True:
            if warming is not None and warming.done():
                warming.result()
                warming = None
            now = self.clock.now()
            times = {venue: self.source.clock(venue).now() for venue in self.servers}
            for venue, server in self.servers.items():
                server.turn(times[venue])
            for venue, happened in self.source.advance(now):
                self.servers[venue].event(happened, times[venue])
            if now >= next_tick:
                next_tick = now + TICK
                for venue, server in self.servers.items():
                    server.tick(times[venue])
                    self.source.subscribed(venue, server.streams)
                if warming is None and (work := self.source.cold()) is not None:
                    warming = asyncio.get_running_loop().run_in_executor(None, work)
            await asyncio.sleep(STEP)


def _write(path: Path, told: object) -> None:
    """As JSON, whole or not at all."""
    temporary = path.with_name(path.name + ".new")
    temporary.write_bytes(msgspec.json.format(msgspec.json.encode(told), indent=2) + b"\n")
    temporary.rename(path)


async def serve(options: Options, endpoints: Path | None, config: Path | None, say: Callable[[str], None]) -> None:
    """Emulate until SIGINT or SIGTERM; tell where everything is once it is up. Raises what ends the emulation."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with Emulator(options) as emulator:
        if endpoints is not None:
            emulator.write_endpoints(endpoints)
        if config is not None:
            emulator.write_config(config)
        for venue, bases in emulator.endpoints.items():
            for base, url in bases.items():
                say(f"{venue:8} {base:10} {url}")
        say(f"clock offset {emulator.clock_offset_us} us (P9_CLOCK_OFFSET_US)")
        stopped, failed = asyncio.create_task(stop.wait()), asyncio.create_task(emulator.failed())
        await asyncio.wait((stopped, failed), return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        if failed.done():
            failed.result()
        failed.cancel()
