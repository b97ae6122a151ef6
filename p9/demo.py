"""The demo: emulated venues below, everything else real; then an account of what happened, and whether it is right."""

from __future__ import annotations

import asyncio
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import msgspec
from rich.console import Console

from configs.load import DEFAULT, dump, load
from configs.settings import Settings
from p9.sole import HOME_LOCK, at_home
from p9.summary import Series, Summary, summarise
from p9.supervise import INTERRUPTED, Child, Supervisor, on_signals
from p9.table import follow
from p9.up import Installation
from realtime.bus import end_embedded
from warehouse.clock import OFFSET_ENV, monotonic
from warehouse.errors import ConfigError, FusionError
from warehouse.instruments import timeframe_us

MARKER = ".p9-demo"

BESIDE = ("books", "price_candles", "--timeframe", "1h", "--since", "10d")
"""What of history is fetched while the live part runs: no message waits for it."""


@dataclass(frozen=True)
class Plan:
    """What to show. `lookback` in minutes; `seconds` counts the live part."""

    seconds: float
    seed: int
    tapes: list[Path]
    history: list[Path]
    lookback: int
    home: Path
    venues: list[str]


async def run(plan: Plan) -> int:
    """The whole demo; returns the exit code: 0 when every promise held, 1 when one did not, 130 when it was stopped.

    Raises ConfigError when the folder belongs to something else, or another demo runs there.
    """
    console = Console(soft_wrap=not sys.stdout.isatty())
    stop = asyncio.Event()
    on_signals(stop)
    home = _own(plan.home)
    with at_home(home):
        _empty(home)
        venues = Supervisor(home / "logs", {})
        try:
            summary = await _show(plan, home, venues, console, stop)
        finally:
            await venues.stop()
    if summary is None:
        console.print("stopped before its end: nothing was judged")
        return INTERRUPTED
    summary.show(console)
    return 0 if summary.good else 1


async def _show(plan: Plan, home: Path, venues: Supervisor, console: Console, stop: asyncio.Event) -> Summary | None:
    endpoints = await _emulate(plan, home, venues, stop)
    if endpoints is None:
        return None
    settings, config = _configure(plan, home, endpoints)
    names = [name for name in plan.venues if settings.venues[name].enabled]
    recorded = await asyncio.to_thread(_recorded, plan, settings) if plan.tapes else None
    offset = {OFFSET_ENV: str(endpoints.get("clock_offset_us", 0))}
    usual = Settings.model_fields["trades_lookback_minutes"].default
    source = f"emulated from {len(plan.tapes)} tapes" if plan.tapes else "emulated"
    console.print(f"{source}: {', '.join(names)}; trades of the last {plan.lookback} minutes (p9 up: {usual})")
    async with Installation(settings, config, names, offset) as running:
        await running.join(console, stop)
        if not stop.is_set():
            program = sys.argv[0] if sys.argv[0].endswith("/p9") else "p9"
            console.print(
                f"live for {plan.seconds:.0f} s; look on: P9_HOME={plan.home} {program} watch 'fusion_data:*'"
            )
        fetching = None if plan.tapes else asyncio.create_task(running.once("beside", ["backfill", *BESIDE], stop))
        if fetching is not None and not stop.is_set():
            console.print("meanwhile books, and mark and index candles of 1h for ten days (p9 up: all timeframes)")
        await follow(running, plan.seconds, console, stop)
        if fetching is not None:
            await fetching
        if stop.is_set():
            return None
        memory = running.memory()
        await running.supervisor.end("recorder")
        return summarise(settings, memory, recorded, whole=fetching is not None)


def _own(home: Path) -> Path:
    """The demo's folder, marked as such. Raises ConfigError when it holds something else."""
    if home.exists() and not home.is_dir():
        raise ConfigError(f"{home}: a file; choose another --home")
    if home.exists() and any(home.iterdir()) and not (home / MARKER).exists():
        raise ConfigError(f"{home}: not empty and not made by the demo; choose another --home")
    home.mkdir(parents=True, exist_ok=True)
    (home / MARKER).touch()
    return home.absolute()


def _empty(home: Path) -> None:
    """Remove what an earlier demo left, a bus that outlived it included."""
    end_embedded(load(DEFAULT, home=str(home)).bus_socket)
    for path in home.iterdir():
        if path.name in (MARKER, HOME_LOCK):
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


async def _emulate(plan: Plan, home: Path, venues: Supervisor, stop: asyncio.Event) -> dict[str, object] | None:
    """Start the emulated venues and wait for their endpoints; None when `stop` came first."""
    file = home / "endpoints.json"
    arguments = ["emulate", "--seed", str(plan.seed), "--dir", str(home / "emulator"), "--endpoints", str(file)]
    for path in plan.tapes:
        arguments += ["--tape", str(path)]
    for path in plan.history:
        arguments += ["--history", str(path)]
    arguments += ["--venues", ",".join(plan.venues), "--lookback", str(plan.lookback)]
    arguments += ["--truth", str(home / "truth.jsonl")] if not plan.tapes else []
    child = venues.start(Child("emulator", arguments, once=True))
    end = monotonic() + 60
    while monotonic() < end and not stop.is_set():
        if file.exists():
            found: dict[str, object] = msgspec.json.decode(file.read_bytes())
            return found
        if child.done.is_set():
            break
        await asyncio.sleep(0.1)
    if stop.is_set():
        return None
    raise FusionError(f"the emulated venues did not start:\n{venues.tail('emulator')}")


def _configure(plan: Plan, home: Path, endpoints: dict[str, object]) -> tuple[Settings, Path]:
    """The demo's settings, written where its processes read them."""
    urls = endpoints["endpoints"]
    assert isinstance(urls, dict)
    overrides: dict[str, object] = {
        "home": str(home),
        "realm": "emulated",
        "venues": {
            name: {"enabled": name in plan.venues and name in urls, "endpoints": urls.get(name, {})}
            for name in ("binance", "bybit", "okx")
        },
        "trades_lookback_minutes": plan.lookback,
        "recorder": {"commit_s": 5.0},
    }
    if isinstance(instruments := endpoints.get("instruments"), list):
        overrides["instruments"] = instruments
    settings = load(DEFAULT, **overrides)  # not P9_CONFIG: the demo touches nothing of yours
    dump(settings, home / "config.yaml")
    return settings, home / "config.yaml"


def _recorded(plan: Plan, settings: Settings) -> dict[Series, int]:
    """How many closed candles of each series the recordings behind a tape hold, of those that are kept."""
    from realtime.emulator.recorded import Shelf
    from realtime.emulator.tape import Tape

    folders = tuple(map(str, plan.history))
    tape = Tape.read(plan.tapes, plan.venues, folders)
    rules = list({(rule.venue, rule.instrument): rule for reel in tape.reels for rule in reel.header.rules}.values())
    shelf = Shelf.read(folders, rules, tape.start)
    found: dict[Series, int] = {}
    for rule in rules:
        for timeframe in settings.timeframes:
            span = timeframe_us(timeframe)
            closed = tape.start // span * span
            bars = shelf.candles(rule, timeframe, closed - settings.candles_depth * span, closed)
            found[rule.venue, rule.instrument, timeframe] = len(bars)
    return found
