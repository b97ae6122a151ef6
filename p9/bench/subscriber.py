"""A process that hears every message of a venue on the bus, and notes when each came."""

from __future__ import annotations

import select
import socket
from multiprocessing.connection import Connection

import hiredis

from warehouse.clock import monotonic

Heard = tuple[str, bytes, float]
"""Channel, message, monotonic seconds."""


def main(pipe: Connection, path: str, pattern: str) -> None:
    """Subscribe on the unix socket `path`; on anything from `pipe`, hand over what came since. None ends it."""
    with socket.socket(socket.AF_UNIX) as bus:
        bus.connect(path)
        bus.sendall(b"PSUBSCRIBE %b\r\n" % pattern.encode())
        reader, heard = hiredis.Reader(), []
        while True:
            ready, _, _ = select.select([bus.fileno(), pipe.fileno()], [], [])
            if bus.fileno() in ready:
                reader.feed(bus.recv(1 << 20))
                now = monotonic()
                while (message := reader.gets()) is not False:
                    if message[0] == b"pmessage":
                        heard.append((message[2].decode(), message[3], now))
            if pipe.fileno() in ready:
                if pipe.recv() is None:
                    return
                pipe.send(heard)
                heard = []
