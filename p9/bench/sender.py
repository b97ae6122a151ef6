"""A process that speaks for the venue: REST from an emulated market, and its frames, prepared, at any rate.

A venue has many machines; here the frames are rendered and framed before they are asked for, so that sending them
costs next to nothing beside what receives them.
"""

from __future__ import annotations

import asyncio
from base64 import b64encode
from hashlib import sha1
from multiprocessing.connection import Connection
from urllib.parse import parse_qsl, urlsplit

import msgspec
from aiohttp import web

from p9.bench.frames import kind_of
from p9.bench.mixes import MIXES, Market
from realtime.emulator.market import Cold
from warehouse.clock import SECOND, Micros, SystemClock, monotonic
from warehouse.instruments import Rules
from warehouse.journal import Answered, Kind
from warehouse.venues.base import EmulatedConnection

HOST = "127.0.0.1"
HEADERS = {"X-P9-Realm": "emulated"}
BEAT_S = 0.001
"""The sender looks this often what is due."""

_answered = msgspec.msgpack.Decoder(Answered)


class Prepared(msgspec.Struct, frozen=True):
    """What a sender says when it may be asked: its URLs by base, the rules, each instrument's context document, when
    its market's first frame is, and how many frames there are.
    """

    endpoints: dict[str, str]
    rules: list[Rules]
    contexts: dict[str, bytes]
    starts: Micros
    frames: int


class Sent(msgspec.Struct, frozen=True):
    """What was written: (symbol, trade id, monotonic seconds) of each trade, and how long it took.

    `waiting` bytes were not taken by the other side when the last was due.
    """

    frames: int
    seconds: float
    waiting: int
    trades: list[tuple[str, str, float]]


