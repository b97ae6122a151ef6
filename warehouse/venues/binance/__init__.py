"""Binance: spot and USD-M perpetuals. The face that shared code sees (`VenueModule`)."""

from __future__ import annotations

from collections.abc import Sequence

from warehouse.instruments import Market, Rules
from warehouse.venues.base import TODAY, Dialect, EmulatedVenue, MarketView, Session
from warehouse.venues.binance import session
from warehouse.venues.binance.decode import VENUE as NAME

ENDPOINTS: dict[str, str] = {
    "rest_spot": "https://api.binance.com",
    "rest_perp": "https://fapi.binance.com",
    "rest_spot_other": "https://data-api.binance.vision",
    "rest_archive": "https://data.binance.vision",
    "ws_spot": "wss://stream.binance.com:443",
    "ws_perp": "wss://fstream.binance.com",
}


def sessions(rules: Sequence[Rules], dialect: Dialect = TODAY) -> list[Session]:
    """The connections these instruments need; none for a market without rules."""
    return list(session.sessions(rules, dialect))


def emulated(view: MarketView) -> EmulatedVenue:
    """Binance's own side over a market."""
    from warehouse.venues.binance.emulate import EmulatedBinance

    return EmulatedBinance(view)


def symbol(base: str, quote: str, market: Market) -> str:
    """`BTCUSDT`, the same on both markets."""
    return f"{base}{quote}"


__all__ = ["NAME", "ENDPOINTS", "sessions", "emulated", "symbol"]
