"""What a run left behind, read from the lake and the bus, and whether the promises held."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import msgspec
import redis
from rich.markup import escape

from configs.settings import Settings
from realtime.bus import client
from warehouse.instruments import timeframe_us

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection
    from rich.console import Console

Row = list[str]
Sheet = tuple[str, Row, list[Row], list[str]]
"""A table for people: its title, column heads, rows, and lines below it."""

Series = tuple[str, str, str]
"""Venue, instrument and timeframe of candles."""

EXPECTED_SEAM = {"binance": "proven", "okx": "proven", "bybit": "supported"}


@dataclass
class Summary:
    """Facts of one run. `faults` lists the promises that did not hold, in words; empty when all is well."""

    lake: str = "lake"
    tables: list[Row] = field(default_factory=list)
    recorded: list[Row] = field(default_factory=list)
    channels: list[Row] = field(default_factory=list)
    seams: list[Row] = field(default_factory=list)
    seam_reasons: list[str] = field(default_factory=list)
    gaps: list[Row] = field(default_factory=list)
    audits: str = "audits"
    memory: list[Row] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        """Whether every promise held."""
        return not self.faults

    def sheets(self) -> list[Sheet]:
        """The summary as tables; one without rows is only its title and lines."""
        gaps = "gaps that are neither repaired nor legitimate"
        seam_heads = ["venue", "instrument", "state", "common", "missing", "differing"]
        sheets: list[Sheet] = [
            (self.lake, ["table", "rows"], self.tables, []),
            ("messages per channel", ["channel", "instruments", "produced", "complete now"], self.channels, []),
            ("seam certificates: trades in history and tape", seam_heads, self.seams, self.seam_reasons),
            (gaps if self.gaps else f"{gaps}: none", ["venue", "instrument", "stream", "state", "why"], self.gaps, []),
            (self.audits, [], [], []),
            ("resident memory", ["process", "MiB"], self.memory, []),
        ]
        if self.recorded:
            heads = ["venue", "instrument", "timeframe", "in the lake", "recorded before the tape"]
            sheets.insert(1, ("candles", heads, self.recorded, []))
        if self.notes:
            sheets.insert(-1, ("what the venues do not serve", [], [], self.notes))
        return sheets

    def show(self, console: Console) -> None:
        """Print it for people."""
        from rich.box import SIMPLE_HEAD
        from rich.padding import Padding
        from rich.table import Table
        from rich.text import Text

        for title, heads, rows, lines in self.sheets():
            console.print(f"\n[bold]{title}[/bold]")
            if rows:
                table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
                for at, head in enumerate(heads):
                    number = all(row[at].replace(",", "").isdigit() for row in rows)
                    table.add_column(head, justify="right" if number else "left", overflow="fold")
                for row in rows:
                    table.add_row(*row)
                console.print(table)
            for line in lines:
                console.print(Text(f"  {line}") if console.soft_wrap else Padding(Text(line), (0, 0, 0, 2)))
        console.print()
        for fault in self.faults:
            console.print(f"[red]not right:[/red] {escape(fault)}")
        console.print("all promises held" if self.good else f"{len(self.faults)} promises did not hold")


def summarise(
    settings: Settings,
    memory: dict[str, int],
    recorded: Mapping[Series, int] | None = None,
    *,
    whole: bool = False,
) -> Summary:
    """Read lake and bus. The lake must exist; the bus must still answer.

    `recorded` says how many candles the venues had to give of each series; None: as many as were asked for. `whole`:
    seeded markets, where every channel must have spoken, and every book was asked for too, and every perpetual's mark
    and index candles.
    """
    from warehouse.reading import connect

    summary = Summary()
    lake = connect(settings.lake_root, settings.lake.storage_options)
    for (name,) in lake.execute("select table_name from information_schema.tables order by 1").fetchall():
        if name in _tables():
            summary.tables.append([name, f"{lake.execute(f'select count(*) from {name}').fetchall()[0][0]:,}"])
    _candles(lake, settings, summary, recorded)
    if whole:
        _beside(lake, settings, summary)
    _seams(lake, settings, summary)
    _gaps(lake, summary)
    _audits(lake, summary)
    for dataset, venue, count, note in lake.execute(
        "select dataset, venue, count(distinct instrument), note from outcomes where note is not null "
        "group by all order by all"
    ).fetchall():
        summary.notes.append(f"{venue} {dataset} ({count} instrument{'s' * (count > 1)}): {note}")
    _channels(settings, summary, whole=whole)
    summary.memory = [[name, str(mib)] for name, mib in memory.items()]
    return summary


def _tables() -> list[str]:
    from warehouse.tables import TABLES

    return [table.name for table in TABLES]


def _candles(
    lake: DuckDBPyConnection, settings: Settings, summary: Summary, recorded: Mapping[Series, int] | None
) -> None:
    depth = settings.candles_depth
    rows = lake.execute("select venue, instrument, timeframe, count(*) from candles where closed group by all")
    held: dict[Series, int] = {(row[0], row[1], row[2]): row[3] for row in rows.fetchall()}
    if recorded is not None:
        summary.lake = "lake: candles as they were recorded, fewer than were asked for"
        for (venue, name, frame), count in recorded.items():
            rows_held = held.get((venue, name, frame), 0)
            summary.recorded.append([venue, name, frame, f"{rows_held:,}", f"{count:,}" if count else "none"])
            if rows_held < count:
                summary.faults.append(f"{venue} {name} {frame}: {rows_held} candles, {count} were recorded")
        return
    series = [(x.venue, x.instrument, frame) for x in settings.listings() for frame in settings.timeframes]
    short = [one for one in series if held.get(one, 0) < depth]
    whole = f"{len(series) - len(short)} of {len(series)} candle series hold {depth} closed candles"
    summary.lake = f"lake: {whole}"
    young = _answered(lake, depth) if settings.realm == "live" else set()
    if explained := [one for one in short if one in young]:
        summary.lake += f"; {len(explained)} more hold all that the venue has"
    if len(explained) < len(short):
        summary.faults.append(whole)


def _answered(lake: DuckDBPyConnection, depth: int) -> set[Series]:
    """Series for which the venue has answered the whole range that `depth` bars take: it has no more of them."""
    rows = lake.execute(
        'select venue, instrument, timeframe, epoch_us(min(start)), epoch_us(max("end")) from coverage '
        "where dataset = 'candles' group by all"
    ).fetchall()
    return {(row[0], row[1], row[2]) for row in rows if row[4] - row[3] >= depth * timeframe_us(row[2])}


def _beside(lake: DuckDBPyConnection, settings: Settings, summary: Summary) -> None:
    books = lake.execute("select count(distinct (venue, instrument)) from books where origin = 'rest'").fetchall()[0][0]
    prices = lake.execute("select count(distinct (venue, instrument, kind)) from price_candles").fetchall()[0][0]
    listings = settings.listings()
    perps = sum(one.market == "perp" for one in listings)
    for what, held, wanted in (("books", books, len(listings)), ("mark and index prices", prices, 2 * perps)):
        whole = f"{held} of {wanted} {what} fetched"
        summary.lake += f"; {whole}"
        if held < wanted:
            summary.faults.append(whole)


def _seams(lake: DuckDBPyConnection, settings: Settings, summary: Summary) -> None:
    rows = lake.execute(
        "select venue, instrument, state, common, missing, differing, coalesce(reason, '') from seams_latest"
    ).fetchall()
    found = {(row[0], row[1]): row for row in rows}
    reasons: dict[tuple[str, str, str], int] = defaultdict(int)
    for listing in settings.listings():
        row = found.get((listing.venue, listing.instrument))
        if row is None:
            summary.faults.append(f"{listing.venue} {listing.instrument}: no seam certificate")
            continue
        summary.seams.append([str(cell) for cell in row[:6]])
        if row[6]:
            reasons[row[0], row[2], row[6]] += 1
        if row[2] != EXPECTED_SEAM[listing.venue]:
            summary.faults.append(f"{listing.venue} {listing.instrument}: seam {row[2]}: {row[6]}")
    summary.seam_reasons = [f"{venue}: {n} {state}, not more: {why}" for (venue, state, why), n in reasons.items()]


def _gaps(lake: DuckDBPyConnection, summary: Summary) -> None:
    for row in lake.execute(
        "select venue, instrument, stream, state, coalesce(reason, cause) from gaps_open order by all"
    ).fetchall():
        summary.gaps.append([str(cell) for cell in row])
        summary.faults.append(f"{row[0]} {row[1]}: {row[2]} gap {row[3]}: {row[4]}")


def _audits(lake: DuckDBPyConnection, summary: Summary) -> None:
    from warehouse.reading import audits

    found = audits(lake)
    bad = [(name, count, rows) for name, count, rows in found if count]
    summary.audits = f"audits: {len(found) - len(bad)} of {len(found)} pass"
    summary.faults += [f"audit {name}: {count} rows, first {rows[0]}" for name, count, rows in bad]


def _channels(settings: Settings, summary: Summary, whole: bool) -> None:
    """Counts per kind of channel from the newest message of each, whose `seq` is how many there were.

    `whole`: the venues have every feed, so that no channel may be silent.
    """
    bus = client(settings.bus_url)
    try:
        newest = _newest(bus)
    except redis.RedisError as error:
        summary.faults.append(f"bus: {error}")
        return
    counts: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
    fused = 0
    for message in newest:
        kind = str(message["channel"]).partition(":")[0]
        counts[kind][0] += 1
        counts[kind][1] += int(message["seq"])
        counts[kind][2] += bool(message["complete"])
        fused += kind == "fusion_data"
        if message["source"] != settings.realm:
            summary.faults.append(
                f"{message['channel']}: source {message['source']!r}, but the realm is {settings.realm}"
            )
    summary.channels = [[kind, str(n), f"{sent:,}", str(good)] for kind, (n, sent, good) in sorted(counts.items())]
    if fused < len(settings.listings()):
        summary.faults.append(f"fused messages for {fused} of {len(settings.listings())} instruments")
    if whole:
        summary.faults += silent(settings, {str(message["channel"]) for message in newest})


def silent(settings: Settings, heard: Container[str]) -> list[str]:
    """Of each kind of channel that an emulated market fills: which of them carried no message, in words.

    Liquidations and large orders are rare: one instrument of each venue must have had one.
    """
    from realtime.channels import CHANNELS, channel

    listings = settings.listings()
    perps = [one for one in listings if one.market == "perp"]
    faults = []
    for kind in CHANNELS:
        concerned = perps if "{pair}" in kind.template else listings
        frames = settings.timeframes if "{timeframe}" in kind.template else ("",)
        names = list(dict.fromkeys(channel(kind.name, one, frame) for one in concerned for frame in frames))
        missing = [name for name in names if name not in heard]
        if kind.name in ("liquidations", "whale_detection"):
            venues = dict.fromkeys(one.venue for one in concerned)
            missing = [
                f"{kind.name}:{venue}:*"
                for venue in venues
                if all(channel(kind.name, one) in missing for one in concerned if one.venue == venue)
            ]
        if missing:
            faults.append(f"{kind.name}: no message on {len(missing)} of {len(names)} channels, first {missing[0]}")
    return faults


def _newest(bus: redis.Redis) -> list[dict[str, Any]]:
    """The newest message of every channel: of state channels the last one, of others the end of their stream."""
    names = sorted(bus.scan_iter(match="last:*", count=1000))
    bodies = dict(zip((name.partition(b":")[2] for name in names), bus.mget(names) if names else [], strict=True))
    for name in sorted(bus.scan_iter(match="stream:*", count=1000)):
        channel = name.partition(b":")[2]
        if channel not in bodies:
            entries = cast("list[tuple[bytes, dict[bytes, bytes]]]", bus.xrevrange(name, count=1))
            bodies[channel] = next(iter(entries[-1][1].values())) if entries else None
    return [msgspec.json.decode(body) for body in bodies.values() if isinstance(body, bytes)]
