"""A price that cannot be: far from everything said a moment ago."""

from __future__ import annotations

from realtime.rails.base import FINE, Verdict
from warehouse.clock import SECOND, Micros

ANY = 1 << 62
"""More ticks than any price has."""


class JumpRail:
    """Degraded for `shy_us` after a price more than `most` (a fraction) away from the reference of the last tick.

    `low` and `high` are the bounds in ticks; any price passes before the first reference.
    """

    __slots__ = ("_most", "_shy", "high", "low", "seen_at", "times")

    def __init__(self, most: float, shy_us: Micros) -> None:
        self._most = most
        self._shy = shy_us
        self.low, self.high = 0, ANY
        self.seen_at: Micros = 0
        self.times = 0

    def refer(self, ticks: int) -> None:
        """What prices are measured by until the next tick."""
        self.low, self.high = int(ticks * (1 - self._most)), int(ticks * (1 + self._most))

    def observe(self, ticks: int, now: Micros, /) -> None:
        """A price."""
        if not self.low <= ticks <= self.high:
            self.seen_at = now
            self.times += 1

    def verdict(self, now: Micros, /) -> Verdict:
        if not self.seen_at or now - self.seen_at >= self._shy:
            return FINE
        words = f"a trade {(now - self.seen_at) / SECOND:.0f} s ago was impossibly far from the price before it"
        return Verdict("degraded", words)

    def state(self) -> list[int]:
        """As JSON-able values."""
        return [self.low, self.high, self.seen_at, self.times]

    def restore(self, state: list[int]) -> None:
        """The inverse of `state`."""
        self.low, self.high, self.seen_at, self.times = state
