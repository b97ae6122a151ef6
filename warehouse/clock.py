"""The one place that reads a clock.

A point in time is `Micros`: int microseconds since the Unix epoch, UTC. Every process of a run shares one
offset (`P9_CLOCK_OFFSET_US`), so that a recorded tape plays in its own time.
"""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime
from typing import Protocol

Micros = int
"""Microseconds since 1970-01-01T00:00:00Z."""

MILLISECOND: Micros = 1000
SECOND: Micros = 1_000_000
MINUTE: Micros = 60 * SECOND
HOUR: Micros = 60 * MINUTE
DAY: Micros = 24 * HOUR

OFFSET_ENV = "P9_CLOCK_OFFSET_US"


class Clock(Protocol):
    """Anything that tells the time in `Micros`."""

    def now(self) -> Micros: ...


class SystemClock:
    """The machine's clock plus a constant offset; never steps back within one process."""

    def __init__(self, offset_us: Micros | None = None) -> None:
        self.offset_us = int(os.environ.get(OFFSET_ENV, "0")) if offset_us is None else offset_us
        self._last = 0

    def now(self) -> Micros:
        """Microseconds UTC; two calls may be equal but never decrease."""
        now = time.time_ns() // 1000 + self.offset_us
        if now < self._last:
            return self._last
        self._last = now
        return now


class ManualClock:
    """A clock that tests move by hand."""

    def __init__(self, now: Micros = 0) -> None:
        self._now = now

    def now(self) -> Micros:
        return self._now

    def advance(self, us: Micros) -> None:
        """Move forward by `us` microseconds."""
        self._now += us


def monotonic() -> float:
    """Seconds on a clock that measures spans only: time-outs, benchmarks."""
    return time.monotonic()


def iso(at: Micros) -> str:
    """`2026-11-21T14:00:00.000000Z` for people and logs."""
    return datetime.fromtimestamp(at / SECOND, tz=UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
