"""One WebSocket connection to OKX, without the WebSocket: `okx.public` (books, feeds), `okx.business` (fills, candles).

https://www.okx.com/docs-v5/en/#overview-websocket
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import msgspec

from warehouse.clock import SECOND, Micros
from warehouse.errors import HEAD, RateLimited, Rejected
from warehouse.instruments import Rules
from warehouse.records import Connected, Disconnected, Undecodable, VenueNotice
from warehouse.venues.base import TODAY, UNREADABLE, Dialect, Fetch, Output, Reconnect, Send, Succeed
from warehouse.venues.okx import feeds, wire
from warehouse.venues.okx.channels import (
    BOOKS_PER_CONNECTION,
    BUSINESS,
    ESSENTIAL,
    PERPETUAL,
    PUBLIC,
    STREAMS,
    WHOLE,
    Arg,
    Controls,
    args_of,
    control,
    patience,
)
from warehouse.venues.okx.dated import CHECKSUM_UNTIL
from warehouse.venues.okx.depth import Books, BookStream
from warehouse.venues.okx.feeds import Handler
from warehouse.venues.okx.tape import Tape
from warehouse.venues.polls import Polls, PollState
from warehouse.venues.silence import Quiet, Silence, SilenceState

NAME = "okx"
ENDPOINTS: dict[str, str] = {"rest": "https://openapi.okx.com", "ws": "wss://ws.okx.com:8443"}

SILENCE: Micros = 20 * SECOND
PONG_WAIT: Micros = 10 * SECOND
ACK_WAIT: Micros = 10 * SECOND
ASKS = 3
ARGS_PER_FRAME = 100
UPGRADE = "64008"


def sessions(rules: Sequence[Rules], dialect: Dialect = TODAY) -> list[OkxSession]:
    """The connections for these instruments; one without subscriptions is left out.

    Where a dialect names both `trades` and `trades-all`, the single fills are taken: two tapes would count twice.
    Books beyond what OKX wants on one connection go to `okx.public.2` and so on.
    """
    streams = STREAMS if dialect.streams is None else dialect.streams
    if "trades-all" in streams:
        streams = tuple(stream for stream in streams if stream != "trades")
    dated = dialect.at is not None and dialect.at < CHECKSUM_UNTIL
    live = dialect.streams is None
    public = [stream for stream in (*PUBLIC, *PERPETUAL, *WHOLE) if stream in streams]
    business = [stream for stream in BUSINESS if stream in streams]
    found: list[OkxSession] = []
    for at in range(0, len(rules), BOOKS_PER_CONNECTION):
        those = rules[at : at + BOOKS_PER_CONNECTION]
        name = f"okx.public.{at // BOOKS_PER_CONNECTION + 1}" if at else "okx.public"
        args = args_of(those, public, [] if at else rules)
        asks = feeds.polls(those, whole=not at) if live else []
        found.append(OkxSession(name, "/ws/v5/public", args, rules, asks, dated=dated, live=live))
    args = args_of(rules, business, [])
    found.append(OkxSession("okx.business", "/ws/v5/business", args, rules, [], dated=dated, live=live))
    return [session for session in found if session.args]


class OkxSession:
    """One connection (`warehouse.venues.base.Session`)."""

    venue = NAME
    needed = True
    base = "ws"

    def __init__(
        self,
        name: str,
        path: str,
        args: dict[Arg, list[Rules]],
        rules: Sequence[Rules],
        asks: Sequence[Fetch],
        *,
        dated: bool,
        live: bool,
    ) -> None:
        self.name = name
        self.path = path
        self.args: list[Arg] = list(args)
        self.controls = Controls()
        self.books = Books(self.controls)
        self.tapes: dict[str, Tape] = {}
        self.polls = Polls(asks)
        self._rules = {rule.instrument: rule for rule in rules}
        self._book_of: dict[str, BookStream] = {}
        self._book_at: dict[int, BookStream] = {}
        self._handlers: dict[Arg, tuple[Handler, int]] = {}
        self._heads: dict[bytes, tuple[Handler, int]] = {}
        self._channels = tuple(dict.fromkeys(channel for channel, _ in args))
        for at, (arg, those) in enumerate(args.items()):
            self._handlers[arg] = (self._handler(at, arg[0], those, dated), at)
        limits = (patience(channel, args[channel, about]) if live else None for channel, about in self.args)
        self.silence: Silence[int] = Silence(dict(enumerate(limits)))
        self._up = False
        self._heard: Micros = 0
        self._pinged: Micros = 0
        self._asked_at: Micros = 0
        self._asks = 0
        self._pending: dict[Arg, None] = dict.fromkeys(self.args)

    def _handler(self, at: int, channel: str, rules: Sequence[Rules], dated: bool) -> Handler:
        if channel == "books":
            stream = BookStream(rules[0], self.books, checked=dated)
            self._book_of[rules[0].instrument] = self._book_at[at] = stream
            self.books.streams.append(stream)
            return stream.push
        if channel in ("trades", "trades-all"):
            tape = self.tapes[rules[0].instrument] = Tape(rules[0], self.name)
            return tape.push
        return feeds.handler(channel, rules, self.name)

    @property
    def ready(self) -> bool:
        """Every channel of every instrument has been acknowledged on this connection."""
        return self._up and not self._pending

    @property
    def settled(self) -> bool:
        """`ready`, every book follows its snapshot, and no missing trade is being fetched."""
        whole = all(stream.now.phase == "live" for stream in self.books.streams)
        return self.ready and whole and all(tape.now.hole is None for tape in self.tapes.values())

    def connected(self, now: Micros, /) -> Sequence[Output]:
        """Subscribe to everything. Without a `disconnected` before (a restart) the books of then are invalid first."""
        out = self.books.disconnected(now, "the process or its connection was replaced") if self._up else []
        self._up = True
        self._heard, self._pinged, self._asks = now, 0, 0
        self._pending = dict.fromkeys(self.args)
        self.controls.sent.clear()
        self.silence.expect(range(len(self.args)), now)
        self.polls.start(now)
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
        args = list(self._pending)
        out: list[Output] = []
        for at in range(0, len(args), ARGS_PER_FRAME):
            if not self.controls.spend(1, now):
                return [*out, self.controls.exhausted()]
            out.append(control("subscribe", args[at : at + ARGS_PER_FRAME], f"{self._asks}x{at}"))
        return out

    def _do_without(self, now: Micros) -> list[Output]:
        """Feeds that OKX has not acknowledged after `ASKS`: the trades and books of this connection need them not."""
        out: list[Output] = []
        for arg in [arg for arg in self._pending if self._asks >= ASKS and arg[0] not in ESSENTIAL]:
            del self._pending[arg]
            self.silence.expect((self._handlers[arg][1],), 0)
            out.append(self._notice("unavailable", f"{' '.join(arg).rstrip()}: never acknowledged", now))
        return out

    def disconnected(self, now: Micros, why: str, /) -> Sequence[Output]:
        """Every book on this connection is invalid; the tapes find what they missed at the first trade after."""
        self._up = False
        self.silence.forget()
        for tape in self.tapes.values():
            tape.lost(now)
        down = Disconnected(venue=NAME, instrument="", ts_event=now, ts_recv=now, connection=self.name, why=why)
        return [down, *self.books.disconnected(now, why)]

    def receive(self, frame: bytes, ts_recv: Micros, /) -> Sequence[Output]:
        """Read one frame. The bytes up to the first `}` name channel and instrument, and find the handler."""
        self._heard = ts_recv
        end = frame.find(b"}")
        found = self._heads.get(frame[:end])
        if found is None:
            found = self._find(frame[:end])
            if found is None:
                return self._control(frame, ts_recv, "")
        handler, stream = found
        self.silence.heard[stream].at = ts_recv
        try:
            return handler(frame, ts_recv)
        except UNREADABLE as error:
            return self._control(frame, ts_recv, str(error))

    def _find(self, head: bytes) -> tuple[Handler, int] | None:
        """The handler and stream for a spelling of `{"arg":{...` not met before; spellings of ours are remembered."""
        try:
            arg = wire.control.decode(head + b"}}").arg
        except UNREADABLE:
            return None
        found = None if arg is None else self._handlers.get((arg.channel, arg.about))
        if found is not None and len(self._heads) < 4 * len(self._handlers):
            self._heads[head] = found
        return found

    def _control(self, frame: bytes, ts_recv: Micros, why: str) -> Sequence[Output]:
        """Whatever is no readable push of ours; `why` says what a handler found wrong with it."""
        if frame == b"pong":
            return ()
        try:
            message = wire.control.decode(frame)
        except UNREADABLE as error:
            return (self._undecodable(frame, ts_recv, why or str(error)),)
        event, arg = message.event, message.arg
        if event == "subscribe" and arg is not None:
            self._pending.pop((arg.channel, arg.about), None)
            return ()
        if event in ("unsubscribe", "channel-conn-count"):
            return ()
        if event == "notice" or event == "error":
            said = self._notice(message.code, message.msg, ts_recv)
            return (said, Succeed(f"{message.code}: {message.msg}")) if message.code == UPGRADE else (said,)
        if event:
            return (self._notice(event, message.msg, ts_recv),)
        if arg is not None and isinstance(message.data, list) and arg.channel not in self._channels:
            return ()  # a channel this connection did not ask for, as recordings hold them
        if arg is not None and not why:
            why = f"no rules for {arg.about!r} on channel {arg.channel!r}"
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
        """Hand a reply to the book, the tape or the poll that asked."""
        if fetch.purpose == "book" and fetch.instrument in self._book_of and self._up:
            return self._book_of[fetch.instrument].answer(fetch, status, body, ts_recv)
        if fetch.purpose == "trades" and fetch.instrument in self.tapes:
            return self.tapes[fetch.instrument].answer(fetch, status, body, ts_recv)
        return self._polled(fetch, status, body, ts_recv)

    def _polled(self, fetch: Fetch, status: int, body: bytes, ts_recv: Micros) -> Sequence[Output]:
        """The answer to a poll. A refusal or no reply is asked again, later; only what is no answer is told."""
        if status != 200:
            self.polls.answered(fetch, False, ts_recv)
            return ()
        try:
            found = feeds.polled(fetch, body, self._rules.get(fetch.instrument), ts_recv)
        except (RateLimited, Rejected):
            self.polls.answered(fetch, False, ts_recv)
            return ()
        except UNREADABLE as error:
            known = self.polls.answered(fetch, False, ts_recv)
            return (self._undecodable(body, ts_recv, f"{fetch.path}: {error}"),) if known else ()
        return found if self.polls.answered(fetch, True, ts_recv) else ()

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
            out += [*self._do_without(now), *self._subscribe(now)]
        out += self.books.tick(now)
        for quiet in self.silence.quiet(now):
            out += self._quiet(quiet, now)
        out += self.polls.due(now)
        return out

    def _quiet(self, quiet: Quiet[int], now: Micros) -> list[Output]:
        """One stream has gone quiet: drop it and ask for it anew, or give the connection up."""
        channel, about = arg = self.args[quiet.stream]
        book = self._book_at.get(quiet.stream)
        words = f"{channel} {about}: {quiet.words}"
        out: list[Output] = [self._notice("silent", words, now)]
        if book is not None:
            return [*out, *book.silent(quiet.words, now), *([Reconnect(words)] if quiet.hopeless else [])]
        if quiet.hopeless:
            return [*out, Reconnect(words)]
        if not self.controls.spend(2, now, Controls.FOR_QUIET):
            return out
        self.silence.expect((quiet.stream,), now)
        return [*out, control("unsubscribe", [arg]), control("subscribe", [arg])]

    def resync(self, instrument: str, why: str, now: Micros, /) -> Sequence[Output]:
        """See `Session.resync`."""
        stream = self._book_of.get(instrument)
        return [] if stream is None else stream.distrust(why, now)

    def renew(self, instrument: str, now: Micros) -> list[Output]:
        """See `Session.renew`: the pushed book follows the price."""
        return []

    def state(self) -> dict[str, object]:
        """Everything the session remembers, so that a replay from here gives the same outputs."""
        return {
            "up": self._up,
            "heard": self._heard,
            "pinged": self._pinged,
            "asked_at": self._asked_at,
            "asks": self._asks,
            "pending": [list(arg) for arg in self._pending],
            "controls": list(self.controls.sent),
            "silence": msgspec.to_builtins(self.silence.state()),
            "polls": msgspec.to_builtins(self.polls.state()),
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
        self.controls.sent = list(cast("list[Micros]", state.get("controls", [])))
        if "silence" in state:
            self.silence.restore(msgspec.convert(state["silence"], SilenceState))
            self.polls.restore(msgspec.convert(state["polls"], PollState))
        kept = {(channel, symbol): None for channel, symbol in cast("list[list[str]]", state["pending"])}
        self._pending = {arg: None for arg in self.args if arg in kept}
        for instrument, tape in cast("dict[str, object]", state["tapes"]).items():
            if instrument in self.tapes:
                self.tapes[instrument].restore(tape)
        for instrument, book in cast("dict[str, object]", state["books"]).items():
            if instrument in self._book_of:
                self._book_of[instrument].restore(book)

    def adopt(self, state: dict[str, object], /) -> None:
        """Go on behind the last trade that a session in this state saw, where that is further."""
        for instrument, tape in cast("dict[str, object]", state["tapes"]).items():
            if instrument in self.tapes:
                self.tapes[instrument].adopt(tape)
