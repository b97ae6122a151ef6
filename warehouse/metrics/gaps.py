"""Stretches of time from which trades are missing, in whole seconds."""

from __future__ import annotations

from warehouse.clock import Micros


class Gaps:
    """Marks on the time line. A window that touches a mark cannot be trusted until the mark is healed.

    A mark is `[first second, end second (-1: still open), 1 if healed]`. A healed mark no longer spoils a window, but
    the late trades of its stretch are still taken: those fetched for the repair, and those held back meanwhile.
    """

    __slots__ = ("marks",)

    def __init__(self) -> None:
        self.marks: list[list[int]] = []

    def open(self, start: Micros, end: Micros | None = None) -> None:
        """Trades of `[start, end)` are missing; `end` None: nobody knows yet until when."""
        self.marks.append([start // 1_000_000, -1 if end is None else -(-end // 1_000_000), 0])

    def heal(self, start: Micros, now: int) -> None:
        """What was missing since `start` has arrived, or proved never to have been. `now` is the running second."""
        first = start // 1_000_000
        for mark in self.marks:
            if mark[0] >= first and not mark[2]:
                mark[1:] = [max(mark[1], now + 1), 1]

    def repairing(self, second: int) -> bool:
        """Late trades of this second are a repair, not stragglers."""
        return any(mark[0] <= second and (mark[1] < 0 or second < mark[1]) for mark in self.marks)

    def touch(self, first: int, end: int) -> bool:
        """Something in `[first, end)` is missing."""
        return any(not mark[2] and mark[0] < end and (mark[1] < 0 or mark[1] > first) for mark in self.marks)

    def forget(self, oldest: int) -> None:
        """Drop marks that ended before second `oldest`."""
        self.marks = [mark for mark in self.marks if mark[1] < 0 or mark[1] > oldest]

    def state(self) -> list[list[int]]:
        """The marks as JSON-able lists; assign them to `marks` to restore."""
        return [list(mark) for mark in self.marks]
