"""Bulk files into the lake: all of a file or nothing of it, and twice is the same as once.

Of trades, history lands as it is; inside recorded time the recorder owns the rows, and the file is held against them
(`reconciling`). Rows go first, then what the gap ledger says of them, then coverage, then the outcome: whoever is
killed in between lands the same file again, which changes nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from pipelines import reconciling
from pipelines.load import Lander
from pipelines.ownership import Recorded
from pipelines.plan import Span, missing
from pipelines.sources.archive.reading import windows
from pipelines.sources.archive.spool import Spool
from warehouse.clock import Micros
from warehouse.errors import BadFile
from warehouse.instruments import Rules
from warehouse.tables import Coverage, Outcome
from warehouse.venues import archive
from warehouse.venues.archives import TABLE_OF, ArchiveFile

if TYPE_CHECKING:
    from warehouse.store import Lake

RECONCILED = "reconciled"
"""Of coverage: recorded trades that were held against the venue's own file."""


class Bulk:
    """Lands the files of one venue in one run. Not for two threads at once."""

    def __init__(self, lake: Lake, lander: Lander, run_id: str) -> None:
        self._lake, self._lander, self._run_id = lake, lander, run_id

    def land(
        self, file: ArchiveFile, rules: Rules, rows: Spool, sha256: str, started_at: Micros, now: Micros
    ) -> Outcome:
        """Land one file; returns its outcome, which is in the lake too. Raises BadFile when it may not be mixed."""
        if TABLE_OF[file.kind] == "trades":
            self._one_kind(file)
            landed, notes = self._trades(file, rules, rows, now)
        else:
            landed, notes = self._series(file, rows, now)
        return self.tell(file, started_at, now, rows=rows, sha256=sha256, landed=landed, note="; ".join(notes) or None)

    def tell(
        self,
        file: ArchiveFile,
        started_at: Micros,
        now: Micros,
        *,
        rows: Spool | None = None,
        sha256: str | None = None,
        landed: int = 0,
        note: str | None = None,
        error: str | None = None,
    ) -> Outcome:
        """Write down what came of a file."""
        span = rows.span if rows is not None and rows.height else None
        outcome = Outcome(
            dataset=TABLE_OF[file.kind],
            venue=file.venue,
            instrument=file.instrument,
            timeframe=file.timeframe,
            start=file.start,
            end=file.end,
            rows=rows.height if rows is not None else 0,
            landed=landed,
            first_ts=span[0] if span else None,
            last_ts=span[1] if span else None,
            sha256=sha256,
            error=error,
            note=f"{file.name}: {note}" if note else file.name,
            run_id=self._run_id,
            started_at=started_at,
            finished_at=now,
        )
        self._lake.append("outcomes", [outcome])
        return outcome

    # Series

    def _series(self, file: ArchiveFile, spool: Spool, now: Micros) -> tuple[int, list[str]]:
        name = TABLE_OF[file.kind]
        landed, notes = 0, list[str]()
        for part in windows(spool):
            rows = series_rows(part, file, now)
            if name == "liquidations":
                rows, left_out = self._before_recording(rows, file)
                notes += [f"{left_out} rows of recorded time left out"] if left_out else []
            if rows.height:
                landed += self._lake.upsert(name, rows, now=now).added
        self._cover(name, file, [(file.start, file.end)], spool.height, now)
        return landed, notes

    def _before_recording(self, rows: pl.DataFrame, file: ArchiveFile) -> tuple[pl.DataFrame, int]:
        """Liquidations older than the first recorded one: a sampled feed told twice would count twice."""
        recorded = self._lake.scan("liquidations").filter(
            pl.col("venue") == file.venue, pl.col("instrument") == file.instrument, pl.col("log_seq").is_not_null()
        )
        first = recorded.select(pl.col("ts_event").min().cast(pl.Int64)).collect().item()
        kept = rows if first is None else rows.filter(pl.col("ts_event") < first)
        return kept, rows.height - kept.height

    # Trades

    def _trades(self, file: ArchiveFile, rules: Rules, spool: Spool, now: Micros) -> tuple[int, list[str]]:
        recorded = self._lander.recorded(file.venue, now).get(file.instrument, Recorded(()))
        nameless = placed(file, rules)
        holes, ids = _Holes(), 0
        found = reconciling.Findings(file, now)
        gaps = reconciling.Gaps(self._lake, file)
        tape: pl.DataFrame | None = None
        for part in windows(spool):
            rows = trade_rows(part, file, now)
            holes.look(part)
            gaps.look(part)
            ids += rows.height
            owned = rows.select(reconciling.owned(recorded)).to_series()
            history, tape = rows.filter(~owned), rows.filter(owned)
            if nameless and history.height:
                low, high = history["ts_event"][0], history["ts_event"][-1]
                history = reconciling.unmatched(history, reconciling.known(self._lake, file, low, high + 1))
            if history.height:
                found.landed += self._lake.upsert("trades", history, now=now, once=True).added
            found.compare(self._lake, tape, recorded, nameless, part["ts_event"][-1] + 1)
        if tape is not None:
            found.compare(self._lake, tape.clear(), recorded, nameless, file.end)
        found.write(self._lake)
        gaps.close(self._lake, now)
        spans = missing((file.start, file.end), holes.spans)
        outside = [part for span in spans for part in recorded.outside(span)]
        self._cover("trades", file, outside, spool.height, now)
        self._cover(RECONCILED, file, recorded.inside((file.start, file.end)), spool.height, now)
        notes = found.words()
        notes += [f"{spool.height - ids} rows were doubled"] if ids < spool.height else []
        notes += [f"{holes.count} ids are missing in the file"] if holes.count else []
        return found.landed, notes

    def _one_kind(self, file: ArchiveFile) -> None:
        """Raises BadFile where single fills would come beside aggregates of the same time: both count everything."""
        if file.venue != "binance":
            return
        rows = self._lake.scan("trades").filter(
            pl.col("venue") == file.venue,
            pl.col("instrument") == file.instrument,
            pl.col("kind") == "market",
            pl.col("ts_event").is_between(*_times(file.start, file.end), closed="left"),
        )
        aggregates = rows.select(pl.col("first_fill").is_not_null()).head(1).collect().to_series().to_list()
        if aggregates and aggregates[0] != (file.kind == "trades"):
            there, here = ("aggregates", "single fills") if aggregates[0] else ("single fills", "aggregates")
            raise BadFile(
                file.venue, file.path, f"the lake holds {there} of this time, and these are {here}: both count all",
                f"Take the venue's files of {there} here, or another lake.",
            )  # fmt: skip

    def _cover(self, dataset: str, file: ArchiveFile, spans: list[Span], rows: int, now: Micros) -> None:
        told = [
            Coverage(
                dataset=dataset, venue=file.venue, instrument=file.instrument, timeframe=file.timeframe, start=start,
                end=end, origin="archive", rows=rows, note=file.name, ts_recv=now,
            )
            for start, end in spans
        ]  # fmt: skip
        if told:
            self._lake.append("coverage", told)


