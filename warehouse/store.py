"""The lake: Delta tables of Parquet, one per declared table. The only module that writes them.

Three ways to write, each one atomic commit. `append` adds. `append_once` adds with a position, so that a batch repeated
after a crash is skipped. `upsert` lands an answer that may be known already: an equal value changes nothing, a
differing one replaces the row and leaves the old one in `corrections`.

Whatever processes do to a table at once, no row of it doubles or goes, with a lock between them or without. Each commit
rests on the version that was read before. Delta holds it against every commit since; who is refused reads again. Three
things pass Delta's own check, and are closed here:

- Two compactions of the same files left each row twice: of two `layout.compact`, the later one is refused.
- File statistics are cut to milliseconds, so rows of one millisecond were not seen: `rewrite` begins at a whole one.
- A store may answer an error after it has written: who commits a position looks for it before trying again.

Locks are for those who look, then add (`exclusive`), and on one machine, that no work is refused and done again.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from threading import Event, local
from typing import TypeVar

import msgspec
import polars as pl
from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError, DeltaError

from warehouse.clock import MILLISECOND, Micros
from warehouse.errors import ConfigError, LakeError
from warehouse.frames import checked, frame, instant, merged, records
from warehouse.layout import compact, in_order, opened, snapshot, write
from warehouse.lease import flocked, leased
from warehouse.ranges import condition, select
from warehouse.realm import mark
from warehouse.sealing import seal, unsealed
from warehouse.tables import Correction, table

TRIES = 10
SCOPE: tuple[str, ...] = ("venue", "instrument", "timeframe")
T = TypeVar("T")
Rows = Sequence[msgspec.Struct] | pl.DataFrame

_pause = Event()


class Landed(msgspec.Struct, frozen=True):
    """What an `upsert` did with its rows."""

    added: int
    equal: int
    corrected: int


class Lake:
    """The tables under one root, a folder or an object store's URL.

    The first use of a root marks it with its realm; a reader passes None and takes what is there. Raises ConfigError
    for a root of the other realm, and for one with a space in it (the log spells it `%20`, readers find no file).
    """

    def __init__(
        self, root: str | Path, storage_options: Mapping[str, str] | None = None, realm: str | None = "live"
    ) -> None:
        self.root = str(root).rstrip("/")
        self.storage_options = dict(storage_options) if storage_options else None
        if any(char.isspace() for char in self.root):
            raise ConfigError(f"lake root {self.root!r} holds a space; Delta's readers need a path without one")
        self.local = "://" not in self.root
        found = mark(self.root, realm, self.storage_options) if realm else None
        if found != realm:
            raise ConfigError(
                f"the lake at {self.root} holds {found} data and this process is {realm}; "
                "choose another lake.root, emulated and live data are never mixed"
            )
        self.realm = found
        self._local = local()

    @property
    def _handles(self) -> dict[str, DeltaTable]:
        """Kept handles of this thread: a handle moved on by another thread between read and write would lose rows."""
        found: dict[str, DeltaTable] = self._local.__dict__.setdefault("handles", {})
        return found

    def uri(self, name: str) -> str:
        """Where a table is."""
        return f"{self.root}/{name}"

    def handle(self, name: str) -> DeltaTable:
        """The table at its newest version, made when absent.

        Raises KeyError for an undeclared name, ConfigError for a table that is partitioned otherwise than declared.
        """
        kept = self._handles.get(name)
        if kept is not None:
            kept.update_incremental()
            return kept
        found = opened(self.uri(name), table(name), self.storage_options, grow=self.realm is not None)
        self._handles[name] = found
        return found

    def prepare(self, names: Sequence[str]) -> None:
        """Make the named tables where they do not exist yet."""
        for name in names:
            self.handle(name)

    # Writing

    def append(self, name: str, rows: Rows, positions: Mapping[str, int] | None = None) -> int:
        """Add rows; returns how many. Raises DataError when one fails a check: nothing is written then.

        `positions` are committed with them, unlike `append_once` without a look at what is committed: for the one
        writer that holds them.
        """
        declared = table(name)
        data = checked(declared, frame(declared, rows))
        if data.height:
            self._retry(name, _once(positions, lambda held: write(held, declared, data, positions=positions)))
        return data.height

    def append_once(self, name: str, rows: Rows, app_id: str, version: int) -> bool:
        """Add rows with a position: False, and nothing written, when `version` or a later one is committed already.

        `app_id` names one writer of this table for ever; `version` only grows.
        """
        declared = table(name)
        data = checked(declared, frame(declared, rows))

        def go(held: DeltaTable) -> bool:
            done = held.transaction_version(app_id)
            if done is not None and version <= done:
                return False
            write(held, declared, data, positions={app_id: version})
            return True

        return self._retry(name, go)

    def advance(self, name: str, positions: Mapping[str, int]) -> None:
        """Commit positions without rows, so that a quiet table does not hold its reader back after a restart."""
        declared = table(name)
        empty = frame(declared, [])
        self._retry(name, lambda held: write(held, declared, empty, positions=positions))

    def position(self, name: str, app_id: str) -> int | None:
        """The version last committed under `app_id`, None before the first."""
        found = self.handle(name).transaction_version(app_id)
        return None if found is None else int(found)

    def upsert(self, name: str, rows: Rows, *, now: Micros, once: bool = False) -> Landed:
        """Land rows that may be known. Idempotent: the same rows again change nothing.

        A row whose key is new is added. One with equal values is left as it was first known. One with differing values
        replaces the old row, which goes to `corrections` with both times (`now` is when). With `once` the caller
        vouches that no key stands twice among `rows`, which saves a third of the time of a million.
        """
        declared = table(name)
        data = checked(declared, frame(declared, rows), unique=False)
        landed = Landed(0, 0, 0)

        def change(known: pl.DataFrame) -> pl.DataFrame | None:
            nonlocal landed
            result = merged(declared, known, data, now, once=once)
            corrected = len(result.corrections)
            landed = Landed(result.added, data.height - result.added - corrected, corrected)
            if corrected:
                self._correct(name, result.corrections)
            return result.rows if corrected or result.added else None

        if data.height:
            self.rewrite(name, data, change)
        return landed

    def _correct(self, name: str, found: Sequence[Correction]) -> None:
        """Tell of replaced values, each once: who is killed before the new ones stand finds them differing again."""
        since = min(row.known_at for row in found)
        with self.exclusive("corrections"):
            told = {
                (row.key, row.known_at, row.new)
                for row in self.rows("corrections", start=since, match={"table": name})
                if isinstance(row, Correction)
            }
            self.append("corrections", [row for row in found if (row.key, row.known_at, row.new) not in told])

    def rewrite(
        self,
        name: str,
        data: pl.DataFrame,
        change: Callable[[pl.DataFrame], pl.DataFrame | None],
        positions: Mapping[str, int] | None = None,
    ) -> bool:
        """Replace what stands in the range of `data` (its instruments and span of time) by `change(what stands there)`.

        `change` gets the rows of the version that is replaced, may be called again when another writer was faster, and
        returns None to leave them (False is returned then). One commit, which carries `positions`.
        """
        declared = table(name)
        scope = {column: sorted(data[column].unique()) for column in SCOPE if column in declared.key}
        low, high = instant(data[declared.time].min()), instant(data[declared.time].max()) + 1
        low -= low % MILLISECOND
        where = condition(declared, scope, low, high)

        def go(held: DeltaTable) -> bool:
            known = select(declared, snapshot(held, declared, self.storage_options), scope, low, high)
            changed = change(known.collect())
            if changed is not None:
                write(held, declared, changed, where=where, positions=positions)
            return changed is not None

        with self._alone(name):
            return self._retry(name, _once(positions, go)) is not False

    def _retry(self, name: str, go: Callable[[DeltaTable], T]) -> T:
        """Run `go` on the newest version, again with a jittered pause when another writer was faster.

        Raises LakeError when the disk or the object store refuses.
        """
        for attempt in range(TRIES):
            try:
                return go(self.handle(name))
            except CommitFailedError:
                self._handles.pop(name, None)
                if attempt == TRIES - 1:
                    raise
                _pause.wait(random.uniform(0.02, 0.05) * 2 ** min(attempt, 5))
            except (DeltaError, OSError) as error:
                raise LakeError(self.uri(name), str(error)) from None
        raise AssertionError(f"{name}: no attempt was made")

    @contextmanager
    def exclusive(self, name: str) -> Iterator[None]:
        """Hold other processes' landings in this table off while deciding by what stands there. For short work.

        A file lock, which holds between processes of one machine, and between machines where their shared folder passes
        locks on, as NFS does; on an object store a lease, which holds between machines. Re-entrant within a thread.
        """
        held: list[str] = self._local.__dict__.setdefault("locks", [])
        if name in held:
            yield
            return
        lock = f"{self.root}/_lock_{name}"
        with flocked(lock) if self.local else leased(lock, self.storage_options):
            held.append(name)
            try:
                yield
            finally:
                held.remove(name)

    def _alone(self, name: str) -> AbstractContextManager[None]:
        """Around one commit that rests on the rows it replaces, or on their files.

        Delta refuses the slower of two such, which is enough in an object store, but for live tables: their recorder
        looks, then adds.
        """
        return self.exclusive(name) if self.local or table(name).live else nullcontext()

    # Reading

    def exists(self, name: str) -> bool:
        """Whether the table has been made."""
        return name in self._handles or DeltaTable.is_deltatable(self.uri(name), self.storage_options)

    def scan(self, name: str) -> pl.LazyFrame:
        """The table's newest snapshot as a polars LazyFrame; an absent table has no rows."""
        declared = table(name)
        if not self.exists(name):
            return frame(declared, []).lazy()
        return snapshot(self.handle(name), declared, self.storage_options)

    def read(
        self,
        name: str,
        *,
        venue: str | None = None,
        instrument: str | None = None,
        start: Micros | None = None,
        end: Micros | None = None,
        match: Mapping[str, str] | None = None,
    ) -> pl.DataFrame:
        """Rows with the table's time column in `[start, end)`, ascending; None asks for all.

        Rows of one time follow each other as the venue counts them, else as they became known.
        """
        declared = table(name)
        asked = {"venue": venue, "instrument": instrument, **(match or {})}
        equal = {column: [wanted] for column, wanted in asked.items() if wanted is not None}
        found = select(declared, self.scan(name), equal, start, end)
        return found.sort(in_order(declared), maintain_order=True).collect()

    def rows(self, name: str, **where: object) -> list[msgspec.Struct]:
        """`read`, as the table's records."""
        return records(table(name), self.read(name, **where))  # type: ignore[arg-type]

    def version(self, name: str) -> int:
        """The table's newest version; -1 when it has not been made."""
        return int(self.handle(name).version()) if self.exists(name) else -1

    # Upkeep

    def expire(self, name: str, before: Micros, spare: Mapping[str, Sequence[str]] | None = None) -> int:
        """Delete the rows whose time lies before `before`; returns how many.

        Rows with one of the values that `spare` names for a column stay (`{"digest": [...]}`).
        """
        if not self.exists(name):
            return 0
        where = condition(table(name), {}, None, before)
        for column, values in (spare or {}).items():
            listed = ", ".join("'" + value.replace("'", "''") + "'" for value in values)
            where += f" AND {column} NOT IN ({listed})" if values else ""
        with self._alone(name):
            return self._retry(name, lambda held: int(held.delete(where)["num_deleted_rows"]))

    def seal(self, name: str, now: Micros) -> int:
        """Sort the days that are over, see `sealing`; returns how many were written anew.

        Without a lock, for it takes a while: a day into which others wrote all the while is left for the next time.
        """
        if not self.exists(name):
            return 0
        declared, done = table(name), 0
        for venue, day in unsealed(self.handle(name), declared, now):
            try:
                self._retry(name, lambda held: seal(held, declared, venue, day, self.storage_options))  # noqa: B023
                done += 1
            except CommitFailedError:
                continue
        return done

    def upkeep(self, name: str) -> bool:
        """Compact small files, write a checkpoint and drop expired log and data files.

        False when other writers were faster each time: the small files are left for the next one then.
        """
        if not self.exists(name):
            return True
        try:
            with self._alone(name):
                self._retry(name, lambda held: compact(held, table(name)))
            compacted = True
        except CommitFailedError:
            compacted = False
        held = self.handle(name)
        held.create_checkpoint()
        held.cleanup_metadata()
        held.vacuum(retention_hours=1 if table(name).live else 24, dry_run=False, enforce_retention_duration=False)
        return compacted


def _once(positions: Mapping[str, int] | None, go: Callable[[DeltaTable], T]) -> Callable[[DeltaTable], T | None]:
    """`go`, but None without calling it again when the first call's commit turns out to stand.

    A store that answers an error after it has written lets Delta's client write again, and be refused by itself.
    """
    tried = False

    def look_first(held: DeltaTable) -> T | None:
        nonlocal tried
        if tried and positions and all((held.transaction_version(app) or 0) >= at for app, at in positions.items()):
            return None
        tried = True
        return go(held)

    return look_first
