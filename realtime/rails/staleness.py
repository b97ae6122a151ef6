"""Is a stream silent for longer than it may be?"""

from __future__ import annotations

from realtime.rails.base import FINE, Verdict
from warehouse.clock import SECOND, Micros


class StalenessRail:
    """Degraded when the newest event is older than `max_age_us` (by `ts_recv`), or when there was none yet.

    >>> rail = StalenessRail("book", 2_000_000)
    >>> rail.observe(10_000_000)
    >>> rail.verdict(12_500_000).reason
    'book stale: last seen 2.5 s ago'
    """

    __slots__ = ("max_age_us", "newest", "stream")

    def __init__(self, stream: str, max_age_us: Micros) -> None:
        self.stream = stream
        self.max_age_us = max_age_us
        self.newest: Micros = 0

    def observe(self, ts_recv: Micros, /) -> None:
        """An event of the stream was received."""
        if ts_recv > self.newest:
            self.newest = ts_recv

    def verdict(self, now: Micros, /) -> Verdict:
        if not self.newest:
            return Verdict("degraded", f"{self.stream} silent: nothing received yet")
        age = now - self.newest
        if age <= self.max_age_us:
            return FINE
        return Verdict("degraded", f"{self.stream} stale: last seen {age / SECOND:.1f} s ago")
