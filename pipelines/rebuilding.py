"""A bar of trades: what a candle says, counted again. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from warehouse.clock import Micros
from warehouse.records import Candle, Trade


def candle_of(trades: Sequence[Trade], timeframe: str, open_time: Micros, now: Micros) -> Candle | None:
    """The closed bar that these trades make, in the order of the venue; None when there is no market trade.

    Volumes are sums of floats, so they agree with the venue's to rounding. `trade_count` counts fills where the venue's
    rows are aggregates of numbered fills, and is None where they are not.
    """
    market = [row for row in trades if row.kind == "market"]
    if not market:
        return None
    prices = [row.price for row in market]
    fills = [
        row.last_fill - row.first_fill + 1 for row in market if row.first_fill is not None and row.last_fill is not None
    ]
    return Candle(
        venue=market[0].venue,
        instrument=market[0].instrument,
        ts_event=open_time,
        ts_recv=now,
        timeframe=timeframe,
        open_time=open_time,
        open=prices[0],
        high=max(prices),
        low=min(prices),
        close=prices[-1],
        volume=sum(row.size for row in market),
        quote_volume=sum(row.price * row.size for row in market),
        trade_count=sum(fills) if len(fills) == len(market) else None,
        taker_buy_volume=sum(row.size for row in market if row.taker_side == "buy"),
        closed=True,
        origin="derived",
    )
