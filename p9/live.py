"""The main job on the venues that the settings name."""

from __future__ import annotations

import asyncio
import sys

from rich.console import Console

from configs.load import dump
from configs.settings import Settings
from p9.probe import probe
from p9.sole import at_home
from p9.summary import Summary, summarise
from p9.supervise import INTERRUPTED, Child, on_signals, unless
from p9.table import follow
from p9.up import Installation


async def run(settings: Settings, seconds: float | None) -> int:
    """Everything for `seconds` after history has been joined (None: until a signal); returns the exit code.

    Raises ConfigError when this installation runs already, or its folder cannot be written.
    """
    console = Console(soft_wrap=not sys.stdout.isatty())
    stop = asyncio.Event()
    on_signals(stop)
    with at_home(settings.home):
        venues = await _reachable(settings, console, stop)
        if venues == []:
            console.print("no venue can be reached. What the whole system does without a network: p9 demo")
            return 1
        summary = await _run(settings, venues, seconds, console, stop) if venues else None
    if seconds is None:
        return 0
    if summary is None:
        console.print("stopped before its end: nothing was judged")
        return INTERRUPTED
    summary.show(console)
    return 0 if summary.good else 1


async def _reachable(settings: Settings, console: Console, stop: asyncio.Event) -> list[str] | None:
    """The venues that answer; each is named, with the reason when it does not. None when `stop` came first."""
    found = await unless(stop, probe(settings))
    if found is None:
        return None
    for venue, why in found.items():
        console.print(f"{venue}: {why or 'reachable'}", markup=False, highlight=False)
    venues = [venue for venue, why in found.items() if not why]
    if venues and len(venues) < len(found):
        console.print(f"going on with {', '.join(venues)}; start again to take in the others")
    return venues


async def _run(
    settings: Settings, venues: list[str], seconds: float | None, console: Console, stop: asyncio.Event
) -> Summary | None:
    switched = {
        name: one.model_copy(update={"enabled": name in venues}) for name, one in settings.venues.items()
    }  # not left out: the defaults would bring them back
    used = settings.model_copy(update={"venues": switched})
    file = settings.home.absolute() / "up.yaml"
    dump(used, file)
    async with Installation(used, file, venues, {}) as running:
        await running.join(console, stop, forgiving=True)
        running.supervisor.start(Child("flows", ["flows", "serve"]))
        if not stop.is_set():
            console.print(f"live{'' if seconds is None else f' for {seconds:.0f} s'}; logs: {settings.home}/logs")
        await follow(running, seconds, console, stop)
        if stop.is_set() or seconds is None:
            return None
        memory = running.memory()
        await running.supervisor.end("recorder")
        return summarise(used, memory)
