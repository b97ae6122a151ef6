"""Rows taken out of a lake, or exchanged: what no part of the product ever does."""

from __future__ import annotations

from collections.abc import Mapping

from warehouse.clock import Micros
from warehouse.frames import checked, frame
from warehouse.layout import write
from warehouse.ranges import condition
from warehouse.store import Lake, Rows
from warehouse.tables import table


def swap(
    lake: Lake,
    name: str,
    rows: Rows,
    *,
    venue: str,
    instrument: str,
    start: Micros | None = None,
    end: Micros | None = None,
    match: Mapping[str, str] | None = None,
) -> None:
    """Let `rows` stand for all of one instrument in `[start, end)` of the table's time column; None leaves a side open.

    `match` adds equalities (`{"timeframe": "1h"}`).
    """
    declared = table(name)
    equal = {"venue": venue, "instrument": instrument, **(match or {})}
    where = condition(declared, {column: [wanted] for column, wanted in equal.items()}, start, end)
    write(lake.handle(name), declared, checked(declared, frame(declared, rows)), where=where)
