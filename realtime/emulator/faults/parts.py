"""The vocabulary of the fault lab: a fault, what passes, what is done to it, and the face of an injector."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from random import Random
from typing import Protocol

import msgspec

from realtime.emulator.faults.wording import KIND_OF
from warehouse.clock import Micros
from warehouse.instruments import Rules
from warehouse.records import (
    BestQuote,
    BookUpdate,
    Candle,
    FundingRate,
    Liquidation,
    MarkPrice,
    OpenInterest,
    Record,
    Ticker,
    Trade,
)
from warehouse.venues.base import EmulatedConnection, Reply

STREAM_OF: dict[type[Record], str] = {
    Trade: "trades",
    BookUpdate: "depth",
    BestQuote: "bbo",
    Candle: "candles",
    MarkPrice: "mark",
    FundingRate: "funding",
    OpenInterest: "open_interest",
    Ticker: "ticker",
    Liquidation: "liquidations",
}
"""Which stream a market event belongs to, in our words."""


class Fault(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One fault of a plan. What is None is the kind's default, or everything.

    `at`: seconds of market time since the emulation began; `after`: so many market events of its venue, instrument and
    stream (one of both). `base` names a socket or REST base of the venue, `path` a part of a REST path. `count` events,
    connections, subscriptions or requests are met, for at most `seconds`. `code` is a close code or HTTP status;
    `amount` is what the kind says (MiB, seconds, a factor).
    """

    kind: str
    venue: str
    id: str = ""
    instrument: str | None = None
    stream: str | None = None
    base: str | None = None
    path: str | None = None
    at: float | None = None
    after: int | None = None
    count: int | None = None
    seconds: float | None = None
    code: int | None = None
    amount: float | None = None


class Injected(msgspec.Struct, kw_only=True):
    """A line of the log. `state`: `begun`, then `over`; times are the market's.

    `hidden` names what no client got in readable form (ids of market events, subscriptions, requests), `touched` what
    was doubled, late, out of order or altered; `connections` who was met. `said` holds what else there is to know.
    """

    id: str
    kind: str
    venue: str
    state: str
    at: Micros
    until: Micros | None = None
    stream: str | None = None
    instrument: str | None = None
    base: str | None = None
    connections: list[str] = []
    hidden: list[object] = []
    touched: list[object] = []
    said: dict[str, object] = {}


class Close(msgspec.Struct, frozen=True):
    """Close the WebSocket with a code and words."""

    code: int
    words: str = ""


class Abort(msgspec.Struct, frozen=True):
    """Reset the TCP connection."""


class Freeze(msgspec.Struct, frozen=True):
    """From now on nothing is read or sent, not even a pong; the connection stays."""


class Link(Protocol):
    """One client's connection, as injectors see it. `heard`: what it subscribed with."""

    @property
    def number(self) -> int: ...
    @property
    def name(self) -> str: ...
    @property
    def base(self) -> str: ...
    @property
    def path(self) -> str: ...
    @property
    def side(self) -> EmulatedConnection: ...
    @property
    def heard(self) -> Sequence[bytes]: ...


class Piece(msgspec.Struct, frozen=True, kw_only=True):
    """One outgoing frame: of which stream (`name` as the venue writes it, `stream` in our words), and for which market
    event (None: an answer, a heartbeat, a recorded frame). `event` numbers events, so that all connections agree.
    """

    frame: bytes
    base: str
    name: str | None
    stream: str | None
    record: Record | None
    event: int

    def altered(self, frame: bytes) -> Piece:
        """The same with other bytes."""
        return msgspec.structs.replace(self, frame=frame)


Out = Piece | bytes | Close | Abort | Freeze


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """One REST request."""

    base: str
    path: str
    query: dict[str, str]


class Treatment(msgspec.Struct, frozen=True, kw_only=True):
    """What is done to a request: wait, answer something else, alter the answer; `None` in `reply`: the venue's own."""

    wait: float = 0.0
    reply: Reply | None = None
    alter: Callable[[Reply], Reply] | None = None


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """A handshake is refused with an HTTP status, or never answered (`status` 0)."""

    status: int
    words: str = ""


class Tools(msgspec.Struct, frozen=True, kw_only=True):
    """What injectors of one venue may use.

    `fresh(link, name)` gives the frames that a new subscriber of the link's stream `name` would get first; `rest` asks
    the venue; `names` are the links that are open now, by number.
    """

    venue: str
    rules: dict[str, Rules]
    fresh: Callable[[Link, str, Micros], list[bytes]]
    rest: Callable[[Asked, Micros], Reply]
    links: Callable[[], Sequence[Link]]


