"""From the lake to context documents: which bars and trades an instrument has, and up to where they hold."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, cast

from pipelines.plan import missing
from warehouse.clock import DAY, Micros
from warehouse.context import ContextDocument
from warehouse.instruments import Rules
from warehouse.records import Candle, Trade
from warehouse.seam import Certificate
from warehouse.structure.document import TradeHistory, build
from warehouse.tables import Coverage

if TYPE_CHECKING:
    from warehouse.store import Lake


def document(lake: Lake, rules: Rules, now: Micros) -> ContextDocument:
    """The context of one instrument as the lake knows it now."""
    candles: dict[str, list[Candle]] = defaultdict(list)
    for row in cast("list[Candle]", lake.rows("candles", venue=rules.venue, instrument=rules.instrument)):
        candles[row.timeframe].append(row)
    return build(rules, candles, trade_history(lake, rules, now), now)


def trade_history(lake: Lake, rules: Rules, now: Micros) -> TradeHistory | None:
    """The trades before the seam's cut, as far back as coverage reaches without a hole; None without a seam.

    Fusion takes history up to the cut and the tape from there on, so nothing may be counted behind it here.
    """
    where = {"venue": rules.venue, "instrument": rules.instrument}
    seams = cast("list[Certificate]", lake.rows("seams", **where))
    if not seams or seams[-1].cut is None:
        return None
    cut = seams[-1].cut
    known = cast("list[Coverage]", lake.rows("coverage", **where, match={"dataset": "trades"}))
    spans = [(row.start, row.end) for row in known]
    holes = missing((now - DAY, cut), spans)
    complete_from = holes[-1][1] if holes else now - DAY
    if complete_from >= cut:
        return None
    rows = cast("list[Trade]", lake.rows("trades", **where, start=complete_from, end=cut))
    market = [row for row in rows if row.kind == "market"]
    return TradeHistory(
        trades=[(row.ts_event, row.ticks, row.lots, row.taker_side == "buy") for row in market],
        complete_from=complete_from,
        complete_to=cut,
        last_trade_id=market[-1].trade_id if market else None,
    )
