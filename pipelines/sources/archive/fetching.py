"""Fetching bulk files: whole or not at all, going on where a broken transfer ended, and held against their checksum."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar, cast

import aiohttp

from pipelines.sources.archive.sums import bad_checksum, checksum, digest, no_checksum
from pipelines.sources.base import ATTEMPTS, Blocked, Unreachable, patiently
from warehouse.clock import SECOND
from warehouse.errors import ConfigError, RateLimited
from warehouse.venues.archives import ArchiveFile

T = TypeVar("T")

PIECE = 1 << 20
FIRST_ATTEMPTS = 3
"""Until the host has answered once, it is more likely out of reach than unwell."""

QUIET_S = 60
"""A transfer that brings nothing for so long has broken off."""

REALM_HEADER = "X-P9-Realm"


class Fetcher:
    """Fetches the files of one venue into `folder`. Belongs to one event loop; `close` when done."""

    def __init__(
        self, venue: str, base: Callable[[], str], realm: str, folder: Path, chance: random.Random | None = None
    ) -> None:
        """`base` gives the URL under which the venue's paths lie."""
        self._venue, self._base, self._realm, self._folder = venue, base, realm, folder
        self._chance = chance or random.Random()
        self._reached = False
        timeout = aiohttp.ClientTimeout(total=None, connect=20, sock_read=QUIET_S)
        self._session = aiohttp.ClientSession(timeout=timeout, auto_decompress=False)

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()

    async def fetch(self, file: ArchiveFile) -> tuple[Path, str] | None:
        """The file on this machine and its SHA-256; None when the venue has none of that name.

        Raises BadFile when it is not what its checksum says, fetched twice; Unreachable or Blocked when nobody serves
        it.
        """
        told: str | None = None
        if file.checksum:
            sums = await self._patiently(lambda: self._text(self._url(file.checksum)))
            if sums is None:
                return None
            told = checksum(sums, file.name)
            if told is None:
                raise no_checksum(self._venue, self._url(file.checksum), file.name)
        series = "-".join(filter(None, (file.kind, file.instrument, file.timeframe.replace(":", "-"))))
        target = self._folder / f"{series}-{file.name}"  # mark and index prices call their files alike
        if told is not None and target.exists() and await asyncio.to_thread(digest, target) == told:
            return target, told  # fetched by a run that did not come to landing it
        for last in (False, True):
            if not await self._patiently(lambda: self._download(self._url(file.path), target)):
                return None
            found = await asyncio.to_thread(digest, target)
            if told is None or found == told:
                return target, found
            target.unlink()
            if last:
                raise bad_checksum(self._venue, self._url(file.path), told, found)
        raise AssertionError("returned or raised above")

    def _url(self, path: str) -> str:
        """Where a path is; a link to the venue's own host leads to ours where another is configured."""
        from warehouse.venues import venue

        own = venue(self._venue).ENDPOINTS["rest_archive"]
        if path.startswith(own):
            path = path.removeprefix(own)
        return path if "://" in path else self._base().rstrip("/") + path

    async def _patiently(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Ask until it answers; a broken connection is a reason to ask again."""

        async def once() -> T:
            try:
                return await ask()
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                raise Unreachable(self._venue, f"the bulk file did not come: {error or type(error).__name__}") from None

        return cast("T", await patiently(once, ATTEMPTS if self._reached else FIRST_ATTEMPTS, self._chance))

    async def _text(self, url: str) -> str | None:
        """A small text; None where there is none."""
        async with self._session.get(url) as reply:
            return (await reply.text()) if self._there(reply, url) else None

    async def _download(self, url: str, target: Path) -> bool:
        """Bring a file to `target`, going on with what an earlier try left; False where there is none."""
        part = target.with_name(target.name + ".part")
        mark = target.with_name(target.name + ".etag")
        have = part.stat().st_size if part.exists() and mark.exists() else 0
        headers = {"Range": f"bytes={have}-", "If-Range": mark.read_text()} if have else {}
        async with self._session.get(url, headers=headers) as reply:
            if reply.status == 416:  # nothing is left to bring, or the file is another one now
                part.unlink(missing_ok=True)
                raise Unreachable(self._venue, f"{url}: cannot go on at byte {have}; beginning anew")
            if not self._there(reply, url):
                return False
            if tag := reply.headers.get("ETag"):
                mark.write_text(tag)
            with part.open("ab" if reply.status == 206 else "wb") as out:
                async for piece in reply.content.iter_chunked(PIECE):
                    out.write(piece)
        part.rename(target)
        mark.unlink(missing_ok=True)
        return True

    def _there(self, reply: aiohttp.ClientResponse, url: str) -> bool:
        """Whether a reply brings the file. Raises what its status means otherwise."""
        self._reached = True
        if reply.status in (403, 451) and "xml" not in reply.headers.get("Content-Type", ""):
            raise Blocked(self._venue, reply.status, url)
        found = reply.headers.get(REALM_HEADER, "live")
        if found != self._realm:
            raise ConfigError(
                f"{url} answered as {found!r} but this installation is {self._realm!r}. Check "
                f"venues.{self._venue}.endpoints and realm: emulated and real data never share a lake."
            )
        if reply.status in (403, 404):  # S3 says 403 of a name that is not there
            return False
        if reply.status == 429:
            raise RateLimited(self._venue, 2 * SECOND)
        if reply.status not in (200, 206):
            raise Unreachable(self._venue, f"{url}: HTTP {reply.status}")
        return True
