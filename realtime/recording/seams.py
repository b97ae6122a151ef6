"""The recorder's watch over the seams: joins history and tape of each instrument until the certificate is good, and
again after every backfill and reconnect.

A recording that outlived a longer outage has several joins. Each is looked at by itself, so that none costs more for
the days between; the newest good one is the certificate, unless another is broken.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import polars as pl

from warehouse.clock import MINUTE, SECOND, Clock, Micros
from warehouse.frames import integers
from warehouse.records import SequenceGap
from warehouse.seam import Certificate, Print, join
from warehouse.store import Lake
from warehouse.tables import Coverage

REACH: Micros = 10 * MINUTE
"""How far past the overlap the tape is compared id by id; later holes are in the gap ledger. Proof that begins farther
behind other proof than this is a join of its own.
"""

LONGEST: Micros = 30 * MINUTE
"""An overlap of hours, that of an outage fetched by both sides, is so many joins: each fits into memory."""

RETRY: tuple[Micros, ...] = tuple(seconds * SECOND for seconds in (3, 3, 5, 10, 20, 60))
"""Pauses between looks at a seam that is not proven while nothing has changed; the last one repeats."""

GOOD = ("proven", "supported")
_FIELDS = ("trade_id", "trade_seq", "ticks", "lots", "taker_side", "ts_event")

Key = tuple[str, str]


class Watched(msgspec.Struct):
    """One instrument: since when it is recorded, its newest certificate, when to look again."""

    start: Micros
    certificate: Certificate | None = None
    due: Micros = 0
    looks: int = 0

    @property
    def judged(self) -> Micros | None:
        """Where the join begins that the certificate speaks of: those before it were judged when it was given. None
        while there is none, or an unprovable one, which settles nothing.
        """
        known = self.certificate
        return None if known is None or known.state == "unprovable" else known.overlap_from

    @property
    def since(self) -> Micros:
        """From when on proof has to be read: what a broken certificate found fault with may lie before the overlap."""
        good = self.certificate is not None and self.certificate.state in GOOD
        return max(self.start - SECOND, (self.judged or 0) if good else 0)


class Seams:
    """Certificates of all recorded instruments."""

    def __init__(self, lake: Lake, clock: Clock) -> None:
        self._lake = lake
        self._clock = clock
        self._watched: dict[Key, Watched] = {}
        self._overlaps = -1

    @property
    def certificates(self) -> list[Certificate]:
        """The newest certificate of each instrument that has one."""
        return [one.certificate for one in self._watched.values() if one.certificate is not None]

    def watch(self, venue: str, instrument: str, start: Micros) -> None:
        """Follow an instrument recorded since `start`; a new start, or an earlier one, is looked at anew."""
        known = self._watched.get((venue, instrument))
        self._watched[venue, instrument] = Watched(start, known.certificate if known else None)

    def remember(self) -> None:
        """Take the lake's newest certificates as known, so that equal ones are not written again."""
        for row in self._lake.rows("seams"):
            if isinstance(row, Certificate) and (row.venue, row.instrument) in self._watched:
                self._watched[row.venue, row.instrument].certificate = row

    def again(self, venue: str) -> None:
        """Something happened at a venue: look at its seams at the next opportunity."""
        for (name, _), one in self._watched.items():
            if name == venue:
                one.due, one.looks = 0, 0

    def look(self) -> list[Certificate]:
        """Join what is due; returns the certificates that say something new, already written to the lake."""
        version = self._lake.version("overlaps")
        if version != self._overlaps:
            self._overlaps = version
            for one in self._watched.values():
                one.due, one.looks = 0, 0
        now = self._clock.now()
        due = [key for key, one in self._watched.items() if one.due <= now]
        news = []
        for key, certificate in zip(due, self._certify(due), strict=True):
            one = self._watched[key]
            if not (one.certificate and _same(one.certificate, certificate)):
                one.certificate = certificate
                news.append(certificate)
            pause = RETRY[min(one.looks, len(RETRY) - 1)]
            one.looks += 1
            one.due = now + (pause if certificate.state not in GOOD else 10 * MINUTE)
        if news:
            self._lake.append("seams", news)
        return news

    def judge(self) -> list[Certificate]:
        """A certificate of every instrument as of now, without writing any."""
        return self._certify(sorted(self._watched))

    def _certify(self, wanted: Sequence[Key]) -> list[Certificate]:
        if not wanted:
            return []
        now, gaps = self._clock.now(), self._gaps()
        overlaps = self._lake.read("overlaps", start=min(self._watched[key].since for key in wanted))
        return [self._judge(key, overlaps, gaps.get(key, []), now) for key in wanted]

    def _judge(self, key: Key, overlaps: pl.DataFrame, gaps: Sequence[SequenceGap], now: Micros) -> Certificate:
        """The word on the joins of a recording that have not been judged before, and on the one judged last."""
        venue, instrument = key
        one = self._watched[key]
        since = pl.col("ts_event").cast(pl.Int64) >= one.since
        proof = overlaps.filter((pl.col("venue") == venue) & (pl.col("instrument") == instrument) & since)
        found: list[Certificate] = []
        for part in _joins(proof):
            found.append(self._join(key, part, gaps, now))
            if one.judged is not None and integers(part.head(1))["ts_event"].item() <= one.judged:
                break
        return _verdict(found) or join(venue, instrument, [], [_NEVER], contiguous=True, created=now)

    def _join(self, key: Key, proof: pl.DataFrame, gaps: Sequence[SequenceGap], now: Micros) -> Certificate:
        venue, instrument = key
        times = integers(proof.select("ts_event"))["ts_event"]
        low, high = times[0] - MINUTE, times[-1] + REACH
        found = self._lake.read("trades", venue=venue, instrument=instrument, start=low, end=high)
        found = found.filter(pl.col("kind") != "block")
        tape = _prints(found.filter(pl.col("log_seq").is_not_null()))
        history = _prints(proof) + _prints(found.filter(pl.col("log_seq").is_null()), landed=True)
        contiguous = all(row.trade_seq is not None for row in tape)
        return join(venue, instrument, history, tape, gaps, contiguous=contiguous, created=now)

    def _gaps(self) -> dict[Key, list[SequenceGap]]:
        """The newest state of every gap in trades, by instrument."""
        newest: dict[tuple[object, ...], SequenceGap] = {}
        rows = self._lake.read("gaps", match={"stream": "trades"}).sort("ts_recv", "log_seq", maintain_order=True)
        for row in integers(rows.select(SequenceGap.__struct_fields__)).iter_rows(named=True):
            gap = SequenceGap(**row)
            newest[gap.venue, gap.instrument, gap.opened_at, gap.from_id] = gap
        found: dict[Key, list[SequenceGap]] = {}
        for gap in newest.values():
            found.setdefault((gap.venue, gap.instrument), []).append(gap)
        return found


