"""Is a stream silent for longer than it may be?"""

from __future__ import annotations

from realtime.rails.base import FINE, Verdict
from warehouse.clock import SECOND, Micros


class StalenessRail:
    """Degraded when the newest event is older than `max_age_us`, or when one was `expected` and there was none yet.

    >>> rail = StalenessRail("book", 2_000_000)
    >>> rail.observe("an update", 10_000_000)
    >>> rail.verdict(12_500_000).reason
    'book stale: last seen 2.5 s ago'
    """

    __slots__ = ("expected", "max_age_us", "newest", "stream")

    def __init__(self, stream: str, max_age_us: Micros, *, expected: bool = True) -> None:
        self.stream = stream
        self.expected = expected
        self.max_age_us = max_age_us
        self.newest: Micros = 0

    def observe(self, event: object, now: Micros, /) -> None:
        """Whatever the stream said, it spoke."""
        if now > self.newest:
            self.newest = now

    def verdict(self, now: Micros, /) -> Verdict:
        if not self.newest:
            if not self.expected:
                return FINE
            return Verdict("degraded", f"{self.stream} silent: nothing received yet")
        age = now - self.newest
        if age <= self.max_age_us:
            return FINE
        return Verdict("degraded", f"{self.stream} stale: last seen {age / SECOND:.1f} s ago")
