"""The trades of a time as the lake knows them, wherever they stand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import polars as pl

from warehouse.frames import integers
from warehouse.layout import in_order
from warehouse.tables import table

if TYPE_CHECKING:
    from pipelines.plan import Span
    from warehouse.store import Lake


def executions(lake: Lake, venue: str, instrument: str, span: Span, columns: Sequence[str]) -> pl.DataFrame:
    """Every trade of `span` that the lake holds, as history, tape or overlap, once, in the venue's order.

    With the named columns, times as integers.
    """
    order = in_order(table("trades"))
    taken = list(dict.fromkeys(("trade_id", *order, *columns)))
    rows, proof = (
        lake.read(name, venue=venue, instrument=instrument, start=span[0], end=span[1]).select(taken)
        for name in ("trades", "overlaps")
    )
    proof = proof.join(rows, on="trade_id", how="anti")
    if proof.height:
        rows = pl.concat([rows, proof]).sort(order, maintain_order=True)
    return integers(rows.select(columns))