class _Holes:
    """Numbers that a file leaves out, met in order."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.count = 0
        self._last: tuple[int, Micros] | None = None

    def look(self, part: pl.DataFrame) -> None:
        rows = part.select("trade_seq", "ts_event").filter(pl.col("trade_seq").is_not_null())
        if not rows.height:
            return
        rows = rows.sort("trade_seq")
        if self._last is not None:
            seam = pl.DataFrame([self._last], schema=rows.schema, orient="row")
            rows = pl.concat([seam, rows])
        step = pl.col("trade_seq").diff()
        edges = rows.with_columns(step.alias("step"), pl.col("ts_event").shift().alias("before")).filter(
            pl.col("step") > 1
        )
        for skipped, before, after in edges.select("step", "before", "ts_event").iter_rows():
            self.count += skipped - 1
            self.spans.append((min(before, after), max(before, after) + 1))
        number, at = rows.select("trade_seq", "ts_event").row(-1)
        self._last = (number, at)


def placed(file: ArchiveFile, rules: Rules) -> bool:
    """Whether nothing in a file of trades names them as stream and REST do."""
    return archive(file.venue).layouts(file.kind, rules.market)[0].identity == "places"


def trade_rows(part: pl.DataFrame, file: ArchiveFile, now: Micros) -> pl.DataFrame:
    """A window's rows as the table of trades has them."""
    side = pl.when(pl.col("buy")).then(pl.lit("buy")).otherwise(pl.lit("sell"))
    return part.with_columns(
        pl.lit(file.venue).alias("venue"),
        pl.lit(file.instrument).alias("instrument"),
        pl.lit(now).alias("ts_recv"),
        side.alias("taker_side"),
        pl.lit("market").alias("kind"),
        pl.lit("archive").alias("origin"),
    ).drop("buy")


def series_rows(part: pl.DataFrame, file: ArchiveFile, now: Micros) -> pl.DataFrame:
    """A window's rows as their table has them; bars that are not closed and settlements not known are not kept."""
    price, _, timeframe = file.timeframe.rpartition(":")
    beside = {"venue": file.venue, "instrument": file.instrument, "origin": "archive", "timeframe": timeframe}
    if file.kind == "price_candles":
        beside["kind"] = price
    rows = part.with_columns([pl.lit(value).alias(name) for name, value in beside.items()])
    if file.kind == "candles":
        rows = rows.filter("closed")
    if file.kind == "funding":
        rows = rows.with_columns(pl.col("interval_us").fill_null(pl.col("ts_event").diff()))
    return rows.with_columns(pl.lit(now).alias("ts_recv"))


def _times(start: Micros, end: Micros) -> tuple[pl.Expr, pl.Expr]:
    kind = pl.Datetime("us", "UTC")
    return pl.lit(start).cast(kind), pl.lit(end).cast(kind)
