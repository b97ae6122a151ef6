"""One WebSocket connection to Binance without the WebSocket: dispatch by stream name, polls, liveness.

Spot has one connection, `binance.spot`. USD-M futures have two, because since 2026-04 each stream is served on one
root only: `binance.perp.public` (books) and `binance.perp.market` (aggregates, candles, mark prices, liquidations,
tickers, states). A stream asked for on the wrong root is acknowledged and stays silent.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from warehouse.clock import HOUR, MINUTE, SECOND, Micros
from warehouse.instruments import Market, Rules
from warehouse.records import Connected, Disconnected, Undecodable, VenueNotice
from warehouse.venues.base import TODAY, UNREADABLE, Dialect, Fetch, Output, Reconnect, Succeed
from warehouse.venues.binance import decode, decode_feeds, wire
from warehouse.venues.binance.depth import DepthFeed, DepthState
from warehouse.venues.binance.polled import Polled
from warehouse.venues.binance.streams import Handler, Root, chosen, heads, patience, root_of
from warehouse.venues.binance.subscriptions import Subscriptions, SubscriptionsState
from warehouse.venues.binance.trades import ChainState, TradeChain
from warehouse.venues.polls import PollState
from warehouse.venues.silence import Quiet, Silence, SilenceState

SILENCE = MINUTE
"""Of the whole connection."""

LIFETIME: dict[Root, Micros] = {
    "spot": 23 * HOUR,
    "public": 23 * HOUR + 20 * MINUTE,
    "market": 23 * HOUR + 40 * MINUTE,
}
"""The venue ends every connection after 24 h; ours leave earlier, and not all together."""

_FEEDS: dict[str, Callable[[Rules], Handler]] = {
    "ticker": decode_feeds.tickers,
    "forceOrder": decode_feeds.liquidations,
    "blockTrade": decode_feeds.block_trades,
}

_control = decode.reader(wire.Control)


def sessions(rules: Sequence[Rules], dialect: Dialect = TODAY) -> list[BinanceSession]:
    """The connections needed for these instruments, each in the order spot, public, market."""
    roots: tuple[Root, ...] = ("spot", "public", "market")
    found = [BinanceSession(root, rules, dialect) for root in roots]
    return [session for session in found if session.streams]


class SessionState(msgspec.Struct):
    """All that a session remembers."""

    up: bool
    opened_at: Micros
    heard_at: Micros
    leaving: bool
    subscriptions: SubscriptionsState
    silence: SilenceState
    polls: PollState
    intervals: dict[str, Micros]
    trades: dict[str, ChainState]
    depth: dict[str, DepthState]


class BinanceSession:
    """A `Session` of one root. `streams` are the full names subscribed to, in order."""

    venue = decode.VENUE
    needed = True
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
        ours = [rule for rule in rules if rule.market == market]
        self._polled = Polled(root, rules if dialect.streams is None else ())
        limits: dict[str, Micros | None] = {}
        for name in [name for name in chosen(market, dialect) if root_of(market, name) == root]:
            if name.startswith("!") and ours:
                limits[name] = None
                self._handlers[name] = decode_feeds.contracts({rule.symbol: rule.instrument for rule in ours})
                continue
            for rule in ours:
                stream = f"{rule.symbol.lower()}@{name}"
                limits[stream] = patience(name, rule.instrument)
                self._handlers[stream] = self._handler(name, rule)
        self.streams = tuple(self._handlers)
        self._width, self._heads = heads(self.streams)
        self._silence = Silence({self._heads[stream]: limit for stream, limit in limits.items()})
        heard = self._silence.heard
        self._by_head = {head: (self._handlers[stream], heard[head]) for stream, head in self._heads.items()}
        self._names = {head: stream for stream, head in self._heads.items()}
        self._subscriptions = Subscriptions()
        self._up = False
        self._opened_at = 0
        self._heard_at = 0
        self._leaving = False

    def _handler(self, name: str, rule: Rules) -> Handler:
        if name in ("trade", "aggTrade"):
            chain = self._trades[rule.instrument] = TradeChain(rule, raw=name == "trade")
            return chain.receive
        if name == "bookTicker":
            return decode.quotes(rule)
        if name.startswith("depth"):
            feed = self._depth[rule.instrument] = DepthFeed(rule, self.name)
            return feed.receive
        if name.startswith("markPrice"):
            return decode_feeds.marks(rule, self._polled.intervals)
        if name in _FEEDS:
            return _FEEDS[name](rule)
        instrument, parse_kline = rule.instrument, decode.reader(wire.Frame[wire.KlineEvent])
        return lambda frame, ts_recv: (decode.candle(parse_kline(frame).data, instrument, ts_recv),)

    @property
    def ready(self) -> bool:
        """All subscriptions of this connection have been acknowledged."""
        return self._up and self._subscriptions.complete

    @property
    def settled(self) -> bool:
        """`ready`, every book follows its snapshot, and no missing trade is being fetched."""
        whole = all(feed.live for feed in self._depth.values()) and all(chain.whole for chain in self._trades.values())
        return self.ready and whole

    def connected(self, now: Micros) -> list[Output]:
        """Subscribe; whatever an earlier connection left half done begins anew."""
        out: list[Output] = []
        if self._up:  # the process restarted without seeing the end of the last connection
            out += self._lost("restarted", now)
        self._up, self._leaving = True, False
        self._opened_at = self._heard_at = now
        self._silence.forget()
        self._polled.start(now)
        self._subscriptions.start(self.streams, now)
        return [
            *self._subscriptions.due(now),
            *out,
            Connected(venue=self.venue, instrument="", ts_event=now, ts_recv=now, connection=self.name),
        ]

    def disconnected(self, now: Micros, why: str) -> list[Output]:
        """Every stream is silent: books are invalid, trade chains will look for a hole."""
        self._up = False
        self._subscriptions.stop()
        self._silence.forget()
        gone = Disconnected(venue=self.venue, instrument="", ts_event=now, ts_recv=now, connection=self.name, why=why)
        return [gone, *self._lost("disconnected", now)]

    def receive(self, frame: bytes, ts_recv: Micros) -> Sequence[Output]:
        """A frame: its first bytes hold the stream's name and pick the reader."""
        self._heard_at = ts_recv
        head = frame[: self._width]
        found = self._by_head.get(head)
        if found is None:
            return self._other(frame, ts_recv)
        handler, heard = found
        heard.at = ts_recv
        try:
            return handler(frame, ts_recv)
        except UNREADABLE as error:
            return [self._undecodable(frame, str(error), ts_recv)]

    def answer(self, fetch: Fetch, status: int, body: bytes, ts_recv: Micros) -> list[Output]:
        """To the chain, the book or the poll that asked."""
        if fetch.purpose == "book" and (feed := self._depth.get(fetch.instrument)) is not None:
            return feed.answer(fetch, status, body, ts_recv)
        if fetch.purpose == "trades" and (chain := self._trades.get(fetch.instrument)) is not None:
            return chain.answer(fetch, status, body, ts_recv)
        answer = self._polled.answer(fetch, status, body, ts_recv)
        return [self._notice("poll", answer, ts_recv)] if isinstance(answer, str) else list(answer)

    def tick(self, now: Micros) -> list[Output]:
        """Retries, polls, subscriptions that wait for their turn, and the end of a connection that is old or silent."""
        out: list[Output] = []
        for chain in self._trades.values():
            out += chain.tick(now)
        for feed in self._depth.values():
            out += feed.tick(now)
        if not self._up or self._leaving:
            return out
        out += self._polled.due(now)
        if quiet := self._silence.quiet(now):
            out += self._renew(quiet, now)
        out += self._subscriptions.due(now)
        if self._leaving:
            return out
        if self._subscriptions.overdue(now):
            out.append(self._leave("a subscription was not acknowledged"))
        elif now - self._heard_at > SILENCE:
            out.append(self._leave(f"nothing received for {SILENCE // SECOND} s"))
        elif now - self._opened_at > LIFETIME[self._root]:
            out.append(Succeed("the venue ends connections after 24 h"))
        return out

    def resync(self, instrument: str, why: str, now: Micros) -> list[Output]:
        """See `Session.resync`."""
        feed = self._depth.get(instrument)
        return [] if feed is None else feed.distrust(now)

    def renew(self, instrument: str, now: Micros) -> list[Output]:
        """See `Session.renew`."""
        feed = self._depth.get(instrument)
        return [] if feed is None else feed.renew(now)

    def state(self) -> dict[str, object]:
        """The session's whole memory, so that a replay may begin here."""
        kept = SessionState(
            self._up,
            self._opened_at,
            self._heard_at,
            self._leaving,
            self._subscriptions.state(),
            self._silence.state(),
            self._polled.state(),
            self._polled.intervals,
            {name: chain.state() for name, chain in self._trades.items()},
            {name: feed.state() for name, feed in self._depth.items()},
        )
        return decode.builtins(kept)  # type: ignore[no-any-return]

    def restore(self, state: dict[str, object]) -> None:
        """The inverse of `state`; instruments it does not name start empty."""
        kept = msgspec.convert(state, SessionState)
        self._up, self._leaving = kept.up, kept.leaving
        self._opened_at, self._heard_at = kept.opened_at, kept.heard_at
        self._subscriptions.restore(kept.subscriptions)
        self._silence.restore(kept.silence)
        self._polled.restore(kept.polls, kept.intervals)
        for name, chain in kept.trades.items():
            if name in self._trades:
                self._trades[name].restore(chain)
        for name, feed in kept.depth.items():
            if name in self._depth:
                self._depth[name].restore(feed)

    def adopt(self, state: dict[str, object]) -> None:
        """Go on behind the last trade that a session in this state saw, where that is further."""
        kept = msgspec.convert(state, SessionState)
        for name, chain in kept.trades.items():
            if name in self._trades:
                self._trades[name].adopt(chain)
        for symbol, interval in kept.intervals.items():
            self._polled.intervals.setdefault(symbol, interval)

    def _lost(self, cause: str, now: Micros) -> list[Output]:
        for chain in self._trades.values():
            chain.lost(cause, now)
        return [output for feed in self._depth.values() for output in feed.lost(cause, now)]

    def _leave(self, why: str) -> Reconnect:
        self._leaving = True
        return Reconnect(why)

    def _renew(self, quiet: Sequence[Quiet[bytes]], now: Micros) -> list[Output]:
        """Streams that have gone quiet are subscribed to anew; when that did not help, the connection is left."""
        names = [self._names[one.stream] for one in quiet]
        out: list[Output] = [
            self._notice("silent", f"{name}: {one.words}", now) for name, one in zip(names, quiet, strict=True)
        ]
        hopeless = [name for name, one in zip(names, quiet, strict=True) if one.hopeless]
        if hopeless:
            return [*out, self._leave(f"{hopeless[0]} stays silent after new subscriptions")]
        self._subscriptions.renew(names, now)
        return out

    def _other(self, frame: bytes, ts_recv: Micros) -> Sequence[Output]:
        """Whatever does not begin with a stream of ours: acknowledgements, notices, reordered keys."""
        try:
            control = _control(frame)
            if control.stream is not None:
                handler = self._handlers.get(control.stream)
                if handler is not None:
                    self._silence.heard[self._heads[control.stream]].at = ts_recv
                    return handler(frame, ts_recv)
                if control.stream != "!serverShutdown":
                    return [self._undecodable(frame, f"stream {control.stream!r} was not asked for", ts_recv)]
        except UNREADABLE as error:
            return [self._undecodable(frame, str(error), ts_recv)]
        if control.stream is not None or control.e == "serverShutdown":
            words = "the venue announces that this server shuts down"
            return [self._notice("serverShutdown", words, ts_recv), Succeed(words)]
        if control.error is not None or control.code is not None:
            code = control.error.code if control.error else control.code
            self._subscriptions.refused(control.id, ts_recv)
            return [self._notice(str(code), control.error.msg if control.error else control.msg, ts_recv)]
        if control.result is not msgspec.UNSET and control.id is not None:
            subscribed = self._subscriptions.acknowledged(control.id)
            self._silence.expect([self._heads[stream] for stream in subscribed], ts_recv)
            return []
        return [self._undecodable(frame, "neither a stream of ours nor a control message", ts_recv)]

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
