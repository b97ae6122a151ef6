"""Landing: answers into the lake, so that landing twice, or being killed anywhere and landing again, is landing once.

Rows go first, then the coverage that says they are there, then the outcome that tells of the attempt. Whoever is killed
in between plans the same part again and lands equal rows, which changes nothing.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from operator import attrgetter
from typing import TYPE_CHECKING

import msgspec

from pipelines.ownership import Recorded, split
from pipelines.plan import PICTURE_EVERY, Part, Series, Span, missing
from warehouse.clock import MINUTE, Micros
from warehouse.frames import integers
from warehouse.records import Candle, FundingRate, Record, Trade, VenueNotice
from warehouse.rows import PriceCandle
from warehouse.tables import Coverage, Outcome
from warehouse.venues.base import Answer

if TYPE_CHECKING:
    from warehouse.store import Lake

FRESH_ROWS = 30_000
"""So many fetched rows are landed together: few commits, and little is fetched again after a kill."""


PRESENT = ("books", "insurance", "calendar")
"""Datasets of which a venue tells how it is now, whatever time is asked about."""


BESIDE: Micros = MINUTE
"""Two readings of one state less apart than this are the same news: of two processes, the later one may land first."""


class Change(msgspec.Struct, frozen=True):
    """Of a dataset that keeps changes alone: the fields that name a state, and those whose change is news."""

    identity: tuple[str, ...]
    facts: tuple[str, ...]


CHANGES: dict[str, Change] = {
    "insurance": Change(("venue", "pool", "asset"), ("balance",)),
    "calendar": Change(("venue", "instrument"), ("state", "code", "listed_at", "delisting_at")),
}


class Fetched(msgspec.Struct, frozen=True, kw_only=True):
    """One part and what came of asking for it: an answer, or the error that ended it."""

    part: Part
    started_at: Micros
    answer: Answer | None = None
    error: str | None = None


class Lander:
    """Lands what one flow run fetches. Not for two threads at once."""

    def __init__(self, lake: Lake, run_id: str) -> None:
        self._lake = lake
        self._run_id = run_id

    def covered(self, dataset: str, venue: str) -> dict[Series, list[Span]]:
        """What earlier runs left complete, per series of one dataset and venue."""
        found: dict[Series, list[Span]] = {}
        for row in self._coverage(dataset, venue):
            if row.origin != "stream":
                series = Series(dataset, venue, row.instrument, row.timeframe)
                found.setdefault(series, []).append((row.start, row.end))
        return found

    def recorded(self, venue: str, now: Micros) -> dict[str, Recorded]:
        """The recorder's own intervals of the trades of one venue, per instrument."""
        found: dict[str, list[Coverage]] = {}
        for row in self._coverage("trades", venue):
            if row.origin == "stream":
                found.setdefault(row.instrument, []).append(row)
        return {instrument: Recorded.of(rows, now) for instrument, rows in found.items()}

    def land(
        self, batch: Sequence[Fetched], now: Micros, known: Mapping[Series, Sequence[Span]] | None = None
    ) -> list[Outcome]:
        """Land a batch of one venue and dataset; returns the outcome of each part, in the batch's order.

        Coverage is not told again where all of it is `known`: of one start the newest row counts, even if shorter.
        Raises DataError when a row fails a check of its table; nothing of that table is written then.
        """
        if not batch:
            return []
        dataset, venue = batch[0].part.dataset, batch[0].part.venue
        kept: list[Sequence[Record]] = [_kept(item) for item in batch]
        coverage = [row for item, rows in zip(batch, kept, strict=True) for row in _coverage(item, len(rows), now)]
        coverage = [
            row for row in coverage if known is None or missing((row.start, row.end), known.get(_series(row), ()))
        ]
        if dataset == "trades":
            landed, coverage = self._land_trades(venue, batch, kept, coverage, now)
        elif dataset in CHANGES:
            landed = [self._land_changes(dataset, venue, rows, now) for rows in kept]
        elif dataset == "books":
            landed = self._land_books(venue, batch, kept, now)
        else:
            self._lake.upsert(dataset, [row for rows in kept for row in rows], now=now)
            landed = [len(rows) for rows in kept]
        if coverage:
            self._lake.append("coverage", coverage)
        outcomes = [
            _outcome(item, rows, count, self._run_id, now)
            for item, rows, count in zip(batch, kept, landed, strict=True)
        ]
        self._lake.append("outcomes", outcomes)
        return outcomes

    def tell(self, item: Fetched, landed: int, now: Micros) -> None:
        """The outcome of an attempt whose rows somebody else has landed."""
        self._lake.append("outcomes", [_outcome(item, _kept(item), landed, self._run_id, now)])

    def _land_changes(self, dataset: str, venue: str, rows: Sequence[Record], now: Micros) -> int:
        """Of readings of a state, those that say something new; headlines go to their own table. Returns how many."""
        notices = [row for row in rows if isinstance(row, VenueNotice)]
        states = [row for row in rows if not isinstance(row, VenueNotice)]
        with self._lake.exclusive(dataset):  # another process may be telling the same change
            known = [row for row in self._lake.rows(dataset, venue=venue) if isinstance(row, Record)]
            fresh = changes(known, states, CHANGES[dataset])
            if fresh:
                self._lake.upsert(dataset, fresh, now=now)
        told = self._lake.upsert("notices", notices, now=now).added if notices else 0
        return len(fresh) + told

    def _land_books(
        self, venue: str, batch: Sequence[Fetched], kept: Sequence[Sequence[Record]], now: Micros
    ) -> list[int]:
        """Of each book one picture a period: the first to land. Returns how many of each answer."""
        with self._lake.exclusive("books"):
            since = min(item.part.start for item in batch) - PICTURE_EVERY  # a venue's clock may lag
            held = self._lake.read("books", venue=venue, start=since, match={"origin": "rest"})
            taken = {
                (name, at - at % PICTURE_EVERY) for name, at in integers(held).select("instrument", "ts_event").rows()
            }
            fresh = [
                [row for row in rows if (row.instrument, row.ts_event - row.ts_event % PICTURE_EVERY) not in taken]
                for rows in kept
            ]
            self._lake.upsert("books", [row for rows in fresh for row in rows], now=now)
        return [len(rows) for rows in fresh]

    def _land_trades(
        self,
        venue: str,
        batch: Sequence[Fetched],
        kept: Sequence[Sequence[Record]],
        coverage: Sequence[Coverage],
        now: Micros,
    ) -> tuple[list[int], list[Coverage]]:
        """Rows that the recorder owns prove the seam in `overlaps`; only the others are history.

        Ownership is read here, after fetching and just before writing, because the recorder may have begun meanwhile.
        """
        recorded = self.recorded(venue, now)
        own: dict[str, list[Trade]] = {}
        proof: dict[str, list[Trade]] = {}
        landed = []
        for item, rows in zip(batch, kept, strict=True):
            instrument = item.part.instrument
            trades = [row for row in rows if isinstance(row, Trade)]
            before, overlap = split(trades, recorded.get(instrument))
            own.setdefault(instrument, []).extend(before)
            proof.setdefault(instrument, []).extend(overlap)
            landed.append(len(before))
        for table, found in (("trades", own), ("overlaps", proof)):
            for instrument in sorted(found):  # one instrument a commit: a range never holds another's recorded rows
                if found[instrument]:
                    self._lake.upsert(table, found[instrument], now=now)
        return landed, [part for row in coverage for part in _owned(row, recorded.get(row.instrument))]

    def _coverage(self, dataset: str, venue: str) -> list[Coverage]:
        """The newest row of each coverage key."""
        newest: dict[tuple[object, ...], Coverage] = {}
        rows = self._lake.rows("coverage", venue=venue, match={"dataset": dataset})
        for row in sorted((row for row in rows if isinstance(row, Coverage)), key=lambda row: row.ts_recv):
            newest[(row.instrument, row.timeframe, row.origin, row.source, row.start)] = row
        return list(newest.values())


