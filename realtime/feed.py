"""The venue edge: sockets and REST requests.

What arrives becomes a journal entry at once; what the core commands is obeyed here.
"""

from __future__ import annotations

import asyncio
import errno
import random
import re
import socket
from collections.abc import Callable
from typing import Protocol

import aiohttp
import structlog

from realtime.decoding import answered
from realtime.succession import MARK
from warehouse.budgets.limits import CHARGES, CONNECTS, told_to_wait
from warehouse.budgets.own import Budget
from warehouse.clock import Clock, monotonic
from warehouse.errors import ConfigError, RateLimited
from warehouse.journal import Kind
from warehouse.venues.base import Fetch

log = structlog.get_logger()

MAX_FRAME = 32 << 20
"""Frames larger than this are refused, bytes."""

OPEN_S, REST_S = 15.0, 10.0
"""Seconds that a handshake and a request may take."""

CALM_S = 30.0
"""A connection that stood for so many seconds lets the next pause be short again."""

SLOTS = 4
"""Requests under way at once."""

Accept = Callable[[str, Kind, bytes], None]
"""Takes (source, kind, payload) of one input, stamps it and puts it into the turn's block."""


class Socket(Protocol):
    """The one seam between us and a WebSocket library."""

    def send(self, frame: bytes) -> None: ...
    def close(self) -> None: ...
    def pause(self, paused: bool) -> None:
        """Stop or go on reading: back-pressure reaches the venue's end of the connection."""
        ...

    async def closed(self) -> str:
        """Wait for the end of the connection and say why."""
        ...


def explain(error: BaseException) -> str:
    """Why a venue could not be reached, in words with something to do."""
    text = str(error) or type(error).__name__
    handshake = re.search(r"(?:HTTP|received) (\d{3})\b", text)
    status = int(handshake[1]) if handshake else getattr(error, "status", None)
    if status in (403, 451):
        return f"HTTP {status}: this address is geo-blocked or banned there; use another network"
    if status in (418, 429):
        return f"HTTP {status}: too many requests from this address; wait some minutes"
    if isinstance(status, int) and status >= 400:
        return f"HTTP {status}: the venue has a fault, or the endpoint is another server's"
    cause = getattr(error, "os_error", error)
    if isinstance(error, aiohttp.ClientConnectorDNSError) or isinstance(cause, socket.gaierror):
        return "name not found; check the network, DNS and the endpoint's spelling"
    if isinstance(error, asyncio.TimeoutError | TimeoutError):
        return "no answer in time; check the network"
    if isinstance(cause, OSError) and cause.errno == errno.ECONNREFUSED:
        return "connection refused; nothing listens there"
    if isinstance(cause, OSError) and cause.errno in (errno.ENETUNREACH, errno.EHOSTUNREACH):
        return "no way there; check the network"
    return text


class Backoff:
    """Growing pauses with jitter, seconds; `reset` after a success. `draw` picks a number between two."""

    def __init__(
        self, first: float = 0.25, most: float = 30.0, draw: Callable[[float, float], float] = random.uniform
    ) -> None:
        self.first, self.most = first, most
        self._draw = draw
        self.tries = 0

    def next(self) -> float:
        """The next pause."""
        top = min(self.most, self.first * 2**self.tries)
        self.tries += 1
        return self._draw(top / 2, top)

    def reset(self) -> None:
        self.tries = 0


