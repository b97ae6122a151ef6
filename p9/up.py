"""The composition: which processes one installation runs, and how history and live are brought together."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Mapping
from pathlib import Path

import msgspec
import psutil
import redis
import structlog
from rich.console import Console

from configs.settings import Settings
from p9.supervise import Child, Supervisor
from realtime.bus import alive, claim, client, end_embedded, start_embedded
from warehouse import keys
from warehouse.clock import monotonic
from warehouse.errors import FusionError

log = structlog.get_logger()

LAST = ("recorder",)
"""What ends last, so that it writes what the others left."""

JOINED = ("reference", "candles", "trades", "funding", "structure")
"""What the live side waits for; the other datasets come by the schedule."""


class Installation:
    """Bus, workers, recorder, board and flows of one configuration, as child processes.

    `environment` goes to every child. Use as an async context manager: leaving it ends everything within five seconds.
    """

    def __init__(self, settings: Settings, config: Path, venues: list[str], environment: Mapping[str, str]) -> None:
        self.settings = settings
        self.venues = venues
        home = str(settings.home.absolute())  # beside the configuration: ours may be set for another home
        told = {"P9_CONFIG": str(config), "P9_HOME": home, **environment}
        self.supervisor = Supervisor(settings.home / "logs", told)
        self._bus: subprocess.Popen[bytes] | None = None
        self._watching: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Installation:
        settings = self.settings
        if settings.bus.url is None:
            self._bus = start_embedded(settings.bus_socket, settings.bus.maxmemory_mb)
        try:
            claim(settings.bus_url, settings.realm)
        except FusionError:
            await self._end_bus()
            raise
        if settings.bus.url is None:
            self._watching = asyncio.create_task(self._keep_bus())
        for venue in self.venues:
            self.supervisor.start(Child(f"worker-{venue}", ["worker", "--venue", venue]))
        self.supervisor.start(Child("recorder", ["recorder"]))
        self.supervisor.start(Child("board", ["board"]))
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)
        await self.supervisor.stop(LAST)
        await self._end_bus()

    async def _keep_bus(self) -> None:
        """Start the embedded bus again when it died; what it held is published anew by the others."""
        settings = self.settings
        while True:
            await asyncio.sleep(0.5)
            if self._bus is not None and self._bus.poll() is None:
                continue
            if await asyncio.to_thread(alive, settings.bus_url):
                continue  # one that an earlier supervisor left
            log.warning("bus_died", code=self._bus.returncode if self._bus is not None else None)
            try:
                self._bus = start_embedded(settings.bus_socket, settings.bus.maxmemory_mb)
                claim(settings.bus_url, settings.realm)
            except FusionError as error:
                log.warning("bus_not_started", error=str(error))

    async def _end_bus(self) -> None:
        """End the embedded bus, also one that an earlier supervisor left in this home; a configured one lives on."""
        if self.settings.bus.url is not None:
            return
        await asyncio.to_thread(end_embedded, self.settings.bus_socket)
        if self._bus is not None:
            try:
                await asyncio.to_thread(self._bus.wait, 0.5)
            except subprocess.TimeoutExpired:
                self._bus.kill()
                await asyncio.to_thread(self._bus.wait)

    def reports(self) -> dict[str, dict[str, object]]:
        """What every process last said of itself, by name; empty while the bus is away."""
        try:
            bus = client(self.settings.bus_url)
            found = bus.mget([keys.health(name) for name in self.names()])
        except redis.RedisError:
            return {}
        decoded = [msgspec.json.decode(body) for body in found if isinstance(body, bytes)]
        return {str(report["process"]): report for report in decoded}

    def names(self) -> list[str]:
        """The processes that report."""
        return [*(f"worker-{venue}" for venue in self.venues), "recorder", "board"]

    async def until_ready(self, seconds: float, stop: asyncio.Event) -> list[str]:
        """Wait until every worker's subscriptions stand; returns what is still missing when `seconds` have passed."""
        end = monotonic() + seconds
        missing = self.names()
        while monotonic() < end and not stop.is_set():
            reports = self.reports()
            missing = [name for name in self.names() if not _ready(reports.get(name))]
            if not missing:
                return []
            await asyncio.sleep(0.25)
        return missing

    async def once(self, name: str, arguments: list[str], stop: asyncio.Event) -> None:
        """Run a command to its end, or until `stop`. Raises FusionError with its last words when it fails."""
        child = self.supervisor.start(Child(name, arguments, once=True))
        while not child.done.is_set() and not stop.is_set():
            try:
                await asyncio.wait_for(child.done.wait(), 0.25)
            except TimeoutError:
                pass
        if child.done.is_set() and child.code != 0 and not stop.is_set():
            raise FusionError(f"'p9 {' '.join(arguments)}' ended with code {child.code}:\n{self.supervisor.tail(name)}")

    async def join(self, console: Console, stop: asyncio.Event, forgiving: bool = False) -> None:
        """Wait for the workers, then bring history and live together; tells the console how far it is.

        Raises FusionError when a worker is not ready within a minute or a step fails; `forgiving` tells it and goes on:
        the schedule will repeat the step.
        """
        began = monotonic()
        if (missing := await self.until_ready(60, stop)) and not stop.is_set():
            words = "\n".join(f"{name}: {self.supervisor.tail(name, 4)}" for name in missing)
            self._tell(FusionError(f"not ready after 60 s: {', '.join(missing)}\n{words}"), console, forgiving)
        if stop.is_set():
            return
        console.print("workers connected and journaling; backfilling history")
        try:
            await self.once("backfill", ["backfill", *JOINED], stop)
        except FusionError as error:
            self._tell(error, console, forgiving)
        if not stop.is_set():
            console.print(f"history joined after {monotonic() - began:.0f} s")

    def _tell(self, error: FusionError, console: Console, forgiving: bool) -> None:
        if not forgiving:
            raise error
        console.print(f"not done yet: {error}", markup=False)

    def produced(self) -> int:
        """Messages that the workers produced since they started."""
        counts = (report.get("messages") for report in self.reports().values())
        return sum(int(count["produced"]) for count in counts if isinstance(count, dict))

    def memory(self) -> dict[str, int]:
        """Resident memory per running process now, MiB."""
        found = {}
        pids = {name: child.pid for name, child in self.supervisor.children.items()}
        for name, pid in {"bus": self._bus.pid if self._bus is not None else None, **pids}.items():
            if pid is not None:
                try:
                    found[name] = psutil.Process(pid).memory_info().rss >> 20
                except psutil.NoSuchProcess:
                    continue
        return found


def _ready(report: dict[str, object] | None) -> bool:
    if report is None:
        return False
    connections = report.get("connections")
    if not isinstance(connections, dict):
        return True
    needed = [facts for facts in connections.values() if facts["needed"]]
    return bool(needed) and all(facts["up"] and facts["ready"] for facts in needed)
