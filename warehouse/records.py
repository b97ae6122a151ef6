"""What the market says, in one vocabulary for three venues.

All records carry `venue`, `instrument` (`BTC-USDT-PERP`), `ts_event` (the venue's clock) and `ts_recv` (ours, 0 for
bare frames without one), both int microseconds UTC. Prices are quote per base, sizes base units (never contracts),
rates fractions. What goes wrong in the stream is a record too, met in order.
"""

from __future__ import annotations

from math import inf
from typing import Literal

import msgspec

from warehouse.clock import Micros

TakerSide = Literal["buy", "sell"]
Origin = Literal["stream", "rest", "archive", "derived"]
TradeKind = Literal["market", "block", "off_market"]
Level = tuple[float, float]


class Record(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Fields that every record has."""

    venue: str
    instrument: str
    ts_event: Micros
    ts_recv: Micros


class Trade(Record, frozen=True, kw_only=True, gc=False):
    """One execution (or the venue's aggregate of fills), seen from the taker.

    `price` in quote per base, `size` in base units; `ticks` and `lots` are the same two as integers on the instrument's
    grid. `trade_id` is the venue's id as text; `trade_seq` its numeric form where the venue's ids are contiguous, else
    None. `first_fill` and `last_fill` bound the fills of an aggregate. `kind`: `off_market` prints (insurance fund,
    ADL) are stored and carry an id, but are no market trades: they enter no metric and no trade channel. `rpi` marks
    retail-price-improvement prints.
    """

    trade_id: str
    trade_seq: int | None
    price: float
    size: float
    taker_side: TakerSide
    ticks: int
    lots: int
    kind: TradeKind = "market"
    rpi: bool = False
    first_fill: int | None = None
    last_fill: int | None = None
    origin: Origin = "stream"


class BestQuote(Record, frozen=True, kw_only=True, gc=False):
    """Best bid and ask as the venue states them; sizes in base units; `update_id` orders them against the book."""

    best_bid: float
    best_bid_size: float
    best_ask: float
    best_ask_size: float
    update_id: int


WHOLE = (0.0, inf)
"""The bounds of a book of which no level goes unsaid."""


class BookUpdate(Record, frozen=True, kw_only=True, gc=False):
    """New absolute sizes of price levels, already proven to follow the previous update.

    `bids` and `asks` are (price, size) with the size in the venue's **wire unit**, 0 deletes: the book converts only
    what is read, through the instrument's `Grid`. `snapshot` replaces the whole book. `update_id` is the venue's id
    after this update, `previous_id` the one it follows (None for a snapshot). `known` says up to where a snapshot is
    whole, a bid and an ask: what rests beyond them goes unsaid until it changes.
    """

    bids: list[Level]
    asks: list[Level]
    snapshot: bool
    update_id: int
    previous_id: int | None = None
    known: tuple[float, float] = WHOLE


class Candle(Record, frozen=True, kw_only=True, gc=False):
    """One bar of `[open_time, open_time + timeframe)`. `volume` in base, `quote_volume` in quote units.

    `quote_volume`, `trade_count` and `taker_buy_volume` are None where the venue does not publish them. `closed` is the
    venue's word (or, for REST rows without a flag, that the close time has passed on the server's clock).
    """

    timeframe: str
    open_time: Micros
    open: float
    high: float
    low: float
    close: float
    volume: float
    quote_volume: float | None = None
    trade_count: int | None = None
    taker_buy_volume: float | None = None
    closed: bool = True
    origin: Origin = "stream"


class FundingRate(Record, frozen=True, kw_only=True, gc=False):
    """A funding rate as a fraction per interval.

    `settled` rates have `ts_event` = settlement time, rounded to the second; others accrue, and settle at
    `next_funding_at`. `interval_us`, `next_funding_at` and `mark_price` are None where the source does not carry them.
    """

    funding_rate: float
    settled: bool
    interval_us: Micros | None = None
    next_funding_at: Micros | None = None
    mark_price: float | None = None
    origin: Origin = "stream"


LiquidatedSide = Literal["long", "short"]
PriceBasis = Literal["fill", "bankruptcy"]


class Liquidation(Record, frozen=True, kw_only=True, gc=False):
    """A forced close. `liquidated_side` is the position that was closed, on all venues; `size` in base units.

    `price` is what `price_basis` says: the average fill (Binance) or the bankruptcy price (Bybit, OKX). `sampled`: the
    feed shows at most one a second and instrument, so that sums are lower bounds (Binance, OKX). `nth` tells equal
    ones of one frame apart, counted from 0.
    """

    liquidated_side: LiquidatedSide
    price: float
    size: float
    ticks: int | None
    lots: int
    price_basis: PriceBasis
    sampled: bool
    nth: int = 0
    origin: Origin = "stream"


MARK_APART: Micros = 1_000_000
"""Mark and index that lie further apart than this are of different moments, and nothing is said of their distance."""


class MarkPrice(Record, frozen=True, kw_only=True, gc=False):
    """Mark and index price of a perpetual, each None where this message does not carry it (OKX sends them apart)."""

    mark_price: float | None
    index_price: float | None
    origin: Origin = "stream"


class OpenInterest(Record, frozen=True, kw_only=True, gc=False):
    """Open contracts of a perpetual, **one side**, in base units (Bybit's two-sided figure is halved).

    `open_interest_quote` is the venue's own value in quote units, None where it gives none. `period_us` is 0 for a
    reading of now, else the span of the venue's history row that ends at `ts_event`.
    """

    open_interest: float
    open_interest_quote: float | None
    period_us: Micros = 0
    origin: Origin = "stream"


class InsuranceFund(Record, frozen=True, kw_only=True, gc=False):
    """Balance of one insurance pool of a venue, in units of `asset`; `instrument` is empty.

    `pool` names it in the venue's words: the symbols that share it, joined by commas and sorted, or the family.
    `balance_usd` is None where the venue gives no value.
    """

    pool: str
    asset: str
    balance: float
    balance_usd: float | None
    origin: Origin = "stream"


class Ticker(Record, frozen=True, kw_only=True, gc=False):
    """Statistics of the last 24 hours, rolling: prices in quote per base, `volume` in base, `quote_volume` in quote.

    `quote_volume` is None where the venue does not say (OKX swaps), `trade_count` where it does not count (Bybit, OKX).
    """

    last_price: float
    open: float
    high: float
    low: float
    volume: float
    quote_volume: float | None
    trade_count: int | None = None
    origin: Origin = "stream"


TradingState = Literal["trading", "halted", "pre_launch", "delisted"]


class InstrumentStatus(Record, frozen=True, kw_only=True, gc=False):
    """An instrument's state of trading. `code` is the venue's own word for it.

    `delisting_at` is when trading will end or has ended, None while the venue announces no end.
    """

    state: TradingState
    code: str
    listed_at: Micros | None = None
    delisting_at: Micros | None = None
    origin: Origin = "stream"


VenueState = Literal["ok", "maintenance", "announced"]


class VenueStatus(Record, frozen=True, kw_only=True, gc=False):
    """The venue as a whole; `instrument` is empty. `announced`: a maintenance from `from_ts` to `to_ts` lies ahead.

    `from_ts` and `to_ts` are None where the venue does not say.
    """

    state: VenueState
    words: str
    from_ts: Micros | None = None
    to_ts: Micros | None = None
    origin: Origin = "stream"


GapState = Literal["open", "repaired", "unrecoverable", "legitimate"]


class SequenceGap(Record, frozen=True, kw_only=True, gc=False):
    """A hole in one stream of one instrument: a row of the gap ledger, written again when its state changes.

    `stream` is `trades | depth | bbo | candles`. `from_id` and `to_id` bound the missing ids, inclusive; None where the
    stream has no ids. `from_ts`/`to_ts` bound it in time. `cause` is a short constant, `reason` words for a person (why
    it is unrecoverable). Key: (venue, instrument, stream, opened_at, from_id).
    """

    stream: str
    from_id: int | None
    to_id: int | None
    from_ts: Micros
    to_ts: Micros
    cause: str
    state: GapState
    opened_at: Micros
    attempts: int = 0
    reason: str | None = None


class Connected(Record, frozen=True, kw_only=True, gc=False):
    """A connection came up; `instrument` is empty, `connection` its name (`binance.perp.market`)."""

    connection: str


class Disconnected(Record, frozen=True, kw_only=True, gc=False):
    """A connection went down: every stream on it is silent, every book on it invalid. `why` in words."""

    connection: str
    why: str


class BookInvalid(Record, frozen=True, kw_only=True, gc=False):
    """The book of `instrument` must not be read until its next snapshot."""

    why: str


class Undecodable(Record, frozen=True, kw_only=True, gc=False):
    """A frame nobody could read: counted and logged with its first bytes, never seen by a metric."""

    connection: str
    why: str
    head: str


class VenueNotice(Record, frozen=True, kw_only=True, gc=False):
    """The venue's own words: maintenance, shutdown notice, a refused subscription (`code`, `words`)."""

    connection: str
    code: str
    words: str
