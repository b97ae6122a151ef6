"""The coverage ledger, told shorter: the newest word on each interval, and neighbouring answers as one. Pure."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from pipelines.plan import union
from warehouse.tables import Coverage


def shorter(rows: Iterable[Coverage]) -> list[Coverage]:
    """Rows that say the same as `rows`, in order of series and time.

    An interval that was written again as it grew keeps its newest row. Answers to flows that overlap or touch become
    one row from the first start to the last end, with the rows of all, known when the last of them was.
    """
    newest: dict[tuple[object, ...], Coverage] = {}
    for row in sorted(rows, key=lambda row: (row.ts_recv, row.end)):
        newest[row.dataset, row.venue, row.instrument, row.timeframe, row.origin, row.source, row.start] = row
    kept: list[Coverage] = []
    series: dict[tuple[str, ...], list[Coverage]] = {}
    for row in newest.values():
        if row.origin == "stream":
            kept.append(row)
        else:
            key = (row.dataset, row.venue, row.instrument, row.timeframe, row.origin, row.source)
            series.setdefault(key, []).append(row)
    for parts in series.values():
        for start, end in union((row.start, row.end) for row in parts):
            inside = [row for row in parts if start <= row.start and row.end <= end]
            last = max(inside, key=lambda row: row.ts_recv)
            counted = sum(row.rows for row in inside)
            kept.append(msgspec.structs.replace(last, start=start, end=end, rows=counted))
    return sorted(kept, key=lambda row: (row.dataset, row.venue, row.instrument, row.timeframe, row.start, row.source))
