"""Child processes: started, restarted with backoff when they die, ended together within five seconds."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import structlog

log = structlog.get_logger()

GRACE_S = 4.0
"""How long a child may take to end by itself, seconds."""


@dataclass
class Child:
    """One command of ours. `once` children are not restarted; `first_pause` delays the first restart, seconds."""

    name: str
    arguments: list[str]
    once: bool = False
    first_pause: float = 0.5
    starts: int = 0
    process: asyncio.subprocess.Process | None = None
    code: int | None = None
    done: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def pid(self) -> int | None:
        return self.process.pid if self.process and self.process.returncode is None else None


class Supervisor:
    """Runs children until told to stop; each writes its output to `logs/{name}.log`."""

    def __init__(self, logs: Path, environment: Mapping[str, str]) -> None:
        self.logs = logs
        self.environment = {**os.environ, **environment}
        self.children: dict[str, Child] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._stopping = False
        logs.mkdir(parents=True, exist_ok=True)

    def start(self, child: Child) -> Child:
        """Begin to supervise a child."""
        self.children[child.name] = child
        self._tasks[child.name] = asyncio.create_task(self._keep(child))
        return child

    async def _keep(self, child: Child) -> None:
        pause = child.first_pause
        while not self._stopping:
            with (self.logs / f"{child.name}.log").open("ab") as out:
                child.process = await asyncio.create_subprocess_exec(
                    sys.executable, "-m", "p9", *child.arguments, stdout=out, stderr=out, env=self.environment,
                    start_new_session=True,
                )  # fmt: skip
                child.starts += 1
                started = asyncio.get_running_loop().time()
                child.code = await child.process.wait()
            if child.once or self._stopping:
                break
            log.warning("child_died", child=child.name, code=child.code, restart_in_s=round(pause, 1))
            lived = asyncio.get_running_loop().time() - started
            pause = child.first_pause if lived > 30 else min(pause * 2, 60.0)
            await asyncio.sleep(pause)
        child.done.set()

    def tail(self, name: str, lines: int = 8) -> str:
        """The last lines a child wrote."""
        path = self.logs / f"{name}.log"
        return "\n".join(path.read_text(errors="replace").splitlines()[-lines:]) if path.exists() else ""

    async def end(self, name: str) -> None:
        """End one child for good, so that what it holds is written."""
        child = self.children[name]
        child.once = True
        await self._end([child])

    async def stop(self, order: list[str] | None = None) -> None:
        """End all children: the named ones first, one after another, then the rest; whoever lingers is killed."""
        self._stopping = True
        for name in order or []:
            if name in self.children:
                await self._end([self.children[name]])
        await self._end(list(self.children.values()))
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def _end(self, children: list[Child]) -> None:
        alive = [child for child in children if child.pid is not None]
        for child in alive:
            _signal(child, signal.SIGTERM)
        waiting = [asyncio.create_task(child.process.wait()) for child in alive if child.process]
        if waiting:
            await asyncio.wait(waiting, timeout=GRACE_S)
        for child in alive:
            _signal(child, signal.SIGKILL)


def _signal(child: Child, what: signal.Signals) -> None:
    """Signal the child's whole process group, so that nothing it started is left running."""
    if child.process is None:
        return
    try:
        os.killpg(child.process.pid, what)
    except ProcessLookupError:
        pass


def on_signals(stop: asyncio.Event) -> None:
    """Set `stop` on SIGINT and SIGTERM."""
    loop = asyncio.get_running_loop()
    for what in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(what, stop.set)