class Feed:
    """Keeps one connection's socket open: connect within the budget, pass frames on, reconnect with backoff.

    `name` is the connection's. An heir (`~` behind its name) connects once and does not come back when it is lost.
    """

    def __init__(self, name: str, url: str, accept: Accept, budget: Budget, transport: str = "picows") -> None:
        self.name = name
        self.url = url
        self.transport = transport
        self._accept = accept
        self._budget = budget
        self._socket: Socket | None = None
        self._paused = False
        self._retired = False
        self.why = "not connected yet"

    @property
    def connected(self) -> bool:
        return self._socket is not None

    def send(self, frame: bytes) -> None:
        """Write a text frame; dropped when the connection is down (the core is told of that separately)."""
        if self._socket is not None:
            self._socket.send(frame)

    def reconnect(self, why: str) -> None:
        """Close the connection; `run` opens its successor."""
        self.why = why
        if self._socket is not None:
            self._socket.close()

    def retire(self) -> None:
        """Close the connection for good, without a word: another one carries on. What still comes is not heard."""
        self._retired = True
        if self._socket is not None:
            self._socket.close()

    def pause(self, paused: bool) -> None:
        """Stop reading while the bus cannot keep up."""
        if paused != self._paused:
            self._paused = paused
            if self._socket is not None:
                self._socket.pause(paused)

    async def run(self) -> None:
        """Until cancelled or retired; an heir ends with its connection."""
        backoff = Backoff()
        while not self._retired:
            try:
                async with self._budget.spend(CONNECTS[self._budget.venue], 1):
                    self._socket = await asyncio.wait_for(self._open(), OPEN_S)
            except (OSError, TimeoutError, aiohttp.ClientError, ConfigError, RateLimited) as error:
                self.why = explain(error)
                log.warning("connect_failed", connection=self.name, url=self.url, why=self.why)
                if self._given_up(self.why):
                    return
                await asyncio.sleep(backoff.next())
                continue
            self._paused = False
            if self._retired:
                self._socket.close()
                return
            self._accept(self.name, Kind.CONNECTED, b"")
            opened = monotonic()
            try:
                why = await self._socket.closed()
            finally:
                socket, self._socket = self._socket, None
                socket.close()
            self.why = why
            if self._retired or self._given_up(why):
                return
            self._accept(self.name, Kind.DISCONNECTED, why.encode())
            if monotonic() - opened > CALM_S:
                backoff.reset()
            await asyncio.sleep(backoff.next())

    def _given_up(self, why: str) -> bool:
        """An heir that is lost says so, and that is all."""
        if self.name.endswith(MARK):
            self._accept(self.name, Kind.DISCONNECTED, why.encode())
            return True
        return False

    async def _open(self) -> Socket:
        from realtime.sockets import open_socket

        return await open_socket(self.transport, self.url, self._hear, MAX_FRAME)

    def _hear(self, frame: bytes) -> None:
        """Pass a frame on. A closing handshake may deliver what was on its way: it would be taken for the heir's."""
        if not self._retired:
            self._accept(self.name, Kind.FRAME, frame)


class Rest:
    """Obeys `Fetch` commands: one GET each, a few at a time and within the budget; every outcome becomes an entry."""

    def __init__(
        self, bases: Callable[[str], str], accept: Accept, clock: Clock, budget: Budget, at_once: int = SLOTS
    ) -> None:
        self._bases = bases
        self._accept = accept
        self._clock = clock
        self._budget = budget
        self._slots = asyncio.Semaphore(at_once)
        self._http: aiohttp.ClientSession | None = None
        self._tasks: dict[asyncio.Task[None], str] = {}

    def fetch(self, source: str, fetch: Fetch) -> None:
        """Start a request of session `source`; its reply, or why none came, is accepted as an ANSWER entry."""
        task = asyncio.create_task(self._one(source, fetch))
        self._tasks[task] = source
        task.add_done_callback(lambda done: self._tasks.pop(done, None))

    async def get(self, fetch: Fetch) -> tuple[int, bytes, dict[str, str]]:
        """One GET: status, body, headers. Status 0: no reply came, or the budget forbids to ask; the body says why."""
        if self._http is None:
            self._http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=REST_S))
        async with self._slots:
            limit, cost = CHARGES[self._budget.venue](fetch)
            url = self._bases(fetch.base) + fetch.path
            try:
                async with self._budget.spend(limit, cost), self._http.get(url, params=fetch.query) as reply:
                    body = await reply.read()
                if (wait := told_to_wait(reply.status, body, reply.headers, self._clock.now())) is not None:
                    await self._budget.pause(limit, wait)
                return reply.status, body, dict(reply.headers)
            except RateLimited as error:
                return 0, str(error).encode(), {}
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                return 0, explain(error).encode(), {}

    async def _one(self, source: str, fetch: Fetch) -> None:
        status, body, _ = await self.get(fetch)
        self._accept(source, Kind.ANSWER, answered(fetch, status, body))

    async def close(self) -> None:
        """End what is under way and the connections."""
        for task in list(self._tasks):
            task.cancel()
        if self._http is not None:
            await self._http.close()
