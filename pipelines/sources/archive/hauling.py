"""One venue's bulk files on their way: found by name or asked for, fetched a little ahead, read, and handed on."""

from __future__ import annotations

import asyncio
import fcntl
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path

import msgspec

from pipelines.sources.archive import local
from pipelines.sources.archive.fetching import Fetcher
from pipelines.sources.archive.reading import read
from pipelines.sources.archive.spool import Spool
from pipelines.sources.base import Blocked, Unreachable
from warehouse.clock import Clock, Micros
from warehouse.errors import ConfigError, RateLimited, VenueError
from warehouse.instruments import Rules
from warehouse.venues.archives import ArchiveFile

AHEAD = 2
"""Files that are fetched while one is read and landed."""


class Brought(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one file: `path` and `sha256`, or an error; neither, when the venue has no such file."""

    file: ArchiveFile
    started_at: Micros
    path: Path | None = None
    sha256: str = ""
    error: VenueError | ConfigError | None = None

    @property
    def final(self) -> bool:
        """Whether nothing more need be asked: the host is out of reach or refuses us."""
        return isinstance(self.error, Unreachable | Blocked | RateLimited | ConfigError)


class Haul:
    """Brings files from the venue's host, or takes them from this machine."""

    def __init__(self, fetcher: Fetcher, rules: Mapping[str, Rules], folder: Path, clock: Clock) -> None:
        self._fetcher, self._rules, self._folder, self._clock = fetcher, rules, folder, clock

    async def bring(self, files: Sequence[ArchiveFile]) -> AsyncIterator[Brought]:
        """Each file in turn, with the next ones already on their way; where one is not there, its parts instead."""
        waiting: dict[int, asyncio.Task[list[Brought]]] = {}
        try:
            for place in range(len(files)):
                for ahead in range(place, min(place + 1 + AHEAD, len(files))):
                    if ahead not in waiting:
                        waiting[ahead] = asyncio.create_task(self._with_parts(files[ahead]))
                for one in await waiting.pop(place):
                    yield one
        finally:
            for task in waiting.values():
                task.cancel()
            await asyncio.gather(*waiting.values(), return_exceptions=True)

    async def _with_parts(self, file: ArchiveFile) -> list[Brought]:
        whole = await self.one(file)
        if whole.path is not None or whole.error is not None or not file.parts:
            return [whole]
        return [await self.one(part) for part in file.parts]

    async def one(self, file: ArchiveFile) -> Brought:
        """One file; what goes wrong is told, not raised."""
        began = self._clock.now()
        try:
            if (here := local.path_of(file)) is not None:
                sha256 = await asyncio.to_thread(local.digested, here, file.venue)
                return Brought(file=file, started_at=began, path=here, sha256=sha256)
            came = await self._fetcher.fetch(file)
        except (VenueError, ConfigError) as error:
            return Brought(file=file, started_at=began, error=error)
        if came is None:
            return Brought(file=file, started_at=began)
        return Brought(file=file, started_at=began, path=came[0], sha256=came[1])

    @contextmanager
    def opened(self, brought: Brought) -> Iterator[Spool]:
        """The rows of a file that came; a fetched one is removed afterwards. Raises BadFile."""
        assert brought.path is not None, "only what came can be opened"
        with tempfile.TemporaryDirectory(prefix="rows-", dir=self._folder) as folder:
            yield read(brought.path, brought.file, self._rules[brought.file.instrument], Path(folder))
        if brought.path.is_relative_to(self._folder):
            brought.path.unlink()


@asynccontextmanager
async def hauling(
    venue: str, base: Callable[[], str], realm: str, rules: Mapping[str, Rules], home: Path, clock: Clock
) -> AsyncIterator[Haul]:
    """A haul with its folder under `home`, where what was left half-way is gone on with.

    While another process works there, a folder of one's own, which ends with the haul.
    """
    kept = home / "archives" / venue
    kept.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        lock = stack.enter_context((kept / "lock").open("w"))
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            folder = kept
            for left in kept.glob("rows-*"):  # by a run that was killed
                shutil.rmtree(left, ignore_errors=True)
        except BlockingIOError:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=kept)))
        fetcher = Fetcher(venue, base, realm, folder)
        try:
            yield Haul(fetcher, rules, folder, clock)
        finally:
            await fetcher.close()
