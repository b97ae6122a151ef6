"""What a worker measures of itself each second, and journals: its clock beside the venue's, and its own lag."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

import msgspec
import structlog

from realtime import ntp
from realtime.feed import Accept
from realtime.rails.clocks import Health
from warehouse.clock import Clock, Micros
from warehouse.errors import ConfigError
from warehouse.journal import Kind

log = structlog.get_logger()

SAMPLES = 5
"""The best of so many answers counts, by round trip."""

EVERY_S = 30.0
"""Between two questions for the time, after the first few."""

VenueTime = Callable[[], Awaitable[Micros]]
"""Asks the venue for its time. Raises ConfigError when it does not answer."""


class Pulse:
    """`worked` is told how long each input waited; `run` accepts a `HEALTH` entry each second."""

    def __init__(self, venue_time: VenueTime, accept: Accept, clock: Clock, ntp_server: str | None = None) -> None:
        self._venue_time = venue_time
        self._accept = accept
        self._clock = clock
        self._ntp = ntp_server
        self._samples: deque[tuple[Micros, Micros]] = deque(maxlen=SAMPLES)
        self._ntp_offset: Micros | None = None
        self._lag: Micros = 0

    def worked(self, lag: Micros) -> None:
        """An input was dealt with so long after it came."""
        if lag > self._lag:
            self._lag = lag

    async def run(self) -> None:
        """Until cancelled."""
        asking = asyncio.create_task(self._ask())
        try:
            while True:
                await asyncio.sleep(1.0)
                self._accept("", Kind.HEALTH, msgspec.msgpack.encode(self.health()))
                self._lag = 0
        finally:
            asking.cancel()

    def health(self) -> Health:
        """What is known now. The offset is that of the answer with the least round trip."""
        uncertain, offset = min(self._samples) if self._samples else (0, None)
        return Health(
            offset_us=offset, uncertainty_us=uncertain, ntp_offset_us=self._ntp_offset, lag_us=max(0, self._lag)
        )

    async def measure(self) -> None:
        """Ask the venue once."""
        sent = self._clock.now()
        try:
            told = await self._venue_time()
        except ConfigError as error:
            log.warning("venue_time", why=str(error))
            return
        received = self._clock.now()
        self._samples.append(((received - sent) // 2, told - (sent + received) // 2))

    async def _ask(self) -> None:
        for _ in range(SAMPLES):
            await self.measure()
        while True:
            if self._ntp is not None:
                found = await ntp.offset(self._ntp, self._clock)
                self._ntp_offset = None if found is None else found[0]
            await asyncio.sleep(EVERY_S)
            await self.measure()
