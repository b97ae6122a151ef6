"""What each channel carries behind the envelope. Prices in quote per base, sizes in base units, times in microseconds.

A field is null only with its reason in the envelope's `reasons`, by dotted path. Derived payloads are written from
plain maps, for speed; these structs are their contract, and a test reads every message through them.
"""

from __future__ import annotations

import msgspec

from warehouse.clock import Micros
from warehouse.metrics import TRADE_METRICS, WINDOWS
from warehouse.metrics.imbalance import LEVELS
from warehouse.metrics.large import LargeKind
from warehouse.records import Origin, TakerSide, TradeKind

PriceSize = tuple[float, float]


class Envelope(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The fields before every payload.

    `seq` counts without holes per `channel` and `epoch`; `prev` is the one sent before (`seq - prev - 1` were
    superseded; `prev` other than the last one received means loss). `ts_event` is the newest venue time used,
    `ts_recv` that of the input which caused the message, `ts_pub` the sending. `complete` is False when an input is
    silent, holed, invalid or too old; `reasons` names every null field, and nothing else. `context_as_of` is the time
    up to which the historical context holds, None where none was used.
    """

    v: int
    channel: str
    epoch: int
    seq: int
    prev: int
    ts_event: Micros
    ts_recv: Micros
    ts_pub: Micros
    source: str
    complete: bool
    reasons: dict[str, str]
    context_as_of: Micros | None
    venue: str
    instrument: str


class TradePrint(msgspec.Struct, frozen=True, gc=False):
    """One market trade, seen from the taker. `trade_seq` is null (`UNSUPPORTED`) where ids are not contiguous."""

    trade_id: str
    trade_seq: int | None
    price: float
    size: float
    taker_side: TakerSide
    kind: TradeKind
    rpi: bool
    origin: Origin


class LargeOrder(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A whale or a block: one taker order that stands out, or a block trade that the venue flags.

    `kind`: `VENUE` (flagged by the venue, negotiated off the book), `INFERRED` (a block by its size: `confidence` 1 and
    `block_ratio` of at least 0.5), `WHALE` (large, and no block as far as is known). The prints of an order, from
    `first_trade_id` to `last_trade_id`, were published as trades: this is a statement about them. `price` is their
    average, `levels` counts their prices. `confidence` is the notional over `threshold_notional`, 1 at most: a score of
    size, no probability. `threshold_size` is the threshold at `price`; `threshold_source` says whether past orders are
    behind it (`history`) or only those seen live. `block_ratio` is the size over `minute_volume`, the usual volume of
    a minute in base units. `granularity` is what prints were put together by: `SAME_TIME`, or `AGG_100MS` where the
    venue itself merges 100 ms. Null: `WARMUP`, or `NO_TRADES` where nothing is usual.
    """

    kind: LargeKind
    taker_side: TakerSide
    price: float
    size: float
    notional: float
    levels: int
    prints: int
    first_trade_id: str
    last_trade_id: str
    granularity: str
    confidence: float | None
    threshold_notional: float | None
    threshold_size: float | None
    threshold_source: str
    block_ratio: float | None
    minute_volume: float | None


class Quote(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Best bid and ask. `spread_bps` is relative to `mid_price`; `micro_price` is the size-weighted mid.

    `basis` is `quotes` (the venue's own best-quote stream) or `book` (the top of the kept book). `incomplete` says why
    `complete` is False.
    """

    basis: str
    best_bid: float | None
    best_bid_size: float | None
    best_ask: float | None
    best_ask_size: float | None
    mid_price: float | None
    micro_price: float | None
    spread: float | None
    spread_bps: float | None
    incomplete: list[str]


class Depth(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Changes among the best levels of the book: new absolute sizes. Size 0: no longer among them.

    `snapshot`: all levels, forget the earlier ones (empty while the book is invalid). `levels` is how many per side
    are followed.
    """

    snapshot: bool
    levels: int
    update_id: int
    bids: list[PriceSize]
    asks: list[PriceSize]


class CandleBar(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One bar of `[open_time, close_time)`. `progress` and `coverage` are fractions of it: elapsed, and known.

    `corrected`: the venue's closed bar differed from the one published before and replaces it.
    """

    timeframe: str
    open_time: Micros
    close_time: Micros
    open: float | None
    high: float | None
    low: float | None
    close: float | None
    volume: float | None
    quote_volume: float | None
    trade_count: int | None
    taker_buy_volume: float | None
    closed: bool
    corrected: bool
    progress: float
    coverage: float


SESSION = ("cvd", "cvd_quote", "buy_volume", "sell_volume", "trade_count", "delta_ratio", "vwap", "vwap_sd")
"""Trade metrics that are also said of the UTC session: sums and averages, no returns."""

BOOK_DEPTHS = ("book_imbalance", "depth_bid", "depth_ask", "depth_span_bps")
"""Book metrics over the best 5, 10 and 20 levels."""

FLOW_NAMES: tuple[str, ...] = (
    *(f"{metric.spec.name}_{window}" for window in WINDOWS for metric in TRADE_METRICS),
    *(f"{name}_session" for name in SESSION),
    *(f"{name}_{levels}" for name in BOOK_DEPTHS for levels in LEVELS),
)
"""Fields of `orderflow` that are metrics; each is what `warehouse.metrics` says under the name before the suffix."""

WHALES = (
    *("whale_threshold", "whale_count_15m", "whale_buy_notional_15m", "whale_sell_notional_15m", "whale_delta_15m"),
    "minute_volume",
)
"""Fields of `orderflow` about large orders: the threshold and notionals in quote, the usual volume of a minute."""

OrderFlow = msgspec.defstruct(
    "OrderFlow",
    [
        ("window_end", Micros),
        *((name, float | int | str | None) for name in (*FLOW_NAMES, *WHALES)),
        ("incomplete", list[str]),
        ("quality", dict[str, dict[str, float]], msgspec.field(default_factory=dict)),
    ],
    kw_only=True,
    frozen=True,
)
OrderFlow.__doc__ = """Windows of trades that end at `window_end` (the running second included); the book's balance.

`whale_*` sums the whales that `whale_detection` told, in quote units, null (`WARMUP`) until every order of the quarter
of an hour was judged by a threshold; `minute_volume` is the usual volume of a minute.
`incomplete` says why `complete` is False. `quality` holds `coverage` and `n` of partly observed windows."""
