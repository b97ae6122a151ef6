"""The sockets of one emulated venue: a loopback port for each of the venue's bases, REST or WebSocket.

The venue's own side of the protocol is `warehouse.venues.<venue>.emulate`, which is pure; this file only carries bytes.
Requests are
answered on the event loop, after history that is not made yet was made in a thread. A client that does not read is
disconnected.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from urllib.parse import parse_qsl, urlsplit

import msgspec
import structlog
from aiohttp import web
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from realtime.emulator.market import Cold
from realtime.emulator.source import About, Played
from warehouse.clock import Clock, Micros
from warehouse.records import Record
from warehouse.venues import venue as venue_module
from warehouse.venues.base import EmulatedConnection, EmulatedVenue, MarketView, Reply

log = structlog.get_logger()

HOST = "127.0.0.1"
QUEUE = 20_000
"""Frames that may wait for a client before it counts as too slow."""

Passage = Callable[[str, str, Sequence[bytes], Micros], Sequence[bytes]]
"""Where every outgoing frame passes: (venue, base, frames, now) to the frames that go on. Faults are made here."""


def unhindered(venue: str, base: str, frames: Sequence[bytes], now: Micros) -> Sequence[bytes]:
    """A passage without faults."""
    return frames


class Client:
    """One WebSocket client: its protocol side, and the frames that wait for it."""

    def __init__(self, base: str, side: EmulatedConnection, socket: ServerConnection) -> None:
        self.base = base
        self.side = side
        self.socket = socket
        self.waiting: asyncio.Queue[bytes] = asyncio.Queue(QUEUE)
        self.too_slow = False

    def push(self, frames: Sequence[bytes]) -> None:
        """Queue frames; a client whose queue is full is marked for disconnection."""
        try:
            for frame in frames:
                self.waiting.put_nowait(frame)
        except asyncio.QueueFull:
            self.too_slow = True

    async def drain(self) -> None:
        """Send what waits, until cancelled or the connection is gone."""
        while True:
            frame = await self.waiting.get()
            await self.socket.send(frame, text=True)
            if self.too_slow:
                await self.socket.close(1008, "client too slow")
                return


class VenueServer:
    """All ports of one venue. `endpoints` holds the URL of each base once `start` returned."""

    def __init__(self, venue: str, view: MarketView, about: About, clock: Clock, passage: Passage = unhindered) -> None:
        self.venue = venue
        self.about = about
        self.endpoints: dict[str, str] = {}
        self.clients: dict[int, Client] = {}
        self._clock = clock
        self._passage = passage
        self._module = venue_module(venue)
        self._emulated: EmulatedVenue = self._module.emulated(view)
        self._runners: list[web.AppRunner] = []
        self._servers: list[Server] = []
        self._headers = {"X-P9-Realm": about.realm, "X-P9-Clock-Offset-Us": str(about.clock_offset_us)}

    async def start(self) -> None:
        """Open a free loopback port for each base of the venue."""
        for base, real in self._module.ENDPOINTS.items():
            prefix = urlsplit(real).path.rstrip("/")
            if real.startswith("ws"):
                self.endpoints[base] = f"ws://{HOST}:{await self._open_ws(base, prefix)}{prefix}"
            else:
                self.endpoints[base] = f"http://{HOST}:{await self._open_rest(base, prefix)}{prefix}"

    async def close(self) -> None:
        """Disconnect everybody and free the ports."""
        for server in self._servers:
            server.close()
        await asyncio.gather(*(runner.cleanup() for runner in self._runners))
        await asyncio.gather(*(server.wait_closed() for server in self._servers))

    async def _open_rest(self, base: str, prefix: str) -> int:
        async def answer(request: web.Request) -> web.Response:
            return await self._answer(base, request.path.removeprefix(prefix), request)

        app = web.Application()
        app.router.add_route("*", "/{path:.*}", answer)
        runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=0.5)
        await runner.setup()
        await web.TCPSite(runner, HOST, 0).start()
        self._runners.append(runner)
        port: int = runner.addresses[0][1]
        return port

    async def _answer(self, base: str, path: str, request: web.Request) -> web.Response:
        if path == "/p9/emulator":
            body = msgspec.json.encode(self.about)
            return web.Response(body=body, content_type="application/json", headers=self._headers)
        reply = await self._reply(base, path, dict(request.query))
        headers = {"Content-Type": "application/json", **reply.headers, **self._headers}
        return web.Response(status=reply.status, body=reply.body, headers=headers)

    async def _reply(self, base: str, path: str, query: dict[str, str]) -> Reply:
        while True:
            try:
                return self._emulated.rest(base, path, query, self._clock.now())
            except Cold as cold:
                await asyncio.to_thread(cold.market.prepare)

    async def _open_ws(self, base: str, prefix: str) -> int:
        def handshake(connection: ServerConnection, request: Request, response: Response) -> None:
            for name, value in self._headers.items():
                response.headers[name] = value

        async def serve_client(socket: ServerConnection) -> None:
            await self._serve(base, prefix, socket)

        server = await serve(
            serve_client,
            HOST,
            0,
            process_response=handshake,
            compression=None,
            ping_interval=20,
            ping_timeout=60,
            close_timeout=0.5,
            max_size=1 << 20,
        )
        self._servers.append(server)
        port: int = next(iter(server.sockets)).getsockname()[1]
        return port

    async def _serve(self, base: str, prefix: str, socket: ServerConnection) -> None:
        assert socket.request is not None  # the handshake is done
        parts = urlsplit(socket.request.path)
        side = self._emulated.connect(
            base, parts.path.removeprefix(prefix), dict(parse_qsl(parts.query)), self._clock.now()
        )
        client = Client(base, side, socket)
        self.clients[id(client)] = client
        sender = asyncio.create_task(client.drain())
        reader = asyncio.create_task(self._read(client))
        try:
            done, _ = await asyncio.wait((sender, reader), return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                error = task.exception()
                if error is not None and not isinstance(error, ConnectionClosed):
                    raise error
        finally:
            del self.clients[id(client)]
            sender.cancel()
            reader.cancel()
            await asyncio.gather(sender, reader, return_exceptions=True)

    async def _read(self, client: Client) -> None:
        async for message in client.socket:
            frame = message.encode() if isinstance(message, str) else message
            while True:
                try:
                    now = self._clock.now()
                    answers = client.side.receive(frame, now)
                    break
                except Cold as cold:
                    await asyncio.to_thread(cold.market.prepare)
            self._push(client, answers, now)

    def _push(self, client: Client, frames: Sequence[bytes], now: Micros) -> None:
        if frames:
            client.push(self._passage(self.venue, client.base, frames, now))

    def event(self, happened: Record | Played, now: Micros) -> None:
        """Tell every client that holds the stream."""
        for client in self.clients.values():
            if isinstance(happened, Played):
                held = client.base == happened.base and happened.stream in client.side.streams
                frames: Sequence[bytes] = (happened.frame,) if held else ()
            else:
                frames = client.side.event(happened, now)
            self._push(client, frames, now)

    def tick(self, now: Micros) -> None:
        """Let connections do what is due by time (a tape adds nothing to its frames); end those too slow to keep up."""
        for client in list(self.clients.values()):
            if not self.about.tape:
                self._push(client, client.side.tick(now), now)
            if client.too_slow and client.socket.transport.get_write_buffer_size():
                log.warning("client_too_slow", venue=self.venue, base=client.base, waiting=client.waiting.qsize())
                client.socket.transport.abort()

    @property
    def streams(self) -> list[tuple[str, str]]:
        """What all clients together are subscribed to, as (base, stream)."""
        held = ((client.base, stream) for client in self.clients.values() for stream in client.side.streams)
        return list(dict.fromkeys(held))