def changes(known: Sequence[Record], new: Sequence[Record], what: Change) -> list[Record]:
    """The rows of `new` that differ from the state before them: the one of `known`, or of `new`, next before in time.

    A state that `known` has at the very same time is left to the landing, which sees whether it differs; one that it
    has at nearly the same time was read by a process beside this one.
    """
    fresh: list[Record] = []
    identity, facts = attrgetter(*what.identity), attrgetter(*what.facts)
    before: dict[object, object] = {}
    old = sorted(known, key=_at)
    at = 0
    for row in sorted(new, key=_at):
        while at < len(old) and old[at].ts_event <= row.ts_event:
            before[identity(old[at])] = facts(old[at])
            at += 1
        beside = old[at : bisect_right(old, row.ts_event + BESIDE, key=_at)]
        soon = next((facts(later) for later in beside if identity(later) == identity(row)), None)
        if facts(row) not in (before.get(identity(row)), soon):
            before[identity(row)] = facts(row)
            fresh.append(row)
    return fresh


def _at(row: Record) -> Micros:
    return row.ts_event


def _kept(item: Fetched) -> list[Record]:
    """Of an answer, the rows that history keeps: closed bars, settled rates, all trades; inside the part.

    What can only be asked about now is kept as it came.
    """
    if item.answer is None:
        return []
    part = item.part
    if part.dataset in PRESENT:
        return item.answer.records
    rows: list[Record] = []
    for row in item.answer.records:
        at = row.open_time if isinstance(row, Candle | PriceCandle) else row.ts_event
        open_ = (isinstance(row, Candle) and not row.closed) or (isinstance(row, FundingRate) and not row.settled)
        if part.start <= at < part.end and not open_:
            rows.append(row)
    return rows


