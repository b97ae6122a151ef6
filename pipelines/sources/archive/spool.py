"""Rows on their way from a file into the lake: as many as fit in memory there, the others in a folder, out again by
time.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import msgspec
import polars as pl

from warehouse.clock import Micros

HELD = 1_000_000
"""Rows that stay in memory; a file of more goes through the folder."""

SAMPLE = 997
"""Of so many rows the time of one is looked at to find out where to cut."""


class _Part(msgspec.Struct):
    low: Micros
    high: Micros
    height: int
    sample: list[Micros]
    rows: pl.DataFrame | None
    path: Path | None = None

    def between(self, start: Micros, end: Micros) -> pl.DataFrame:
        rows = self.rows if self.rows is not None else pl.scan_ipc(str(self.path)).collect()
        if start <= self.low and self.high < end:
            return rows
        return rows.filter(pl.col("ts_event").is_between(start, end, closed="left"))


class Spool:
    """The rows of one file, in its own order, with a column `ts_event`. The folder belongs to it alone."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._parts: list[_Part] = []
        self.height = 0
        self.ordered_as_first_seen = True
        """Of rows of one instant the first in the file came first; else the last."""

    def add(self, rows: pl.DataFrame) -> None:
        """The next rows of the file."""
        if not rows.height:
            return
        times = rows["ts_event"]
        low, high = int(times.min()), int(times.max())  # type: ignore[arg-type]  # integers
        part = _Part(low, high, rows.height, times.gather_every(SAMPLE).to_list(), rows)
        self._parts.append(part)
        self.height += rows.height
        if self.height > HELD:
            for number, one in enumerate(self._parts):
                if one.rows is not None:
                    one.path = self._folder / f"{number:05}.arrow"
                    one.rows.write_ipc(one.path)
                    one.rows = None

    @property
    def span(self) -> tuple[Micros, Micros]:
        """The first and the last time; (0, 0) without rows."""
        return min((part.low for part in self._parts), default=0), max((part.high for part in self._parts), default=0)

    def outside(self, start: Micros, end: Micros) -> int:
        """How many rows lie outside of `[start, end)`."""
        beyond = [part for part in self._parts if part.low < start or part.high >= end]
        return sum(part.height - part.between(start, end).height for part in beyond)

    def windows(self, rows: int) -> Iterator[pl.DataFrame]:
        """All rows by time, about `rows` at a time; no instant is cut in two."""
        low, high = self.span
        times = sorted(at for part in self._parts for at in part.sample)
        step = max(1, rows // SAMPLE)
        inner = [at for at in dict.fromkeys(times[step::step]) if at > low] if self.height > rows else []
        edges = [low, *inner, high + 1]
        parts = self._parts if self.ordered_as_first_seen else self._parts[::-1]
        for start, end in pairwise(edges):
            held = [part.between(start, end) for part in parts if part.low < end and part.high >= start]
            if not self.ordered_as_first_seen:
                held = [one.reverse() for one in held]
            found = pl.concat(held)
            if found.height:
                yield _sorted(found)


def _sorted(rows: pl.DataFrame) -> pl.DataFrame:
    """By time, and in one instant by the venue's numbers where there are any."""
    order = ["ts_event", "trade_seq"] if "trade_seq" in rows.columns else ["ts_event"]
    if len(order) == 1 and rows["ts_event"].is_sorted():
        return rows
    at, number = pl.col("ts_event").diff(), pl.col(order[-1]).diff()
    if len(order) > 1 and rows.select(((at < 0) | ((at == 0) & (number < 0))).any()).item() is not True:
        return rows
    return rows.sort(order, maintain_order=True)
