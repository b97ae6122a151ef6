"""The venue edge: how long a venue asks us to wait, and what ends a connection."""

from __future__ import annotations

import asyncio
import gc

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from realtime.connections import Connections
from realtime.feed import Feed, Rest
from realtime.sockets import open_socket, too_large
from warehouse.budgets.limits import retry_after
from warehouse.budgets.own import WORKER_ALONE, OwnBudget
from warehouse.clock import HOUR, SECOND, ManualClock, Micros
from warehouse.journal import Kind
from warehouse.venues.base import CloseHeir, Reconnect

NOW: Micros = 1_795_000_000 * SECOND
"""2026-11-18 11:06:40."""


@pytest.mark.parametrize(
    ("header", "wait"),
    [
        (None, SECOND),
        ("7", 7 * SECOND),
        ("0.5", SECOND // 2),
        ("-3", 0),
        ("99999999", HOUR),
        ("Wed, 18 Nov 2026 11:06:49 GMT", 9 * SECOND),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0),
        ("Fri, 18 Nov 2099 11:06:49 GMT", HOUR),
        *((words, SECOND) for words in ("", "soon", "nan", "inf", "1e999", "Wed, 99 Nov 2026 11:06:49 GMT")),
    ],
)
def test_a_retry_after_is_seconds_or_a_date_and_never_an_error(header: str | None, wait: Micros) -> None:
    assert retry_after(header, NOW) == wait


@pytest.mark.parametrize("transport", ["picows", "websockets"])
async def test_a_message_that_is_too_large_ends_the_connection_in_words(transport: str) -> None:
    limit, heard, unhandled = 1 << 16, list[bytes](), list[object]()
    asyncio.get_running_loop().set_exception_handler(lambda _, context: unhandled.append(context))

    async def speak(connection: ServerConnection) -> None:
        try:
            await connection.send(b"fits")
            await connection.send(b"x" * (limit + 1))
            await connection.wait_closed()
        except ConnectionClosed:
            pass

    async with serve(speak, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        socket = await open_socket(transport, f"ws://127.0.0.1:{port}/", heard.append, limit)
        assert await socket.closed() == too_large(limit)
        socket.close()
    del socket
    gc.collect()
    await asyncio.sleep(0)
    assert heard == [b"fits"]
    assert unhandled == []


@pytest.mark.parametrize("transport", ["picows", "websockets"])
async def test_a_retired_connection_is_not_heard_any_more(transport: str) -> None:
    """What came before its closing handshake is read by then, and would be taken for its heir's."""
    heard: list[bytes] = []

    async def speak(connection: ServerConnection) -> None:
        try:
            for number in range(50):
                await connection.send(b"%d" % number)
            await connection.wait_closed()
        except ConnectionClosed:
            pass

    def accept(name: str, kind: Kind, payload: bytes) -> None:
        if kind == Kind.FRAME:
            heard.append(payload)
            feed.retire()

    async with serve(speak, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        budget = OwnBudget("okx", WORKER_ALONE)
        feed = Feed("okx.public", f"ws://127.0.0.1:{port}/", accept, budget, transport)
        await asyncio.wait_for(feed.run(), 20)
    assert heard == [b"0"]


def test_an_heir_that_died_with_the_worker_before_can_be_given_up() -> None:
    budget = OwnBudget("okx", WORKER_ALONE)

    def accept(name: str, kind: Kind, payload: bytes) -> None:
        raise AssertionError((name, kind, payload))

    rest = Rest(lambda base: "", accept, ManualClock(NOW), budget)
    connections = Connections(accept, rest, budget, "picows", lambda error: None)
    elder = connections.feeds["okx.public"] = Feed("okx.public", "", accept, budget)
    connections.obey("okx.public", CloseHeir("worker restarted"))
    connections.obey("okx.public", Reconnect("as commanded behind it"))
    assert (connections.feeds, elder.why) == ({"okx.public": elder}, "as commanded behind it")
