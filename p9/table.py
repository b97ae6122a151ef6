"""What is shown while the live side runs: the newest fused message of every instrument, or lines where nobody looks."""

from __future__ import annotations

import asyncio

import msgspec
import redis
from rich.console import Console
from rich.live import Live
from rich.table import Table

from p9.up import Installation
from realtime.bus import client
from warehouse.clock import monotonic

COLUMNS = (("mid_price", 4), ("spread_bps", 2), ("cvd_1m", 3), ("vwap_z_1m", 2))
"""Fields of `fusion_data` that fit beside each other in 80 columns, and their decimals."""

EVERY_S = 10.0
"""Seconds between two lines."""


async def follow(running: Installation, seconds: float | None, console: Console, stop: asyncio.Event) -> None:
    """Show the live side until `seconds` have passed (None: for ever) or `stop` is set.

    A table on a terminal; elsewhere a line every ten seconds of a limited time, and nothing of an unlimited one.
    """
    end = monotonic() + seconds if seconds is not None else None
    url = running.settings.bus_url

    async def pause(most: float) -> bool:
        """Wait; False when it is over."""
        left = most if end is None else min(most, end - monotonic())
        try:
            await asyncio.wait_for(stop.wait(), max(0.0, left))
        except TimeoutError:
            return end is None or monotonic() < end
        return False

    if console.is_terminal:
        with Live(fused(url), console=console, refresh_per_second=2, transient=True) as live:
            while await pause(0.5):
                live.update(await asyncio.to_thread(fused, url))
    elif end is None:
        await stop.wait()
    else:
        while await pause(EVERY_S):
            console.print(f"{max(0.0, end - monotonic()):4.0f} s left; {running.produced():,} messages produced")


def _cell(message: dict[str, object], name: str, digits: int) -> str:
    value = message.get(name)
    if isinstance(value, float | int):
        return f"{value:,.{digits}f}"
    reasons = message.get("reasons")
    return str(reasons.get(name, "")) if isinstance(reasons, dict) else ""


def fused(url: str) -> Table:
    """One row per instrument, read from the `last:` keys of `fusion_data`."""
    table = Table(title="fusion_data, newest per instrument", title_justify="left", box=None, padding=(0, 1))
    table.add_column("channel", no_wrap=True)
    for name, _ in COLUMNS:
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("complete")
    try:
        bus = client(url)
        names = sorted(bus.scan_iter(match="last:fusion_data:*"))
        bodies = bus.mget(names) if names else []
    except redis.RedisError as error:
        table.add_row(f"bus: {error}")
        return table
    for body in bodies:
        if isinstance(body, bytes):
            message = msgspec.json.decode(body)
            table.add_row(
                str(message["channel"]).removeprefix("fusion_data:"),
                *(_cell(message, name, digits) for name, digits in COLUMNS),
                "yes" if message["complete"] else "no",
            )
    return table
