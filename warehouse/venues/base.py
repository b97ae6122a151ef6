"""What every venue folder offers: a connection without the connection, requests without a client, and the venue's own
side.

A *session* is one WebSocket connection without the socket: bytes and times in, records and commands out. A *walk* is a
REST conversation without the client: a generator that yields `Fetch` and is sent the parsed answer. An *emulated venue*
is the other end of both. All are pure, so a recorded day replays to the same bits.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Literal, Protocol, TypeVar

import msgspec

from warehouse.clock import Micros
from warehouse.instruments import Market, Rules
from warehouse.records import (
    BookUpdate,
    Candle,
    FundingRate,
    InstrumentStatus,
    InsuranceFund,
    MarkPrice,
    OpenInterest,
    Record,
    Ticker,
    Trade,
)

UNREADABLE: tuple[type[Exception], ...] = (msgspec.MsgspecError, ValueError, OverflowError, RecursionError)
"""What reading a frame or an answer may raise, whatever bytes it is made of."""

Purpose = Literal[
    "book", "trades", "candles", "funding", "instruments", "time",
    "mark_price", "open_interest", "insurance", "ticker", "status", "calendar", "archive",
]  # fmt: skip

MarkKind = Literal["mark", "index"]


class Send(msgspec.Struct, frozen=True):
    """Command: write this text frame to the socket."""

    frame: bytes


class Fetch(msgspec.Struct, frozen=True, kw_only=True):
    """Command: ask this over REST (GET) and hand the answer back.

    `base` names the REST base in `ENDPOINTS` (`rest_spot`, `rest_perp`, or `rest`), `path` and `query` are the venue's.
    `ccxt` is ccxt's implicit method for the same request, which the flows call. `weight` is what it costs of the
    venue's published budget. `instrument` is ours, empty where the request is about none. `tag` lets a session
    recognise the answer.
    """

    purpose: Purpose
    base: str
    path: str
    query: dict[str, str]
    ccxt: str
    weight: int = 1
    instrument: str = ""
    tag: str = ""


class Reconnect(msgspec.Struct, frozen=True):
    """Command: this connection cannot go on; close it and open a successor."""

    why: str


class Succeed(msgspec.Struct, frozen=True):
    """Request to whoever keeps the sessions: this connection must end soon, put an heir beside it."""

    why: str


class Abandon(msgspec.Struct, frozen=True):
    """Request to whoever keeps the sessions: the heir is of no use."""

    why: str


class OpenHeir(msgspec.Struct, frozen=True):
    """Command: open a second connection like this one, under its name with `~` behind."""

    why: str


class CloseHeir(msgspec.Struct, frozen=True):
    """Command: close the second connection."""

    why: str


class TakeOver(msgspec.Struct, frozen=True):
    """Command: the second connection carries on under this name; the first is closed."""

    why: str


Command = Send | Fetch | Reconnect | Succeed | Abandon | OpenHeir | CloseHeir | TakeOver
Output = Record | Command


class Dialect(msgspec.Struct, frozen=True, kw_only=True):
    """Which streams a session subscribes to and how old their format is.

    `streams` holds the venue's own stream or channel names without the instrument (`trade`, `depth@100ms`,
    `bookTicker`); None means the venue's streams of today. `at` picks dated decoders; None means today's.
    """

    streams: tuple[str, ...] | None = None
    at: Micros | None = None


TODAY = Dialect()


class Session(Protocol):
    """One WebSocket connection to one venue, without the WebSocket.

    `name` is unique within the venue and stable (`binance.perp.market`): it is the source id of the journal. `base`
    names the WebSocket base in the venue's `ENDPOINTS`, `path` what follows it. The first outputs after `connected` are
    the subscriptions. No method raises on bad input: an unreadable frame is an `Undecodable` record.
    """

    @property
    def name(self) -> str: ...
    @property
    def venue(self) -> str: ...
    @property
    def base(self) -> str: ...
    @property
    def path(self) -> str: ...
    @property
    def needed(self) -> bool:
        """Is the venue not ready without this connection? Not where what it says comes over REST too."""
        ...

    def connected(self, now: Micros, /) -> Sequence[Output]: ...
    def disconnected(self, now: Micros, why: str, /) -> Sequence[Output]: ...
    def receive(self, frame: bytes, ts_recv: Micros, /) -> Sequence[Output]: ...
    def answer(self, fetch: Fetch, status: int, body: bytes, ts_recv: Micros, /) -> Sequence[Output]:
        """The reply to a `Fetch` of this session; `status` 0 means that no reply came and `body` says why."""
        ...

    def tick(self, now: Micros, /) -> Sequence[Output]:
        """Called at least each 100 ms: keep-alives, time-outs, retries."""
        ...

    def resync(self, instrument: str, why: str, now: Micros, /) -> Sequence[Output]:
        """The book of this instrument cannot be right: break it off and begin anew. Nothing when that is under way."""
        ...

    def renew(self, instrument: str, now: Micros, /) -> Sequence[Output]:
        """The price nears the end of this book's snapshot: take another, and go on with the old one until it is here.

        Nothing when that is under way, and where the venue's pushes follow the price.
        """
        ...

    @property
    def ready(self) -> bool:
        """All subscriptions of this connection have been acknowledged."""
        ...

    @property
    def settled(self) -> bool:
        """`ready`, every book follows its snapshot, and no missing trade is being fetched."""
        ...

    def state(self) -> dict[str, object]:
        """All that must survive a restart (last ids), as JSON-able values, dicts in a fixed order."""
        ...

    def restore(self, state: dict[str, object], /) -> None: ...
    def adopt(self, state: dict[str, object], /) -> None:
        """Take over from a session in this state: what that one knows of trades is known here, and not said again."""
        ...


Row = TypeVar("Row", bound=Record | Rules)


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What a walk over REST brought.

    `records` ascending and inside the asked range. `complete_from` and `complete_to` bound the half-open range in which
    the answer is known to hold everything (None: nothing is known complete). `note` says in words why that is less than
    what was asked.
    """

    records: list[Record]
    complete_from: Micros | None = None
    complete_to: Micros | None = None
    note: str | None = None


