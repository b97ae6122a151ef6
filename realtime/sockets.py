"""Two WebSocket libraries behind one seam: picows for speed, `websockets` by configuration."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from warehouse.errors import ConfigError

if TYPE_CHECKING:
    from realtime.feed import Socket

OnFrame = Callable[[bytes], None]

logging.getLogger("picows").addHandler(logging.NullHandler())  # the feed tells why a connection ended


async def open_socket(transport: str, url: str, on_frame: OnFrame, max_frame: int) -> Socket:
    """Connect to `url`; `on_frame` gets every text or binary message as bytes. Raises OSError or TimeoutError."""
    if transport == "picows":
        return await _open_picows(url, on_frame, max_frame)
    if transport == "websockets":
        return await _open_websockets(url, on_frame, max_frame)
    raise ConfigError(f"engine.transport: {transport!r} is not one of picows, websockets")


def too_large(limit: int) -> str:
    """Why a connection ended on which more than `limit` bytes came as one message."""
    return f"message larger than {limit} bytes"


async def _open_picows(url: str, on_frame: OnFrame, max_frame: int) -> Socket:
    from picows import (
        WSCloseCode,
        WSError,
        WSFrame,
        WSListener,
        WSMsgType,
        WSProtocolError,
        WSTransport,
        ws_connect,
    )

    text, binary, continuation, close = WSMsgType.TEXT, WSMsgType.BINARY, WSMsgType.CONTINUATION, WSMsgType.CLOSE

    class Listener(WSListener):
        """Joins fragments and hands whole messages over."""

        def __init__(self) -> None:
            self.parts: list[bytes] = []
            self.why = "connection lost"

        def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
            kind = frame.msg_type
            if kind in (text, binary, continuation):
                payload = frame.get_payload_as_bytes()
                if frame.fin and not self.parts and len(payload) <= max_frame:
                    on_frame(payload)
                    return
                self.parts.append(payload)
                if sum(map(len, self.parts)) > max_frame:
                    self.why = too_large(max_frame)
                    transport.disconnect()
                elif frame.fin:
                    whole, self.parts = b"".join(self.parts), []
                    on_frame(whole)
            elif kind == close:
                words = frame.get_close_message() or b""
                said = words if isinstance(words, str) else bytes(words).decode(errors="replace")
                self.why = f"closed by the venue: {frame.get_close_code()} {said}".strip()
                transport.send_close(frame.get_close_code() or WSCloseCode.OK)
                transport.disconnect()

    class Picows:
        """The Socket face of a picows transport."""

        def __init__(self, transport: WSTransport, listener: Listener) -> None:
            self.transport, self.listener = transport, listener

        def send(self, frame: bytes) -> None:
            self.transport.send(text, frame)

        def close(self) -> None:
            self.transport.disconnect()

        def pause(self, paused: bool) -> None:
            below = self.transport.underlying_transport
            if below.is_closing():
                return
            if paused:
                below.pause_reading()
            else:
                below.resume_reading()

        async def closed(self) -> str:
            try:
                await self.transport.wait_disconnected()
            except WSProtocolError as error:
                return too_large(max_frame) if error.code == WSCloseCode.MESSAGE_TOO_BIG else str(error)
            return self.listener.why

    try:
        transport, listener = await ws_connect(Listener, url, max_frame_size=max_frame, enable_auto_pong=True)
    except WSError as error:
        raise OSError(f"handshake refused: {error}") from None
    assert isinstance(listener, Listener)
    return Picows(transport, listener)


async def _open_websockets(url: str, on_frame: OnFrame, max_frame: int) -> Socket:
    from websockets.asyncio.client import ClientConnection, connect
    from websockets.exceptions import ConnectionClosed, WebSocketException
    from websockets.frames import CloseCode

    class Websockets:
        """The Socket face of a `websockets` connection."""

        def __init__(self, connection: ClientConnection) -> None:
            self.connection = connection
            self.tasks: dict[asyncio.Task[Any], None] = {}
            self.reading = asyncio.Event()
            self.reading.set()

        def _start(self, work: Any) -> None:
            task = asyncio.ensure_future(work)
            self.tasks[task] = None
            task.add_done_callback(lambda done: self.tasks.pop(done, None))

        def send(self, frame: bytes) -> None:
            self._start(self.connection.send(frame.decode()))

        def close(self) -> None:
            self._start(self.connection.close())

        def pause(self, paused: bool) -> None:
            if paused:
                self.reading.clear()
            else:
                self.reading.set()

        async def closed(self) -> str:
            try:
                while await self.reading.wait():
                    on_frame(await self.connection.recv(decode=False))
            except ConnectionClosed as error:
                ours = error.sent
                return too_large(max_frame) if ours and ours.code == CloseCode.MESSAGE_TOO_BIG else str(error)
            return "closed"

    try:
        return Websockets(await connect(url, max_size=max_frame, compression=None))
    except WebSocketException as error:
        raise OSError(f"handshake refused: {error}") from None
