"""One question to a time server (SNTP, RFC 5905 section 14): how far is our clock off?"""

from __future__ import annotations

import asyncio
import struct

from warehouse.clock import SECOND, Clock, Micros

EPOCH = 2_208_988_800
"""Seconds from 1900, where NTP's era begins, to 1970."""

_PACKET = struct.Struct("!BBbb11I")
_CLIENT = 0x23
"""Version 4, mode 3."""


class _Answer(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.packet: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def datagram_received(self, data: bytes, addr: object) -> None:
        if not self.packet.done():
            self.packet.set_result(data)

    def error_received(self, exc: Exception) -> None:
        if not self.packet.done():
            self.packet.set_exception(exc)


async def offset(server: str, clock: Clock, patience_s: float = 2.0, port: int = 123) -> tuple[Micros, Micros] | None:
    """How far the server's clock is ahead of ours, and half the round trip; None when it does not answer well."""
    loop = asyncio.get_running_loop()
    try:
        transport, answer = await loop.create_datagram_endpoint(_Answer, remote_addr=(server, port))
    except OSError:
        return None
    try:
        sent = clock.now()
        stamp = (sent // SECOND + EPOCH, (sent % SECOND << 32) // SECOND)
        transport.sendto(_PACKET.pack(_CLIENT, *[0] * 12, *stamp))
        packet = await asyncio.wait_for(answer.packet, patience_s)
        received = clock.now()
    except (OSError, TimeoutError):
        return None
    finally:
        transport.close()
    if len(packet) < _PACKET.size:
        return None
    fields = _PACKET.unpack_from(packet)
    mode, stratum, echoed = fields[0] & 7, fields[1], fields[9:11]
    if mode != 4 or not 1 <= stratum <= 15 or echoed != stamp:
        return None
    arrived, left = (_micros(*fields[at : at + 2]) for at in (11, 13))
    return (arrived - sent + left - received) // 2, (received - sent - (left - arrived)) // 2


def _micros(seconds: int, fraction: int) -> Micros:
    return (seconds - EPOCH) * SECOND + (fraction * SECOND >> 32)
