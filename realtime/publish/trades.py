"""`trade`: every market trade, as it comes."""

from __future__ import annotations

import msgspec

from realtime.message import Message
from realtime.outlet import Outlet, encode
from warehouse.clock import Micros
from warehouse.records import Origin, TakerSide, Trade, TradeKind

NOTHING: dict[str, str] = {}
NO_SEQUENCE = {"trade_seq": "UNSUPPORTED"}


class Spoken(msgspec.Struct, frozen=True, gc=False):
    """The rest of the envelope and `payloads.TradePrint`, encoded in one go: every trade is a message."""

    ts_event: Micros
    ts_recv: Micros
    complete: bool
    reasons: dict[str, str]
    context_as_of: None
    venue: str
    instrument: str
    trade_id: str
    trade_seq: int | None
    price: float
    size: float
    taker_side: TakerSide
    kind: TradeKind
    rpi: bool
    origin: Origin


def trade_message(outlet: Outlet, trade: Trade, complete: bool) -> Message:
    """The message of one trade; `complete` is False while a hole before it is open."""
    spoken = Spoken(
        trade.ts_event,
        trade.ts_recv,
        complete,
        NOTHING if trade.trade_seq is not None else NO_SEQUENCE,
        None,
        trade.venue,
        trade.instrument,
        trade.trade_id,
        trade.trade_seq,
        trade.price,
        trade.size,
        trade.taker_side,
        trade.kind,
        trade.rpi,
        trade.origin,
    )
    return outlet.spoken(encode(spoken), trade.ts_recv)
