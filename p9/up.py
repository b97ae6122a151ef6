"""The composition: which processes one installation runs, and how history and live are brought together."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec
import redis
import structlog

from configs.settings import Settings
from p9.supervise import Child, Supervisor
from realtime.bus import claim, client, start_embedded
from warehouse import keys
from warehouse.clock import monotonic
from warehouse.errors import FusionError

log = structlog.get_logger()

ENDING_ORDER = ["flows", "backfill", "structure", "board", "recorder"]


class Installation:
    """Bus, workers, recorder, board and flows of one configuration, as child processes.

    `environment` goes to every child. Use as an async context manager: leaving it ends everything.
    """

    def __init__(self, settings: Settings, config: Path, venues: list[str], environment: Mapping[str, str]) -> None:
        self.settings = settings
        self.venues = venues
        self.supervisor = Supervisor(settings.home / "logs", {"P9_CONFIG": str(config), **environment})
        self._bus: subprocess.Popen[bytes] | None = None

    async def __aenter__(self) -> Installation:
        settings = self.settings
        settings.home.mkdir(parents=True, exist_ok=True)
        if settings.bus.url is None:
            self._bus = start_embedded(settings.bus_socket, settings.bus.maxmemory_mb)
        claim(settings.bus_url, settings.realm)
        for venue in self.venues:
            self.supervisor.start(Child(f"worker-{venue}", ["worker", "--venue", venue]))
        self.supervisor.start(Child("recorder", ["recorder"]))
        self.supervisor.start(Child("board", ["board"]))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.supervisor.stop(ENDING_ORDER)
        if self._bus is not None:
            self._bus.terminate()
            try:
                await asyncio.to_thread(self._bus.wait, 3)
            except subprocess.TimeoutExpired:
                self._bus.kill()

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

    async def once(
        self, name: str, arguments: list[str], stop: asyncio.Event, watch: Callable[[], None] | None = None
    ) -> None:
        """Run a command to its end, or until `stop`. Raises FusionError with its last words when it fails."""
        child = self.supervisor.start(Child(name, arguments, once=True))
        while not child.done.is_set() and not stop.is_set():
            if watch is not None:
                watch()
            try:
                await asyncio.wait_for(child.done.wait(), 0.5)
            except TimeoutError:
                pass
        if child.done.is_set() and child.code != 0:
            raise FusionError(f"'p9 {' '.join(arguments)}' ended with code {child.code}:\n{self.supervisor.tail(name)}")


def _ready(report: dict[str, object] | None) -> bool:
    if report is None:
        return False
    connections = report.get("connections")
    if not isinstance(connections, dict):
        return True
    return bool(connections) and all(facts["up"] and facts["ready"] for facts in connections.values())
