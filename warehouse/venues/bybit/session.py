"""One Bybit connection without the connection: spot or linear, told apart by path because symbols are spelled alike.

https://bybit-exchange.github.io/docs/v5/ws/connect
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from warehouse.clock import SECOND, Micros
from warehouse.errors import HEAD
from warehouse.instruments import Rules
from warehouse.records import Connected, Disconnected, Undecodable, VenueNotice
from warehouse.venues.base import TODAY, Dialect, Fetch, Output, Reconnect, Send
from warehouse.venues.bybit import decode, topics
from warehouse.venues.bybit.depth import Depth
from warehouse.venues.bybit.executions import Executions

STREAMS: tuple[str, ...] = ("publicTrade", "orderbook.1", "orderbook.200", "kline.1")
"""Today's topics, without the symbol."""

ARGS = 10
"""Topics per subscribe request: the limit on spot, kept on linear so that one refused topic costs few others."""

PING = 20 * SECOND
ACK = 10 * SECOND
SILENT = 60 * SECOND
"""Three unanswered pings: the connection is dead."""

AGAIN = 60 * SECOND
"""Pause before a refused topic is asked for again."""

SNAPSHOTS_ONLY: Micros = 1_742_428_800_000_000
"""2025-03-20: since then `orderbook.1` sends no deltas."""

UNREADABLE = (ValueError, OverflowError, RecursionError)
"""What decoding may raise; msgspec's errors are ValueErrors."""


class Request(msgspec.Struct, frozen=True):
    """A subscription that waits for its acknowledgement. `first` requests make the connection ready."""

    topics: tuple[str, ...]
    sent_at: Micros
    first: bool


