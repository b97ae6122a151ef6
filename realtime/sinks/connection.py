"""One socket to a Redis server: what was sent and is not answered yet, in order; and who the server says it is."""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import Callable, Sequence

import hiredis

from realtime.sinks.resp import Address, pack
from warehouse.errors import ConfigError
from warehouse.keys import REALM

Reply = object

LATER = ("LOADING ", "BUSY ", "MASTERDOWN ")
"""How the words begin with which a server that is not ready yet refuses."""


class Flight:
    """Commands on their way that belong together; `left` replies are still due."""

    __slots__ = ("left",)

    def __init__(self, left: int) -> None:
        self.left = left

    def wrong(self, words: str) -> None:
        """One of the replies is an error."""

    def landed(self, reply: Reply) -> None:
        """The last reply is here."""

    def lost(self, why: str) -> None:
        """The connection is gone, and with it the replies."""


class _Question(Flight):
    """One command whose reply somebody awaits; an error is a reply."""

    __slots__ = ("_answer",)

    def __init__(self, answer: asyncio.Future[Reply]) -> None:
        super().__init__(1)
        self._answer = answer

    def landed(self, reply: Reply) -> None:
        if not self._answer.done():
            self._answer.set_result(reply)

    def lost(self, why: str) -> None:
        if not self._answer.done():
            self._answer.set_exception(ConnectionResetError(why))


class Connection(asyncio.Protocol):
    """Made by `connect`, used until it is lost; then another one takes its place.

    `moved` is called after replies have come and when the socket takes more again, `lost` once, at the end.
    """

    def __init__(self, moved: Callable[[], None], lost: Callable[[Connection, str], None]) -> None:
        self.flights: deque[Flight] = deque()
        self.paused = False
        """The server takes no more for now."""
        self._moved, self._lost = moved, lost
        self._reader = hiredis.Reader()
        self._why = "the bus hung up"
        self._transport: asyncio.Transport | None = None

    def send(self, data: bytes, flights: Sequence[Flight]) -> None:
        """Write commands whose replies go to `flights`, in this order."""
        assert self._transport is not None
        self.flights.extend(flights)
        self._transport.write(data)

    async def ask(self, command: bytes, patience: float) -> Reply:
        """The reply to one command. Raises OSError when the connection breaks, TimeoutError after `patience` seconds,
        hiredis.ReplyError when the server refuses.
        """
        if self._transport is None:
            raise ConnectionResetError(self._why)
        answer: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self.send(command, [_Question(answer)])
        reply = await asyncio.wait_for(answer, patience)
        if isinstance(reply, hiredis.ReplyError):
            raise reply
        return reply

    def close(self) -> None:
        """Hang up after everything is written."""
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Hang up at once."""
        if self._transport is not None:
            self._transport.abort()

    # -- the socket's callbacks ---------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        reader, flights = self._reader, self.flights
        try:
            reader.feed(data)
            while (reply := reader.gets()) is not False:
                flight = flights[0]
                flight.left -= 1
                if isinstance(reply, hiredis.ReplyError):
                    flight.wrong(str(reply))
                if not flight.left:
                    flights.popleft()
                    flight.landed(reply)
        except hiredis.ProtocolError as error:
            self._why = f"whoever answers there is no Redis server: {error}"
            self.abort()
            return
        self._moved()

    def pause_writing(self) -> None:
        self.paused = True

    def resume_writing(self) -> None:
        self.paused = False
        self._moved()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._why = str(exc) if exc is not None else self._why
        for flight in self.flights:
            flight.lost(self._why)
        self._lost(self, self._why)


async def connect(to: Address, moved: Callable[[], None], lost: Callable[[Connection, str], None]) -> Connection:
    """A connection to a server that may not yet have let us in. Raises OSError when nobody answers."""
    loop = asyncio.get_running_loop()
    connection = Connection(moved, lost)
    if to.path is not None:
        await loop.create_unix_connection(lambda: connection, to.path)
    else:
        context = ssl.create_default_context() if to.tls else None
        await loop.create_connection(lambda: connection, to.host, to.port, ssl=context)
    return connection


async def greet(connection: Connection, to: Address, url: str, realm: bytes, prefix: str, patience: float) -> int:
    """Log in, claim the bus for `realm` if nobody has; returns the server's memory limit in bytes, 0 for none.

    Raises ConfigError when the server refuses or belongs to another realm, OSError and TimeoutError when it is away or
    not ready.
    """
    key = (prefix + REALM).encode()
    try:
        for word in to.greeting:
            await connection.ask(word, patience)
        await connection.ask(pack(b"SET", key, realm, b"NX"), patience)
        theirs = await connection.ask(pack(b"GET", key), patience)
        memory = await connection.ask(pack(b"INFO", b"memory"), patience)
    except hiredis.ReplyError as error:
        if str(error).startswith(LATER):
            raise ConnectionRefusedError(str(error)) from None
        raise ConfigError(f"the bus at {url} refuses: {error}. Check user, password and database in bus.url.") from None
    if theirs != realm:
        raise ConfigError(
            f"the bus at {url} is of realm {_text(theirs)}, this process is {_text(realm)}; "
            f"use another bus (bus.url) or another home folder"
        )
    lines = [line.partition(":") for line in _text(memory).splitlines()]
    return next((int(value) for name, _, value in lines if name == "maxmemory"), 0)


def _text(value: object) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