def stream_kind(venue: str, name: str) -> str | None:
    """Our word for a venue's stream: `btcusdt@depth@100ms` is `depth`. None for what is no market data."""
    return next((kind for mark, kind in KIND_OF[venue] if mark in name), None)


def spelled(rules: Rules, name: str, base: str) -> bool:
    """Does a venue's stream name on a base mean this instrument? Spot and perpetual may share a symbol."""
    other = "spot" if rules.market == "perp" else "perp"
    return rules.symbol.lower() in re.split(r"[@.:]", name.lower()) and not base.endswith(f"_{other}")


def identity(record: Record) -> dict[str, object]:
    """What tells a market event from all others, for the log."""
    told: dict[str, object] = {"record": type(record).__name__, "instrument": record.instrument, "ts": record.ts_event}
    if isinstance(record, Trade):
        told |= {"trade_id": record.trade_id, "trade_seq": record.trade_seq}
    elif isinstance(record, BookUpdate):
        told |= {"update_id": record.update_id, "previous_id": record.previous_id}
    elif isinstance(record, BestQuote):
        told |= {"update_id": record.update_id}
    elif isinstance(record, Candle):
        told |= {"open_time": record.open_time, "timeframe": record.timeframe, "closed": record.closed}
    return told


def named(piece: Piece) -> dict[str, object]:
    """What the log says of a frame."""
    if piece.record is not None:
        return identity(piece.record)
    return {"stream": piece.name, "frame": piece.frame[:160].decode(errors="replace")}


class Injector:
    """One fault at work. Every hook may alter what passes; as it stands here, nothing is altered.

    The desk calls hooks between `begin` and `end` only. An injector that has nothing more to do sets `done`.
    """

    lingers = False
    """It ends by itself only, not when its `seconds` have passed."""

    def __init__(self, fault: Fault, tools: Tools, seed: int) -> None:
        self.fault = fault
        self.tools = tools
        self.random = Random(f"{seed}:{fault.id}")
        self.done = False
        self.entry = Injected(
            id=fault.id,
            kind=fault.kind,
            venue=fault.venue,
            state="begun",
            at=0,
            stream=fault.stream,
            instrument=fault.instrument,
            base=fault.base,
        )

    def begin(self, now: Micros) -> None:
        """The fault begins."""

    def end(self, now: Micros) -> None:
        """The fault is over, by time or because it is done."""

    def outgoing(self, link: Link, piece: Piece, now: Micros) -> Sequence[Out]:
        """What becomes of one outgoing frame."""
        return (piece,)

    def incoming(self, link: Link, frame: bytes, now: Micros) -> Sequence[Out] | None:
        """An answer in place of the venue's to a client's frame; None: the venue answers."""
        return None

    def opened(self, link: Link, now: Micros) -> Sequence[Out]:
        """A connection came up."""
        return ()

    def due(self, now: Micros) -> Sequence[tuple[int, Out]]:
        """What is to be sent now, by link number; asked some hundred times a second."""
        return ()

    def handshake(self, base: str, now: Micros) -> Refusal | None:
        """Refuse a WebSocket handshake."""
        return None

    def request(self, asked: Asked, now: Micros) -> Treatment | None:
        """Treat a REST request."""
        return None

    def records(self, now: Micros) -> Sequence[Record]:
        """Market events that this fault adds."""
        return ()

    def step(self) -> Micros:
        """How far the venue's clock is off."""
        return 0

    # What injectors share.

    def about(self, piece: Piece) -> bool:
        """Does this frame belong to what the fault is about?"""
        fault = self.fault
        if piece.name is None or piece.stream is None:
            return False
        if piece.record is None or fault.instrument is None:
            return self.meant(piece.name, piece.base)
        fits = fault.base in (None, piece.base) and fault.stream in (None, piece.stream)
        return fits and piece.record.instrument == fault.instrument

    def spells(self, name: str, base: str) -> bool:
        """Does a venue's stream name on a base mean the fault's instrument?"""
        if self.fault.instrument is None:
            return True
        return spelled(self.tools.rules[self.fault.instrument], name, base)

    def meet(self, link: Link) -> None:
        """Note that a connection was met."""
        if link.name not in self.entry.connections:
            self.entry.connections.append(link.name)

    def meant(self, name: str, base: str) -> bool:
        """Is a venue's stream on a base one that the fault is about?"""
        fault = self.fault
        return (
            fault.base in (None, base)
            and fault.stream in (None, stream_kind(fault.venue, name))
            and self.spells(name, base)
        )
