"""One Bybit connection without the connection: spot, linear, or the venue's status.

Spot and linear are told apart by path because symbols are spelled alike.

https://bybit-exchange.github.io/docs/v5/ws/connect
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from warehouse.clock import SECOND, Micros
from warehouse.errors import HEAD
from warehouse.instruments import Rules
from warehouse.records import Connected, Disconnected, Undecodable, VenueNotice
from warehouse.venues.base import TODAY, Dialect, Fetch, Output, Reconnect
from warehouse.venues.bybit import decode, topics
from warehouse.venues.bybit.depth import Depth
from warehouse.venues.bybit.executions import Executions
from warehouse.venues.bybit.readings import Readings, Socket
from warehouse.venues.bybit.subscriptions import Subscriptions, SubscriptionsState
from warehouse.venues.bybit.tickers import TickerMemory
from warehouse.venues.bybit.works import Works
from warehouse.venues.silence import Silence, SilenceState, limit

BOTH: tuple[str, ...] = ("publicTrade", "orderbook.1", "orderbook.200", "kline.1", "tickers")

STREAMS: dict[Socket, tuple[str, ...]] = {
    "spot": BOTH,
    "perp": (*BOTH, "allLiquidation", "insurance.USDT"),
    "status": ("system.status",),
}
"""Today's topics, without the symbol; `insurance.USDT` and `system.status` have none."""

PATHS: dict[Socket, str] = {
    "spot": "/v5/public/spot",
    "perp": "/v5/public/linear",
    "status": "/v5/public/misc/status",
}

PING = 20 * SECOND
SILENT = 60 * SECOND
"""Three unanswered pings: the connection is dead."""

ON_CHANGE = 60 * SECOND
"""How long a ticker topic may be quiet: it speaks only when something changed."""

NEVER: Micros = 1 << 62
"""No patience ever ends: topics that only speak when something happens."""

SNAPSHOTS_ONLY: Micros = 1_742_428_800_000_000
"""2025-03-20: since then `orderbook.1` sends no deltas."""

UNREADABLE = (ValueError, OverflowError, RecursionError)
"""What decoding may raise; msgspec's errors are ValueErrors."""


