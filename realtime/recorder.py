"""The recorder: its own process, that tails all journals and commits their rows to the lake exactly once.

Every table has its own position in every journal, committed with its rows, so a killed recorder goes on at the smallest
and each table takes only what is above its own. Trades are committed each few seconds in one commit for all venues,
gaps at once. Between commits it keeps the house: certificates of the seams, coverage, compaction, sealed segments.
"""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Mapping
from math import inf
from pathlib import Path
from threading import Event
from typing import TextIO

import msgspec
import structlog

from realtime.decoding import Decoding
from realtime.recording import keeping
from realtime.recording.intervals import Intervals
from realtime.recording.landing import Landing
from realtime.recording.reader import TABLES, Begun, GapRow, JournalReader, KeptRow, Known, TradeRow
from realtime.recording.seams import Seams
from realtime.recording.segments import SEALING_S, tidy
from realtime.recording.voice import Voice
from warehouse.clock import HOUR, MINUTE, SECOND, Clock, Micros, monotonic
from warehouse.errors import ConfigError
from warehouse.journal import Header
from warehouse.store import Lake

log = structlog.get_logger()

LIVE = ("trades", "gaps", "coverage", "seams", "overlaps", *keeping.TABLES)
"""The tables whose upkeep is the recorder's."""

READ = 20_000
"""Entries read at once from one journal, so that a long backlog stays bounded in memory."""

SEAL_AGAIN_S = 15.0
"""While segments wait to be sealed, some are in each such time: commits come in between."""

DRAIN_S = 2.5
"""A recorder told to stop reads on for so long; the rest waits for its next start."""


class RecorderOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What a recorder is told.

    `journals` are the folders by venue; `commit_us` and `commit_rows` bound a batch of trades, `keep_us` one of
    everything else; times in microseconds.
    """

    journals: dict[str, Path]
    bus_url: str | None = None
    commit_us: Micros = 15 * SECOND
    commit_rows: int = 50_000
    keep_us: Micros = 30 * SECOND
    poll_s: float = 0.2
    coverage_us: Micros = MINUTE
    upkeep_us: Micros = 5 * MINUTE
    retention_us: Micros = 24 * HOUR
    retention_bytes: int = 10 << 30


class Recorder:
    """One per lake; a lock refuses a second. `stop` ends `run` after a last commit."""

    def __init__(
        self,
        lake: Lake,
        options: RecorderOptions,
        clock: Clock,
        decode: Callable[[Header], Decoding] = Decoding.of,
    ) -> None:
        self.lake = lake
        self.options = options
        self.clock = clock
        self.stop = Event()
        self.landing = Landing(lake)
        self.seams = Seams(lake, clock)
        self.intervals = Intervals(lake, clock)
        self.readers = {
            venue: JournalReader(folder, lake.realm, self._known, decode) for venue, folder in options.journals.items()
        }
        self.commits = 0
        self.voice = Voice(options.bus_url)
        self._trades: list[TradeRow] = []
        self._gaps: list[GapRow] = []
        self._kept: dict[str, list[KeptRow]] = {}
        self._positions: dict[str, dict[str, int]] = {table: {} for table in TABLES}
        self._due: dict[str, float] = {"seal": inf}

    def run(self) -> None:
        """Record until `stop` is set. Raises ConfigError when another recorder has this lake."""
        lock = self._lock()
        try:
            self.lake.prepare(LIVE)
            log.info("recorder_started", lake=self.lake.root, venues=list(self.readers))
            while not self.stop.is_set():
                if not self.step():
                    self.stop.wait(self.options.poll_s)
            self.finish()
        finally:
            lock.close()

    def step(self) -> bool:
        """One round over all journals; True when there is more to read at once."""
        busy = False
        for venue, reader in self.readers.items():
            found = reader.read(READ)
            busy = busy or found.entries > 0
            if found.begun:
                self._begin(reader, found.begun)
            if found.trades:
                self._trades += found.trades
                self._positions["trades"][reader.app("trades")] = found.trades[-1].log_seq
            if found.gaps:
                self._gaps += found.gaps
                self._positions["gaps"][reader.app("gaps")] = found.gaps[-1].log_seq
            for table, rows in found.kept.items():
                self._kept.setdefault(table, []).extend(rows)
                self._positions[table][reader.app(table)] = rows[-1].log_seq
            if found.reconnected or found.gaps:
                self.seams.again(venue)
            if len(self._trades) >= self.options.commit_rows:
                self.commit()
        if self._gaps:
            self._sync()
            self._commit_gaps()
        if self._is_due("commit", self.options.commit_us / SECOND):
            self.commit()
            self._look()
        if self._is_due("keep", self.options.keep_us / SECOND, first=False):
            self._commit_kept()
        if self._is_due("report", 1.0):
            self._report()
        if self._is_due("certificates", 60.0):
            self.voice.certificates(self.seams.certificates, again=True)
        if self._is_due("coverage", self.options.coverage_us / SECOND):
            self.intervals.extend(self.readers.values())
        if self._is_due("upkeep", self.options.upkeep_us / SECOND, first=False):
            self.keep_house()
        elif not self.stop.is_set() and self._is_due("seal", SEAL_AGAIN_S):
            self._tidy()
        return busy

    def finish(self) -> None:
        """Read what is there, for `DRAIN_S` at most, commit it, and say up to where."""
        end = monotonic() + DRAIN_S
        while self.step() and monotonic() < end:
            pass
        self.commit()
        self._commit_kept()
        self.intervals.extend(self.readers.values())
        self._mark()
        self._look()
        self._report()
        log.info("recorder_stopped", rows=self.landing.rows, commits=self.commits)

    def commit(self) -> None:
        """Commit the waiting trades of all venues in one version, with the journals on disk before."""
        if not self._trades:
            return
        self._sync()
        rows, self._trades = self._trades, []
        positions, self._positions["trades"] = self._positions["trades"], {}
        self.landing.trades(rows, positions, self.clock.now())
        self._committed("trades", positions)

    def _commit_gaps(self) -> None:
        rows, self._gaps = self._gaps, []
        positions, self._positions["gaps"] = self._positions["gaps"], {}
        self.landing.gaps(rows, positions)
        self._committed("gaps", positions)

    def _commit_kept(self) -> None:
        """Everything else, one version per table that has rows."""
        if not self._kept:
            return
        self._sync()
        waiting, self._kept = self._kept, {}
        for table, rows in waiting.items():
            positions, self._positions[table] = self._positions[table], {}
            self.landing.kept(table, rows, positions)
            self._committed(table, positions)

    def _committed(self, table: str, positions: Mapping[str, int]) -> None:
        self.commits += 1
        for reader in self.readers.values():
            if (at := positions.get(reader.app(table))) is not None:
                reader.positions[table] = at

    def _sync(self) -> None:
        for reader in self.readers.values():
            reader.sync()

    def _known(self, header: Header) -> Known:
        """What the lake has of a journal, when it is met for the first time."""
        known = self.intervals.known(header)
        for one in known.begun.values():
            self.seams.watch(one.venue, one.instrument, one.start)
        self.seams.remember()
        return known

    def _begin(self, reader: JournalReader, begun: list[Begun]) -> None:
        """Say at once that an interval is recorded from here on: flows leave it alone."""
        self.intervals.begin(reader, begun)
        for one in begun:
            self.seams.watch(one.venue, one.instrument, one.start)

    # House-keeping

    def keep_house(self) -> None:
        """Raise the positions of quiet tables, compact the live tables, seal and drop old segments."""
        self._mark()
        for name in LIVE:
            self.lake.upkeep(name)
        self._tidy()

    def _tidy(self) -> None:
        """Seal and drop old segments, a while for each venue; soon again when that was not enough."""
        more = False
        for reader in self.readers.values():
            tidied = tidy(
                reader.folder,
                min(reader.before, *reader.positions.values()),
                self.clock.now(),
                self.options.retention_us,
                self.options.retention_bytes,
                SEALING_S / len(self.readers),
            )
            more = more or tidied.more
        self._due["seal"] = monotonic() + SEAL_AGAIN_S if more else inf

    def _mark(self) -> None:
        """Commit what has been read as each table's position, though it brought no row."""
        self.commit()
        self._commit_kept()
        for table in TABLES:
            raised = {
                reader.app(table): reader.done
                for reader in self.readers.values()
                if reader.header is not None and reader.done > reader.positions.get(table, 0)
            }
            if raised:
                self._sync()
                self.lake.advance(table, raised)
                self._committed(table, raised)

    def _look(self) -> None:
        for certificate in self.seams.look():
            log.info(
                "seam",
                venue=certificate.venue,
                instrument=certificate.instrument,
                state=certificate.state,
                reason=certificate.reason,
            )
        self.voice.certificates(self.seams.certificates)

    def _report(self) -> None:
        """What this process says of itself, for the board."""
        now = self.clock.now()
        report = {
            "process": "recorder",
            "now": now,
            "commits": self.commits,
            "rows": self.landing.rows,
            "refused": self.landing.refused,
            "claimed": self.landing.claimed,
            "pending": len(self._trades),
            "journals": {
                venue: {
                    "log_seq": reader.done,
                    "committed": dict(reader.positions),
                    "lag_us": now - reader.ts_recv if reader.ts_recv else None,
                }
                for venue, reader in self.readers.items()
            },
            "seams": {f"{one.venue}:{one.instrument}": one.state for one in self.seams.certificates},
        }
        self.voice.health("recorder", report)

    def _is_due(self, what: str, every_s: float, *, first: bool = True) -> bool:
        now = monotonic()
        if what not in self._due:
            self._due[what] = now + every_s
            return first
        if now < self._due[what]:
            return False
        self._due[what] = now + every_s
        return True

    def _lock(self) -> TextIO:
        """One recorder per lake: two would commit every row twice."""
        home = Path(self.lake.root) if self.lake.local else next(iter(self.options.journals.values())).parent
        home.mkdir(parents=True, exist_ok=True)
        file = (home / "_recorder.lock").open("w")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            raise ConfigError(f"another recorder writes the lake {self.lake.root}; stop it first") from None
        return file