def _coverage(item: Fetched, rows: int, now: Micros) -> Iterable[Coverage]:
    answer, part = item.answer, item.part
    if answer is None or answer.complete_from is None or answer.complete_to is None:
        return
    start, end = max(answer.complete_from, part.start), min(answer.complete_to, part.end)
    if start < end:
        yield Coverage(
            dataset=part.dataset,
            venue=part.venue,
            instrument=part.instrument,
            timeframe=part.timeframe,
            start=start,
            end=end,
            origin="rest",
            rows=rows,
            note=answer.note,
            ts_recv=now,
        )


def _series(row: Coverage) -> Series:
    return Series(row.dataset, row.venue, row.instrument, row.timeframe)


def _owned(row: Coverage, recorded: Recorded | None) -> Iterable[Coverage]:
    """A range of fetched trades, told apart into what landed as history and what stands in `overlaps`."""
    for start, end in recorded.outside((row.start, row.end)) if recorded else [(row.start, row.end)]:
        yield msgspec.structs.replace(row, start=start, end=end)
    for start, end in recorded.inside((row.start, row.end)) if recorded else []:
        yield msgspec.structs.replace(row, dataset="overlaps", start=start, end=end)


def _outcome(item: Fetched, rows: Sequence[Record], landed: int, run_id: str, now: Micros) -> Outcome:
    part = item.part
    times = [row.ts_event for row in rows]
    return Outcome(
        dataset=part.dataset,
        venue=part.venue,
        instrument=part.instrument,
        timeframe=part.timeframe,
        start=part.start,
        end=part.end,
        rows=len(rows),
        landed=landed,
        first_ts=min(times, default=None),
        last_ts=max(times, default=None),
        sha256=digest(rows) if rows else None,
        error=item.error,
        note=item.answer.note if item.answer else None,
        run_id=run_id,
        started_at=item.started_at,
        finished_at=now,
    )


def digest(rows: Sequence[Record]) -> str:
    """SHA-256 of the rows' values, receipt times left out: the same answer has the same digest on any day."""
    if not rows:
        return hashlib.sha256(b"").hexdigest()
    values = {}
    for kind in dict.fromkeys(type(row) for row in rows):
        values[kind] = attrgetter(*[name for name in kind.__struct_fields__ if name != "ts_recv"])
    return hashlib.sha256(msgspec.msgpack.encode([values[type(row)](row) for row in rows])).hexdigest()
