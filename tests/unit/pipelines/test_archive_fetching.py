"""Fetching bulk files: a broken transfer goes on where it ended, a wrong checksum never passes, an absence is told."""

from __future__ import annotations

import hashlib
import random
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from aiohttp import web

from pipelines.sources.archive.fetching import Fetcher
from pipelines.sources.archive.hauling import hauling
from pipelines.sources.base import Blocked, Unreachable
from tests.kit.archives import BINANCE_PERP
from warehouse.clock import DAY, SystemClock
from warehouse.errors import BadFile, ConfigError
from warehouse.venues.archives import ArchiveFile

BODY = bytes(range(256)) * 4000
FILE = ArchiveFile(venue="binance", kind="trades", instrument="BTC-USDT-PERP", start=0, end=DAY, path="/data/day.zip",
                   checksum="/data/day.zip.CHECKSUM")  # fmt: skip


class Host:
    """A file host on loopback: so many `broken` transfers end half-way, `bodies` are served one after the other."""

    def __init__(self) -> None:
        self.bodies = [BODY]
        self.broken = 0
        self.status = 200
        self.sums = f"{hashlib.sha256(BODY).hexdigest()}  day.zip\n"
        self.asked: list[str] = []
        self.url = ""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        realm = {"X-P9-Realm": "emulated"}
        if self.status != 200:
            return web.Response(status=self.status, headers=realm)
        if request.path.endswith(".CHECKSUM"):
            return web.Response(text=self.sums, headers=realm)
        body = self.bodies.pop(0) if len(self.bodies) > 1 else self.bodies[0]
        wanted = request.headers.get("Range", "")
        self.asked.append(wanted)
        start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted else 0
        assert not wanted or request.headers["If-Range"] == '"one"'
        rest = body[start:]
        reply = web.StreamResponse(status=206 if wanted else 200, headers={**realm, "ETag": '"one"'})
        reply.content_length = len(rest)
        await reply.prepare(request)
        if self.broken:
            self.broken -= 1
            await reply.write(rest[: len(body) // 2])
            assert request.transport is not None
            request.transport.abort()
            return reply
        await reply.write(rest)
        return reply


@pytest.fixture
async def host(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Host]:
    monkeypatch.setattr("pipelines.sources.base.backoff", lambda *_: 0.0)
    made, app = Host(), web.Application()
    app.router.add_get("/{path:.*}", made.answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield made
    await runner.cleanup()


@pytest.fixture
async def fetcher(host: Host, tmp_path: Path) -> AsyncIterator[Fetcher]:
    made = Fetcher("binance", lambda: host.url, "emulated", tmp_path, random.Random(1))
    yield made
    await made.close()


def held(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


async def test_a_broken_transfer_goes_on_where_it_ended(host: Host, fetcher: Fetcher, tmp_path: Path) -> None:
    host.broken = 1
    came = await fetcher.fetch(FILE)
    assert came is not None
    assert (came[0].read_bytes(), came[1]) == (BODY, hashlib.sha256(BODY).hexdigest())
    assert host.asked == ["", f"bytes={len(BODY) // 2}-"]
    assert held(tmp_path) == [came[0].name]
    assert await fetcher.fetch(FILE) == came  # what was fetched and not landed is not fetched again
    assert len(host.asked) == 2


async def test_a_file_that_is_not_what_its_checksum_says_is_fetched_once_more_and_then_refused(
    host: Host, fetcher: Fetcher, tmp_path: Path
) -> None:
    host.bodies = [BODY[1:], BODY]
    assert await fetcher.fetch(FILE) is not None
    host.bodies = [BODY[1:]]
    (tmp_path / held(tmp_path)[0]).unlink()
    with pytest.raises(BadFile, match=r"day.zip: its SHA-256 is \w+ and not \w+, as the checksum says. Nothing"):
        await fetcher.fetch(FILE)
    assert held(tmp_path) == []
    host.sums = "0  another.zip\n"
    with pytest.raises(BadFile, match="tells no SHA-256"):
        await fetcher.fetch(FILE)


@pytest.mark.parametrize(("status", "found"), [(404, None), (451, Blocked), (503, Unreachable)])
async def test_what_the_host_says_instead_of_a_file(
    host: Host, fetcher: Fetcher, status: int, found: type[Exception] | None
) -> None:
    host.status = status
    if found is None:
        assert await fetcher.fetch(FILE) is None
        assert await fetcher.fetch(msgspec.structs.replace(FILE, checksum="")) is None
    else:
        with pytest.raises(found):
            await fetcher.fetch(FILE)


async def test_a_file_of_the_other_realm_never_arrives(host: Host, tmp_path: Path) -> None:
    other = Fetcher("binance", lambda: host.url, "live", tmp_path)
    with pytest.raises(ConfigError, match="answered as 'emulated' but this installation is 'live'"):
        await other.fetch(FILE)
    await other.close()


async def test_a_second_process_works_in_a_folder_of_its_own(host: Host, tmp_path: Path) -> None:
    rules = {"BTC-USDT-PERP": BINANCE_PERP}
    clock = SystemClock()
    (tmp_path / "archives" / "binance" / "rows-left").mkdir(parents=True)
    async with (
        hauling("binance", lambda: host.url, "emulated", rules, tmp_path, clock) as one,
        hauling("binance", lambda: host.url, "emulated", rules, tmp_path, clock) as two,
    ):
        first, second = await one.one(FILE), await two.one(FILE)
    assert "rows-left" not in held(tmp_path / "archives" / "binance")
    assert first.sha256 == second.sha256 == hashlib.sha256(BODY).hexdigest()
    assert first.path != second.path
    assert first.path is not None
    assert second.path is not None
    assert (first.path.exists(), second.path.exists()) == (True, False)