Walk = Generator[Fetch, object, Answer]
"""A REST conversation: yields requests, is sent each parsed JSON answer, returns an `Answer`."""


class MarketView(Protocol):
    """What an emulated venue may ask the market behind it.

    Rows ascend; ranges are half-open; `newest` keeps the last `limit` rows.
    """

    def now(self) -> Micros: ...
    def rules(self) -> Sequence[Rules]: ...
    def candles(
        self, instrument: str, timeframe: str, start: Micros, end: Micros, limit: int, newest: bool, /
    ) -> list[Candle]:
        """The open candle is included, with `closed=False`."""
        ...

    def trades_by_time(
        self, instrument: str, start: Micros, end: Micros, limit: int, newest: bool, /
    ) -> list[Trade]: ...

    def trades_by_id(self, instrument: str, from_seq: int, limit: int, /) -> list[Trade]:
        """Trades with `trade_seq >= from_seq`."""
        ...

    def book(self, instrument: str, /) -> BookUpdate:
        """The whole book now, as a snapshot, best first on both sides."""
        ...

    def funding(
        self, instrument: str, start: Micros, end: Micros, limit: int, newest: bool, /
    ) -> list[FundingRate]: ...

    # What follows is of perpetuals, but `ticker` and `status`. None or nothing: this market does not know it (a tape).

    def funding_now(self, instrument: str, /) -> FundingRate | None:
        """The accruing rate, with its interval and next settlement."""
        ...

    def mark_price(self, instrument: str, /) -> MarkPrice | None:
        """Mark and index price now."""
        ...

    def mark_candles(
        self,
        instrument: str,
        kind: MarkKind,
        timeframe: str,
        start: Micros,
        end: Micros,
        limit: int,
        newest: bool,
        /,
    ) -> list[Candle]:
        """Candles of the mark or index price, with volumes of 0. The open one is included, with `closed=False`."""
        ...

    def open_interest_now(self, instrument: str, /) -> OpenInterest | None: ...
    def open_interest(
        self, instrument: str, period: Micros, start: Micros, end: Micros, limit: int, newest: bool, /
    ) -> list[OpenInterest]:
        """Readings at the ends of periods."""
        ...

    def insurance(self) -> list[InsuranceFund]: ...
    def ticker(self, instrument: str, /) -> Ticker | None: ...
    def status(self, instrument: str, /) -> InstrumentStatus: ...


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """An HTTP reply of an emulated venue."""

    status: int
    body: bytes
    headers: dict[str, str] = {}


