"""Recorded trades held against the venue's own file of the day.

What only the file has lands beside the recorded rows; a row that differs stays as it was recorded and both values go to
`mismatches`; a row that only the tape has is told there too. No recorded row is changed or taken away.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import polars as pl

from pipelines.executions import executions
from pipelines.ownership import Recorded
from warehouse.clock import Micros
from warehouse.records import SequenceGap
from warehouse.rows import Mismatch
from warehouse.venues.archives import ArchiveFile

if TYPE_CHECKING:
    from warehouse.store import Lake

CHECK = "trades_archive"
SOURCES = ("recorded", "archive")

TOLD = 1000
"""Differences of one file that are told one by one; all are counted."""

FIELDS = ("price", "size", "taker_side")
CONTENT = ("ts_event", "ticks", "lots", "taker_side")
"""What two rows share that are one execution, where no id says so."""

_SIDE = {"buy": 1.0, "sell": -1.0}
_COLUMNS = ["trade_id", "trade_seq", "ts_event", "price", "size", "taker_side", "ticks", "lots", "kind"]


def owned(recorded: Recorded) -> pl.Expr:
    """Which trades of a frame are the recorder's (`Interval.owns`)."""
    found = pl.lit(False)
    at, number = pl.col("ts_event"), pl.col("trade_seq")
    for one in recorded.intervals:
        after = at >= one.start
        if one.first_seq is not None:
            after = pl.when(number.is_not_null()).then(number >= one.first_seq).otherwise(after)
        found = found | (after & (at < one.end))
    return found.alias("owned")


def known(lake: Lake, file: ArchiveFile, start: Micros, end: Micros) -> pl.DataFrame:
    """The lake's trades of `[start, end)`."""
    return executions(lake, file.venue, file.instrument, (start, end), _COLUMNS)


def unmatched(rows: pl.DataFrame, there: pl.DataFrame) -> pl.DataFrame:
    """The rows without a like one in `there`: of three equal executions where two are known, the third."""
    place = pl.int_range(pl.len()).over(CONTENT).alias("place")
    return (
        rows.with_columns(place)
        .join(there.select(*CONTENT).with_columns(place), on=[*CONTENT, "place"], how="anti", maintain_order="left")
        .drop("place")
    )


class Findings:
    """What one file said of recorded trades."""

    def __init__(self, file: ArchiveFile, now: Micros) -> None:
        self._file, self._now = file, now
        self._told: list[Mismatch] = []
        self._at = file.start
        self.landed = 0
        self.compared = self.absent = self.differing = self.extra = 0

    def compare(self, lake: Lake, rows: pl.DataFrame, recorded: Recorded, placed: bool, until: Micros) -> None:
        """Hold the file's rows of recorded time against the lake's up to `until`, and land what is not there.

        Called for one window of the file after the other, with the recorder's rows of each.
        """
        start, self._at = self._at, until
        if not recorded.inside((start, until)) and not rows.height:
            return
        strays = int(rows["ts_event"].min()) if rows.height else start  # type: ignore[arg-type]  # an integer
        there = known(lake, self._file, min(start, strays), until)
        tape = there.filter(owned(recorded), pl.col("kind") == "market", pl.col("ts_event") >= start)
        if placed:
            fresh, extra = unmatched(rows, there), unmatched(tape, rows)
        else:
            fresh = rows.join(there, on="trade_id", how="anti", maintain_order="left")
            extra = tape.join(rows, on="trade_id", how="anti", maintain_order="left")
            both = rows.join(there, on="trade_id", how="inner", suffix="_known", maintain_order="left")
            values = [pl.col(name) != pl.col(f"{name}_known") for name in ("ticks", "lots", "taker_side")]
            self._differ(both.filter(pl.any_horizontal(values)))
        self.compared += rows.height
        self.absent += fresh.height
        self.extra += extra.height
        for row in extra.head(max(0, TOLD - len(self._told))).iter_rows(named=True):
            self._told.append(self._mismatch(row["ts_event"], f"trade {row['trade_id']}", row["price"], None))
        if fresh.height:
            self.landed += lake.upsert("trades", fresh, now=self._now).added

    def _differ(self, rows: pl.DataFrame) -> None:
        self.differing += rows.height
        for row in rows.head(max(0, TOLD - len(self._told))).iter_rows(named=True):
            for field in FIELDS:
                left, right = row[f"{field}_known"], row[field]
                if left != right:
                    name = f"{field} of {row['trade_id']}"
                    self._told.append(
                        self._mismatch(row["ts_event"], name, _SIDE.get(left, left), _SIDE.get(right, right))
                    )

    def _mismatch(self, at: Micros, field: str, left: float | None, right: float | None) -> Mismatch:
        return Mismatch(
            check=CHECK, venue=self._file.venue, instrument=self._file.instrument, at=at, field=field,
            left_source=SOURCES[0], left_value=left, right_source=SOURCES[1], right_value=right, found_at=self._now,
        )  # fmt: skip

    def write(self, lake: Lake) -> None:
        """The differences, to `mismatches`."""
        if self._told:
            lake.upsert("mismatches", self._told, now=self._now)

    def words(self) -> list[str]:
        """What was found, for people; nothing where nothing was recorded."""
        if not self.compared and not self.extra:
            return []
        counts = ((self.absent, "were missing"), (self.differing, "differ"), (self.extra, "only the tape has"))
        return [f"{self.compared} trades compared", *[f"{count} {what}" for count, what in counts if count]]


class Gaps:
    """Holes of the live side's ledger that a file fills."""

    def __init__(self, lake: Lake, file: ArchiveFile) -> None:
        newest: dict[tuple[object, ...], SequenceGap] = {}
        rows = lake.rows("gaps", venue=file.venue, instrument=file.instrument, match={"stream": "trades"})
        for gap in sorted((row for row in rows if isinstance(row, SequenceGap)), key=_age):
            newest[gap.opened_at, gap.from_id] = gap
        self._open = [
            gap
            for gap in newest.values()
            if gap.state in ("open", "unrecoverable") and file.start <= gap.from_ts and gap.to_ts < file.end
        ]
        self._met = [0] * len(self._open)
        self._name = file.name

    def look(self, part: pl.DataFrame) -> None:
        """Count the rows of a window that lie in a hole."""
        for place, gap in enumerate(self._open):
            if gap.from_id is not None and gap.to_id is not None:
                inside = part["trade_seq"].is_between(gap.from_id, gap.to_id)
            else:
                inside = part["ts_event"].is_between(gap.from_ts, gap.to_ts)
            self._met[place] += int(inside.sum())

    def close(self, lake: Lake, now: Micros) -> None:
        """Say of the holes that the file fills that they are repaired: where ids count, all of them must be there."""
        rows = [
            msgspec.structs.replace(
                gap, state="repaired", reason=f"{met} trades from {self._name}", attempts=gap.attempts + 1,
                ts_event=now, ts_recv=now,
            )
            for gap, met in zip(self._open, self._met, strict=True)
            if gap.from_id is None or gap.to_id is None or met == gap.to_id - gap.from_id + 1
        ]  # fmt: skip
        if rows:
            lake.append("gaps", rows)


def _age(gap: SequenceGap) -> tuple[Micros, int]:
    return gap.ts_recv, gap.attempts
