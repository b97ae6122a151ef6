"""Bybit's public files of executions: which there are and how they are written.

https://public.bybit.com. Perpetuals: seconds with four decimals, and the ids of stream and REST. Spot: milliseconds,
and a number that begins anew each day, so nothing in the file names an execution as the stream does.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date

from warehouse.clock import DAY, Micros
from warehouse.instruments import Market, Rules
from warehouse.venues.archives import ArchiveFile, ArchiveKind, Layout, Listed, begin_of, days

KINDS: tuple[ArchiveKind, ...] = ("trades",)

LATE: Micros = 2 * DAY

_PERP = Layout(
    kind="trades",
    columns={
        "time": ("timestamp",),
        "instrument": ("symbol",),
        "side": ("side",),
        "size": ("size",),
        "price": ("price",),
        "id": ("trdmatchid",),
        "rpi": ("rpi",),
    },
    optional=("rpi",),
    identity="names",
)
_SPOT = Layout(
    kind="trades",
    columns={
        "id": ("id",),
        "time": ("timestamp",),
        "price": ("price",),
        "size": ("volume",),
        "side": ("side",),
        "rpi": ("rpi",),
    },
    optional=("rpi",),
    identity="places",
)
_NAME = re.compile(r"([A-Z0-9]+?)(_?)(\d{4}-\d{2}-\d{2})\.csv(?:\.gz)?")


def layouts(kind: ArchiveKind, market: Market) -> Sequence[Layout]:
    """One for each market."""
    return (_SPOT,) if market == "spot" else (_PERP,)


def files(rules: Rules, kind: ArchiveKind, timeframe: str, start: Micros, end: Micros) -> Listed:
    """One a day."""
    yield from ()
    if kind not in KINDS:
        return []
    folder, mark = ("spot", "_") if rules.market == "spot" else ("trading", "")
    return [
        ArchiveFile(
            venue="bybit", kind=kind, instrument=rules.instrument, start=begin, end=begin + DAY,
            path=f"/{folder}/{rules.symbol}/{rules.symbol}{mark}{day.isoformat()}.csv.gz",
        )
        for day, begin in days(start, end)
    ]  # fmt: skip


def recognised(path: str, rules: Sequence[Rules]) -> list[ArchiveFile]:
    """`BTCUSDT2026-11-18.csv.gz` is of perpetuals, `BTCUSDT_2026-11-18.csv.gz` of spot."""
    told = _NAME.fullmatch(path.rpartition("/")[2])
    if told is None:
        return []
    begin, market = begin_of(date.fromisoformat(told[3])), "spot" if told[2] else "perp"
    return [
        ArchiveFile(venue="bybit", kind="trades", instrument=rule.instrument, start=begin, end=begin + DAY, path=path)
        for rule in rules
        if rule.symbol == told[1] and rule.market == market
    ]
