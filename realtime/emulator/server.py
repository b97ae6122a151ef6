"""The sockets of one emulated venue: a loopback port for each of the venue's bases, REST or WebSocket.

The venue's own side of the protocol is `warehouse.venues.<venue>.emulate`, which is pure; this file only carries bytes.
Requests are answered on the event loop, after history that is not made yet was made in a thread. A client that does not
read is disconnected.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from urllib.parse import parse_qsl, urlsplit

import msgspec
import structlog
from aiohttp import web
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from realtime.emulator.budgets import Budget
from realtime.emulator.client import Client
from realtime.emulator.faults.desk import Desk
from realtime.emulator.faults.parts import Asked, Link, Tools
from realtime.emulator.market import Cold
from realtime.emulator.resuming import remaining
from realtime.emulator.source import About, Played
from realtime.emulator.tape import stream_of
from warehouse.clock import Clock, Micros
from warehouse.records import InstrumentStatus, Record
from warehouse.venues import venue as venue_module
from warehouse.venues.base import EmulatedVenue, MarketView, Reply

log = structlog.get_logger()

HOST = "127.0.0.1"


class VenueServer:
    """All ports of one venue. `endpoints` holds the URL of each base once `start` returned.

    `answered` counts what it replied, by HTTP status; 101 is a WebSocket.
    """

    def __init__(self, venue: str, view: MarketView, about: About, clock: Clock, desk: Desk | None = None) -> None:
        self.venue = venue
        self.about = about
        self.endpoints: dict[str, str] = {}
        self.clients: dict[int, Client] = {}
        self.answered: Counter[int] = Counter()
        self._view = view
        self._clock = clock
        self._desk = desk
        self._module = venue_module(venue)
        self._listed = list(view.rules())
        self._venues: dict[str, EmulatedVenue] = {}
        self._budgets: dict[str, Budget] = {}
        self._opened = 0
        self._closing = asyncio.Event()
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
                same = base.removesuffix("_other")  # a venue's second host says what its first does
                self.endpoints[base] = f"http://{HOST}:{await self._open_rest(same, prefix)}{prefix}"

    async def close(self) -> None:
        """Disconnect everybody and free the ports."""
        self._closing.set()
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
        reply = await self._reply(Asked(base=base, path=path, query=dict(request.query)), request.remote or HOST)
        reply = remaining(reply, request.headers.get("Range", ""), request.headers.get("If-Range", ""))
        self.answered[reply.status] += 1
        headers = {"Content-Type": "application/json", **reply.headers, **self._headers}
        return web.Response(status=reply.status, body=reply.body, headers=headers)

    async def _reply(self, asked: Asked, address: str) -> Reply:
        treatment = None if self._desk is None else self._desk.request(asked, self._now())
        if treatment is None:
            return await self._own(asked, address)
        await asyncio.sleep(treatment.wait)
        reply = await self._own(asked, address) if treatment.reply is None else treatment.reply
        return reply if treatment.alter is None else treatment.alter(reply)

    async def _own(self, asked: Asked, address: str) -> Reply:
        """What the venue answers this address, which it may have banned."""
        budget = self._budget(address)
        refused = budget.before(self._now())
        while refused is None:
            try:
                now = self._now()
                return budget.after(self._of(address).rest(asked.base, asked.path, asked.query, now), now)
            except Cold as cold:
                await asyncio.to_thread(cold.market.prepare)
        return refused

    def _of(self, address: str) -> EmulatedVenue:
        """The venue as an address meets it: limits are counted for each."""
        found = self._venues.get(address)
        if found is None:
            found = self._venues[address] = self._module.emulated(self._view)
        return found

    def _budget(self, address: str) -> Budget:
        return self._budgets.setdefault(address, Budget(self.venue))

    def _now(self) -> Micros:
        now = self._clock.now()
        return now if self._desk is None else self._desk.stamp(now)

    async def _open_ws(self, base: str, prefix: str) -> int:
        def handshake(connection: ServerConnection, request: Request, response: Response) -> None:
            for name, value in self._headers.items():
                response.headers[name] = value

        async def admit(connection: ServerConnection, request: Request) -> Response | None:
            response = await welcome(connection)
            self.answered[101 if response is None else response.status_code] += 1
            return response

        async def welcome(connection: ServerConnection) -> Response | None:
            if not self._budget(connection.remote_address[0]).connect(self._clock.now()):
                return connection.respond(429, "too many connections")
            refusal = None if self._desk is None else self._desk.handshake(base, self._clock.now())
            if refusal is None:
                return None
            if refusal.status == 0:
                await self._closing.wait()
                return connection.respond(503, "closing")
            return connection.respond(refusal.status, refusal.words)

        async def serve_client(socket: ServerConnection) -> None:
            await self._serve(base, prefix, socket)

        server = await serve(
            serve_client,
            HOST,
            0,
            process_request=admit,
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
        path, query = parts.path.removeprefix(prefix), dict(parse_qsl(parts.query))
        address = str(socket.remote_address[0]) if socket.remote_address else HOST
        side = self._of(address).connect(base, path, query, self._now())
        self._opened += 1
        client = Client(self._opened, address, base, path, query, side, socket)
        self.clients[client.number] = client
        if self._desk is not None:
            client.push(self._desk.opened(client, self._clock.now()))
        sender = asyncio.create_task(client.drain())
        reader = asyncio.create_task(self._read(client))
        try:
            done, _ = await asyncio.wait((sender, reader), return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                error = task.exception()
                if error is not None and not isinstance(error, ConnectionClosed):
                    raise error
        finally:
            del self.clients[client.number]
            sender.cancel()
            reader.cancel()
            await asyncio.gather(sender, reader, return_exceptions=True)

    async def _read(self, client: Client) -> None:
        async for message in client.socket:
            frame = message.encode() if isinstance(message, str) else message
            if self._desk is not None:
                answer = self._desk.answered(client, frame, self._clock.now())
                if answer is not None:
                    client.push(answer)
                    continue
                client.remember(frame)
            while True:
                try:
                    answers = client.side.receive(frame, self._now())
                    break
                except Cold as cold:
                    await asyncio.to_thread(cold.market.prepare)
            self._push(client, answers, None)

    def _push(self, client: Client, frames: Sequence[bytes], record: Record | None) -> None:
        if frames:
            out = frames if self._desk is None else self._desk.passed(client, frames, record, self._clock.now())
            client.push(out)

    def event(self, happened: Record | Played, now: Micros) -> None:
        """Tell every client that holds the stream."""
        if isinstance(happened, InstrumentStatus):
            self._relist(now)
        if self._desk is not None:
            happened, now = self._desk.happened(happened, now), self._desk.stamp(now)
        record = None if isinstance(happened, Played) else happened
        for client in list(self.clients.values()):
            if isinstance(happened, Played):
                held = client.base == happened.base and happened.stream in client.side.streams
                frames: Sequence[bytes] = (happened.frame,) if held else ()
            else:
                try:
                    frames = client.side.event(happened, now)
                except Cold:
                    frames = ()  # a subscription is in the midst of waiting for this history
            self._push(client, frames, record)

    def turn(self, now: Micros) -> None:
        """Let faults begin, act and end."""
        if self._desk is None:
            return
        self._desk.turn(now)
        for record in self._desk.records(now):
            self.event(record, now)
        for number, out in self._desk.due(now):
            if (client := self.clients.get(number)) is not None:
                client.push((out,))

    def tick(self, now: Micros) -> None:
        """Let connections do what is due by time (a tape adds nothing to its frames); end those too slow to keep up."""
        if self._desk is not None:
            self._desk.beat()
            self._relist(now)
        for client in list(self.clients.values()):
            if not self.about.tape:
                self._push(client, client.side.tick(self._now()), None)
            if client.too_slow and client.socket.transport.get_write_buffer_size():
                log.warning("client_too_slow", venue=self.venue, base=client.base, waiting=client.waiting.qsize())
                client.socket.transport.abort()

    def _relist(self, now: Micros) -> None:
        """When instruments changed: from now on the venue speaks of them as they are, on old connections too."""
        rules = list(self._view.rules())
        if rules == self._listed:
            return
        self._listed = rules
        self._venues.clear()
        for client in self.clients.values():
            client.renew(self._of(client.address), now)

    def tools(self) -> Tools:
        """What this venue's faults may use."""
        return Tools(
            venue=self.venue,
            rules={rule.instrument: rule for rule in self._listed},
            fresh=self._fresh,
            rest=lambda asked, now: self._of(HOST).rest(asked.base, asked.path, asked.query, now),
            links=lambda: list(self.clients.values()),
        )

    def _fresh(self, link: Link, name: str, now: Micros) -> list[bytes]:
        """What a new subscriber of one of the link's streams would be sent first."""
        side = self._of(HOST).connect(link.base, link.path, {}, now)
        answers = (answer for frame in link.heard for answer in side.receive(frame, now))
        return [answer for answer in answers if stream_of(answer) == name][-1:]

    @property
    def streams(self) -> list[tuple[str, str]]:
        """What all clients together are subscribed to, as (base, stream)."""
        held = ((client.base, stream) for client in self.clients.values() for stream in client.side.streams)
        return list(dict.fromkeys(held))
