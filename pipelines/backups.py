"""Other sources of a hole's rows, for when the venue's REST leaves something open: its bulk files, its second host.

Asked one hole after the other: neighbouring holes mostly lie in one file, which is fetched and read once.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Protocol, cast

import msgspec
import polars as pl

from pipelines import bulk, reconciling
from pipelines.holes import Hole
from pipelines.load import Fetched
from pipelines.sources.archive.columns import GRANULE
from pipelines.sources.archive.hauling import Haul, hauling
from pipelines.sources.archive.reading import windows
from pipelines.sources.archive.spool import Spool
from pipelines.sources.base import Blocked, Source, Unreachable, follow
from pipelines.sources.ccxt import CcxtSource
from pipelines.walks import walk
from warehouse.clock import DAY, Clock, Micros
from warehouse.errors import ConfigError, RateLimited, Rejected, VenueError
from warehouse.frames import frame, records
from warehouse.instruments import Rules
from warehouse.records import Record
from warehouse.tables import table
from warehouse.venues import archive
from warehouse.venues import venue as venue_module
from warehouse.venues.archives import ArchiveFile, ArchiveKind
from warehouse.venues.base import Answer

if TYPE_CHECKING:
    from pipelines.desk import Desk
    from warehouse.store import Lake

KEPT = 4
"""Files whose rows are kept for the next hole."""

OTHER = "_other"
"""The end of an endpoint's key that names a second host with the same answers."""


class Backup(Protocol):
    """Somebody else who may have a hole's rows."""

    async def ask(self, hole: Hole, first: Fetched) -> Fetched | None:
        """What it has of a hole that the venue answered with `first`; None when it has nothing to say about it."""
        ...

    def expects(self, hole: Hole) -> str | None:
        """Why the hole's rows may be there later though they were not when asked; None: they will not."""
        ...


def joined(first: Fetched, second: Fetched) -> Fetched:
    """Two answers about one hole as one: all rows, complete where either is; the reasons of both where neither is."""
    one, other = first.answer, second.answer
    if one is None and other is None:
        return msgspec.structs.replace(first, error="; ".join(filter(None, (first.error, second.error))))
    if one is None:
        return second
    if other is None:
        whole = one.complete_from is not None and one.note is None
        note = one.note if whole else "; ".join(filter(None, (one.note, second.error)))
        return msgspec.structs.replace(first, answer=msgspec.structs.replace(one, note=note))
    bounds = other if other.complete_from is not None else one
    notes = "; ".join(filter(None, (one.note, other.note)))
    answer = Answer(
        records=[*one.records, *other.records],
        complete_from=bounds.complete_from,
        complete_to=bounds.complete_to,
        note=notes or None,
    )
    return msgspec.structs.replace(first, answer=answer)


class NotOut(VenueError):
    """A bulk file that is still to come."""

    def __init__(self, file: ArchiveFile) -> None:
        self.why = f"{file.name} is not out yet"
        super().__init__(file.venue, self.why)