class Sender:
    """The sockets, and the frames for them in order: (connection, wire bytes, trade or None)."""

    def __init__(self, count: int) -> None:
        self.market = Market(MIXES[0])
        self.starts = self.market.clock.now()
        while len(self.market.entries) < count:
            self.market.advance(SECOND // 4)
        self.clock = SystemClock(0)
        self.endpoints: dict[str, str] = {}
        self.frames: list[tuple[str, bytes, tuple[str, str] | None]] = []
        self.contexts: dict[str, bytes] = {}
        self._snapshots: dict[str, bytes] = {}
        self._at = 0
        self._writers: dict[str, asyncio.StreamWriter] = {}
        for entry in self.market.entries:
            if entry.kind == Kind.FRAME and entry.payload.startswith(b'{"stream":'):
                self.frames.append((entry.source, framed(entry.payload), _trade(entry.payload)))
            elif entry.kind == Kind.CONTEXT:
                self.contexts[entry.source] = entry.payload
            elif entry.kind == Kind.ANSWER:
                reply = _answered.decode(entry.payload)
                if reply.purpose == "book":
                    self._snapshots.setdefault(reply.query["symbol"], reply.body)

    async def open(self) -> None:
        """Listen on loopback: one port for REST, one for the sockets."""
        app = web.Application()
        app.router.add_get("/{base}/{path:.*}", self._answer)
        runner = web.AppRunner(app, access_log=None, handle_signals=False)
        await runner.setup()
        await web.TCPSite(runner, HOST, 0).start()
        server = await asyncio.start_server(self._connected, HOST, 0)
        rest, ws = runner.addresses[0][1], server.sockets[0].getsockname()[1]
        for base in ("rest_spot", "rest_perp"):
            self.endpoints[base] = f"http://{HOST}:{rest}/{base}"
        for base in ("ws_spot", "ws_perp"):
            self.endpoints[base] = f"ws://{HOST}:{ws}"

    async def _answer(self, request: web.Request) -> web.Response:
        base, path = request.match_info["base"], "/" + request.match_info["path"]
        query = dict(request.query)
        if path == "/p9/emulator":
            return web.json_response({}, headers=HEADERS)
        if path.endswith("/depth") and (kept := self._snapshots.get(query["symbol"])) is not None:
            return web.Response(body=kept, content_type="application/json", headers=HEADERS)
        while True:
            try:
                reply = self.market.side.rest(base, path, query, self.clock.now())
                break
            except Cold as cold:
                await asyncio.to_thread(cold.market.prepare)
        return web.Response(status=reply.status, body=reply.body, content_type="application/json", headers=HEADERS)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """A client: the handshake, then its subscriptions are acknowledged until it goes."""
        try:
            lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            given = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
            accept = b64encode(sha1((given["sec-websocket-key"] + GUID).encode()).digest()).decode()
            hello = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            writer.write(f"{hello}Sec-WebSocket-Accept: {accept}\r\n\r\n".encode())
            url = urlsplit(lines[0].split(" ")[1])
            side = self.market.side.connect("ws_perp", url.path, dict(parse_qsl(url.query)), self.clock.now())
            self._writers["binance.perp" + url.path.removesuffix("/stream").replace("/", ".")] = writer
            while (frame := await received(reader)) is not None:
                self._reply(side, frame, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            return  # the worker has ended

    def _reply(self, side: EmulatedConnection, frame: bytes, writer: asyncio.StreamWriter) -> None:
        for answer in side.receive(frame, self.clock.now()):
            writer.write(framed(answer))

    async def send(self, rate: float, seconds: float) -> Sent:
        """The next `rate * seconds` frames, each when it is due. Fewer when there are no more."""
        first, last = self._at, min(len(self.frames), self._at + int(rate * seconds))
        trades: list[tuple[str, str, float]] = []
        begun, at = monotonic(), first
        while at < last:
            await asyncio.sleep(BEAT_S)
            due = min(last, first + int((monotonic() - begun) * rate))
            parts: dict[str, list[bytes]] = {name: [] for name in self._writers}
            for name, frame, _ in self.frames[at:due]:
                parts[name].append(frame)
            now = monotonic()
            trades += [(*trade, now) for _, _, trade in self.frames[at:due] if trade is not None]
            for name, frames in parts.items():
                if self._writers[name].transport.is_closing():
                    raise ConnectionError(f"the worker hung up on {name}")
                self._writers[name].write(b"".join(frames))
            at = due
        self._at = last
        waiting = sum(writer.transport.get_write_buffer_size() for writer in self._writers.values())
        taken = monotonic() - begun
        for writer in self._writers.values():
            await writer.drain()
        return Sent(last - first, taken, waiting, trades)


GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
"""Of RFC 6455, section 1.3."""


def framed(payload: bytes) -> bytes:
    """A text message as a server puts it on the wire."""
    size = len(payload)
    if size < 126:
        return bytes((0x81, size)) + payload
    return b"\x81\x7e" + size.to_bytes(2, "big") + payload


async def received(reader: asyncio.StreamReader) -> bytes | None:
    """A client's next text message; None when it says goodbye. Clients mask, and send short whole messages."""
    while True:
        kind, size = await reader.readexactly(2)
        size &= 0x7F
        if size >= 126:
            size = int.from_bytes(await reader.readexactly(2 if size == 126 else 8), "big")
        mask = await reader.readexactly(4)
        masked = await reader.readexactly(size)
        if kind & 0x0F == 8:
            return None
        if kind & 0x0F == 1:
            return bytes(byte ^ mask[i % 4] for i, byte in enumerate(masked))


def _trade(frame: bytes) -> tuple[str, str] | None:
    """Symbol and id of a trade's frame."""
    if kind_of(frame) != "trade":
        return None
    data = msgspec.json.decode(frame)["data"]
    return data["s"], str(data["a"])


def main(pipe: Connection, count: int) -> None:
    """Prepare `count` frames, then obey: an offset for the clock, or a pair of rate and seconds."""
    asyncio.run(_main(pipe, count))


async def _main(pipe: Connection, count: int) -> None:
    sender = Sender(count)
    await sender.open()
    pipe.send(Prepared(sender.endpoints, sender.market.rules, sender.contexts, sender.starts, len(sender.frames)))
    while (order := await asyncio.to_thread(pipe.recv)) is not None:
        if isinstance(order, int):
            sender.clock = SystemClock(order)
            continue
        try:
            pipe.send(await sender.send(*order))
        except ConnectionError as error:
            pipe.send(str(error))