class BybitSession:
    """All topics of one market, or the venue's own, on one connection. See `warehouse.venues.base.Session`.

    Requests over REST other than those that fill holes are made only where `dialect` names no streams.
    """

    venue = decode.VENUE

    def __init__(self, socket: Socket, rules: Sequence[Rules], dialect: Dialect = TODAY) -> None:
        self.name = f"bybit.{socket}"
        self.base = f"ws_{socket}"
        self.path = PATHS[socket]
        self.up = False
        self.needed = socket != "status"  # what the venue says of itself is read over REST too
        self.topics: list[str] = []
        self._executions: dict[str, Executions] = {}
        self._depth: dict[str, Depth] = {}
        self._quotes: dict[str, decode.QuoteBefore20250320] = {}
        self._tickers: dict[str, TickerMemory] = {}
        self._works = Works()
        self._handlers: dict[bytes, topics.Handler] = {}
        self._instrument: dict[bytes, str] = {}
        self._limits: dict[bytes, Micros] = {}
        self._subscriptions = Subscriptions()
        self._heard_at: Micros = 0
        self._ping_at: Micros = 0
        self._leaving = False
        self._ticking = False
        old = dialect.at is not None and dialect.at < SNAPSHOTS_ONLY
        for stream in STREAMS[socket] if dialect.streams is None else dialect.streams:
            if stream == "system.status" and socket == "status":
                self._add(stream, self._works.frame, "", NEVER)
            elif stream == "insurance.USDT" and socket == "perp":
                self._add(stream, topics.pools(rules), "", NEVER)
            else:
                for rule in rules:
                    self._listen(stream, rule, old)
        self._machines: list[Executions | Depth] = [*self._executions.values(), *self._depth.values()]
        self._silence = Silence(self._limits)
        self._heard = self._silence.heard
        self._readings = Readings(socket, rules, self._works) if dialect.streams is None else None

    def _listen(self, stream: str, rules: Rules, old: bool) -> None:
        topic = f"{stream}.{rules.symbol}"
        channel, _, detail = stream.partition(".")
        name = rules.instrument
        if stream == "publicTrade":
            executions = self._executions[topic] = Executions(rules)
            self._add(topic, executions.receive, name, limit("trades", name))
        elif stream == "orderbook.1":
            if old:
                memory = self._quotes[topic] = decode.QuoteBefore20250320()
                self._add(topic, topics.quotes_before_20250320(rules, memory), name, limit("bbo", name))
            else:
                self._add(topic, topics.quotes(rules), name, limit("bbo", name))
        elif channel == "orderbook" and detail.isdigit():
            depth = self._depth[topic] = Depth(rules, topic, self._subscriptions.resubscribe)
            self._add(topic, depth.receive, name, limit("depth", name))
        elif channel == "kline" and detail in decode.INTERVALS:
            heard = topics.candles(rules, decode.INTERVALS[detail])
            trades = self._executions.get(f"publicTrade.{rules.symbol}")
            if detail == "1" and trades is not None:
                heard = topics.recounted(heard, trades.recount)
            self._add(topic, heard, name, limit("candles", name))
        elif stream == "tickers":
            ticker = self._tickers[topic] = TickerMemory(name, spot=rules.market == "spot")
            self._add(topic, ticker.receive, name, ON_CHANGE)
        elif stream == "allLiquidation" and rules.market == "perp":
            self._add(topic, topics.liquidations(rules), name, NEVER)

    def _add(self, topic: str, handler: topics.Handler, instrument: str, patience: Micros) -> None:
        self.topics.append(topic)
        self._handlers[topic.encode()] = handler
        self._instrument[topic.encode()] = instrument
        self._limits[topic.encode()] = patience

    @property
    def ready(self) -> bool:
        """The connection is up, and every topic has been acknowledged on it (of the venue's status: up is enough)."""
        return self.up and self._subscriptions.complete

    @property
    def settled(self) -> bool:
        """`ready`, every book follows its snapshot, and no page of missing trades is awaited."""
        whole = all(depth.sequencer.last for depth in self._depth.values())
        return self.ready and whole and not any(one.joining for one in self._executions.values())

    def connected(self, now: Micros, /) -> Sequence[Output]:
        """Subscribe everything, at most ten topics in a request."""
        self.up, self._leaving = True, False
        self._heard_at, self._ping_at = now, now + PING
        self._silence.forget()
        out: list[Output] = [
            Connected(venue=self.venue, instrument="", ts_event=now, ts_recv=now, connection=self.name)
        ]
        out += self._subscriptions.begin(self.topics, now, needed=self.needed)
        for executions in self._executions.values():
            out += executions.connected(now, hold=self._ticking)
        for depth in self._depth.values():
            out += depth.connected(now)
        for ticker in self._tickers.values():
            ticker.lost()
        if self._readings is not None:
            self._readings.start(now)
        return out

    def disconnected(self, now: Micros, why: str, /) -> Sequence[Output]:
        """Every stream is silent and every book invalid; holes open behind what was last seen."""
        self.up = False
        self._subscriptions.pending.clear()
        self._silence.forget()
        out: list[Output] = [
            Disconnected(venue=self.venue, instrument="", ts_event=now, ts_recv=now, connection=self.name, why=why)
        ]
        for machine in self._machines:
            out += machine.disconnected(now)
        for ticker in self._tickers.values():
            ticker.lost()
        return out

    def receive(self, frame: bytes, ts_recv: Micros, /) -> Sequence[Output]:
        """One text frame."""
        self._heard_at = ts_recv
        if frame.startswith(b'{"topic":"'):
            topic = frame[10 : frame.find(b'"', 10)]
            handler = self._handlers.get(topic)
            if handler is not None:
                self._heard[topic].at = ts_recv
                try:
                    return handler(frame, ts_recv)
                except UNREADABLE as error:
                    return self._unread(topic, str(error), frame, ts_recv)
        return self._control(frame, ts_recv)

    def answer(self, fetch: Fetch, status: int, body: bytes, ts_recv: Micros, /) -> Sequence[Output]:
        """The reply to a request for recent trades, or for a reading."""
        if fetch.purpose == "trades":
            for executions in self._executions.values():
                if executions.rules.instrument == fetch.instrument:
                    return executions.answer(fetch, status, body, ts_recv)
        elif self._readings is not None:
            records, why = self._readings.answer(fetch, status, body, ts_recv)
            return records if why is None else (self._notice("poll", why, ts_recv, fetch.instrument),)
        return ()

    def tick(self, now: Micros, /) -> Sequence[Output]:
        """Pings, time-outs and retries; what waited in a ticker; readings that are due."""
        self._ticking = True
        if not self.up or self._leaving:
            return ()
        out: list[Output] = []
        if now >= self._ping_at:
            if now - self._heard_at > SILENT:
                return self._leave("no frame and no pong for 60 s")
            self._ping_at = now + PING
            out.append(self._subscriptions.ping())
        overdue = self._subscriptions.overdue(now)
        if overdue is not None:
            return [*out, *self._leave(f"no acknowledgement of {overdue} within 10 s")]
        out += self._subscriptions.again(now)
        for machine in self._machines:
            if machine.due:
                out += machine.tick(now)
        for executions in self._executions.values():
            if executions.recount.due and not executions.joining:
                out += executions.recount.tick(now)
        for ticker in self._tickers.values():
            if ticker.waiting:
                out += ticker.due(now)
        for quiet in self._silence.quiet(now):
            topic = quiet.stream.decode()
            out.append(self._notice("silent", f"{topic}: {quiet.words}", now, self._instrument[quiet.stream]))
            if quiet.hopeless:
                return [*out, *self._leave(f"{topic}: {quiet.words}, new subscriptions did not help")]
            out += self._renew(topic, now)
        if self._readings is not None:
            out += self._readings.due(now)
        return out

    def _renew(self, topic: str, now: Micros) -> Sequence[Output]:
        """Subscribe a quiet topic anew, and find out what it left out."""
        if topic in self._depth and not self._depth[topic].renew():
            return ()
        out: list[Output] = []
        if topic in self._executions:
            out += self._executions[topic].connected(now, hold=self._ticking, cause="silent")
        return [*out, *self._subscriptions.resubscribe(topic, now)]

    def resync(self, instrument: str, why: str, now: Micros, /) -> Sequence[Output]:
        """See `Session.resync`."""
        found = [depth for depth in self._depth.values() if depth.rules.instrument == instrument]
        return [output for depth in found for output in depth.distrust(why, now)]

    def _leave(self, why: str) -> list[Output]:
        self._leaving = True
        return [Reconnect(why)]

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
            self._heard[topic].at = now
            try:
                return handler(frame, now)
            except UNREADABLE as error:
                return self._unread(topic, str(error), frame, now)
        if control.op == "subscribe" and control.success is not None:
            return self._acknowledged(control.req_id, control.success, control.ret_msg, now)
        if control.success is False:
            return (self._notice(control.op or "", control.ret_msg, now),)
        if control.op in ("ping", "pong", "unsubscribe"):
            return ()
        return (self._undecodable("neither a topic nor a known operation", frame, now),)

    def _unread(self, topic: bytes, why: str, frame: bytes, now: Micros) -> Sequence[Output]:
        """A frame of a topic that cannot be read: the executions in it are asked for, where somebody answers."""
        told = self._undecodable(why, frame, now, self._instrument[topic])
        executions = self._executions.get(topic.decode())
        return (told,) if executions is None or not self._ticking else (told, *executions.missed(now, "undecodable"))

    def _acknowledged(self, req_id: str, success: bool, words: str, now: Micros) -> Sequence[Output]:
        request = self._subscriptions.acknowledged(req_id)
        if request is None:
            return () if success else (self._notice("subscribe", words, now),)
        if not success:
            notice = self._notice("subscribe", f"{words} ({', '.join(request.topics)})", now)
            return [notice, *self._subscriptions.refuse(request, now)]
        self._silence.expect([topic.encode() for topic in request.topics], now)
        for topic in request.topics:
            if topic in self._executions:
                self._executions[topic].acknowledged(now)
            elif topic in self._depth:
                self._depth[topic].acknowledged(now)
        return ()

    def _notice(self, code: str, words: str, now: Micros, instrument: str = "") -> VenueNotice:
        return VenueNotice(
            venue=self.venue,
            instrument=instrument,
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

    def renew(self, instrument: str, now: Micros) -> list[Output]:
        """See `Session.renew`: the pushed book follows the price."""
        return []

    def state(self) -> dict[str, object]:
        """Last ids, held executions, open holes, fields of tickers and timers of every topic; see `restore`."""
        return {
            "up": self.up,
            "leaving": self._leaving,
            "ticking": self._ticking,
            "heard_at": self._heard_at,
            "ping_at": self._ping_at,
            **self._subscriptions.state(),
            "executions": {topic: executions.state() for topic, executions in self._executions.items()},
            "depth": {topic: depth.state() for topic, depth in self._depth.items()},
            "quotes": {topic: [quote.bid, quote.ask] for topic, quote in self._quotes.items()},
            "tickers": {topic: ticker.state() for topic, ticker in self._tickers.items()},
            "silence": msgspec.to_builtins(self._silence.state()),
            "works": self._works.state(),
            "readings": None if self._readings is None else self._readings.state(),
        }

    def restore(self, state: dict[str, object], /) -> None:
        """Continue from `state`; topics it does not name start empty. A new process then calls `connected`."""
        kept = msgspec.convert(state, _Kept)
        self.up, self._leaving, self._ticking = kept.up, kept.leaving, kept.ticking
        self._heard_at, self._ping_at = kept.heard_at, kept.ping_at
        self._subscriptions.restore(SubscriptionsState(kept.requests, kept.pending, kept.refused))
        machines = ((self._executions, kept.executions), (self._depth, kept.depth), (self._tickers, kept.tickers))
        for ours, theirs in machines:
            for topic, machine in ours.items():
                if topic in theirs:
                    machine.restore(theirs[topic])
        for topic, quote in self._quotes.items():
            quote.bid, quote.ask = kept.quotes.get(topic, (None, None))
        if kept.silence is not None:
            self._silence.restore(kept.silence)
        if kept.works is not None:
            self._works.restore(kept.works)
        if kept.readings is not None and self._readings is not None:
            self._readings.restore(kept.readings)

    def adopt(self, state: dict[str, object], /) -> None:
        """Know the ids that a session in this state knew."""
        for topic, kept in msgspec.convert(state, _Kept).executions.items():
            if topic in self._executions:
                self._executions[topic].adopt(kept)


class _Kept(SubscriptionsState, kw_only=True):
    up: bool
    leaving: bool
    ticking: bool
    heard_at: Micros
    ping_at: Micros
    executions: dict[str, dict[str, object]]
    depth: dict[str, dict[str, object]]
    quotes: dict[str, tuple[tuple[float, float] | None, tuple[float, float] | None]]
    tickers: dict[str, dict[str, object]] = msgspec.field(default_factory=dict)
    silence: SilenceState | None = None
    works: dict[str, object] | None = None
    readings: dict[str, object] | None = None
