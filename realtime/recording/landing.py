"""Rows into the lake, once: each commit carries the journal's position, and claims what a flow landed too early.

The recorder owns every recorded interval. A flow that did not know of it yet may have landed some of its trades as
history; the commit that brings the recorded rows takes them out in the same version and keeps them in `overlaps`, where
they prove the seam.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl
import structlog

from realtime.recording.reader import GapRow, KeptRow, TradeRow
from warehouse.clock import Micros
from warehouse.frames import frame, sound
from warehouse.store import Lake
from warehouse.tables import table

log = structlog.get_logger()

SHARED = ("insurance",)
"""Small tables that flows write too, where a venue tells both the same reading: whoever came first has landed it."""


class Landing:
    """The recorder's way into the lake. Counts what it committed and what it refused."""

    def __init__(self, lake: Lake) -> None:
        self._lake = lake
        self._version: dict[str, int] = {}
        self.rows: dict[str, int] = {}
        self.refused = 0
        self.claimed = 0

    def trades(self, rows: Sequence[TradeRow], positions: Mapping[str, int], now: Micros) -> None:
        """Commit recorded trades of all venues with their positions."""
        beside: dict[str, list[int] | list[bool]] = {
            "log_seq": [row.log_seq for row in rows],
            "late": [row.late for row in rows],
        }
        data = self._sound("trades", frame(table("trades"), [row.trade for row in rows], beside))
        with self._lake.exclusive("trades"):
            touched = self._lake.version("trades") != self._version.get("trades")
            if not (touched and data.height and self._claim(data, positions, now)):
                self._commit("trades", data, positions)
            self._version["trades"] = self._lake.version("trades")
        self.rows["trades"] = self.rows.get("trades", 0) + data.height

    def gaps(self, rows: Sequence[GapRow], positions: Mapping[str, int]) -> None:
        """Commit gap states with their positions."""
        beside = {"log_seq": [row.log_seq for row in rows]}
        data = self._sound("gaps", frame(table("gaps"), [row.gap for row in rows], beside))
        self._commit("gaps", data, positions)
        self.rows["gaps"] = self.rows.get("gaps", 0) + data.height

    def kept(self, name: str, rows: Sequence[KeptRow], positions: Mapping[str, int]) -> None:
        """Commit rows of another table with their positions."""
        beside = {"log_seq": [row.log_seq for row in rows]}
        data = self._sound(name, frame(table(name), [row.row for row in rows], beside))
        if name in SHARED:
            with self._lake.exclusive(name):
                data = self._news(name, data)
                self._commit(name, data, positions)
        else:
            self._commit(name, data, positions)
        self.rows[name] = self.rows.get(name, 0) + data.height

    def _news(self, name: str, data: pl.DataFrame) -> pl.DataFrame:
        """The rows whose key has not landed yet, each key once."""
        key = list(table(name).key)
        landed = self._lake.scan(name).select(key).collect()
        return data.unique(key, keep="first", maintain_order=True).join(landed, on=key, how="anti", nulls_equal=True)

    def _commit(self, name: str, data: pl.DataFrame, positions: Mapping[str, int]) -> None:
        if data.height:
            self._lake.append(name, data, positions)
        else:
            self._lake.advance(name, positions)

    def _sound(self, name: str, data: pl.DataFrame) -> pl.DataFrame:
        kept = sound(table(name), data)
        if lost := data.height - kept.height:
            self.refused += lost
            log.error("rows_refused", table=name, rows=lost)
        return kept

    def _claim(self, data: pl.DataFrame, positions: Mapping[str, int], now: Micros) -> bool:
        """Commit over rows that flows landed under the same keys; False when there are none."""
        key = list(table("trades").key)

        def change(known: pl.DataFrame) -> pl.DataFrame | None:
            landed = known.filter(pl.col("log_seq").is_null()).join(data, on=key, how="semi")
            if not landed.height:
                return None
            self._lake.upsert("overlaps", landed, now=now)
            self.claimed += landed.height
            kept = known.select(data.columns).join(landed, on=key, how="anti")
            return pl.concat([kept, data.select(kept.columns)])

        return self._lake.rewrite("trades", data, change, positions)
