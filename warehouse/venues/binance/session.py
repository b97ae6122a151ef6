"""One WebSocket connection to Binance without the WebSocket: subscriptions, dispatch by stream name, liveness.

Spot has one connection, `binance.spot`. USD-M futures have two, because since 2026-04 each stream is served on one
root only: `binance.perp.public` (books) and `binance.perp.market` (aggregates, candles). A stream asked for on the
wrong root is acknowledged and stays silent.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from warehouse.clock import HOUR, MINUTE, SECOND, Micros
from warehouse.instruments import Market, Rules
from warehouse.records import Connected, Disconnected, Undecodable, VenueNotice
from warehouse.venues.base import TODAY, Command, Dialect, Fetch, Output, Reconnect, Send
from warehouse.venues.binance import decode, wire
from warehouse.venues.binance.depth import DepthFeed, DepthState
from warehouse.venues.binance.streams import Handler, Root, by_head, chosen, root_of
from warehouse.venues.binance.trades import ChainState, TradeChain

CHUNK = 200
"""Streams in one SUBSCRIBE, and the number a futures connection is trusted with."""

PAUSE = SECOND // 2
"""Between two messages to the venue, which allows 5 a second on spot and 10 on futures."""

ACK_PATIENCE = 15 * SECOND
RETRY_REFUSED = 30 * SECOND
SILENCE = MINUTE
LIFETIME: dict[Root, Micros] = {
    "spot": 23 * HOUR,
    "public": 23 * HOUR + 20 * MINUTE,
    "market": 23 * HOUR + 40 * MINUTE,
}
"""The venue ends every connection after 24 h; ours leave earlier, and not all together."""

_control = decode.reader(wire.Control)


def sessions(rules: Sequence[Rules], dialect: Dialect = TODAY) -> list[BinanceSession]:
    """The connections needed for these instruments, each in the order spot, public, market."""
    roots: tuple[Root, ...] = ("spot", "public", "market")
    found = [BinanceSession(root, rules, dialect) for root in roots]
    return [session for session in found if session.streams]


class Request(msgspec.Struct):
    """A SUBSCRIBE under way. `sent_at` is None while it waits for its turn, `due_at` the earliest time to send it."""

    id: int
    params: list[str]
    due_at: Micros
    sent_at: Micros | None = None


class SessionState(msgspec.Struct):
    """All that a session remembers."""

    up: bool
    opened_at: Micros
    heard_at: Micros
    sent_at: Micros
    leaving: bool
    next_id: int
    requests: list[Request]
    trades: dict[str, ChainState]
    depth: dict[str, DepthState]


class BinanceSession:
    """A `Session` of one root. `streams` are the full names subscribed to, in order."""

    venue = decode.VENUE
    path: str

    def __init__(self, root: Root, rules: Sequence[Rules], dialect: Dialect = TODAY) -> None:
        market: Market = "spot" if root == "spot" else "perp"
        self.name = "binance.spot" if root == "spot" else f"binance.perp.{root}"
        self.base = f"ws_{market}"
        self.path = "/stream" if root == "spot" else f"/{root}/stream"
        self._root = root
        self._trades: dict[str, TradeChain] = {}
        self._depth: dict[str, DepthFeed] = {}
        self._handlers: dict[str, Handler] = {}
        names = [name for name in chosen(market, dialect) if root_of(market, name) == root]
        for name in names:
            for rule in rules:
                if rule.market == market:
                    self._handlers[f"{rule.symbol.lower()}@{name}"] = self._handler(name, rule)
        self.streams = tuple(self._handlers)
        self._width, self._by_head = by_head(self._handlers)
        self._up = False
        self._opened_at = 0
        self._heard_at = 0
        self._sent_at = 0
        self._leaving = False
        self._next_id = 1
        self._requests: list[Request] = []

    def _handler(self, name: str, rule: Rules) -> Handler:
        if name in ("trade", "aggTrade"):
            chain = self._trades[rule.instrument] = TradeChain(rule, raw=name == "trade")
            return chain.receive
        if name == "bookTicker":
            return decode.quotes(rule)
        if name.startswith("depth"):
            feed = self._depth[rule.instrument] = DepthFeed(rule, self.name)
            return feed.receive
        instrument, parse_kline = rule.instrument, decode.reader(wire.Frame[wire.KlineEvent])
        return lambda frame, ts_recv: (decode.candle(parse_kline(frame).data, instrument, ts_recv),)

    @property
    def ready(self) -> bool:
        """All subscriptions of this connection have been acknowledged."""
        return self._up and not self._requests

    def connected(self, now: Micros) -> list[Output]:
        """Subscribe; whatever an earlier connection left half done begins anew."""
        out: list[Output] = []
        if self._up:  # the process restarted without seeing the end of the last connection
            out += self._lost("restarted", now)
            for chain in self._trades.values():
                chain.resume(now)
        self._up, self._leaving = True, False
        self._opened_at = self._heard_at = now
        self._requests = []
        for start in range(0, len(self.streams), CHUNK):
            self._requests.append(Request(self._next_id, list(self.streams[start : start + CHUNK]), now))
            self._next_id += 1
        self._sent_at = 0
        sends = self._subscribe(now)
        return [
            *sends,
            *out,
            Connected(venue=self.venue, instrument="", ts_event=now, ts_recv=now, connection=self.name),
        ]

    def disconnected(self, now: Micros, why: str) -> list[Output]:
        """Every stream is silent: books are invalid, trade chains will look for a hole."""
        self._up = False
        self._requests = []
        gone = Disconnected(venue=self.venue, instrument="", ts_event=now, ts_recv=now, connection=self.name, why=why)
        return [gone, *self._lost("disconnected", now)]

    def receive(self, frame: bytes, ts_recv: Micros) -> Sequence[Output]:
        """A frame: its first bytes hold the stream's name and pick the reader."""
        self._heard_at = ts_recv
        handler = self._by_head.get(frame[: self._width])
        if handler is None:
            return self._other(frame, ts_recv)
        try:
            return handler(frame, ts_recv)
        except (msgspec.MsgspecError, ValueError) as error:
            return [self._undecodable(frame, str(error), ts_recv)]

    def answer(self, fetch: Fetch, status: int, body: bytes, ts_recv: Micros) -> list[Output]:
        """To the chain or the book that asked."""
        if fetch.purpose == "book" and (feed := self._depth.get(fetch.instrument)) is not None:
            return feed.answer(fetch, status, body, ts_recv)
        if fetch.purpose == "trades" and (chain := self._trades.get(fetch.instrument)) is not None:
            return chain.answer(fetch, status, body, ts_recv)
        return []

    def tick(self, now: Micros) -> list[Output]:
        """Retries, subscriptions that wait for their turn, and the end of a connection that is old or silent."""
        out: list[Output] = []
        for chain in self._trades.values():
            out += chain.tick(now)
        for feed in self._depth.values():
            out += feed.tick(now)
        if not self._up or self._leaving:
            return out
        out += self._subscribe(now)
        if any(r.sent_at is not None and now - r.sent_at > ACK_PATIENCE for r in self._requests):
            out.append(self._leave("a subscription was not acknowledged"))
        elif now - self._heard_at > SILENCE:
            out.append(self._leave(f"nothing received for {SILENCE // SECOND} s"))
        elif now - self._opened_at > LIFETIME[self._root]:
            out.append(self._leave("the venue ends connections after 24 h"))
        return out

    def state(self) -> dict[str, object]:
        """The session's whole memory, so that a replay may begin here."""
        kept = SessionState(
            self._up,
            self._opened_at,
            self._heard_at,
            self._sent_at,
            self._leaving,
            self._next_id,
            self._requests,
            {name: chain.state() for name, chain in self._trades.items()},
            {name: feed.state() for name, feed in self._depth.items()},
        )
        return decode.builtins(kept)  # type: ignore[no-any-return]

    def restore(self, state: dict[str, object]) -> None:
        """The inverse of `state`; instruments it does not name start empty."""
        kept = msgspec.convert(state, SessionState)
        self._up, self._leaving, self._next_id = kept.up, kept.leaving, kept.next_id
        self._opened_at, self._heard_at, self._sent_at = kept.opened_at, kept.heard_at, kept.sent_at
        self._requests = kept.requests
        for name, chain in kept.trades.items():
            if name in self._trades:
                self._trades[name].restore(chain)
        for name, feed in kept.depth.items():
            if name in self._depth:
                self._depth[name].restore(feed)

    def _lost(self, cause: str, now: Micros) -> list[Output]:
        for chain in self._trades.values():
            chain.lost(cause)
        return [output for feed in self._depth.values() for output in feed.lost(cause, now)]

    def _leave(self, why: str) -> Reconnect:
        self._leaving = True
        return Reconnect(why)

    def _subscribe(self, now: Micros) -> list[Command]:
        """The next SUBSCRIBE, if one is due and the venue's message rate allows it."""
        if now - self._sent_at < PAUSE:
            return []
        for request in self._requests:
            if request.sent_at is None and now >= request.due_at:
                request.sent_at = self._sent_at = now
                message = {"method": "SUBSCRIBE", "params": request.params, "id": request.id}
                return [Send(msgspec.json.encode(message))]
        return []

    def _other(self, frame: bytes, ts_recv: Micros) -> Sequence[Output]:
        """Whatever does not begin with a stream of ours: acknowledgements, notices, reordered keys."""
        try:
            control = _control(frame)
            if control.stream is not None:
                handler = self._handlers.get(control.stream)
                if handler is not None:
                    return handler(frame, ts_recv)
                if control.stream != "!serverShutdown":
                    return [self._undecodable(frame, f"stream {control.stream!r} was not asked for", ts_recv)]
        except (msgspec.MsgspecError, ValueError) as error:
            return [self._undecodable(frame, str(error), ts_recv)]
        if control.stream is not None or control.e == "serverShutdown":
            words = "the venue announces that this server shuts down"
            return [self._notice("serverShutdown", words, ts_recv), self._leave(words)]
        if control.error is not None or control.code is not None:
            code = control.error.code if control.error else control.code
            return self._refused(control.id, str(code), control.error.msg if control.error else control.msg, ts_recv)
        if control.result is not msgspec.UNSET and control.id is not None:
            self._requests = [request for request in self._requests if request.id != control.id]
            return []
        return [self._undecodable(frame, "neither a stream of ours nor a control message", ts_recv)]

    def _refused(self, number: int | str | None, code: str, words: str, now: Micros) -> list[Output]:
        """The refused request is sent again later; without an id the oldest one under way is meant."""
        sent = [r for r in self._requests if r.sent_at is not None and number in (None, r.id)]
        if sent:
            sent[0].sent_at, sent[0].due_at = None, now + RETRY_REFUSED
        return [self._notice(code, words, now)]

    def _notice(self, code: str, words: str, now: Micros) -> VenueNotice:
        return VenueNotice(
            venue=self.venue, instrument="", ts_event=now, ts_recv=now, connection=self.name, code=code, words=words
        )

    def _undecodable(self, frame: bytes, why: str, now: Micros) -> Undecodable:
        return Undecodable(
            venue=self.venue,
            instrument="",
            ts_event=now,
            ts_recv=now,
            connection=self.name,
            why=why,
            head=decode.head(frame),
        )