class BybitSession:
    """All topics of one market on one connection. See `warehouse.venues.base.Session`."""

    venue = decode.VENUE

    def __init__(self, market: Literal["spot", "perp"], rules: Sequence[Rules], dialect: Dialect = TODAY) -> None:
        self.market = market
        self.name = f"bybit.{market}"
        self.base = f"ws_{market}"
        self.path = "/v5/public/spot" if market == "spot" else "/v5/public/linear"
        self.up = False
        self._executions: dict[str, Executions] = {}
        self._depth: dict[str, Depth] = {}
        self._quotes: dict[str, decode.QuoteBefore20250320] = {}
        self._handlers: dict[bytes, topics.Handler] = {}
        self._instrument: dict[bytes, str] = {}
        self.topics: list[str] = []
        self._pending: dict[str, Request] = {}
        self._refused: dict[str, Micros] = {}
        self._requests = 0
        self._heard_at: Micros = 0
        self._ping_at: Micros = 0
        self._leaving = False
        self._ticking = False
        old = dialect.at is not None and dialect.at < SNAPSHOTS_ONLY
        for stream in STREAMS if dialect.streams is None else dialect.streams:
            for rule in rules:
                self._listen(stream, rule, old)
        self._machines: list[Executions | Depth] = [*self._executions.values(), *self._depth.values()]

    def _listen(self, stream: str, rules: Rules, old: bool) -> None:
        topic = f"{stream}.{rules.symbol}"
        channel, _, detail = stream.partition(".")
        handler: topics.Handler
        if stream == "publicTrade":
            executions = self._executions[topic] = Executions(rules)
            handler = executions.receive
        elif stream == "orderbook.1":
            if old:
                memory = self._quotes[topic] = decode.QuoteBefore20250320()
                handler = topics.quotes_before_20250320(rules, memory)
            else:
                handler = topics.quotes(rules)
        elif channel == "orderbook" and detail.isdigit():
            depth = self._depth[topic] = Depth(rules, topic, self._resubscribe)
            handler = depth.receive
        elif channel == "kline" and detail in decode.INTERVALS:
            handler = topics.candles(rules, decode.INTERVALS[detail])
        else:
            return
        self.topics.append(topic)
        self._handlers[topic.encode()] = handler
        self._instrument[topic.encode()] = rules.instrument

    @property
    def ready(self) -> bool:
        """The connection is up, and every topic has been acknowledged on it."""
        return self.up and not self._refused and not any(request.first for request in self._pending.values())

    def connected(self, now: Micros, /) -> Sequence[Output]:
        """Subscribe everything, at most ten topics in a request."""
        self.up, self._leaving = True, False
        self._heard_at, self._ping_at = now, now + PING
        self._pending.clear()
        self._refused.clear()
        out: list[Output] = [
            Connected(venue=self.venue, instrument="", ts_event=now, ts_recv=now, connection=self.name)
        ]
        chunks = [tuple(self.topics[at : at + ARGS]) for at in range(0, len(self.topics), ARGS)]
        out += [self._subscribe(chunk, now, first=True) for chunk in chunks]
        for executions in self._executions.values():
            out += executions.connected(now, hold=self._ticking)
        for depth in self._depth.values():
            out += depth.connected(now)
        return out

    def disconnected(self, now: Micros, why: str, /) -> Sequence[Output]:
        """Every stream is silent and every book invalid; holes open behind what was last seen."""
        self.up = False
        self._pending.clear()
        out: list[Output] = [
            Disconnected(venue=self.venue, instrument="", ts_event=now, ts_recv=now, connection=self.name, why=why)
        ]
        for machine in self._machines:
            out += machine.disconnected(now)
        return out

    def receive(self, frame: bytes, ts_recv: Micros, /) -> Sequence[Output]:
        """One text frame."""
        self._heard_at = ts_recv
        if frame.startswith(b'{"topic":"'):
            topic = frame[10 : frame.find(b'"', 10)]
            handler = self._handlers.get(topic)
            if handler is not None:
                try:
                    return handler(frame, ts_recv)
                except UNREADABLE as error:
                    return (self._undecodable(str(error), frame, ts_recv, self._instrument[topic]),)
        return self._control(frame, ts_recv)

    def answer(self, fetch: Fetch, status: int, body: bytes, ts_recv: Micros, /) -> Sequence[Output]:
        """The reply to a recent-trade request."""
        for executions in self._executions.values():
            if executions.rules.instrument == fetch.instrument:
                return executions.answer(fetch, status, body, ts_recv)
        return ()

    def tick(self, now: Micros, /) -> Sequence[Output]:
        """Pings, time-outs and retries."""
        self._ticking = True
        if not self.up or self._leaving:
            return ()
        out: list[Output] = []
        if now >= self._ping_at:
            if now - self._heard_at > SILENT:
                return self._leave("no frame and no pong for 60 s")
            self._ping_at = now + PING
            self._requests += 1
            out.append(Send(b'{"req_id":"%d","op":"ping"}' % self._requests))
        for request in self._pending.values():
            if request.first and now - request.sent_at > ACK:
                return [*out, *self._leave(f"no acknowledgement of {request.topics[0]} within 10 s")]
        for topic in [topic for topic, due in self._refused.items() if now >= due]:
            del self._refused[topic]
            out.append(self._subscribe((topic,), now, first=True))
        for machine in self._machines:
            if machine.due:
                out += machine.tick(now)
        return out

    def _leave(self, why: str) -> list[Output]:
        self._leaving = True
        return [Reconnect(why)]

    def _subscribe(self, wanted: tuple[str, ...], now: Micros, first: bool) -> Send:
        self._requests += 1
        self._pending[str(self._requests)] = Request(wanted, now, first)
        return _operation(self._requests, "subscribe", wanted)

    def _resubscribe(self, topic: str, now: Micros) -> list[Output]:
        self._requests += 1
        leave = _operation(self._requests, "unsubscribe", (topic,))
        return [leave, self._subscribe((topic,), now, first=False)]

    def _control(self, frame: bytes, now: Micros) -> Sequence[Output]:
        try:
            control = decode.control(frame)
        except UNREADABLE as error:
            return (self._undecodable(str(error), frame, now),)
        if control.topic is not None:
            topic = control.topic.encode()
            handler = self._handlers.get(topic)
            if handler is None:
                return (self._undecodable(f"a topic that was not asked for: {control.topic[:64]}", frame, now),)
            try:
                return handler(frame, now)
            except UNREADABLE as error:
                return (self._undecodable(str(error), frame, now, self._instrument[topic]),)
        if control.op == "subscribe" and control.success is not None:
            found = control.req_id or next(iter(self._pending), "")
            return self._acknowledged(found, control.success, control.ret_msg, now)
        if control.success is False:
            return (self._notice(control.op or "", control.ret_msg, now),)
        if control.op in ("ping", "pong", "unsubscribe"):
            return ()
        return (self._undecodable("neither a topic nor a known operation", frame, now),)

    def _acknowledged(self, found: str, success: bool, words: str, now: Micros) -> Sequence[Output]:
        request = self._pending.pop(found, None)
        if request is None:
            return () if success else (self._notice("subscribe", words, now),)
        if success:
            for topic in request.topics:
                if topic in self._executions:
                    self._executions[topic].acknowledged(now)
                elif topic in self._depth:
                    self._depth[topic].acknowledged(now)
            return ()
        out: list[Output] = [self._notice("subscribe", f"{words} ({', '.join(request.topics)})", now)]
        if len(request.topics) > 1:
            out += [self._subscribe((topic,), now, first=request.first) for topic in request.topics]
        elif request.first:
            self._refused[request.topics[0]] = now + AGAIN
        return out

    def _notice(self, code: str, words: str, now: Micros) -> VenueNotice:
        return VenueNotice(
            venue=self.venue,
            instrument="",
            ts_event=now,
            ts_recv=now,
            connection=self.name,
            code=code[:64],
            words=words[:500],
        )

    def _undecodable(self, why: str, frame: bytes, now: Micros, instrument: str = "") -> Undecodable:
        return Undecodable(
            venue=self.venue,
            instrument=instrument,
            ts_event=now,
            ts_recv=now,
            connection=self.name,
            why=why[:200],
            head=frame[:HEAD].decode(errors="replace"),
        )

    def state(self) -> dict[str, object]:
        """Last ids, held executions, open holes and timers of every topic; see `restore`."""
        return {
            "up": self.up,
            "leaving": self._leaving,
            "ticking": self._ticking,
            "requests": self._requests,
            "heard_at": self._heard_at,
            "ping_at": self._ping_at,
            "pending": {key: msgspec.to_builtins(request) for key, request in self._pending.items()},
            "refused": dict(self._refused),
            "executions": {topic: executions.state() for topic, executions in self._executions.items()},
            "depth": {topic: depth.state() for topic, depth in self._depth.items()},
            "quotes": {topic: [quote.bid, quote.ask] for topic, quote in self._quotes.items()},
        }

    def restore(self, state: dict[str, object], /) -> None:
        """Continue from `state`; topics it does not name start empty. A new process then calls `connected`."""
        kept = msgspec.convert(state, _Kept)
        self.up, self._leaving, self._ticking = kept.up, kept.leaving, kept.ticking
        self._requests = kept.requests
        self._heard_at, self._ping_at = kept.heard_at, kept.ping_at
        self._pending, self._refused = kept.pending, kept.refused
        for topic, executions in self._executions.items():
            if topic in kept.executions:
                executions.restore(kept.executions[topic])
        for topic, depth in self._depth.items():
            if topic in kept.depth:
                depth.restore(kept.depth[topic])
        for topic, quote in self._quotes.items():
            quote.bid, quote.ask = kept.quotes.get(topic, (None, None))


class _Kept(msgspec.Struct, kw_only=True):
    up: bool
    leaving: bool
    ticking: bool
    requests: int
    heard_at: Micros
    ping_at: Micros
    pending: dict[str, Request]
    refused: dict[str, Micros]
    executions: dict[str, dict[str, object]]
    depth: dict[str, dict[str, object]]
    quotes: dict[str, tuple[tuple[float, float] | None, tuple[float, float] | None]]


def _operation(number: int, op: str, args: tuple[str, ...]) -> Send:
    return Send(msgspec.json.encode({"req_id": str(number), "op": op, "args": args}))
