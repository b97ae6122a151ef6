"""Looking for holes: the lake's rows against what coverage, grid, ids and the gap ledger say ought to be there."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import polars as pl

from pipelines import past
from pipelines.checks import judged_minutes
from pipelines.holes import Hole, Ledger, absent, skipped, unsettled
from pipelines.load import Lander
from pipelines.ownership import Recorded
from pipelines.plan import INTEREST_STEP, PICTURE_EVERY, Series, Span, bar_of, missing, union
from warehouse.clock import DAY, HOUR, MINUTE, Micros
from warehouse.frames import integers
from warehouse.instruments import Rules, timeframe_us
from warehouse.records import SequenceGap
from warehouse.tables import GAPS

if TYPE_CHECKING:
    from warehouse.store import Lake

REACH: dict[str, Micros] = {"trades": 6 * HOUR, "books": DAY, "funding": 3650 * DAY}
"""How far back holes are looked for in a run that was not asked for more; 30 days where nothing is said."""

FARTHEST: Micros = 30 * DAY

BARS = 20_000
"""... and of longer candles so many of each timeframe."""

SETTLED: Micros = 5 * MINUTE
"""Newer trades may still be on their way through journal and recorder."""

LEFT = ("trades", "depth", "bbo")
"""Streams of whose holes the live side writes."""

Times = dict[Series, list[Micros]]


def ledger(lake: Lake, venue: str, recorded: dict[str, Recorded]) -> Ledger:
    """The gap ledger of one venue."""
    rows = integers(lake.read("gaps", venue=venue))
    fields = GAPS.record.__struct_fields__
    journaled = rows["log_seq"].is_not_null().to_list()
    gaps = [SequenceGap(**row) for row in rows.select(fields).iter_rows(named=True)]
    return Ledger(zip(gaps, journaled, strict=True), recorded)


class Search:
    """One venue's holes, as of one moment."""

    def __init__(
        self, lake: Lake, lander: Lander, venue: str, rules: Mapping[str, Rules], now: Micros, window: Span | None
    ) -> None:
        """`window` None looks as far back as `REACH` says."""
        self.ledger = ledger(lake, venue, lander.recorded(venue, now))
        self._lake, self._lander, self._venue = lake, lander, venue
        self._rules, self._now, self._window = rules, now, window

    def all(self) -> list[Hole]:
        """Every hole to look into, and those of the live side's ledger that nobody works on any more."""
        found = [
            *self._bars("candles"), *self._bars("price_candles"), *self._interest(), *self._funding(),
            *self._books(), *self._trades(), *self._uncounted(), *self._left(),
        ]  # fmt: skip
        return [hole for hole in found if hole.instrument in self._rules]

    def closed(self, found: Sequence[Hole]) -> list[SequenceGap]:
        """Rows of a repair's own open holes that are no holes any more, now repaired."""
        still = {(hole.gap.stream, hole.gap.instrument, hole.gap.opened_at) for hole in found if hole.gap is not None}
        return [
            gap
            for stream in ("candles", "price_candles", "open_interest", "funding", "trades")
            for gap in self._own(stream)
            if gap.instrument in self._rules and (gap.stream, gap.instrument, gap.opened_at) not in still
        ]

    def _own(self, stream: str) -> list[SequenceGap]:
        """A repair's own open holes, as far as this search looks."""
        _, until = self._span(stream)
        return [gap for gap in self.ledger.own(stream) if gap.to_ts < until]

    def _again(self, gap: SequenceGap) -> Hole:
        """What the ledger names, as it names it."""
        return Hole(stream=gap.stream, venue=self._venue, instrument=gap.instrument, start=gap.from_ts,
                    end=gap.to_ts + 1, first_id=gap.from_id, last_id=gap.to_id, gap=gap)  # fmt: skip

    def _span(self, stream: str, step: Micros = 0) -> Span:
        """The time to look at, far enough back for every hole that is still open; `step` is that of candles."""
        reach = max(REACH.get(stream, FARTHEST), BARS * step)
        start, end = self._window or (max(self._now - reach, 0), self._now)
        return min([start, *(gap.from_ts for gap in self.ledger.own(stream))]), end

    def _holes(self, series: Series, spans: Iterable[Span]) -> list[Hole]:
        """Spans without what is settled, each with its row of the ledger."""
        one = Hole(stream=series.dataset, venue=series.venue, instrument=series.instrument,
                   timeframe=series.timeframe, start=0, end=0)  # fmt: skip
        done = [(gap.from_ts, gap.to_ts + 1) for gap in
                self.ledger.settled(series.dataset, series.instrument, one.cause)]  # fmt: skip
        known = {
            (gap.from_ts, gap.to_ts + 1): gap
            for gap in self.ledger.own(series.dataset)
            if (gap.instrument, gap.cause) == (series.instrument, one.cause)
        }
        return [
            Hole(stream=series.dataset, venue=series.venue, instrument=series.instrument, timeframe=series.timeframe,
                 start=start, end=end, gap=known.get((start, end)))
            for span in spans
            for start, end in missing(span, done)
        ]  # fmt: skip

    def _times(self, dataset: str, since: Micros, column: str, *keep: pl.Expr) -> Times:
        """The times of a dataset's rows, by series."""
        rows = self._lake.scan(dataset).filter(pl.col("venue") == self._venue, *keep)
        rows = rows.filter(_from(column, since))
        names = {"candles": pl.col("timeframe"), "price_candles": pl.concat_str("kind", pl.lit(":"), "timeframe")}
        label = names.get(dataset, pl.lit("")).alias("label")
        data = integers(rows.select("instrument", label, column).collect()).sort(column)
        found: Times = defaultdict(list)
        for instrument, name, at in data.iter_rows():
            found[Series(dataset, self._venue, instrument, name)].append(at)
        return found

    def _bars(self, dataset: str) -> list[Hole]:
        covered = sorted(self._lander.covered(dataset, self._venue).items())
        steps = {frame: timeframe_us(frame) for frame in dict.fromkeys(bar_of(one.timeframe) for one, _ in covered)}
        spans = {frame: self._span(dataset, step) for frame, step in steps.items()}
        asked = [(pl.col("timeframe") == frame) & _from("open_time", since) for frame, (since, _) in spans.items()]
        times = self._times(dataset, 0, "open_time", pl.any_horizontal(asked)) if asked else {}
        found = []
        for series, known in covered:
            frame = bar_of(series.timeframe)
            within = self._whole(series, known, *spans[frame])
            found += self._holes(series, absent(times.get(series, ()), steps[frame], within))
        return found

    def _whole(self, series: Series, spans: Sequence[Span], since: Micros, until: Micros) -> list[Span]:
        """From the first moment that was ever asked about, or the listing, to the last one."""
        rules = self._rules.get(series.instrument)
        listed = (rules.listed_at if rules is not None else None) or 0
        first, last = max(min(span[0] for span in spans), since, listed), min(max(span[1] for span in spans), until)
        return [(first, last)] if first < last else []

    def _interest(self) -> list[Hole]:
        since, until = self._span("open_interest")
        period = pl.col("period_us") == INTEREST_STEP
        times = self._times("open_interest", since, "ts_event", period)
        found = []
        for series, spans in sorted(self._lander.covered("open_interest", self._venue).items()):
            within = self._whole(series, spans, since, until)
            found += self._holes(series, absent(times.get(series, ()), INTEREST_STEP, within))
        return found

    def _funding(self) -> list[Hole]:
        since, until = self._span("funding")
        rows = integers(self._lake.read("funding", venue=self._venue, start=since)).filter(pl.col("settled"))
        by_name: dict[str, list[tuple[Micros, Micros | None]]] = defaultdict(list)
        for name, at, interval in rows.select("instrument", "ts_event", "interval_us").iter_rows():
            by_name[name].append((at, interval))
        found = []
        for series, spans in sorted(self._lander.covered("funding", self._venue).items()):
            within = self._whole(series, spans, since, min(until, self._now - SETTLED))
            found += self._holes(series, unsettled(by_name.get(series.instrument, ()), within))
        return found

    def _books(self) -> list[Hole]:
        """Five minutes without any picture, between the first and the last one of an instrument."""
        since, until = self._span("books")
        found = []
        for series, times in sorted(self._times("books", since, "ts_event").items()):
            slots = [at - at % PICTURE_EVERY for at in times]
            found += self._holes(series, absent(slots, PICTURE_EVERY, [(slots[0], min(slots[-1], until))]))
        return found

    def _trades(self) -> list[Hole]:
        """Ids left out inside of what is said to be complete."""
        since, until = self._span("trades")
        covered = past.covered(self._lake, self._venue)
        parts = [
            self._lake.scan(name)
            .filter(pl.col("venue") == self._venue, pl.col("trade_seq").is_not_null())
            .filter(_from("ts_event", since))
            .select("instrument", "trade_seq", "ts_event")
            for name in ("trades", "overlaps")
        ]
        number, at = pl.col("trade_seq"), pl.col("ts_event")
        rows = pl.concat(parts).unique(["instrument", "trade_seq"]).sort("instrument", "trade_seq")
        rows = rows.with_columns(
            number.shift().over("instrument").alias("before"), at.shift().over("instrument").alias("left")
        )
        edges = integers(rows.filter(number - pl.col("before") > 1).collect()).sort("instrument", "trade_seq")
        by_name: dict[str, list[tuple[tuple[int, Micros], tuple[int, Micros]]]] = defaultdict(list)
        for name, before, left, after, right in edges.select(
            "instrument", "before", "left", "trade_seq", "ts_event"
        ).iter_rows():
            by_name[name].append(((before, left), (after, right)))
        found = []
        for name, pairs in sorted(by_name.items()):
            spans = [(start, min(end, until, self._now - SETTLED)) for start, end in covered.get(name, ())]
            known = {(gap.from_id, gap.to_id): gap for gap in self.ledger.own("trades") if gap.instrument == name}
            done = [*self.ledger.settled("trades", name), *self._left_of(name)]
            taken = union((gap.from_id, gap.to_id + 1) for gap in done if gap.from_id is not None and gap.to_id)
            holes = [hole for pair in pairs for hole in skipped(pair, spans)]
            for first, last, left, right in holes:
                for start, end in missing((first, last + 1), taken):
                    found.append(
                        Hole(stream="trades", venue=self._venue, instrument=name, start=left, end=right + 1,
                             first_id=start, last_id=end - 1, gap=known.get((start, end - 1)))
                    )  # fmt: skip
        return [*found, *[self._again(gap) for gap in self._own("trades") if not _seen(gap, found, rows)]]

    def _uncounted(self) -> list[Hole]:
        """Of trades without ids that count: minutes whose bar is larger than they make it.

        What a repair left open is asked about again until the bars of all its minutes say that it is there.
        """
        since, until = self._span("trades")
        bare = self._lake.scan("trades").filter(pl.col("venue") == self._venue, pl.col("trade_seq").is_null())
        names = bare.filter(_from("ts_event", since)).select("instrument").unique().collect()["instrument"]
        open_: dict[str, list[SequenceGap]] = {name: [] for name in names}
        for gap in self._own("trades"):
            if gap.from_id is None:
                open_.setdefault(gap.instrument, []).append(gap)
        stretches = past.stretches(self._lake, self._venue)
        window = (since, min(until, self._now - SETTLED))
        found = []
        for name, own in sorted(open_.items()):
            spans = [(gap.from_ts - gap.from_ts % MINUTE, gap.to_ts - gap.to_ts % MINUTE + MINUTE) for gap in own]
            complete = union([*stretches.get(name, ()), *spans])
            judged = judged_minutes(self._lake, self._venue, name, window, complete)
            found += [self._again(gap) for gap, span in zip(own, spans, strict=True) if missing(span, judged.whole)]
            taken = [*spans, *[(gap.from_ts, gap.to_ts + 1) for gap in self._left_of(name)]]
            left = [part for span in judged.short for part in missing(span, taken)]
            found += self._holes(Series("trades", self._venue, name), left)
        return found

    def _left_of(self, instrument: str) -> list[SequenceGap]:
        return [gap for gap in self.ledger.left(("trades",)) if gap.instrument == instrument]

    def _left(self) -> list[Hole]:
        """What the live side gave up or left behind."""
        return [self._again(gap) for gap in self.ledger.left(LEFT) if gap.stream == "trades" or gap.state == "open"]


def _seen(gap: SequenceGap, found: Sequence[Hole], rows: pl.LazyFrame) -> bool:
    """Whether a search knows how an open hole with ids stands: it found some of it, or all its ids are there."""
    if gap.from_id is None or gap.to_id is None:
        return True  # judged by the minute
    first, last = gap.from_id, gap.to_id
    if any(
        hole.instrument == gap.instrument and hole.first_id is not None and hole.last_id is not None
        and hole.first_id <= last and hole.last_id >= first
        for hole in found
    ):  # fmt: skip
        return True
    same = (pl.col("instrument") == gap.instrument) & pl.col("trade_seq").is_between(first, last)
    return bool(rows.filter(same).select(pl.len()).collect().item() == last - first + 1)


def _from(column: str, since: Micros) -> pl.Expr:
    return pl.col(column) >= pl.lit(since).cast(pl.Datetime("us", "UTC"))
