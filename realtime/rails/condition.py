"""Something that must not last: a crossed book, a book that stands while trades print elsewhere."""

from __future__ import annotations

from realtime.rails.base import FINE, Verdict
from warehouse.clock import SECOND, Micros


class ConditionRail:
    """Degraded while a condition has held for at least `tolerated_us`.

    After `patience_us` it is time to do something about it (`overdue`), again after each further `patience_us`.
    """

    __slots__ = ("acted_at", "patience_us", "since", "times", "tolerated_us", "words")

    def __init__(self, words: str, tolerated_us: Micros, patience_us: Micros) -> None:
        self.words = words
        self.tolerated_us, self.patience_us = tolerated_us, patience_us
        self.since: Micros = 0
        self.acted_at: Micros = 0
        self.times = 0

    def observe(self, holds: bool, now: Micros, /) -> None:
        """Whether it is so now."""
        if not holds:
            self.since = self.acted_at = 0
        elif not self.since:
            self.since = now
            self.times += 1

    def overdue(self, now: Micros) -> bool:
        """Whether it has lasted too long; asking counts as doing something."""
        if not self.since or now - (self.acted_at or self.since) < self.patience_us:
            return False
        self.acted_at = now
        return True

    def verdict(self, now: Micros, /) -> Verdict:
        if not self.since or now - self.since < self.tolerated_us:
            return FINE
        return Verdict("degraded", f"{self.words} for {(now - self.since) / SECOND:.1f} s")

    def state(self) -> list[int]:
        """As JSON-able values."""
        return [self.since, self.acted_at, self.times]

    def restore(self, state: list[int]) -> None:
        """The inverse of `state`."""
        self.since, self.acted_at, self.times = state
