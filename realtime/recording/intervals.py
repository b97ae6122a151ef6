"""Recorded intervals: from which trade on the recorder owns an instrument, and up to when that has held."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
import polars as pl

from realtime.recording.reader import REMEMBERED, TABLES, Begun, JournalReader, Known
from realtime.recording.seams import age
from warehouse.clock import Clock, Micros
from warehouse.journal import Header
from warehouse.store import Lake
from warehouse.tables import Coverage


class Intervals:
    """The coverage rows of origin `stream`, one interval per recording (`JournalReader.source`) and instrument."""

    def __init__(self, lake: Lake, clock: Clock) -> None:
        self._lake = lake
        self._clock = clock
        self._held: dict[tuple[str, str, Micros], Coverage] = {}

    def known(self, header: Header) -> Known:
        """Positions, interval starts and latest ids of a journal, from the lake."""
        positions = {table: self._lake.position(table, f"{header.journal_id}/{table}") or 0 for table in TABLES}
        begun: dict[tuple[str, str], Begun] = {}
        rows = self._lake.rows("coverage", venue=header.venue, match={"dataset": "trades", "origin": "stream"})
        for row in sorted((row for row in rows if isinstance(row, Coverage)), key=age):
            if row.source.partition("/")[0] == header.journal_id:
                self._hold(row)
                told = Begun(row.venue, row.instrument, row.start, row.first_id or "", row.first_seq, row.live_from)
                kept = begun.pop((row.source, row.instrument), told)
                begun[row.source, row.instrument] = kept if kept.start < row.start else told
        return Known(positions, begun, self._latest_ids(header.venue))

    def begin(self, reader: JournalReader, begun: list[Begun]) -> None:
        """Declare intervals whose first trade was just read."""
        now = self._clock.now()
        rows = [
            Coverage(
                dataset="trades",
                venue=one.venue,
                instrument=one.instrument,
                start=one.start,
                end=max(one.start, reader.ts_recv),
                origin="stream",
                source=reader.source,
                first_id=one.first_id,
                first_seq=one.first_seq,
                live_from=one.live_from,
                ts_recv=now,
            )
            for one in {(one.instrument, one.start): one for one in begun}.values()  # the last word on each
        ]
        self._lake.append("coverage", rows)
        for row in rows:
            self._hold(row)

    def extend(self, readers: Iterable[JournalReader]) -> None:
        """Say up to where the intervals of the recordings now read have grown."""
        reached = {source: at for reader in readers for source, at in reader.reached.items()}
        now = self._clock.now()
        rows = []
        for key, kept in self._held.items():
            if reached.get(kept.source, 0) > kept.end:
                rows.append(msgspec.structs.replace(kept, end=reached[kept.source], ts_recv=now))
                self._held[key] = rows[-1]
        if rows:
            self._lake.append("coverage", rows)

    def _hold(self, row: Coverage) -> None:
        self._held[row.source, row.instrument, row.start] = row

    def _latest_ids(self, venue: str) -> dict[str, list[str]]:
        """The last recorded trade ids of each instrument, oldest first, from whatever journal: the memory of the
        duplicate filter.
        """
        rows = self._lake.scan("trades").filter((pl.col("venue") == venue) & pl.col("log_seq").is_not_null())
        newest = rows.select(pl.col("date").max()).collect().item()
        if newest is None:
            return {}
        recent = rows.filter(pl.col("date") >= pl.lit(newest).dt.offset_by("-1d")).sort("ts_recv", "log_seq")
        found: dict[str, list[str]] = {}
        for instrument, trade_id in recent.select("instrument", "trade_id").collect().iter_rows():
            found.setdefault(instrument, []).append(trade_id)
        return {instrument: ids[-REMEMBERED:] for instrument, ids in found.items()}
