"""What the emulated venues list, with the venues' trading rules of late 2026, and how much of it trades.

Not every rule could be checked against a venue (OKX's contract values of BNB and XRP are as clients report them);
nothing depends on them being right, since everybody reads them from the emulated venue.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import msgspec

from warehouse.clock import Micros
from warehouse.instruments import Listing, Market, Rules
from warehouse.records import Trade
from warehouse.venues import venue as venue_module
from warehouse.venues.bybit.spelling import execution_id

EPOCH: Micros = 1_577_836_800_000_000
"""2020-01-01: the first instant of every emulated history."""


class Coin(msgspec.Struct, frozen=True):
    """A base coin. `unit` is a price step that every venue's tick divides, `anchor` the price around which it lives.

    Its perpetuals settle funding each `funding_hours`.
    """

    unit: str
    anchor: float
    funding_hours: int = 8


COINS: dict[str, Coin] = {
    "BTC": Coin("0.1", 78_000.0),
    "ETH": Coin("0.01", 2_900.0),
    "SOL": Coin("0.01", 165.0),
    "BNB": Coin("0.1", 820.0, funding_hours=4),
    "XRP": Coin("0.0001", 2.2),
}

# (tick, lot in wire units, base units per wire unit) of BTC, ETH, SOL, BNB, XRP
_TABLE: dict[tuple[str, Market], tuple[tuple[str, str, str], ...]] = {
    ("binance", "spot"): (
        ("0.01", "0.00001", "1"),
        ("0.01", "0.0001", "1"),
        ("0.01", "0.001", "1"),
        ("0.01", "0.001", "1"),
        ("0.0001", "0.1", "1"),
    ),
    ("binance", "perp"): (
        ("0.10", "0.001", "1"),
        ("0.01", "0.001", "1"),
        ("0.0100", "0.01", "1"),
        ("0.010", "0.01", "1"),
        ("0.0001", "0.1", "1"),
    ),
    ("bybit", "spot"): (
        ("0.1", "0.000001", "1"),
        ("0.01", "0.00001", "1"),
        ("0.01", "0.001", "1"),
        ("0.1", "0.0001", "1"),
        ("0.0001", "0.01", "1"),
    ),
    ("bybit", "perp"): (
        ("0.10", "0.001", "1"),
        ("0.01", "0.01", "1"),
        ("0.010", "0.1", "1"),
        ("0.10", "0.01", "1"),
        ("0.0001", "0.1", "1"),
    ),
    ("okx", "spot"): (
        ("0.1", "0.00000001", "1"),
        ("0.01", "0.000001", "1"),
        ("0.01", "0.000001", "1"),
        ("0.1", "0.000001", "1"),
        ("0.0001", "0.000001", "1"),
    ),
    ("okx", "perp"): (
        ("0.1", "0.01", "0.01"),
        ("0.01", "0.01", "0.1"),
        ("0.01", "0.01", "1"),
        ("0.1", "1", "0.01"),
        ("0.0001", "0.01", "100"),
    ),
}

EVENT_IDS = ("binance", "okx")
"""Venues whose book ids count events, so that one update spans several; elsewhere each update adds one."""

SAMPLED = ("binance", "okx")
"""Venues that show at most one liquidation a second and instrument."""

FILL_PRICED = ("binance",)
"""Venues whose liquidations carry the average fill; elsewhere it is the bankruptcy price."""

LIVE = {"binance": "TRADING", "bybit": "Trading", "okx": "live"}
"""How a venue says that an instrument is trading."""

ENDED = {"binance": "SETTLING", "bybit": "Closed", "okx": "expired"}
"""How a venue says that an instrument is traded no more."""

ISOLATED: dict[str, Callable[[list[str]], dict[str, str]]] = {
    "binance": lambda symbols: {name: name for name in symbols if name.startswith("BTC")},
    "bybit": lambda symbols: {name: name for name in symbols if name.startswith(("BTC", "ETH"))},
    "okx": lambda symbols: {name: name.removesuffix("-SWAP") for name in symbols},
}
"""Symbols with an insurance pool of their own, and the pool's name; the others share one."""

NAMES: dict[str, Callable[[Trade, Market], str]] = {"bybit": execution_id}
"""How a venue names an execution, where it does not just count."""


def rules(listing: Listing) -> Rules:
    """The trading rules of a listing. Raises KeyError for what is not listed."""
    tick, lot, contract_value = _TABLE[listing.venue, listing.market][list(COINS).index(listing.base)]
    return Rules(
        venue=listing.venue,
        instrument=listing.instrument,
        symbol=venue_module(listing.venue).symbol(listing.base, listing.quote, listing.market),
        market=listing.market,
        tick=tick,
        lot=lot,
        contract_value=contract_value,
        min_size=lot,
        min_notional="5",
        listed_at=EPOCH,
        valid_from=EPOCH,
    )


def listings(venue: str) -> list[Listing]:
    """Everything that `venue` lists here: five coins, spot and perpetual."""
    markets: tuple[Market, ...] = ("spot", "perp")
    return [Listing(venue, base, "USDT", market) for market in markets for base in COINS]


def ticks_per_unit(base: str, tick: str) -> int:
    """How many of an instrument's ticks make the coin's price unit."""
    ratio = Decimal(COINS[base].unit) / Decimal(tick)
    if ratio != int(ratio):
        raise ValueError(f"tick {tick} does not divide the unit {COINS[base].unit} of {base}")
    return int(ratio)
