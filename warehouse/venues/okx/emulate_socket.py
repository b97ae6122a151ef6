"""OKX's end of one WebSocket: subscriptions with one acknowledgement each, text pings, books that chain."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from warehouse.clock import HOUR, SECOND, Micros
from warehouse.instruments import Rules
from warehouse.records import BestQuote, BookUpdate, Candle, Level, Record, Trade
from warehouse.venues.base import MarketView
from warehouse.venues.okx import render
from warehouse.venues.okx.requests import BARS, BOOK_DEPTH
from warehouse.venues.okx.wire import Arg

HEARTBEAT: Micros = 60 * SECOND
CONTROL_OPS = 480
"""Subscriptions and cancellations an hour and connection."""

CHANNELS: dict[str, tuple[str, ...]] = {
    "/ws/v5/public": ("bbo-tbt", "books", "trades"),
    "/ws/v5/business": ("trades-all", *(f"candle{bar}" for bar in BARS.values())),
}


class Request(msgspec.Struct):
    """`{"id":"1512","op":"subscribe","args":[{"channel":"books","instId":"BTC-USDT"}]}`"""

    op: str
    args: list[Arg]
    id: str | None = None


class Sent(msgspec.Struct):
    """What a subscriber of a book was sent last. `followed` once an update came after the snapshot: where recorded
    frames are played instead, nobody here knows which heartbeat would continue them.
    """

    last: int
    at: Micros
    followed: bool = False


def stream_name(channel: str, symbol: str) -> str:
    """How a stream is named in `EmulatedConnection.streams`: `books:BTC-USDT`."""
    return f"{channel}:{symbol}"


class EmulatedOkxConnection:
    """One connection (`warehouse.venues.base.EmulatedConnection`)."""

    def __init__(self, view: MarketView, path: str, connection_id: str) -> None:
        self.view = view
        self.channels = CHANNELS.get(path, ())
        self.connection_id = connection_id
        self._by_symbol: dict[str, Rules] = {rules.symbol: rules for rules in view.rules()}
        self._by_instrument: dict[str, Rules] = {rules.instrument: rules for rules in view.rules()}
        self._subscribed: dict[tuple[str, str], Sent] = {}
        self._ops: list[Micros] = []

    @property
    def streams(self) -> Sequence[str]:
        """What is subscribed, as `channel:instId`."""
        return [stream_name(channel, symbol) for channel, symbol in self._subscribed]

    def receive(self, frame: bytes, now: Micros, /) -> Sequence[bytes]:
        """Answer one text frame of the client."""
        if frame == b"ping":
            return (b"pong",)
        try:
            request = msgspec.json.decode(frame, type=Request)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            return (self._error(None, "60012", f"Invalid request: {frame[:200].decode(errors='replace')}"),)
        if request.op not in ("subscribe", "unsubscribe"):
            return (self._error(request.id, "60012", f"Invalid request: op {request.op}"),)
        self._ops = [at for at in self._ops if at > now - HOUR]
        self._ops.append(now)
        if len(self._ops) > CONTROL_OPS:
            return (self._error(request.id, "60014", "Requests too frequent"),)
        out: list[bytes] = []
        for arg in request.args:
            if arg.channel not in self.channels or arg.instId not in self._by_symbol:
                words = (
                    f"Wrong URL or channel:{arg.channel},instId:{arg.instId} doesn't exist. Please use the correct "
                    "URL, channel and parameters referring to API document."
                )
                out.append(self._error(request.id, "60018", words))
                continue
            out.append(self._acknowledge(request, arg))
            key = (arg.channel, arg.instId)
            if request.op == "unsubscribe":
                self._subscribed.pop(key, None)
            else:
                self._subscribed[key] = Sent(-1, now)
                out += self._first(arg, self._by_symbol[arg.instId], now)
        return out

    def _acknowledge(self, request: Request, arg: Arg) -> bytes:
        body: dict[str, object] = {} if request.id is None else {"id": request.id}
        where = {"channel": arg.channel, "instId": arg.instId}
        return msgspec.json.encode({**body, "event": request.op, "arg": where, "connId": self.connection_id})

    def _error(self, request_id: str | None, code: str, words: str) -> bytes:
        body: dict[str, object] = {} if request_id is None else {"id": request_id}
        return msgspec.json.encode({**body, "event": "error", "code": code, "msg": words, "connId": self.connection_id})

    def _first(self, arg: Arg, rules: Rules, now: Micros) -> list[bytes]:
        """What a new subscriber gets at once: the whole book, or its top."""
        if arg.channel not in ("books", "bbo-tbt"):
            return []
        whole = self.view.book(rules.instrument)
        if arg.channel == "books":
            self._subscribed[arg.channel, arg.instId] = Sent(whole.update_id, now)
            row = {**render.book(whole, BOOK_DEPTH), "checksum": 0, "prevSeqId": -1}
            return [_push(arg.channel, arg.instId, row, "snapshot")]
        return [_push(arg.channel, arg.instId, render.book(whole, 1), None)] if whole.bids and whole.asks else []

    def event(self, record: Record, now: Micros, /) -> Sequence[bytes]:
        """The pushes that a market event causes on this connection."""
        rules = self._by_instrument.get(record.instrument)
        if rules is None:
            return ()
        if isinstance(record, Trade):
            return self._trade(record, rules)
        if isinstance(record, BookUpdate):
            return self._book(record, rules, now)
        if isinstance(record, BestQuote) and ("bbo-tbt", rules.symbol) in self._subscribed:
            return (_push("bbo-tbt", rules.symbol, render.quote(record, rules), None),)
        if isinstance(record, Candle):
            channel = f"candle{BARS.get(record.timeframe)}"
            if (channel, rules.symbol) in self._subscribed:
                return (_push(channel, rules.symbol, render.candle(record, rules), None),)
        return ()

    def _trade(self, one: Trade, rules: Rules) -> Sequence[bytes]:
        out: list[bytes] = []
        if ("trades", rules.symbol) in self._subscribed:
            out.append(_push("trades", rules.symbol, render.aggregate(one, rules, one.trade_seq or 0), None))
        if ("trades-all", rules.symbol) in self._subscribed:
            out.append(_push("trades-all", rules.symbol, render.trade(one, rules), None))
        return out

    def _book(self, update: BookUpdate, rules: Rules, now: Micros) -> Sequence[bytes]:
        sent = self._subscribed.get(("books", rules.symbol))
        if sent is None:
            return ()
        if update.previous_id != sent.last and update.update_id <= sent.last:
            return ()  # already in the snapshot this subscriber was sent
        row = render.book(update)
        previous = -1 if update.snapshot or update.previous_id is None else update.previous_id
        self._subscribed["books", rules.symbol] = Sent(update.update_id, now, followed=True)
        row = {**row, "checksum": 0, "prevSeqId": previous}
        return (_push("books", rules.symbol, row, "snapshot" if previous == -1 else "update"),)

    def tick(self, now: Micros, /) -> Sequence[bytes]:
        """The heartbeat of a book that has not changed for a minute."""
        out: list[bytes] = []
        for (channel, symbol), sent in self._subscribed.items():
            if channel == "books" and sent.followed and now - sent.at >= HEARTBEAT:
                sent.at = now
                none: list[Level] = []
                row = {"asks": none, "bids": none, "ts": render.millis(now), "checksum": 0}
                out.append(_push(channel, symbol, {**row, "prevSeqId": sent.last, "seqId": sent.last}, "update"))
        return out


def _push(channel: str, symbol: str, row: object, action: str | None) -> bytes:
    body: dict[str, object] = {"arg": {"channel": channel, "instId": symbol}}
    if action is not None:
        body["action"] = action
    return msgspec.json.encode({**body, "data": [row]})
