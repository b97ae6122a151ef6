"""Child processes: started, restarted with growing pauses when they die, ended together within five seconds."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import psutil
import structlog

from warehouse.guard import PARENT

log = structlog.get_logger()

T = TypeVar("T")

INTERRUPTED = 130
"""Exit code of what was stopped before it had done what it was asked for."""

GRACE_S = 2.5
"""How long children may take to end by themselves, seconds."""

LAST_S = 1.5
"""How long those that end last may take after that."""


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
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when it must not be started again."""

    @property
    def pid(self) -> int | None:
        """Its process while it runs, else None."""
        return self.process.pid if self.process and self.process.returncode is None else None


class Supervisor:
    """Runs children until told to stop; each writes its output to `logs/{name}.log`."""

    def __init__(self, logs: Path, environment: Mapping[str, str]) -> None:
        self.logs = logs
        self.environment = {**os.environ, **environment, PARENT: str(os.getpid())}
        self.children: dict[str, Child] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._stopping = False
        self._starting = asyncio.Lock()
        logs.mkdir(parents=True, exist_ok=True)

    def start(self, child: Child) -> Child:
        """Begin to supervise a child."""
        self.children[child.name] = child
        self._tasks[child.name] = asyncio.create_task(self._keep(child))
        return child

    async def _keep(self, child: Child) -> None:
        pause = child.first_pause
        while True:
            process, why = None, ""
            async with self._starting:  # so that nothing is half started when `stop` or `end` looks around
                if self._stopping or child.ended.is_set():
                    break
                try:
                    process = child.process = await self._begin(child)
                except OSError as error:  # no process to be had, or no log: both may be had again in a while
                    why = str(error)
            if process is None:
                log.error("child_not_started", child=child.name, why=why, again_in_s=round(pause, 1))
            else:
                child.starts += 1
                started = asyncio.get_running_loop().time()
                child.code = await process.wait()
                if child.once or self._stopping or child.ended.is_set():
                    break
                lived = asyncio.get_running_loop().time() - started
                pause = child.first_pause if lived > 30 else pause
                log.warning("child_died", child=child.name, code=child.code, restart_in_s=round(pause, 1))
            try:
                await asyncio.wait_for(child.ended.wait(), pause)
            except TimeoutError:
                pass  # the pause is over
            pause = min(pause * 2, 60.0)
        child.done.set()

    async def _begin(self, child: Child) -> asyncio.subprocess.Process:
        """Start its process. Raises OSError when the system has none to give, or the log cannot be written."""
        with (self.logs / f"{child.name}.log").open("ab") as out:
            return await asyncio.create_subprocess_exec(
                sys.executable, "-m", "p9", *child.arguments, stdin=asyncio.subprocess.DEVNULL, stdout=out,
                stderr=out, env=self.environment, start_new_session=True,
            )  # fmt: skip

    def tail(self, name: str, lines: int = 8) -> str:
        """The last lines a child wrote."""
        path = self.logs / f"{name}.log"
        return "\n".join(path.read_text(errors="replace").splitlines()[-lines:]) if path.exists() else ""

    async def end(self, name: str) -> None:
        """End one child for good, so that what it holds is written; one that waits to be restarted stays ended."""
        child = self.children[name]
        async with self._starting:
            child.ended.set()
        await _end([child], GRACE_S + LAST_S)

    async def stop(self, last: Sequence[str] = ()) -> None:
        """End all children: everything but `last` at once, then `last`, which write what the others left.

        Whoever lingers is killed, with everything it started.
        """
        async with self._starting:
            self._stopping = True
        children = list(self.children.values())
        await _end([child for child in children if child.name not in last], GRACE_S)
        await _end([child for child in children if child.name in last], LAST_S)
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)


async def _end(children: list[Child], seconds: float) -> None:
    """SIGTERM to each child, and SIGKILL after `seconds` to what is left of it and of all that it started."""
    families = [family for child in children if child.pid is not None for family in _family(child.pid)]
    waiting = []
    for child in children:
        if child.process is not None and child.pid is not None:
            _signal_group(child.pid, signal.SIGTERM)
            waiting.append(asyncio.create_task(child.process.wait()))
    if waiting:
        await asyncio.wait(waiting, timeout=seconds)
    for child in children:
        if child.process is not None:
            _signal_group(child.process.pid, signal.SIGKILL)
    for process in families:
        try:
            process.kill()  # psutil compares the start time: never a stranger with a reused number
        except psutil.NoSuchProcess:
            continue
    if waiting:
        await asyncio.wait(waiting, timeout=1.0)


def _family(pid: int) -> list[psutil.Process]:
    """A process and all its descendants, of whatever group."""
    try:
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _signal_group(pid: int, what: signal.Signals) -> None:
    try:
        os.killpg(pid, what)
    except (ProcessLookupError, PermissionError):
        pass  # ended already, or ended and its number is another's by now


def on_signals(stop: asyncio.Event) -> None:
    """Set `stop` on SIGINT, SIGTERM, and SIGHUP (a closed terminal)."""
    loop = asyncio.get_running_loop()
    for what in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(what, stop.set)


async def unless(stop: asyncio.Event, work: Awaitable[T]) -> T | None:
    """What `work` returns; None when `stop` came first: then `work` is cancelled, and ends in peace or raises."""
    working, stopping = asyncio.ensure_future(work), asyncio.create_task(stop.wait())
    await asyncio.wait([working, stopping], return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if working.done():
        return working.result()
    working.cancel()
    try:
        await working
    except asyncio.CancelledError:
        pass  # as asked
    return None
