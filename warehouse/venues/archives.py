"""The venues' bulk files: what there is, where it lies, and how its rows are written. Pure: no socket, no disk.

A `Layout` says which of a file's columns is what; whoever reads files (`pipelines/sources/archive`) does so for a
million rows at a time. A file covers one instrument and one span of time, and holds all of it.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Literal, Protocol

import msgspec

from warehouse.clock import DAY, SECOND, Micros
from warehouse.instruments import Market, Rules
from warehouse.venues.base import Fetch

ArchiveKind = Literal["trades", "fills", "candles", "price_candles", "funding", "open_interest", "liquidations"]
"""What a file holds. `fills` are single ones where the live side records aggregates (Binance's `trades` files)."""

ARCHIVE_KINDS: tuple[ArchiveKind, ...] = (
    "trades", "fills", "candles", "price_candles", "funding", "open_interest", "liquidations",
)  # fmt: skip

TABLE_OF: dict[ArchiveKind, str] = {kind: "trades" if kind == "fills" else kind for kind in ARCHIVE_KINDS}
"""Where the rows of a kind land."""

Identity = Literal["numbers", "names", "places"]
"""What tells two trades apart: contiguous ids, opaque ids, or nothing but their place in the day's file."""


class Layout(msgspec.Struct, frozen=True, kw_only=True):
    """How the rows of one kind of file are written.

    `columns` says for each of our names which names the venue has given the column, the first the newest; all of them
    must be there, but for those of `optional`. `bare` are our names in the order of a file without a header, empty for
    a column that nobody reads; without `bare` a file must have one. Files of old may end before the last of `bare`.
    """

    kind: ArchiveKind
    columns: Mapping[str, tuple[str, ...]]
    optional: tuple[str, ...] = ()
    bare: tuple[str, ...] = ()
    identity: Identity = "numbers"

    def chosen(self, names: Sequence[str]) -> dict[str, int] | None:
        """Where each of our columns stands under a header with these names; None when one is missing.

        >>> Layout(kind="funding", columns={"time": ("calc_time",), "rate": ("rate",)}).chosen(["Rate", "calc_time/x"])
        {'time': 1, 'rate': 0}
        """
        plain = [name.partition("/")[0].strip().strip('"').lower() for name in names]
        found = {}
        for ours, theirs in self.columns.items():
            place = next((plain.index(name) for name in theirs if name in plain), None)
            if place is not None:
                found[ours] = place
            elif ours not in self.optional:
                return None
        return found

    def counted(self, columns: int) -> dict[str, int] | None:
        """The same for a file without a header that has so many columns; None when one is missing."""
        found = {name: place for place, name in enumerate(self.bare[:columns]) if name}
        needed = [name for name in self.columns if name not in self.optional]
        return found if columns <= len(self.bare) and all(name in found for name in needed) else None


class ArchiveFile(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """One bulk file: all that a venue has of a kind and an instrument in `[start, end)`.

    `path` lies below the venue's base `rest_archive` in `ENDPOINTS`, or is a whole URL, or a file of this machine.
    `checksum` is where its SHA-256 is told, empty where the venue tells none. `timeframe` is that of the series
    (`1m`, `mark:1m`; empty for others). `parts` are the smaller files to take where this one is not there.
    """

    venue: str
    kind: ArchiveKind
    instrument: str
    timeframe: str = ""
    start: Micros
    end: Micros
    path: str
    checksum: str = ""
    parts: tuple[ArchiveFile, ...] = ()

    @property
    def name(self) -> str:
        """The file's own name."""
        return self.path.rpartition("/")[2].partition("?")[0]


Listed = Generator[Fetch, object, list[ArchiveFile]]
"""Yields the requests that finding the files takes, returns them, oldest first."""


class ArchiveModule(Protocol):
    """The face of a venue's `archive` module."""

    KINDS: tuple[ArchiveKind, ...]
    """What the venue has files of."""

    LATE: Micros
    """So long after its end a file may be on its way still."""

    def layouts(self, kind: ArchiveKind, market: Market) -> Sequence[Layout]:
        """How a file of this kind may be written, the likeliest first."""
        ...

    def files(self, rules: Rules, kind: ArchiveKind, timeframe: str, start: Micros, end: Micros) -> Listed:
        """The files that hold something of `[start, end)`. None for what the venue has no files of."""
        ...

    def recognised(self, path: str, rules: Sequence[Rules]) -> list[ArchiveFile]:
        """What the file at a path may be, by its name and its folders; several where these do not tell."""
        ...


def days(start: Micros, end: Micros, shift: Micros = 0) -> Iterable[tuple[date, Micros]]:
    """The days that `[start, end)` touches, each with when it begins; a day begins `shift` after midnight UTC.

    >>> [f"{day} {begin // 1_000_000}" for day, begin in days(1_763_596_800_000_000, 1_763_596_800_000_001)]
    ['2025-11-20 1763596800']
    """
    at = (start - shift) // DAY * DAY + shift
    while at < end:
        yield _date(at - shift), at
        at += DAY


def month_of(day: date) -> tuple[Micros, Micros]:
    """The half-open month that a day lies in."""
    first = day.replace(day=1)
    after = (first + timedelta(days=32)).replace(day=1)
    return begin_of(first), begin_of(after)


def begin_of(day: date) -> Micros:
    """Midnight UTC at a day's beginning."""
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * SECOND


def _date(at: Micros) -> date:
    return datetime.fromtimestamp(at // SECOND, tz=UTC).date()
