"""The context document: all that history has to say about one instrument, in one message.

The structure flow builds it, the worker journals it, the engine reads it. Prices are quote per base, sizes base units,
except for `bars`, which are ticks and lots so that forming bars can be merged exactly. What could not be computed is
None, and `reasons` says why under the field's path (`timeframes.1d.atr`). `structure.document.build` makes one.
"""

from __future__ import annotations

import hashlib

import msgspec

from warehouse.clock import Micros
from warehouse.instruments import Grid
from warehouse.metrics.bars import Bar
from warehouse.metrics.ring import TradeRing
from warehouse.metrics.threshold import Sizes

SCHEMA = 1

MAX_BYTES = 256 * 1024
"""A document larger than this is refused by `encode`."""


class SwingPoint(msgspec.Struct, frozen=True, kw_only=True):
    """A swing: where it was and when it became known. `label` is HH, LH, EQH, HL, LL, EQL; None for the first."""

    kind: str
    price: float
    pivot_time: Micros
    known_at: Micros
    label: str | None


class BreakPoint(msgspec.Struct, frozen=True, kw_only=True):
    """A break of structure: BOS, CHOCH or SWEEP of a swing's `level`. `excess_atr` None without an ATR."""

    type: str
    direction: str
    level: float
    close: float
    pivot_time: Micros
    known_at: Micros
    excess_atr: float | None
    initial: bool


class TimeframeContext(msgspec.Struct, frozen=True, kw_only=True):
    """One timeframe's closed bars, judged. `batch_end` is the end of the last one, `count` how many there were.

    `atr` in price, `natr` as a fraction of the close, DI and ADX 0 to 100; `volatility` is the deviation per bar by
    estimator (`cc pk gk rs yz`); `volume_sma` and `volume_ema` are base units per bar. `trend_partial`: the swings had
    no state yet.
    """

    batch_end: Micros
    count: int
    close: float
    atr: float | None
    natr: float | None
    plus_di: float | None
    minus_di: float | None
    adx: float | None
    volatility: dict[str, float | None]
    efficiency_ratio: float | None
    choppiness: float | None
    volume_sma: float | None
    volume_ema: float | None
    trend: str | None
    trend_score: float | None
    trend_strength: float | None
    trend_partial: bool
    structure_state: str | None
    structure_trend: str | None
    regime: str | None
    regime_raw: str | None
    regime_age: int
    volatility_rank: float | None
    swings: list[SwingPoint]
    breaks: list[BreakPoint]


class LevelContext(msgspec.Struct, frozen=True, kw_only=True):
    """A key level and the zone around it; see `structure.levels.KeyLevel`."""

    price: float
    zone_low: float
    zone_high: float
    role: str
    touches: int
    holds: int
    breaks: int
    strength: float
    timeframes: list[str]
    first_seen: Micros
    last_touch: Micros
    hold_rate: float | None


class ProfileContext(msgspec.Struct, frozen=True, kw_only=True):
    """Volume by price over `[start, end)`. `source` is `trades` (exact) or `candles_{timeframe}` (approximate).

    `bin_width` and prices in quote; `first_bin` is the lower edge of the first of `bins`, whose volumes are base units.
    `trades` is how many there were, at least: not all candles count them. Point of control and value area of a
    `session` are None while it is young.
    """

    start: Micros
    end: Micros
    source: str
    bin_width: float
    first_bin: float
    bins: list[float]
    poc: float | None
    vah: float | None
    val: float | None
    va_pct: float | None
    total: float
    hvn: list[float]
    lvn: list[float]
    trades: int = 0


class ZoneContext(msgspec.Struct, frozen=True, kw_only=True):
    """A price range where trade gathered; see `structure.zones.Zone`. `centre` is its largest bin's middle."""

    low: float
    high: float
    centre: float
    volume: float
    share: float
    strength: float
    role: str
    tests: int


class ContextDocument(msgspec.Struct, frozen=True, kw_only=True):
    """Everything about one instrument that closed bars and past trades can say, as of `created`.

    `batch_end` holds, per timeframe, the instant up to which its bars reach. `ring` is a `TradeRing` as JSON of the
    trades before second `cut` (both None without trades): the live ring is spliced onto it. `last_trade_id` is the
    newest trade in it. `profiles` may hold `day` (rolling 24 h), `session` (today, UTC) and `previous_session`; `zones`
    belong to the first of them that exists in the order `day`, `previous_session`. `minutes` are the lots of the last
    closed minutes in a row, the first opening at `minutes_from`; `sizes` the notionals of the last day's taker orders.
    """

    venue: str
    instrument: str
    created: Micros
    tick: str
    lot: str
    contract_value: str
    batch_end: dict[str, Micros]
    bars: dict[str, list[Bar]]
    timeframes: dict[str, TimeframeContext]
    levels: list[LevelContext]
    htf_bias: str | None
    htf_bias_score: float | None
    trend_alignment: float | None
    profiles: dict[str, ProfileContext]
    zones: list[ZoneContext]
    reasons: dict[str, str]
    ring: bytes | None = None
    cut: int | None = None
    last_trade_id: str | None = None
    minutes_from: Micros = 0
    minutes: list[int] = []
    sizes: Sizes | None = None
    digest: str = ""
    schema: int = SCHEMA

    @property
    def grid(self) -> Grid:
        """The grid of `bars` and `ring`."""
        return Grid(self.tick, self.lot, self.contract_value)

    def trade_ring(self, grid: Grid, depth: int = 1024) -> TradeRing | None:
        """The ring of past trades, ready for `TradeRing.splice(ring, cut)`; None without trades.

        None too if `grid` has other steps than the document: integers of two grids do not add up.
        """
        if self.ring is None or not same_grid(grid, self.grid):
            return None
        ring = TradeRing(grid, depth)
        ring.restore(msgspec.json.decode(self.ring, type=dict[str, object]))
        return ring


def same_grid(a: Grid, b: Grid) -> bool:
    """The integers of both grids mean the same prices and sizes."""
    return (a.tick_num, a.tick_den, a.size_num, a.size_den) == (b.tick_num, b.tick_den, b.size_num, b.size_den)


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(ContextDocument)


def digest(document: ContextDocument) -> str:
    """SHA-256 of the content (without the digest and the time of making): equal content, equal digest."""
    bare = msgspec.structs.replace(document, digest="", created=0)
    return hashlib.sha256(_encoder.encode(bare)).hexdigest()


def encode(document: ContextDocument) -> bytes:
    """The document as MessagePack, with its digest set. Raises ValueError above 256 KiB."""
    payload = _encoder.encode(msgspec.structs.replace(document, digest=digest(document)))
    if len(payload) > MAX_BYTES:
        raise ValueError(
            f"context of {document.venue} {document.instrument} is {len(payload)} bytes, more than {MAX_BYTES}: "
            "shorten the profiles' bins or the bars kept"
        )
    return payload


def decode(payload: bytes) -> ContextDocument:
    """The inverse of `encode`. Raises msgspec.DecodeError for anything else, ValueError for another schema."""
    document = _decoder.decode(payload)
    if document.schema != SCHEMA:
        raise ValueError(f"context document of schema {document.schema}; this code reads {SCHEMA}")
    return document
