"""What ought to be in the lake and is not: bars off their grid's chain, skipped ids, skipped settlements. Pure.

A hole that was looked into before and is explained (`legitimate`), or that no source can close (`unrecoverable` by a
repair), is settled: it is not found again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

import msgspec

from pipelines.ownership import Recorded
from pipelines.plan import Span, missing, union
from warehouse.clock import Micros
from warehouse.records import SequenceGap

SKIPPED = 1.5
"""Two settlements further apart than so many intervals have one between them."""


class Hole(msgspec.Struct, frozen=True, kw_only=True):
    """Rows of one series that are missing in `[start, end)`; between two ids, inclusive, where the stream has ids.

    `timeframe` is that of the series (`1m`, `mark:1m`; empty for others). `gap` is its newest row of the ledger, None
    when nobody has seen it before.
    """

    stream: str
    venue: str
    instrument: str
    timeframe: str = ""
    start: Micros
    end: Micros
    first_id: int | None = None
    last_id: int | None = None
    gap: SequenceGap | None = None

    @property
    def cause(self) -> str:
        """How the ledger calls a hole that was found in the lake: `missing`, with the series' timeframe behind it."""
        return f"missing_{self.timeframe}" if self.timeframe else "missing"


def absent(times: Iterable[Micros], step: Micros, within: Sequence[Span]) -> list[Span]:
    """The multiples of `step` in `within` that are not among `times`, as spans, neighbours joined.

    >>> absent([0, 10, 40], 10, [(0, 60)])
    [(20, 40), (50, 60)]
    """
    have = [(at, at + step) for at in times]
    found = []
    for start, end in union(within):
        first, last = -(-start // step) * step, end - end % step
        found += missing((first, last), have) if last > first else []
    return found


def skipped(rows: Sequence[tuple[int, Micros]], covered: Sequence[Span]) -> list[tuple[int, int, Micros, Micros]]:
    """Ids left out between neighbours, as `(first, last, from, to)`: the ids and the times of the neighbours.

    `rows` are (id, time), ascending by id. Only where all the time between the neighbours is said to be complete.

    >>> skipped([(1, 10), (2, 20), (5, 30), (9, 90)], [(0, 50)])
    [(3, 4, 20, 30)]
    """
    spans = union(covered)
    found = []
    for (before, left), (after, right) in pairwise(rows):
        if after > before + 1 and not missing((left, max(right, left + 1)), spans):
            found.append((before + 1, after - 1, left, right))
    return found


def unsettled(rows: Sequence[tuple[Micros, Micros | None]], covered: Sequence[Span]) -> list[Span]:
    """Spans of `covered` that lack a settlement. `rows` are (time, interval or None), ascending.

    An interval that the row does not tell is the shorter one of those to its neighbours. A step is judged by the longer
    interval of its two rows, so that a venue that changes the interval leaves no hole.

    >>> unsettled([(8, 8), (16, 8), (32, 8)], [(0, 40)])
    [(17, 32)]
    """
    if not rows:
        return []
    times = [at for at, _ in rows]
    steps = [right - left for left, right in pairwise(times)]
    known = []
    for position, (_, interval) in enumerate(rows):
        beside = steps[max(position - 1, 0) : position + 1]
        known.append(interval or min(beside, default=0))
    found = []
    for start, end in union(covered):
        inside = [position for position, at in enumerate(times) if start <= at < end]
        if not inside:
            continue
        first, last = inside[0], inside[-1]
        if known[first] and times[first] - start >= SKIPPED * known[first]:
            found.append((start, times[first]))
        for left, right in pairwise(inside):
            if times[right] - times[left] >= SKIPPED * max(known[left], known[right]) > 0:
                found.append((times[left] + 1, times[right]))
        if known[last] and end - times[last] >= SKIPPED * known[last]:
            found.append((times[last] + 1, end))
    return found


class Ledger:
    """The newest row of each hole of one venue, and which of them a repair has to look into."""

    def __init__(self, rows: Iterable[tuple[SequenceGap, bool]], recorded: dict[str, Recorded]) -> None:
        """`rows` are all rows of the ledger with whether each came from a journal; of one hole the newest counts."""
        self._newest: dict[tuple[object, ...], tuple[SequenceGap, bool]] = {}
        for gap, live in sorted(rows, key=_age):
            self._newest[gap.instrument, gap.stream, gap.opened_at, gap.from_id] = (gap, live)
        self._recorded = recorded

    def settled(self, stream: str, instrument: str, cause: str | None = None) -> list[SequenceGap]:
        """What is explained, given up by a repair, or still in the hands of the live side."""
        return [
            gap
            for gap, live in self._newest.values()
            if (gap.stream, gap.instrument) == (stream, instrument)
            and (cause is None or gap.cause == cause)
            and (gap.state == "legitimate" or (gap.state == "unrecoverable" and not live) or self._alive(gap, live))
        ]

    def own(self, stream: str) -> list[SequenceGap]:
        """Holes that a repair found and could not close yet."""
        return [gap for gap, live in self._newest.values() if gap.stream == stream and gap.state == "open" and not live]

    def left(self, streams: Sequence[str]) -> list[SequenceGap]:
        """Holes of these streams that the live side gave up, or left open when it ended."""
        return [
            gap
            for gap, live in self._newest.values()
            if live and gap.stream in streams and gap.state in ("open", "unrecoverable") and not self._alive(gap, live)
        ]

    def _alive(self, gap: SequenceGap, live: bool) -> bool:
        """Whether the session that met this hole still works on it: the interval around it goes on growing."""
        if not live or gap.state != "open" or gap.instrument not in self._recorded:
            return False
        return self._recorded[gap.instrument].growing(gap.from_ts)


def _age(row: tuple[SequenceGap, bool]) -> tuple[Micros, int, bool]:
    gap, _ = row
    return gap.ts_recv, gap.attempts, gap.state != "open"
