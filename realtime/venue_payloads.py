"""Payloads of what a venue says beside trades, books and candles. Units and nulls as in `payloads.py`."""

from __future__ import annotations

import msgspec

from realtime.payloads import PriceSize
from warehouse.clock import Micros
from warehouse.records import LiquidatedSide, PriceBasis, TradingState, VenueState


class BookSnapshot(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The best `levels` of the kept book, best first, as (price, size). Absent while the book cannot be read."""

    levels: int
    update_id: int
    bids: list[PriceSize]
    asks: list[PriceSize]
    incomplete: list[str]


class LiquidationPrint(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One forced close. `liquidated_side` is the position closed; `price` is what `price_basis` says.

    `sampled`: the venue shows at most one a second, so sums are lower bounds. `nth` tells equal ones apart.
    """

    liquidated_side: LiquidatedSide
    price: float
    size: float
    notional: float
    price_basis: PriceBasis
    sampled: bool
    nth: int


class Marks(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Mark and index price; `basis` = mark - index, `basis_bps` relative to the index, `premium_bps` of our mid price.

    Null: `WARMUP` until the venue has said it, `GAP` while the book cannot be trusted, `STALE` where mark or index is
    too old or they lie more than a second apart.
    """

    mark_price: float | None
    index_price: float | None
    basis: float | None
    basis_bps: float | None
    premium_bps: float | None
    incomplete: list[str]


class Funding(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The rate that accrues now, a fraction per `interval_us`; settled at `next_funding_at`.

    `funding_r8` is the same per eight hours, `funding_apr` per year. Null `UNSUPPORTED` where the venue does not say.
    """

    funding_rate: float
    funding_r8: float | None
    funding_apr: float | None
    interval_us: Micros | None
    next_funding_at: Micros | None
    mark_price: float | None
    index_price: float | None
    incomplete: list[str]


class Interest(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Open contracts, one side, in base units, and the venue's value of them in quote units."""

    open_interest: float
    open_interest_quote: float | None
    incomplete: list[str]


class Statistics(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The last 24 hours, rolling, as the venue states them. `change` is since `open`, `change_pct` in percent of it."""

    last_price: float
    open: float
    high: float
    low: float
    volume: float
    quote_volume: float | None
    trade_count: int | None
    change: float
    change_pct: float
    incomplete: list[str]


class Pool(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One insurance pool: the symbols or family it stands for, its balance in `asset`, when the venue said so."""

    pool: str
    asset: str
    balance: float
    balance_usd: float | None
    ts_event: Micros


class InsuranceFunds(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """All pools of a venue. A pool's `balance_usd` is null (`UNSUPPORTED`) where the venue gives no value."""

    pools: list[Pool]


class Standing(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The venue as a whole: `ok`, in `maintenance`, or one `announced` from `from_ts` to `to_ts` (null: none said)."""

    state: VenueState
    words: str
    from_ts: Micros | None
    to_ts: Micros | None


class Listed(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One instrument as the venue and as we spell it, its trading rules in force, and its place in the calendar.

    `tick`, `lot` and `contract_value` are decimal text; `state` and `code` are null until the venue has said them.
    """

    instrument: str
    symbol: str
    channel_symbol: str
    tick: str
    lot: str
    contract_value: str
    min_size: str | None
    min_notional: str | None
    valid_from: Micros
    state: TradingState | None
    code: str | None
    listed_at: Micros | None
    delisting_at: Micros | None


class Reference(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Trading rules, the symbol map, and the listing and delisting calendar of the instruments followed."""

    instruments: list[Listed]
