"""A bulk file as frames of the lake's columns: all of it checked before the first row is handed on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import polars as pl

from pipelines.sources.archive import columns, series
from pipelines.sources.archive.spool import Spool
from pipelines.sources.archive.telling import Told, told
from pipelines.sources.archive.unpacking import BLOCK, blocks
from warehouse.clock import iso
from warehouse.errors import BadFile
from warehouse.instruments import Rules
from warehouse.venues import archive
from warehouse.venues.archives import ArchiveFile

WINDOW = 1_000_000
"""Rows that are handed on together."""

STRAYS = 0.01
"""A file with a larger share of rows outside of its own span is not what its name says."""


def read(path: Path, file: ArchiveFile, rules: Rules, folder: Path, block: int = BLOCK) -> Spool:
    """All rows of the file at `path`, with larger ones kept in `folder` meanwhile.

    Raises BadFile for one that is damaged, written in an unknown way, or holds a row that the instrument's rules do not
    allow; no row has been handed on then.
    """
    reader = _Reader(path, file, rules)
    spool = Spool(folder)
    for text in blocks(path, file.venue, block):
        part = reader.part(text)
        if part is not None:
            spool.add(part)
    spool.ordered_as_first_seen = not reader.newest_first
    outside = spool.outside(file.start, file.end)
    if outside > max(1, STRAYS * spool.height):
        low, high = spool.span
        raise reader.bad(
            f"{outside} of {spool.height} rows lie outside of {iso(file.start)}..{iso(file.end)}: "
            f"they are of {iso(low)}..{iso(high)}",
            "See that the file has its right name; if the venue cuts its days elsewhere now, say so in its archive.py.",
        )
    return spool


class _Reader:
    """The blocks of one file, one after the other."""

    def __init__(self, path: Path, file: ArchiveFile, rules: Rules) -> None:
        self._path, self._file, self._rules = path, file, rules
        self._told: Told | None = None
        self._schema: dict[str, pl.DataType] = {}
        self.newest_first = False

    def bad(self, why: str, advice: str) -> BadFile:
        return BadFile(self._file.venue, str(self._path), why, advice)

    def part(self, text: bytes) -> pl.DataFrame | None:
        """The rows of a block as the lake's columns; None when there is none."""
        first = self._told is None
        if self._told is None:
            layouts = archive(self._file.venue).layouts(self._file.kind, self._rules.market)
            self._told = told(text, layouts, self._file.venue, str(self._path))
            if self._told is None:
                return None
            read_as = columns.kinds(self._told)
            at = {place: name for name, place in self._told.places.items()}
            self._schema = {
                at.get(place, f"_{place}"): read_as[at[place]] if place in at else pl.String()
                for place in range(self._told.width)
            }
        raw = self._table(text, skip=int(first and self._told.header))
        if "instrument" in self._told.places:
            raw = raw.filter(pl.col("instrument") == self._rules.symbol)
        if not raw.height:
            return None
        self._whole(raw)
        if first:
            self.newest_first = raw["time"][0] > raw["time"][-1]
        if self._file.kind in ("trades", "fills"):
            return self._trades(raw)
        return series.rows(raw, self._told, self._file, self._rules)

    def _table(self, text: bytes, skip: int) -> pl.DataFrame:
        assert self._told is not None
        try:
            return pl.read_csv(
                text, has_header=False, skip_rows=skip, schema=self._schema, columns=sorted(self._told.places.values()),
                raise_if_empty=False,
            )  # fmt: skip
        except pl.exceptions.PolarsError as error:
            why = str(error).split("\n")[0]
            raise self.bad(f"a row cannot be read ({why})", self._advice()) from None

    def _whole(self, raw: pl.DataFrame) -> None:
        """Raises BadFile for a row that lacks a cell."""
        gone = pl.any_horizontal(pl.all().is_null())
        if raw.select(gone.any()).item():
            raise self.bad(f"a row lacks a cell: {raw.filter(gone).row(0, named=True)}", self._advice())

    def _trades(self, raw: pl.DataFrame) -> pl.DataFrame:
        assert self._told is not None
        blank = (pl.col("price") == 0) & (pl.col("size") == 0)  # takes an id without being a trade
        if "first_fill" in self._told.places:
            blank = blank | (pl.col("first_fill") < 0)
        raw = raw.filter(~blank)
        found = raw.select(columns.trades(self._told, self._rules))
        off = pl.col("ticks").is_null() | pl.col("lots").is_null()
        if found.select(off.any()).item():
            row = raw.filter(found.select(off).to_series()).row(0, named=True)
            raise self.bad(
                f"the row {row} does not lie on the instrument's grid (tick {self._rules.tick}, lot {self._rules.lot})",
                "The venue had other steps at that time: such rows cannot be kept beside today's.",
            )
        if self._told.layout.identity == "places":
            found = found.with_columns(_placed(self._file))
        return found

    def _advice(self) -> str:
        return f"If {self._file.venue} changed its format, extend warehouse/venues/{self._file.venue}/archive.py."


def _placed(file: ArchiveFile) -> pl.Expr:
    """An id that no other day has: the file's day and the row's number in it."""
    return pl.concat_str(pl.lit(iso(file.start)[:10] + "#"), "trade_id").alias("trade_id")


def windows(spool: Spool) -> Iterator[pl.DataFrame]:
    """All rows in order of time, about `WINDOW` at a time, doubled ones once; no instant is cut in two."""
    for part in spool.windows(WINDOW):
        if "trade_seq" in part.columns:  # in order of time and number, so that doubles are neighbours
            number = pl.col("trade_seq")
            once = part.filter((number != number.shift()).fill_null(True))
            if not once.select((number.diff() > 0).all()).item():
                once = once.unique("trade_seq", keep="first", maintain_order=True)
            yield once.with_columns(number.cast(pl.String).alias("trade_id"))
        elif "trade_id" in part.columns:
            once = part.unique("trade_id", keep="first", maintain_order=True)
            yield once.with_columns(pl.lit(None, pl.Int64).alias("trade_seq"))
        else:
            yield part.unique(maintain_order=True)
