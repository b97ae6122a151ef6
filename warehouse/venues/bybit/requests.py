"""What the sessions ask of the venue beside the stream."""

from __future__ import annotations

from warehouse.instruments import Rules
from warehouse.venues.base import Fetch

RECENT = {"spot": 60, "perp": 1000}
"""Most rows of `/v5/market/recent-trade`."""


def recent_trades(rules: Rules, tag: str) -> Fetch:
    """The newest executions, as many as the venue serves."""
    return Fetch(
        purpose="trades",
        base="rest",
        path="/v5/market/recent-trade",
        query={
            "category": "spot" if rules.market == "spot" else "linear",
            "symbol": rules.symbol,
            "limit": str(RECENT[rules.market]),
        },
        ccxt="publicGetV5MarketRecentTrade",
        instrument=rules.instrument,
        tag=tag,
    )
