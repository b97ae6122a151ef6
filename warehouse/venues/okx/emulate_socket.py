"""OKX's end of one WebSocket: subscriptions with one acknowledgement each, text pings, books that chain."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from warehouse.clock import HOUR, SECOND, Micros
from warehouse.instruments import Rules
from warehouse.records import (
    BestQuote,
    BookUpdate,
    Candle,
    FundingRate,
    InstrumentStatus,
    Level,
    Liquidation,
    MarkPrice,
    OpenInterest,
    Record,
    Ticker,
    Trade,
    VenueStatus,
)
from warehouse.venues.base import MarketView
from warehouse.venues.okx import render, render_feeds
from warehouse.venues.okx.channels import BLOCKS, BUSINESS, PERPETUAL, PUBLIC, WHOLE, index_of, named
from warehouse.venues.okx.emulate_feeds import Feeds
from warehouse.venues.okx.requests import BARS, BOOK_DEPTH
from warehouse.venues.okx.wire import Arg

HEARTBEAT: Micros = 60 * SECOND
CONTROL_OPS = 480
"""Subscriptions and cancellations an hour and connection."""

CHANNELS: dict[str, tuple[str, ...]] = {"/ws/v5/public": (*PUBLIC, *PERPETUAL, *WHOLE), "/ws/v5/business": BUSINESS}

REPEATED: dict[str, Micros] = {
    "mark-price": 10 * SECOND,
    "index-tickers": 60 * SECOND,
    "funding-rate": 60 * SECOND,
    "open-interest": 3 * SECOND,
}
"""How long after its last push a channel is pushed again, changed or not."""


class Request(msgspec.Struct):
    """`{"id":"1512","op":"subscribe","args":[{"channel":"books","instId":"BTC-USDT"}]}`"""

    op: str
    args: list[Arg]
    id: str | None = None


class Sent(msgspec.Struct):
    """What a subscriber of a book was sent last.

    `followed` once an update came after the snapshot: where recorded frames are played instead, nobody here knows which
    heartbeat would continue them.
    """

    last: int
    at: Micros
    followed: bool = False


def stream_name(channel: str, symbol: str) -> str:
    """How a stream is named in `EmulatedConnection.streams`: `books:BTC-USDT`."""
    return f"{channel}:{symbol}"


class EmulatedOkxConnection:
    """One connection (`warehouse.venues.base.EmulatedConnection`)."""

    def __init__(self, view: MarketView, feeds: Feeds, path: str, connection_id: str) -> None:
        self.view = view
        self.feeds = feeds
        self.channels = CHANNELS.get(path, ())
        self.connection_id = connection_id
        self._by_symbol: dict[str, Rules] = {rules.symbol: rules for rules in view.rules()}
        self._by_instrument: dict[str, Rules] = {rules.instrument: rules for rules in view.rules()}
        self._perp_of: dict[str, Rules] = {index_of(rules): rules for rules in view.rules() if rules.market == "perp"}
        self._subscribed: dict[tuple[str, str], Sent] = {}
        self._ops: list[Micros] = []

    @property
    def streams(self) -> Sequence[str]:
        """What is subscribed, as `channel:instId` (or `channel:instType`)."""
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
            if not self._exists(arg):
                words = (
                    f"Wrong URL or channel:{arg.channel},instId:{arg.about} doesn't exist. Please use the correct "
                    "URL, channel and parameters referring to API document."
                )
                out.append(self._error(request.id, "60018", words))
                continue
            out.append(self._acknowledge(request, arg))
            key = (arg.channel, arg.about)
            if request.op == "unsubscribe":
                self._subscribed.pop(key, None)
            else:
                self._subscribed[key] = Sent(-1, now)
                out += self._first(arg, now)
        return out

    def _exists(self, arg: Arg) -> bool:
        """Does this path serve this channel for this instrument, index or kind?"""
        if arg.channel not in self.channels:
            return False
        if arg.channel in WHOLE:
            return arg.about in WHOLE[arg.channel]
        if arg.channel == "index-tickers":
            return arg.instId in self._perp_of
        rules = self._by_symbol.get(arg.instId)
        return rules is not None and (arg.channel not in PERPETUAL or rules.market == "perp")

    def _acknowledge(self, request: Request, arg: Arg) -> bytes:
        body: dict[str, object] = {} if request.id is None else {"id": request.id}
        where = named(arg.channel, arg.about)
        return msgspec.json.encode({**body, "event": request.op, "arg": where, "connId": self.connection_id})

    def _error(self, request_id: str | None, code: str, words: str) -> bytes:
        body: dict[str, object] = {} if request_id is None else {"id": request_id}
        return msgspec.json.encode({**body, "event": "error", "code": code, "msg": words, "connId": self.connection_id})

    def _first(self, arg: Arg, now: Micros) -> list[bytes]:
        """What a new subscriber gets at once: the whole book, its top, what stands now, the whole list."""
        channel, about = arg.channel, arg.about
        if channel == "instruments":
            return [_push(channel, about, *render_feeds.instruments(self.view, about))]
        if channel == "status":
            return [_push(channel, about, render_feeds.maintenance(one)) for one in self.feeds.status[-1:]]
        if channel in REPEATED:
            return self._now(channel, about, now)
        if channel not in ("books", "bbo-tbt"):
            return []
        whole = self.view.book(self._by_symbol[about].instrument)
        if channel == "books":
            self._subscribed[channel, about] = Sent(whole.update_id, now)
            row = {**render.book(whole, BOOK_DEPTH), "checksum": 0, "prevSeqId": -1}
            return [_push(channel, about, row, action="snapshot")]
        return [_push(channel, about, render.book(whole, 1))] if whole.bids and whole.asks else []

    def _now(self, channel: str, about: str, now: Micros) -> list[bytes]:
        """What a channel of `REPEATED` says now, if the market knows it."""
        rules = self._perp_of[about] if channel == "index-tickers" else self._by_symbol[about]
        one: Record | None
        if channel == "funding-rate":
            one = self.view.funding_now(rules.instrument)
        elif channel == "open-interest":
            one = self.view.open_interest_now(rules.instrument)
        else:
            one = self.view.mark_price(rules.instrument)
        self._subscribed[channel, about].at = now
        return [] if one is None else [frame for name, frame in self._feed(one, rules, now) if name == channel]

    def event(self, record: Record, now: Micros, /) -> Sequence[bytes]:
        """The pushes that a market event causes on this connection."""
        rules = self._by_instrument.get(record.instrument)
        if rules is None:
            return self._venue(record)
        if isinstance(record, Trade):
            return self._trade(record, rules)
        if isinstance(record, BookUpdate):
            return self._book(record, rules, now)
        if isinstance(record, BestQuote) and ("bbo-tbt", rules.symbol) in self._subscribed:
            return (_push("bbo-tbt", rules.symbol, render.quote(record, rules)),)
        if isinstance(record, Candle):
            channel = f"candle{BARS.get(record.timeframe)}"
            if (channel, rules.symbol) in self._subscribed:
                return (_push(channel, rules.symbol, render.candle(record, rules)),)
        return [frame for _, frame in self._feed(record, rules, now)]

    def _venue(self, record: Record) -> Sequence[bytes]:
        """What concerns no instrument: a maintenance."""
        if not isinstance(record, VenueStatus):
            return ()
        self.feeds.announce(record)
        return (_push("status", "", render_feeds.maintenance(record)),) if ("status", "") in self._subscribed else ()

    def _feed(self, record: Record, rules: Rules, now: Micros) -> list[tuple[str, bytes]]:
        """The pushes of a slower feed, each with its channel."""
        out: list[tuple[str, bytes]] = []
        for channel, about, row in self._rows(record, rules):
            sent = self._subscribed.get((channel, about))
            if sent is not None and row is not None:
                sent.at = now
                out.append((channel, _push(channel, about, row)))
        return out

    def _rows(self, record: Record, rules: Rules) -> list[tuple[str, str, object]]:
        """Channel, what it is about, and the row (None: this record has none for it)."""
        symbol = rules.symbol
        if isinstance(record, MarkPrice):
            return [
                ("mark-price", symbol, render_feeds.mark(record, rules)),
                ("index-tickers", index_of(rules), render_feeds.index(record, rules)),
            ]
        if isinstance(record, FundingRate):
            return [] if record.settled else [("funding-rate", symbol, render_feeds.accruing(record, rules))]
        if isinstance(record, OpenInterest):
            return [] if record.period_us else [("open-interest", symbol, render_feeds.open_interest(record, rules))]
        if isinstance(record, Ticker):
            heard = ("tickers", symbol) in self._subscribed
            book = self.view.book(rules.instrument) if heard else None
            return [] if book is None else [("tickers", symbol, render_feeds.ticker(record, rules, book))]
        if isinstance(record, Liquidation):
            return [("liquidation-orders", "SWAP", render_feeds.liquidation(record, rules))]
        if isinstance(record, InstrumentStatus):
            kind = "SPOT" if rules.market == "spot" else "SWAP"
            rows = [row for row in render_feeds.instruments(self.view, kind) if row["instId"] == symbol]
            return [("instruments", kind, {**row, **render_feeds.state(record)}) for row in rows]
        return []

    def _trade(self, one: Trade, rules: Rules) -> Sequence[bytes]:
        if one.kind == "block":
            heard = (BLOCKS, rules.symbol) in self._subscribed
            return (_push(BLOCKS, rules.symbol, render_feeds.block_trade(one, rules)),) if heard else ()
        out: list[bytes] = []
        if ("trades", rules.symbol) in self._subscribed:
            out.append(_push("trades", rules.symbol, render.aggregate(one, rules, one.trade_seq or 0)))
        if ("trades-all", rules.symbol) in self._subscribed:
            out.append(_push("trades-all", rules.symbol, render.trade(one, rules)))
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
        return (_push("books", rules.symbol, row, action="snapshot" if previous == -1 else "update"),)

    def tick(self, now: Micros, /) -> Sequence[bytes]:
        """The heartbeat of a book that has not changed for a minute, and what is repeated unchanged."""
        out: list[bytes] = []
        for (channel, symbol), sent in self._subscribed.items():
            if channel == "books" and sent.followed and now - sent.at >= HEARTBEAT:
                sent.at = now
                none: list[Level] = []
                row = {"asks": none, "bids": none, "ts": render.millis(now), "checksum": 0}
                out.append(_push(channel, symbol, {**row, "prevSeqId": sent.last, "seqId": sent.last}, action="update"))
            elif channel in REPEATED and now - sent.at >= REPEATED[channel]:
                out += self._now(channel, symbol, now)
        return out


def _push(channel: str, about: str, *rows: object, action: str | None = None) -> bytes:
    body: dict[str, object] = {"arg": named(channel, about)}
    if action is not None:
        body["action"] = action
    return msgspec.json.encode({**body, "data": rows})
