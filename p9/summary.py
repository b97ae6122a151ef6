"""What a run left behind, read from the lake and the bus, and whether the promises held."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec
import redis

from configs.settings import Settings
from realtime.bus import client

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

Row = list[str]
Sheet = tuple[str, Row, list[Row]]
Series = tuple[str, str, str]
"""Venue, instrument and timeframe of candles."""

EXPECTED_SEAM = {"binance": "proven", "okx": "proven", "bybit": "supported"}


@dataclass
class Summary:
    """Facts of one run. `faults` lists the promises that did not hold, in words; empty when all is well."""

    tables: list[Row] = field(default_factory=list)
    lake: str = "lake"
    recorded: list[Row] = field(default_factory=list)
    channels: list[Row] = field(default_factory=list)
    seams: list[Row] = field(default_factory=list)
    gaps: list[Row] = field(default_factory=list)
    memory: list[Row] = field(default_factory=list)
    notes: list[Row] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        return not self.faults

    def sheets(self) -> list[Sheet]:
        """The summary as tables: title, column heads, rows."""
        candles = (
            "candles",
            ["venue", "instrument", "timeframe", "in the lake", "recorded before the tape"],
            self.recorded,
        )
        return [
            (self.lake, ["table", "rows"], self.tables),
            *([candles] if self.recorded else []),
            ("messages per channel", ["channel", "instruments", "produced", "complete now"], self.channels),
            (
                "seam certificates",
                ["venue", "instrument", "state", "common", "missing", "differing", "why"],
                self.seams,
            ),
            (
                "gaps that are neither repaired nor legitimate",
                ["venue", "instrument", "stream", "state", "why"],
                self.gaps,
            ),
            ("what the venues do not serve", ["dataset", "venue", "series", "note"], self.notes),
            ("resident memory", ["process", "MiB"], self.memory),
        ]


def summarise(settings: Settings, memory: dict[str, int], recorded: Mapping[Series, int] | None = None) -> Summary:
    """Read lake and bus. The lake must exist; the bus must still answer.

    `recorded` says how many candles the venues had to give of each series; None: as many as were asked for.
    """
    import warehouse

    summary = Summary()
    lake = warehouse.connect(settings.lake_root)
    for (name,) in lake.execute("select table_name from information_schema.tables order by 1").fetchall():
        if name in _tables():
            summary.tables.append([name, f"{lake.execute(f'select count(*) from {name}').fetchall()[0][0]:,}"])
    _candles(lake, settings, summary, recorded)
    _seams(lake, settings, summary)
    _gaps(lake, summary)
    for dataset, venue, count, note in lake.execute(
        "select dataset, venue, count(distinct instrument), note from coverage where note is not null "
        "group by all order by all"
    ).fetchall():
        summary.notes.append([dataset, venue, str(count), note])
    _channels(settings, summary)
    summary.memory = [[name, str(mib)] for name, mib in memory.items()]
    return summary


def _tables() -> list[str]:
    from warehouse.tables import TABLES

    return [table.name for table in TABLES]


def _candles(
    lake: DuckDBPyConnection, settings: Settings, summary: Summary, recorded: Mapping[Series, int] | None
) -> None:
    depth = settings.candles_depth
    rows = lake.execute("select venue, instrument, timeframe, count(*) from candles group by all").fetchall()
    held: dict[Series, int] = {(row[0], row[1], row[2]): row[3] for row in rows}
    series = [(x.venue, x.instrument, frame) for x in settings.listings() for frame in settings.timeframes]
    whole = sum(1 for one in series if held.get(one, 0) >= depth)
    if recorded is None:
        summary.lake = f"lake: {whole} of {len(series)} candle series hold {depth} closed candles"
        if whole < len(series):
            summary.faults.append(f"{whole} of {len(series)} candle series hold {depth} candles")
        return
    summary.lake = "lake: candles as they were recorded, fewer than were asked for"
    for (venue, name, frame), count in recorded.items():
        rows_held = held.get((venue, name, frame), 0)
        summary.recorded.append([venue, name, frame, f"{rows_held:,}", f"{count:,}" if count else "none"])
        if rows_held < count:
            summary.faults.append(f"{venue} {name} {frame}: {rows_held} candles, {count} were recorded")


def _seams(lake: DuckDBPyConnection, settings: Settings, summary: Summary) -> None:
    rows = lake.execute(
        "select venue, instrument, state, common, missing, differing, coalesce(reason, '') from seams_latest"
    ).fetchall()
    found = {(row[0], row[1]): row for row in rows}
    for listing in settings.listings():
        row = found.get((listing.venue, listing.instrument))
        if row is None:
            summary.faults.append(f"{listing.venue} {listing.instrument}: no seam certificate")
            continue
        summary.seams.append([str(cell) for cell in row])
        if row[2] != EXPECTED_SEAM[listing.venue]:
            summary.faults.append(f"{listing.venue} {listing.instrument}: seam {row[2]}: {row[6]}")


def _gaps(lake: DuckDBPyConnection, summary: Summary) -> None:
    for row in lake.execute(
        "select venue, instrument, stream, state, coalesce(reason, cause) from gaps_open order by all"
    ).fetchall():
        summary.gaps.append([str(cell) for cell in row])
        summary.faults.append(f"{row[0]} {row[1]}: {row[2]} gap {row[3]}: {row[4]}")


def _channels(settings: Settings, summary: Summary) -> None:
    """Counts per kind of channel from the newest message of each, whose `seq` is how many there were."""
    bus = client(settings.bus_url)
    counts: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
    fused = 0
    try:
        names = sorted(bus.scan_iter(match="last:*"))
        bodies = bus.mget(names) if names else []
    except redis.RedisError as error:
        summary.faults.append(f"bus: {error}")
        return
    for body in bodies:
        if not isinstance(body, bytes):
            continue
        message = msgspec.json.decode(body)
        kind = str(message["channel"]).partition(":")[0]
        counts[kind][0] += 1
        counts[kind][1] += int(message["seq"])
        counts[kind][2] += bool(message["complete"])
        if kind == "fusion_data":
            fused += 1
            if message["source"] != settings.realm:
                summary.faults.append(f"{message['channel']}: source {message['source']!r} in a {settings.realm} realm")
    for stream in sorted(bus.scan_iter(match="stream:*")):
        kind = stream.decode().split(":")[1]
        if kind not in ("candles",):
            counts[kind][0] += 1
            counts[kind][1] += int(bus.xlen(stream))
    summary.channels = [[kind, str(n), f"{sent:,}", f"{whole}"] for kind, (n, sent, whole) in sorted(counts.items())]
    if fused < len(settings.listings()):
        summary.faults.append(f"fused messages for {fused} of {len(settings.listings())} instruments")
