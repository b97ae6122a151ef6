"""The live table: the newest fused message of every instrument."""

from __future__ import annotations

import msgspec
import redis
from rich.table import Table

from realtime.bus import client


def _cell(message: dict[str, object], name: str, digits: int) -> str:
    value = message.get(name)
    if isinstance(value, float | int):
        return f"{value:,.{digits}f}"
    reasons = message.get("reasons")
    return str(reasons.get(name, "")) if isinstance(reasons, dict) else ""


def fused(url: str) -> Table:
    """One row per instrument, read from the `last:` keys of `fusion_data`."""
    columns = ("channel", "mid_price", "spread_bps", "micro_price", "cvd_1m", "vwap_z_15m", "complete")
    table = Table(*columns, title="fusion_data, newest per instrument")
    try:
        bus = client(url)
        names = sorted(bus.scan_iter(match="last:fusion_data:*"))
        bodies = bus.mget(names) if names else []
    except redis.RedisError as error:
        table.add_row(f"bus: {error}", *[""] * (len(columns) - 1))
        return table
    for body in bodies:
        if isinstance(body, bytes):
            message = msgspec.json.decode(body)
            table.add_row(
                str(message["channel"]).removeprefix("fusion_data:"),
                _cell(message, "mid_price", 4),
                _cell(message, "spread_bps", 2),
                _cell(message, "micro_price", 4),
                _cell(message, "cvd_1m", 3),
                _cell(message, "vwap_z_15m", 2),
                "yes" if message["complete"] else "no",
            )
    return table
