"""The demo: emulated venues below, everything else real; then an account of what happened, and whether it is right."""

from __future__ import annotations

import asyncio
import shutil
from dataclasses import dataclass
from pathlib import Path

import msgspec
import psutil
import structlog
from rich.console import Console
from rich.table import Table

from configs.load import dump, load
from configs.settings import Settings
from p9.summary import Series, Summary, summarise
from p9.supervise import Child, Supervisor, on_signals
from p9.up import Installation
from warehouse.clock import OFFSET_ENV, monotonic
from warehouse.errors import ConfigError, FusionError
from warehouse.instruments import timeframe_us

log = structlog.get_logger()

MARKER = ".p9-demo"


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
    """The whole demo; returns the exit code. Raises ConfigError when the folder belongs to something else."""
    console = Console()
    stop = asyncio.Event()
    on_signals(stop)
    home = _fresh(plan.home)
    venues = Supervisor(home / "logs", {})
    try:
        endpoints = await _emulate(plan, home, venues, stop)
        settings, config = _configure(plan, home, endpoints)
        names = [name for name in plan.venues if settings.venues[name].enabled]
        recorded = await asyncio.to_thread(_recorded, plan, settings) if plan.tapes else None
        offset = {OFFSET_ENV: str(endpoints.get("clock_offset_us", 0))}
        usual = Settings.model_fields["trades_lookback_minutes"].default
        profile = f"trades of the last {plan.lookback} minutes (p9 up: {usual})"
        source = f"emulated from {len(plan.tapes)} tapes" if plan.tapes else "emulated"
        console.print(f"{source}: {', '.join(names)}; profile: {profile}")
        async with Installation(settings, config, names, offset) as running:
            missing = await running.until_ready(60, stop)
            if missing and not stop.is_set():
                words = "\n".join(f"{name}: {running.supervisor.tail(name, 4)}" for name in missing)
                raise FusionError(f"not ready after 60 s: {', '.join(missing)}\n{words}")
            started = monotonic()
            console.print("workers connected and journaling; backfilling history")
            await running.once("backfill", ["backfill", "all"], stop)
            await running.once("structure", ["structure"], stop)
            console.print(f"history joined after {monotonic() - started:.0f} s; live for {plan.seconds:.0f} s")
            await _live(plan, running, console, stop)
            memory = _memory(running)
            await running.supervisor.end("recorder")
            summary = summarise(settings, memory, recorded)
        show(console, summary)
        return 0 if summary.good or stop.is_set() else 1
    finally:
        await venues.stop()


def _fresh(home: Path) -> Path:
    """An empty home folder; an old one of the demo is removed, anything else is left alone."""
    if home.exists() and any(home.iterdir()):
        if not (home / MARKER).exists():
            raise ConfigError(f"{home}: not empty and not made by the demo; choose another --home")
        shutil.rmtree(home)
    home.mkdir(parents=True, exist_ok=True)
    (home / MARKER).touch()
    return home.absolute()


async def _emulate(plan: Plan, home: Path, venues: Supervisor, stop: asyncio.Event) -> dict[str, object]:
    """Start the emulated venues and wait for their endpoints."""
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
    settings = load(None, **overrides)
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


async def _live(plan: Plan, running: Installation, console: Console, stop: asyncio.Event) -> None:
    """The live part: a table of fused numbers on a terminal, a line every ten seconds elsewhere."""
    from rich.live import Live

    from p9.table import fused

    end = monotonic() + plan.seconds
    url = running.settings.bus_url
    if console.is_terminal:
        with Live(fused(url), console=console, refresh_per_second=2, transient=True) as live:
            while monotonic() < end and not stop.is_set():
                await asyncio.sleep(0.5)
                live.update(await asyncio.to_thread(fused, url))
        return
    while monotonic() < end and not stop.is_set():
        await asyncio.sleep(min(10.0, max(0.0, end - monotonic())))
        produced = sum(_count(report) for report in running.reports().values())
        console.print(f"{max(0.0, end - monotonic()):4.0f} s left; {produced} messages produced")


def _count(report: dict[str, object]) -> int:
    messages = report.get("messages")
    return int(messages["produced"]) if isinstance(messages, dict) else 0


def _memory(running: Installation) -> dict[str, int]:
    """Resident memory per process now, MiB."""
    found = {}
    for name, child in running.supervisor.children.items():
        if child.pid is not None:
            try:
                found[name] = psutil.Process(child.pid).memory_info().rss >> 20
            except psutil.NoSuchProcess:
                continue
    return found


def show(console: Console, summary: Summary) -> None:
    """Print a summary for people."""
    for title, heads, rows in summary.sheets():
        table = Table(*heads, title=title, title_justify="left")
        for row in rows:
            table.add_row(*row)
        console.print(table)
    for fault in summary.faults:
        console.print(f"[red]not right:[/red] {fault}")
    console.print("all promises held" if summary.good else f"{len(summary.faults)} promises did not hold")
