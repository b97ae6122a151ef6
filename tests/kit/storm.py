"""`kill -9` at random moments: a seeded plan, and its execution on a small installation."""

from __future__ import annotations

import asyncio
import random
from asyncio.subprocess import Process
from collections.abc import Sequence
from typing import Any, NamedTuple

import aiohttp
import msgspec

from realtime.tape import end_of, segments
from tests.kit.installation import Bench
from warehouse import keys
from warehouse.clock import Micros, monotonic

RECORDER = "recorder"


class Blow(NamedTuple):
    """After `pause` seconds `targets` are killed at once, and after `down` seconds more they are started again."""

    pause: float
    targets: tuple[str, ...]
    down: float


def plan(seed: int, kills: int, names: Sequence[str]) -> list[Blow]:
    """`kills` blows. A fourth of them hit a process that is just starting, a sixth two processes at once; what is
    killed starts again at once or stays down for up to eight seconds.
    """
    dice = random.Random(seed)
    blows: list[Blow] = []
    last: tuple[str, ...] = ()
    for _ in range(kills):
        again = bool(last) and dice.random() < 0.25
        targets = last if again else tuple(dice.sample(list(names), 2 if dice.random() < 0.17 else 1))
        pause = dice.uniform(0.05, 2.0) if again else dice.uniform(0.5, 6.0)
        down = dice.choice((0.0, 0.0, dice.uniform(0.1, 4.0), dice.uniform(4.0, 8.0)))
        blows.append(Blow(round(pause, 2), targets, round(down, 2)))
        last = targets
    return blows


class Storm:
    """Workers and a recorder of one bench, killed and started again by name.

    `served` holds, for each time that Bybit's worker got ready, the ids that its recent trades held then.
    """

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.workers = [f"worker-{venue}" for venue in bench.settings.enabled()]
        self.names = [*self.workers, RECORDER]
        self.running: dict[str, Process] = {}
        self.kills = 0
        self.served: dict[tuple[str, str], list[list[str]]] = {}
        self._seen: Process | None = None

    async def start(self, *names: str) -> None:
        """Start processes by name; what their predecessors reported is forgotten."""
        for name in names:
            self.bench.bus.delete(keys.health(name))
            kind, _, venue = name.partition("-")
            self.running[name] = await self.bench.p9(kind, *(["--venue", venue] if venue else []))

    async def blow(self, blow: Blow) -> None:
        """One step of a plan. A process that ended by itself is a failure."""
        await self.wait(blow.pause)
        for name in blow.targets:
            process = self.running[name]
            assert process.returncode is None, f"{name} ended by itself with code {process.returncode}"
            process.kill()
        await asyncio.gather(*(self.running[name].wait() for name in blow.targets))
        self.kills += len(blow.targets)
        await self.wait(blow.down)
        await self.start(*blow.targets)

    async def wait(self, seconds: float) -> None:
        """Let time pass, with an eye on Bybit's worker."""
        end = monotonic() + seconds
        while (left := end - monotonic()) > 0:
            await asyncio.sleep(min(0.1, left))
            process = self.running.get("worker-bybit")
            if process is not None and process is not self._seen and self._ready("worker-bybit"):
                self._seen = process
                await self._serve()

    async def ready(self, seconds: float = 180) -> None:
        """Wait until the subscriptions of every worker stand."""
        end = monotonic() + seconds
        while left := [name for name in self.workers if not self._ready(name)]:
            assert monotonic() < end, f"not ready after {seconds:g} s: {left}"
            await self.wait(0.2)

    async def settle(self, seconds: float = 90) -> None:
        """Wait until what was missed is repaired, or given up. A hole shows with the next trade behind it."""
        await self.ready()
        await self.wait(3)
        end = monotonic() + seconds
        while left := self._gaps():
            assert monotonic() < end, f"still open after {seconds:g} s: {left}"
            await self.wait(0.2)

    async def stop(self) -> Micros:
        """End the workers, let the recorder land everything, end it; returns when the workers were told to end."""
        at = self.bench.emulator.clock.now()
        for name in self.workers:
            assert await self.bench.end(self.running[name]) == 0, f"{name} did not end well"
        end = monotonic() + 60
        while behind := self._behind():
            assert monotonic() < end, f"the recorder has not read to the end of {behind}"
            await asyncio.sleep(0.2)
        assert await self.bench.end(self.running[RECORDER]) == 0, "the recorder did not end well"
        return at

    def _report(self, name: str) -> dict[str, Any]:
        body = self.bench.bus.get(keys.health(name))
        return msgspec.json.decode(body) if isinstance(body, bytes) else {}

    def _ready(self, name: str) -> bool:
        connections = self._report(name).get("connections", {})
        return bool(connections) and all(facts["up"] and facts["ready"] for facts in connections.values())

    def _gaps(self) -> list[str]:
        return [
            f"{name} {instrument}: {words}"
            for name in self.workers
            for instrument, facts in self._report(name)["instruments"].items()
            for words in facts["gaps"]
        ]

    def _behind(self) -> list[str]:
        read = {venue: facts["log_seq"] for venue, facts in self._report(RECORDER).get("journals", {}).items()}
        last = {
            venue: segments(self.bench.settings.journal_root / venue)[-1] for venue in self.bench.settings.enabled()
        }
        return [venue for venue, path in last.items() if read.get(venue, 0) < end_of(path)[1] - 1]

    async def _serve(self) -> None:
        async with aiohttp.ClientSession() as http:
            for instrument in self.bench.settings.instruments:
                spot = not instrument.endswith("-PERP")
                query = {
                    "category": "spot" if spot else "linear",
                    "symbol": instrument.removesuffix("-PERP").replace("-", ""),
                    "limit": "60" if spot else "1000",
                }
                url = self.bench.emulator.endpoints["bybit"]["rest"] + "/v5/market/recent-trade"
                async with http.get(url, params=query) as reply:
                    page = msgspec.json.decode(await reply.read())["result"]["list"]
                self.served.setdefault(("bybit", instrument), []).append([row["execId"] for row in page])
