"""OKX v5: spot and USDT-margined swaps. The face that shared code sees (`warehouse.venues.base.VenueModule`)."""

from __future__ import annotations

from collections.abc import Sequence

from warehouse.instruments import Market, Rules
from warehouse.venues.base import TODAY, Dialect, EmulatedVenue, MarketView, Session
from warehouse.venues.okx.session import ENDPOINTS as _BASES
from warehouse.venues.okx.session import NAME
from warehouse.venues.okx.session import sessions as _sessions

__all__ = ["NAME", "ENDPOINTS", "sessions", "emulated", "symbol"]

ENDPOINTS: dict[str, str] = {
    **_BASES,
    "rest_other": "https://www.okx.com",
    "rest_archive": "https://static.okx.com",
}


def sessions(rules: Sequence[Rules], dialect: Dialect = TODAY) -> list[Session]:
    """The connections that these instruments need: `okx.public` (and `.2` for the books beyond 25), `okx.business`."""
    return list(_sessions(rules, dialect))


def emulated(view: MarketView) -> EmulatedVenue:
    """OKX's own side of the protocol over a market."""
    from warehouse.venues.okx.emulate import EmulatedOkx

    return EmulatedOkx(view)


def symbol(base: str, quote: str, market: Market) -> str:
    """OKX's spelling: `BTC-USDT` or `BTC-USDT-SWAP`."""
    return f"{base}-{quote}-SWAP" if market == "perp" else f"{base}-{quote}"
