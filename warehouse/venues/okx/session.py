"""One WebSocket connection to OKX, without the WebSocket: `okx.public` (books) and `okx.business` (fills, candles).

https://www.okx.com/docs-v5/en/#overview-websocket
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

import msgspec

from warehouse.clock import SECOND, Micros
from warehouse.errors import HEAD
from warehouse.instruments import Rules
from warehouse.records import Connected, Disconnected, Undecodable, VenueNotice
from warehouse.venues.base import TODAY, Dialect, Fetch, Output, Reconnect, Send
from warehouse.venues.okx import wire
from warehouse.venues.okx.dated import CHECKSUM_UNTIL
from warehouse.venues.okx.decode import best_quote, candle
from warehouse.venues.okx.depth import Books, BookStream
from warehouse.venues.okx.requests import BARS
from warehouse.venues.okx.tape import Tape

NAME = "okx"
ENDPOINTS: dict[str, str] = {"rest": "https://openapi.okx.com", "ws": "wss://ws.okx.com:8443"}

PUBLIC = ("bbo-tbt", "books", "trades")
CANDLE_CHANNELS: dict[str, str] = {f"candle{bar}": timeframe for timeframe, bar in BARS.items()}
BUSINESS = ("trades-all", *CANDLE_CHANNELS)
STREAMS = ("bbo-tbt", "books", "trades-all", "candle1m")
"""The channels of today. `trades` (aggregated) is read where a recording has nothing else."""

SILENCE: Micros = 20 * SECOND
PONG_WAIT: Micros = 10 * SECOND
ACK_WAIT: Micros = 10 * SECOND
ARGS_PER_FRAME = 100
UPGRADE = "64008"

Handler = Callable[[bytes, Micros], Sequence[Output]]
Arg = tuple[str, str]


def sessions(rules: Sequence[Rules], dialect: Dialect = TODAY) -> list[OkxSession]:
    """The connections for these instruments; one without subscriptions is left out.

    Where a dialect names both `trades` and `trades-all`, the single fills are taken: two tapes would count twice.
    """
    streams = STREAMS if dialect.streams is None else dialect.streams
    if "trades-all" in streams:
        streams = tuple(stream for stream in streams if stream != "trades")
    dated = dialect.at is not None and dialect.at < CHECKSUM_UNTIL
    public = [stream for stream in PUBLIC if stream in streams]
    business = [stream for stream in BUSINESS if stream in streams]
    both = [
        OkxSession("okx.public", "/ws/v5/public", rules, public, dated=dated),
        OkxSession("okx.business", "/ws/v5/business", rules, business, dated=dated),
    ]
    return [session for session in both if session.args]


class OkxSession:
    """One connection (`warehouse.venues.base.Session`)."""

    venue = NAME
    base = "ws"

    def __init__(self, name: str, path: str, rules: Sequence[Rules], channels: Sequence[str], *, dated: bool) -> None:
        self.name = name
        self.path = path
        self.args: list[Arg] = [(channel, rule.symbol) for rule in rules for channel in channels]
        self.books = Books()
        self.tapes: dict[str, Tape] = {}
        self._book_of: dict[str, BookStream] = {}
        self._handlers: dict[Arg, Handler] = {}
        self._heads: dict[bytes, Handler] = {}
        self._channels = tuple(channels)
        for rule in rules:
            for channel in channels:
                self._handlers[channel, rule.symbol] = self._handler(channel, rule, dated)
        self._up = False
        self._heard: Micros = 0
        self._pinged: Micros = 0
        self._asked_at: Micros = 0
        self._asks = 0
        self._pending: dict[Arg, None] = dict.fromkeys(self.args)

    def _handler(self, channel: str, rules: Rules, dated: bool) -> Handler:
        if channel == "books":
            stream = self._book_of[rules.instrument] = BookStream(rules, self.books, checked=dated)
            self.books.streams.append(stream)
            return stream.push
        if channel in ("trades", "trades-all"):
            tape = self.tapes[rules.instrument] = Tape(rules, self.name)
            return tape.push
        if channel == "bbo-tbt":
            return _quotes(rules)
        return _candles(rules, CANDLE_CHANNELS[channel])

    @property
    def ready(self) -> bool:
        """Every channel of every instrument has been acknowledged on this connection."""
        return self._up and not self._pending

    def connected(self, now: Micros, /) -> Sequence[Output]:
        """Subscribe to everything. Without a `disconnected` before (a restart) the books of then are invalid first."""
        out = self.books.disconnected(now, "the process or its connection was replaced") if self._up else []
        self._up = True
        self._heard, self._pinged, self._asks = now, 0, 0
        self._pending = dict.fromkeys(self.args)
        for stream in self.books.streams:
            stream.subscribed(now)
        for tape in self.tapes.values():
            tape.now.fresh = True
        up = Connected(venue=NAME, instrument="", ts_event=now, ts_recv=now, connection=self.name)
        return [*self._subscribe(now), up, *out]

    def _subscribe(self, now: Micros) -> list[Output]:
        """Ask for what is not acknowledged yet, many channels in one message."""
        self._asked_at = now
        self._asks += 1
        args = [{"channel": channel, "instId": symbol} for channel, symbol in self._pending]
        out: list[Output] = []
        for at in range(0, len(args), ARGS_PER_FRAME):
            body = {"id": f"{self._asks}x{at}", "op": "subscribe", "args": args[at : at + ARGS_PER_FRAME]}
            out.append(Send(msgspec.json.encode(body)))
        return out

    def disconnected(self, now: Micros, why: str, /) -> Sequence[Output]:
        """Every book on this connection is invalid; the tapes find what they missed at the first trade after."""
        self._up = False
        down = Disconnected(venue=NAME, instrument="", ts_event=now, ts_recv=now, connection=self.name, why=why)
        return [down, *self.books.disconnected(now, why)]

    def receive(self, frame: bytes, ts_recv: Micros, /) -> Sequence[Output]:
        """Read one frame. The bytes up to the first `}` name channel and instrument, and find the handler."""
        self._heard = ts_recv
        end = frame.find(b"}")
        handler = self._heads.get(frame[:end])
        if handler is None:
            handler = self._find(frame[:end])
            if handler is None:
                return self._control(frame, ts_recv, "")
        try:
            return handler(frame, ts_recv)
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            return self._control(frame, ts_recv, str(error))

    def _find(self, head: bytes) -> Handler | None:
        """The handler for a spelling of `{"arg":{...` not met before; spellings of ours are remembered."""
        try:
            arg = wire.control.decode(head + b"}}").arg
        except (msgspec.MsgspecError, ValueError, RecursionError):
            return None
        handler = None if arg is None else self._handlers.get((arg.channel, arg.instId))
        if handler is not None and len(self._heads) < 4 * len(self._handlers):
            self._heads[head] = handler
        return handler

    def _control(self, frame: bytes, ts_recv: Micros, why: str) -> Sequence[Output]:
        """Whatever is no readable push of ours; `why` says what a handler found wrong with it."""
        if frame == b"pong":
            return ()
        try:
            message = wire.control.decode(frame)
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            return (self._undecodable(frame, ts_recv, why or str(error)),)
        event, arg = message.event, message.arg
        if event == "subscribe" and arg is not None:
            self._pending.pop((arg.channel, arg.instId), None)
            return ()
        if event in ("unsubscribe", "channel-conn-count"):
            return ()
        if event == "notice" or event == "error":
            said = self._notice(message.code, message.msg, ts_recv)
            return (said, Reconnect(f"{message.code}: {message.msg}")) if message.code == UPGRADE else (said,)
        if event:
            return (self._notice(event, message.msg, ts_recv),)
        if arg is not None and isinstance(message.data, list) and arg.channel not in self._channels:
            return ()  # a channel this connection did not ask for, as recordings hold them
        if arg is not None and not why:
            why = f"no rules for {arg.instId!r} on channel {arg.channel!r}"
        return (self._undecodable(frame, ts_recv, why or "neither a push nor an event"),)

    def _notice(self, code: str, words: str, ts_recv: Micros) -> VenueNotice:
        return VenueNotice(
            venue=NAME, instrument="", ts_event=ts_recv, ts_recv=ts_recv, connection=self.name, code=code, words=words
        )

    def _undecodable(self, frame: bytes, ts_recv: Micros, why: str) -> Undecodable:
        head = frame[:HEAD].decode(errors="replace")
        return Undecodable(
            venue=NAME, instrument="", ts_event=ts_recv, ts_recv=ts_recv, connection=self.name, why=why, head=head
        )

    def answer(self, fetch: Fetch, status: int, body: bytes, ts_recv: Micros, /) -> Sequence[Output]:
        """Hand a reply to the book or the tape that asked."""
        if fetch.purpose == "book" and fetch.instrument in self._book_of and self._up:
            return self._book_of[fetch.instrument].answer(fetch, status, body, ts_recv)
        if fetch.purpose == "trades" and fetch.instrument in self.tapes:
            return self.tapes[fetch.instrument].answer(fetch, status, body, ts_recv)
        return ()

    def tick(self, now: Micros, /) -> Sequence[Output]:
        """Keep-alive after 20 s of silence, missing acknowledgements, books and holes that are due."""
        out: list[Output] = []
        for tape in self.tapes.values():
            out += tape.tick(now)
        if not self._up:
            return out
        if now - self._heard >= SILENCE:
            if self._pinged <= self._heard:
                self._pinged = now
                out.append(Send(b"ping"))
            elif now - self._pinged >= PONG_WAIT:
                self._pinged = self._heard = now
                out.append(Reconnect(f"nothing heard for {(SILENCE + PONG_WAIT) // SECOND} s, not even a pong"))
        if self._pending and now - self._asked_at >= ACK_WAIT * min(self._asks, 6):
            out += self._subscribe(now)
        out += self.books.tick(now)
        return out

    def state(self) -> dict[str, object]:
        """Everything the session remembers, so that a replay from here gives the same outputs."""
        return {
            "up": self._up,
            "heard": self._heard,
            "pinged": self._pinged,
            "asked_at": self._asked_at,
            "asks": self._asks,
            "pending": [list(arg) for arg in self._pending],
            "tapes": {instrument: tape.state() for instrument, tape in self.tapes.items()},
            "books": {instrument: stream.state() for instrument, stream in self._book_of.items()},
        }

    def restore(self, state: dict[str, object], /) -> None:
        """The inverse of `state`; instruments it does not know start empty, those no longer listed are dropped."""
        self._up = bool(state["up"])
        self._heard = cast("int", state["heard"])
        self._pinged = cast("int", state["pinged"])
        self._asked_at = cast("int", state["asked_at"])
        self._asks = cast("int", state["asks"])
        kept = {(channel, symbol): None for channel, symbol in cast("list[list[str]]", state["pending"])}
        self._pending = {arg: None for arg in self.args if arg in kept}
        for instrument, tape in cast("dict[str, object]", state["tapes"]).items():
            if instrument in self.tapes:
                self.tapes[instrument].restore(tape)
        for instrument, book in cast("dict[str, object]", state["books"]).items():
            if instrument in self._book_of:
                self._book_of[instrument].restore(book)


def _quotes(rules: Rules) -> Handler:
    """`bbo-tbt`: the top of the book at each change."""
    decode, grid = wire.books_push.decode, rules.grid

    def push(frame: bytes, ts_recv: Micros) -> Sequence[Output]:
        quotes = [best_quote(row, rules, grid, ts_recv) for row in decode(frame).data]
        return [quote for quote in quotes if quote is not None]

    return push


def _candles(rules: Rules, timeframe: str) -> Handler:
    """`candle1m` and its sisters."""
    decode = wire.candles_push.decode

    def push(frame: bytes, ts_recv: Micros) -> Sequence[Output]:
        return [candle(row, rules, timeframe, ts_recv) for row in decode(frame).data]

    return push
