"""A breaker: opens when something takes too long, or comes from the future; closes by itself after a while of calm."""

from __future__ import annotations

from realtime.rails.base import FINE, Verdict
from warehouse.clock import SECOND, Micros


class LatencyRail:
    """Degraded from the first age beyond `open_us` until ages have stayed below `close_us` for `calm_us`.

    >>> rail = LatencyRail("trades", 2_000_000, 1_000_000, 2_000_000)
    >>> rail.observe(2_500_000, 10_000_000)
    >>> rail.verdict(10_000_000).reason
    'trades late: 2.5 s behind the venue'
    """

    __slots__ = ("age", "calm_us", "close_us", "open", "open_us", "quick_since", "stream", "times")

    def __init__(self, stream: str, open_us: Micros, close_us: Micros, calm_us: Micros) -> None:
        self.stream = stream
        self.open_us, self.close_us, self.calm_us = open_us, close_us, calm_us
        self.open = False
        self.age: Micros = 0
        self.quick_since: Micros = 0
        self.times = 0

    def observe(self, age: Micros, now: Micros, /) -> None:
        """How old the newest event was when it came; negative: stamped with a time that was still to come."""
        self.age = age
        if abs(age) > self.open_us:
            self.times += not self.open
            self.open, self.quick_since = True, 0
        elif abs(age) >= self.close_us:
            self.quick_since = 0
        elif self.open:
            self.quick_since = self.quick_since or now
            if now - self.quick_since >= self.calm_us:
                self.open = False

    def verdict(self, now: Micros, /) -> Verdict:
        if not self.open:
            return FINE
        if self.age < -self.close_us:
            return Verdict("degraded", f"{self.stream} early: stamped {-self.age / SECOND:.1f} s ahead of its receipt")
        return Verdict("degraded", f"{self.stream} late: {self.age / SECOND:.1f} s behind the venue")

    def state(self) -> list[int]:
        """As JSON-able values."""
        return [int(self.open), self.age, self.quick_since, self.times]

    def restore(self, state: list[int]) -> None:
        """The inverse of `state`."""
        self.open, self.age, self.quick_since, self.times = bool(state[0]), state[1], state[2], state[3]
