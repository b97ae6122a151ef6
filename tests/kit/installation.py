"""A small installation for tests: an emulated venue in this process, a real bus, `p9` commands as real processes."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import msgspec

from configs.load import dump, load
from configs.settings import Settings
from realtime.bus import claim, client, start_embedded
from realtime.emulator.emulator import Emulator, Options
from warehouse import keys
from warehouse.clock import monotonic


class Bench:
    """Settings of a small emulated installation, and its processes."""

    def __init__(self, settings: Settings, config: Path, emulator: Emulator) -> None:
        self.settings = settings
        self.config = config
        self.emulator = emulator
        self.bus = client(settings.bus_url)
        self.processes: list[asyncio.subprocess.Process] = []

    async def p9(self, *arguments: str) -> asyncio.subprocess.Process:
        """Start a `p9` command."""
        environment = {**os.environ, "P9_CONFIG": str(self.config)}
        log = (self.settings.home / f"{arguments[0]}.log").open("ab")
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "p9", *arguments, env=environment, stdout=log, stderr=log
        )
        self.processes.append(process)
        return process

    async def run(self, *arguments: str) -> None:
        """Run a command to its end; it must succeed."""
        process = await self.p9(*arguments)
        code = await process.wait()
        assert code == 0, (self.settings.home / f"{arguments[0]}.log").read_text()[-3000:]

    async def kill(self, process: asyncio.subprocess.Process) -> None:
        """`kill -9`, and wait until it is gone; what it last reported is forgotten."""
        process.send_signal(signal.SIGKILL)
        await process.wait()
        for name in self.bus.scan_iter(match=keys.health("*")):
            self.bus.delete(name)

    async def end(self, process: asyncio.subprocess.Process) -> int:
        """SIGTERM; returns the exit code."""
        process.send_signal(signal.SIGTERM)
        return await asyncio.wait_for(process.wait(), 10)

    async def ready(self, name: str, seconds: float = 30) -> dict[str, object]:
        """Wait until a worker reports that all its subscriptions stand."""
        end = monotonic() + seconds
        while monotonic() < end:
            body = self.bus.get(keys.health(name))
            if isinstance(body, bytes):
                report: dict[str, object] = msgspec.json.decode(body)
                connections = report["connections"]
                assert isinstance(connections, dict)
                if connections and all(facts["up"] and facts["ready"] for facts in connections.values()):
                    return report
            await asyncio.sleep(0.1)
        logs = "\n".join(path.read_text()[-2000:] for path in self.settings.home.glob("*.log"))
        raise AssertionError(f"{name} did not get ready:\n{logs}")

    def entries(self, channel: str) -> list[tuple[str, dict[str, object]]]:
        """All entries of a lossless channel's stream: (id, message)."""
        rows = cast("list[tuple[bytes, dict[bytes, bytes]]]", self.bus.xrange(f"stream:{channel}"))
        return [(key.decode(), msgspec.json.decode(next(iter(fields.values())))) for key, fields in rows]


@asynccontextmanager
async def bench(folder: Path, options: Options, **overrides: object) -> AsyncIterator[Bench]:
    """An installation under `folder`; everything it started ends with it."""
    async with Emulator(options) as emulator:
        venues = {
            name: {"enabled": name in emulator.endpoints, "endpoints": emulator.endpoints.get(name, {})}
            for name in ("binance", "bybit", "okx")
        }
        settings = load(None, **{"home": str(folder), "realm": "emulated", "venues": venues, **overrides})
        config = folder / "config.yaml"
        dump(settings, config)
        server = start_embedded(settings.bus_socket)
        claim(settings.bus_url, "emulated")
        made = Bench(settings, config, emulator)
        try:
            yield made
        finally:
            for process in made.processes:
                if process.returncode is None:
                    process.kill()
                    await process.wait()
            if server is not None:
                server.terminate()
                server.wait(5)
