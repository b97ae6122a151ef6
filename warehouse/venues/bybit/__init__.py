"""Bybit v5, spot and USDT perpetuals: see `warehouse.venues.base.VenueModule`."""

from __future__ import annotations

from collections.abc import Sequence

from warehouse.instruments import Market, Rules
from warehouse.venues.base import TODAY, Dialect, EmulatedVenue, MarketView, Session

NAME = "bybit"

ENDPOINTS: dict[str, str] = {
    "rest": "https://api.bybit.com",
    "rest_other": "https://api.bytick.com",
    "rest_archive": "https://public.bybit.com",
    "ws_spot": "wss://stream.bybit.com",
    "ws_perp": "wss://stream.bybit.com",
    "ws_status": "wss://stream.bybit.com",
}


def sessions(rules: Sequence[Rules], dialect: Dialect = TODAY) -> list[Session]:
    """One session per market that has rules: `bybit.spot`, `bybit.perp`; and one for the venue's own state:
    `bybit.status`, unless `dialect` names other streams.
    """
    from warehouse.venues.bybit.session import BybitSession

    found: list[Session] = []
    for market in ("spot", "perp"):
        ours = [rule for rule in rules if rule.venue == NAME and rule.market == market]
        if ours:
            found.append(BybitSession("spot" if market == "spot" else "perp", ours, dialect))
    if found and (dialect.streams is None or "system.status" in dialect.streams):
        found.append(BybitSession("status", (), dialect))
    return found


def emulated(view: MarketView) -> EmulatedVenue:
    """Bybit's own side over a market."""
    from warehouse.venues.bybit.emulate import EmulatedBybit

    return EmulatedBybit(view)


def symbol(base: str, quote: str, market: Market) -> str:
    """`BTCUSDT`, the same on both markets."""
    return f"{base}{quote}"