_NEVER = Print("", None, 0, 0, "", 0)
"""Stands for a tape that need not be read: without history there is nothing to compare it with."""


def _prints(rows: pl.DataFrame, *, landed: bool = False) -> list[Print]:
    kept = rows.select(*_FIELDS, pl.col("origin") == "stream", pl.lit(landed).alias("landed"))
    return [Print(*row) for row in integers(kept).iter_rows()]


def _joins(proof: pl.DataFrame) -> list[pl.DataFrame]:
    """The proof of each join, in order of time, the newest join first."""
    at = pl.col("ts_event").cast(pl.Int64)
    rows = proof.sort("ts_event", maintain_order=True)
    rows = rows.with_columns((at.diff() > REACH).fill_null(False).cum_sum().alias("overlap"))
    rows = rows.with_columns(((at - at.min().over("overlap")) // LONGEST).alias("piece"))
    return rows.partition_by("overlap", "piece", maintain_order=True, include_key=False)[::-1]


def _verdict(found: Sequence[Certificate]) -> Certificate | None:
    """Of the certificates of a recording's joins, the newest first, the one that counts: a broken one, the oldest,
    until it is mended; else the newest good one.
    """
    broken = [one for one in found if one.state == "broken"]
    good = [one for one in found if one.state in GOOD]
    return next(iter([*broken[::-1], *good, *found]), None)


def _same(one: Certificate, other: Certificate) -> bool:
    """Whether two certificates tell a reader the same."""
    facts = [(kept.state, kept.cut, kept.missing, kept.differing, kept.reason) for kept in (one, other)]
    return facts[0] == facts[1]


def certify(lake: Lake, clock: Clock) -> list[Certificate]:
    """Fresh certificates of everything the lake says was recorded; nothing is written."""
    seams = Seams(lake, clock)
    rows = lake.rows("coverage", match={"dataset": "trades", "origin": "stream"})
    for row in sorted((row for row in rows if isinstance(row, Coverage)), key=age):
        seams.watch(row.venue, row.instrument, row.start)
    return seams.judge()


def age(row: Coverage) -> tuple[Micros, Micros]:
    """Sorts an instrument's recorded intervals so that the newest one's beginning is last, however far a page moved
    it back.
    """
    return (row.start if row.live_from is None else row.live_from, -row.start)