class EmulatedConnection(Protocol):
    """The venue's end of one WebSocket."""

    def receive(self, frame: bytes, now: Micros, /) -> Sequence[bytes]:
        """What a client's text frame is answered with: acknowledgements, pongs, first snapshots."""
        ...

    def event(self, record: Record, now: Micros, /) -> Sequence[bytes]:
        """The frames this connection gets for a market event, by its subscriptions."""
        ...

    def tick(self, now: Micros, /) -> Sequence[bytes]: ...

    @property
    def streams(self) -> Sequence[str]:
        """Venue-spelled names of what is subscribed (`btcusdt@trade`); a tape plays a recorded frame to those that
        hold its stream.
        """
        ...


class EmulatedVenue(Protocol):
    """A venue's side of the protocol over a `MarketView`: pure, no socket."""

    def rest(self, base: str, path: str, query: dict[str, str], now: Micros, /) -> Reply: ...
    def connect(self, base: str, path: str, query: dict[str, str], now: Micros, /) -> EmulatedConnection: ...


class VenueModule(Protocol):
    """The face of a venue package (`warehouse.venues.binance`), as shared code sees it."""

    NAME: str
    ENDPOINTS: dict[str, str]
    """Bases of the real venue: `rest...` and `ws...` keys to URLs."""

    def sessions(self, rules: Sequence[Rules], dialect: Dialect = TODAY) -> list[Session]: ...
    def emulated(self, view: MarketView) -> EmulatedVenue: ...
    def symbol(self, base: str, quote: str, market: Market) -> str: ...


class HistoryModule(Protocol):
    """The face of a venue's `history` module: walks over REST. All ranges are half-open."""

    def instruments(self, instruments: Sequence[str], now: Micros) -> Generator[Fetch, object, list[Rules]]: ...
    def server_time(self, market: Market) -> Generator[Fetch, object, Micros]: ...
    def candles(self, rules: Rules, timeframe: str, start: Micros, end: Micros, now: Micros) -> Walk: ...
    def trades(self, rules: Rules, start: Micros, end: Micros, now: Micros) -> Walk: ...
    def funding(self, rules: Rules, start: Micros, end: Micros, now: Micros) -> Walk: ...

    # A venue that does not serve one of these answers with nothing and a note that says why.

    def mark_candles(
        self, rules: Rules, kind: MarkKind, timeframe: str, start: Micros, end: Micros, now: Micros
    ) -> Walk:
        """Candles of the mark or index price that open in `[start, end)`, with volumes of 0."""
        ...

    def open_interest(self, rules: Rules, period: str, start: Micros, end: Micros, now: Micros) -> Walk:
        """`OpenInterest` at the ends of periods (`5m`, spelled like a timeframe) that lie in `[start, end)`."""
        ...

    def insurance(self, now: Micros) -> Walk:
        """`InsuranceFund` of every pool, as published now."""
        ...

    def statuses(self, instruments: Sequence[str], now: Micros) -> Walk:
        """An `InstrumentStatus` for each of these that the venue lists."""
        ...

    def calendar(self, now: Micros) -> Walk:
        """Listings and delistings ahead: `InstrumentStatus` where the venue gives dates per instrument, else
        `VenueNotice` with the code `listing` or `delisting`, the headline in `words`, published at `ts_event`.
        """
        ...

    def book(self, rules: Rules, now: Micros) -> Walk:
        """One `BookUpdate` snapshot, up to 1000 levels a side."""
        ...
