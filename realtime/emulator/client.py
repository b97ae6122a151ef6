"""One WebSocket client of an emulated venue: its protocol side, and what waits to be sent to it."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Sequence

from websockets.asyncio.server import ServerConnection

from realtime.emulator.faults import wording
from realtime.emulator.faults.parts import Abort, Close, Freeze, Out, Piece
from warehouse.clock import Micros
from warehouse.venues.base import EmulatedConnection, EmulatedVenue

QUEUE = 20_000
"""Frames that may wait for a client before it counts as too slow."""

LINGER = struct.pack("ii", 1, 0)
"""Closing resets the connection instead of ending it."""


class Client:
    """A connection from `address` to `base`, the `number`th of its venue; `path` and `query` are what it asked for.

    `heard` are its subscriptions and cancellations, so that its protocol side can be made anew.
    """

    def __init__(
        self,
        number: int,
        address: str,
        base: str,
        path: str,
        query: dict[str, str],
        side: EmulatedConnection,
        peer: ServerConnection,
    ) -> None:
        self.number = number
        self.address = address
        self.base = base
        self.path = path
        self.query = query
        self.side = side
        self.socket = peer
        self.heard: list[bytes] = []
        self.waiting: asyncio.Queue[bytes | Close] = asyncio.Queue(QUEUE)
        self.too_slow = False
        self._frozen = False

    @property
    def name(self) -> str:
        """`ws_spot#3`"""
        return f"{self.base}#{self.number}"

    def remember(self, frame: bytes) -> None:
        """Keep what changes the subscriptions."""
        if wording.subscription(frame) is not None or wording.unsubscription(frame) is not None:
            self.heard.append(frame)

    def renew(self, venue: EmulatedVenue, now: Micros) -> None:
        """Make the protocol side anew, as `venue` has it now; the client does not notice."""
        self.side = venue.connect(self.base, self.path, self.query, now)
        for frame in self.heard:
            self.side.receive(frame, now)

    def push(self, out: Sequence[Out]) -> None:
        """Queue what goes out; a client whose queue is full is marked for disconnection."""
        for one in out:
            if self._frozen:
                return
            if isinstance(one, Freeze):
                self._freeze()
            elif isinstance(one, Abort):
                self._abort()
            else:
                try:
                    self.waiting.put_nowait(one.frame if isinstance(one, Piece) else one)
                except asyncio.QueueFull:
                    self.too_slow = True

    def _freeze(self) -> None:
        self._frozen = True
        self.socket.transport.pause_reading()
        if self.socket.keepalive_task is not None:
            self.socket.keepalive_task.cancel()

    def _abort(self) -> None:
        below = self.socket.transport.get_extra_info("socket")
        if below is not None:
            below.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER)
        self.socket.transport.abort()

    async def drain(self) -> None:
        """Send what waits, until cancelled or the connection is gone."""
        while True:
            one = await self.waiting.get()
            if isinstance(one, Close):
                await self.socket.close(one.code, one.words)
                return
            await self.socket.send(one, text=True)
            if self.too_slow:
                await self.socket.close(1008, "client too slow")
                return