class Archives:
    """The venue's bulk files, of days that are over."""

    def __init__(
        self, lake: Lake, source: Source, rules: Mapping[str, Rules], clock: Clock, haul: Haul, opened: ExitStack
    ) -> None:
        self._lake, self._source, self._rules, self._clock = lake, source, rules, clock
        self._haul, self._opened = haul, opened
        self._spools: OrderedDict[str, tuple[ExitStack, Spool]] = OrderedDict()
        self._listed: dict[tuple[object, ...], list[ArchiveFile]] = {}
        self._absent: dict[str, VenueError] = {}
        self._awaited: dict[Hole, str] = {}
        self._gone = False

    async def ask(self, hole: Hole, first: Fetched) -> Fetched | None:
        """A hole's rows from the files that hold its time."""
        kind = cast("ArchiveKind", hole.stream)
        began = self._clock.now()
        if kind not in archive(hole.venue).KINDS or self._gone:
            return None
        try:
            files = [one for one in await self._files(hole, kind) if one.start < hole.end and one.end > hole.start]
            if not files:
                return None
            found = [row for file in files for row in await self._of(hole, file)]
        except NotOut as error:
            self._awaited[hole] = error.why
            return Fetched(part=first.part, started_at=began, error=str(error))
        except (VenueError, ConfigError) as error:
            return Fetched(part=first.part, started_at=began, error=str(error))
        names = " and ".join(file.name for file in files)
        wanted = 0 if hole.first_id is None or hole.last_id is None else hole.last_id - hole.first_id + 1
        if len(found) < wanted:
            answer = Answer(records=found, note=f"{names} lacks some too")
        else:
            answer = Answer(records=found, complete_from=hole.start, complete_to=hole.end)
        return Fetched(part=first.part, started_at=began, answer=answer)

    async def _files(self, hole: Hole, kind: ArchiveKind) -> list[ArchiveFile]:
        """The files of a hole's days; some venues must be asked for them, once."""
        start, end = hole.start - hole.start % DAY, hole.end - hole.end % -DAY
        key = (kind, hole.instrument, hole.timeframe, start, end)
        if key not in self._listed:
            asking = archive(hole.venue).files(self._rules[hole.instrument], kind, hole.timeframe, start, end)
            self._listed[key] = await follow(asking, self._source)
        return self._listed[key]

    async def _of(self, hole: Hole, file: ArchiveFile) -> list[Record]:
        """A file's rows of a hole. Raises VenueError or ConfigError when the file cannot be had or read."""
        if file.path in self._absent:
            raise self._absent[file.path]
        if file.path not in self._spools:
            try:
                fetched = await self._fetched(file)
            except VenueError as error:
                self._absent[file.path] = error
                raise
            if len(self._spools) >= KEPT:
                await asyncio.to_thread(self._spools.popitem(last=False)[1][0].close)
            self._spools[file.path] = fetched
        self._spools.move_to_end(file.path)
        return await asyncio.to_thread(self._inside, hole, file, self._spools[file.path][1])

    async def _fetched(self, file: ArchiveFile) -> tuple[ExitStack, Spool]:
        now = self._clock.now()
        if file.end > now:
            raise NotOut(file)
        brought = await self._haul.one(file)
        if brought.error is not None:
            self._gone = brought.final
            raise brought.error
        if brought.path is None:
            late = now < file.end + archive(file.venue).LATE
            raise NotOut(file) if late else Rejected(file.venue, "404", f"the archive has no {file.name}")
        stack = self._opened.enter_context(ExitStack())
        return stack, await asyncio.to_thread(stack.enter_context, self._haul.opened(brought))

    def expects(self, hole: Hole) -> str | None:
        """A file that is not out yet."""
        return self._awaited.get(hole)

    def _inside(self, hole: Hole, file: ArchiveFile, spool: Spool) -> list[Record]:
        """A hole's rows among those of a file, as records; of trades without names those that the lake lacks."""
        now = self._clock.now()
        declared = table(hole.stream)
        found: list[Record] = []
        for part in windows(spool):
            column = "open_time" if "open_time" in part.columns else "ts_event"
            start, end = hole.start - hole.start % GRANULE, hole.end - hole.end % -GRANULE
            inside = part.filter(pl.col(column).is_between(start, end, closed="left"))
            if hole.first_id is not None:
                inside = inside.filter(pl.col("trade_seq").is_between(hole.first_id, hole.last_id))
            if not inside.height:
                continue
            if hole.stream == "trades":
                rows = bulk.trade_rows(inside, file, now)
                if bulk.placed(file, self._rules[hole.instrument]):
                    rows = reconciling.unmatched(rows, reconciling.known(self._lake, file, start, end))
            else:
                rows = bulk.series_rows(inside, file, now)
            found += [row for row in records(declared, frame(declared, rows)) if isinstance(row, Record)]
        return found


class OtherHost:
    """The same questions, asked at the venue's second host."""

    def __init__(self, source: Source, rules: dict[str, Rules], clock: Clock) -> None:
        self._source, self._rules, self._clock = source, rules, clock
        self._gone = False

    async def ask(self, hole: Hole, first: Fetched) -> Fetched | None:
        """The second host's answer about a hole, where the first gave none: both know the same."""
        bases = venue_module(hole.venue).ENDPOINTS
        market = self._rules[hole.instrument].market
        if first.answer is not None or self._gone or not bases.keys() & {f"rest_{market}{OTHER}", f"rest{OTHER}"}:
            return None
        began = self._clock.now()
        try:
            answer = await follow(walk(first.part, self._rules, began), self._source)
        except (VenueError, ConfigError) as error:
            self._gone = isinstance(error, Unreachable | Blocked | RateLimited | ConfigError)
            return Fetched(part=first.part, started_at=began, error=f"second host: {error}")
        return Fetched(part=first.part, started_at=began, answer=answer)

    def expects(self, hole: Hole) -> str | None:
        """What the second host lacks it will not get."""
        return None


@asynccontextmanager
async def backups(desk: Desk, rules: dict[str, Rules]) -> AsyncIterator[list[Backup]]:
    """All other sources of a desk's venue, in the order in which they are asked."""
    settings, venue = desk.settings, desk.venue

    def second(key: str) -> str:
        bases = venue_module(venue).ENDPOINTS
        return settings.endpoint(venue, key + OTHER if key + OTHER in bases else key)

    async with AsyncExitStack() as stack:
        base = settings.endpoint(venue, "rest_archive")
        haul = await stack.enter_async_context(
            hauling(venue, lambda: base, settings.realm, rules, settings.home, desk.clock)
        )
        opened = stack.enter_context(ExitStack())
        other = CcxtSource(venue, second, settings.realm, desk.budget)
        stack.push_async_callback(other.close)
        yield [
            Archives(desk.lake, desk.source, rules, desk.clock, haul, opened),
            OtherHost(other, rules, desk.clock),
        ]


def in_turn(hole: Hole) -> tuple[str, Micros]:
    """The order in which neighbouring holes of one file follow each other."""
    return hole.instrument, hole.start
