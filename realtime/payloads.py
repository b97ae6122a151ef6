"""What each channel carries behind the envelope. Prices in quote per base, sizes in base units, times in microseconds.

A field is null only with its reason in the envelope's `reasons`. The engine writes most payloads from plain maps, for
speed; these structs are their contract, and a test reads every message through them.
"""

from __future__ import annotations

import msgspec

from warehouse.records import Origin, TakerSide, TradeKind

PriceSize = tuple[float, float]


class Payload(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Fields of every payload: which instrument at which venue."""

    venue: str
    instrument: str


class TradePrint(Payload, frozen=True, kw_only=True, gc=False):
    """One market trade, seen from the taker. `trade_seq` is null where the venue's ids are not contiguous numbers."""

    trade_id: str
    trade_seq: int | None
    price: float
    size: float
    taker_side: TakerSide
    kind: TradeKind
    rpi: bool
    origin: Origin


class Quote(Payload, frozen=True, kw_only=True, gc=False):
    """Best bid and ask. `spread_bps` is relative to `mid_price`; `micro_price` is the size-weighted mid.

    All are null with `ONE_SIDED` or `CROSSED` when the book is.
    """

    best_bid: float | None
    best_bid_size: float | None
    best_ask: float | None
    best_ask_size: float | None
    mid_price: float | None
    micro_price: float | None
    spread: float | None
    spread_bps: float | None


class Depth(Payload, frozen=True, kw_only=True, gc=False):
    """Changes among the best levels of the book: new absolute sizes, best first. Size 0: no longer among them.

    `snapshot`: all levels, forget the earlier ones. `levels` is how many per side are followed.
    """

    snapshot: bool
    levels: int
    update_id: int
    bids: list[PriceSize]
    asks: list[PriceSize]
