"""`trade`: every market trade, as it comes."""

from __future__ import annotations

from realtime.message import Message
from realtime.outlet import NOTHING, Outlet, encode
from realtime.payloads import TradePrint
from warehouse.records import Trade

NO_SEQUENCE = b'{"trade_seq":"UNSUPPORTED"}'


def trade_message(outlet: Outlet, trade: Trade, complete: bool) -> Message:
    """The message of one trade; `complete` is False while a hole before it is open."""
    body = TradePrint(
        trade.trade_id,
        trade.trade_seq,
        trade.price,
        trade.size,
        trade.taker_side,
        trade.kind,
        trade.rpi,
        trade.origin,
    )
    return outlet.wrap(
        encode(body),
        ts_event=trade.ts_event,
        ts_recv=trade.ts_recv,
        complete=complete,
        reasons=NOTHING if trade.trade_seq is not None else NO_SEQUENCE,
    )
