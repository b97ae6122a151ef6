"""What a server answers to the first commands: let in, not ready yet, or refused for good."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from realtime.sinks.connection import connect, greet
from realtime.sinks.resp import address
from warehouse.errors import ConfigError


@asynccontextmanager
async def server(*replies: bytes) -> AsyncIterator[str]:
    """Answers the first commands with `replies`, then hangs up; its URL."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for reply in replies:
            await reader.read(4096)
            writer.write(reply)
        await reader.read(4096)
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as made:
        host, port = made.sockets[0].getsockname()
        yield f"redis://{host}:{port}/0"


def text(words: bytes) -> bytes:
    return b"$%d\r\n%b\r\n" % (len(words), words)


async def greeted(*replies: bytes) -> int:
    async with server(*replies) as url:
        to = address(url)
        line = await connect(to, lambda: None, lambda line, why: None)
        try:
            return await greet(line, to, url, b"live", "", 5.0)
        finally:
            line.abort()


async def test_a_server_lets_in_and_tells_its_memory_limit() -> None:
    assert await greeted(b"+OK\r\n", text(b"live"), text(b"used_memory:1\r\nmaxmemory:1234\r\n")) == 1234
    assert await greeted(b"$-1\r\n", text(b"live"), text(b"maxmemory:0")) == 0


@pytest.mark.parametrize(
    "words", [b"-LOADING Redis is loading the dataset in memory\r\n", b"-BUSY running a script\r\n"]
)
async def test_a_server_that_is_not_ready_is_away_for_now(words: bytes) -> None:
    with pytest.raises(OSError, match=r"LOADING|BUSY"):
        await greeted(words)


async def test_a_refusal_is_said_with_what_to_look_at() -> None:
    with pytest.raises(ConfigError, match=r"NOAUTH.*Check user, password"):
        await greeted(b"-NOAUTH Authentication required.\r\n")


async def test_a_server_that_hangs_up_is_away() -> None:
    with pytest.raises(ConnectionResetError, match="hung up"):
        await greeted(b"+OK\r\n")


async def test_somebody_else_at_that_address_is_told_apart() -> None:
    with pytest.raises(ConnectionResetError, match="no Redis server"):
        await greeted(b"HTTP/1.1 400 Bad Request\r\n\r\n")
