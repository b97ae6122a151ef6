"""The recorder's watch over the seams: joins history and tape of each instrument until the certificate is good, and
again after every backfill and reconnect.
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
"""How far past the overlap the tape is compared id by id; later holes are in the gap ledger."""

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
        now, overlaps, gaps = self._clock.now(), self._lake.read("overlaps"), self._gaps()
        return [self._join(key, self._watched[key].start, overlaps, gaps.get(key, []), now) for key in wanted]

    def _join(
        self, key: Key, start: Micros, overlaps: pl.DataFrame, gaps: Sequence[SequenceGap], now: Micros
    ) -> Certificate:
        venue, instrument = key
        proof = overlaps.filter(
            (pl.col("venue") == venue)
            & (pl.col("instrument") == instrument)
            & (pl.col("ts_event").cast(pl.Int64) >= start - SECOND)
        )
        if not proof.height:
            return join(venue, instrument, [], [_NEVER], contiguous=True, created=now)
        times = integers(proof.select("ts_event"))["ts_event"].to_list()
        low, high = min(times) - MINUTE, max(times) + REACH
        found = self._lake.read("trades", venue=venue, instrument=instrument, start=low, end=high)
        found = found.filter(pl.col("kind") != "block")
        tape = _prints(found.filter(pl.col("log_seq").is_not_null()))
        history = _prints(found.filter(pl.col("log_seq").is_null())) + _prints(proof)
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


def _prints(rows: pl.DataFrame) -> list[Print]:
    return [Print(*row) for row in integers(rows.select(*_FIELDS, pl.col("origin") == "stream")).iter_rows()]


def _same(one: Certificate, other: Certificate) -> bool:
    """Whether two certificates tell a reader the same."""
    facts = [(kept.state, kept.cut, kept.missing, kept.differing, kept.reason) for kept in (one, other)]
    return facts[0] == facts[1]


def certify(lake: Lake, clock: Clock) -> list[Certificate]:
    """Fresh certificates of everything the lake says was recorded; nothing is written."""
    seams = Seams(lake, clock)
    for row in lake.rows("coverage", match={"dataset": "trades", "origin": "stream"}):
        if isinstance(row, Coverage):
            seams.watch(row.venue, row.instrument, row.start)
    return seams.judge()
