"""From the rows of OKX's slower feeds to records: pure functions, for streams, polls and walks alike.

A time that a message does not carry is the time of its receipt: states and old funding messages have none.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from warehouse.clock import Micros
from warehouse.instruments import Rules
from warehouse.records import (
    Candle,
    FundingRate,
    InstrumentStatus,
    InsuranceFund,
    LiquidatedSide,
    Liquidation,
    MarkPrice,
    OpenInterest,
    Origin,
    Ticker,
    Trade,
    TradingState,
    VenueNotice,
    VenueState,
    VenueStatus,
)
from warehouse.venues.okx.wire import InstrumentRow
from warehouse.venues.okx.wire_feeds import (
    AccruingRow,
    BlockRow,
    FlatCandle,
    FundRow,
    IndexRow,
    LiquidationDetail,
    MaintenanceRow,
    MarkRow,
    OpenInterestBar,
    OpenInterestRow,
    TickerRow,
)

STATES: dict[str, TradingState] = {"live": "trading", "preopen": "pre_launch", "expired": "delisted"}
"""OKX's words for an instrument's state; every other (`suspend`, `rebase`, `post_only`, `test`) means no trading."""

VENUE_STATES: dict[str, VenueState] = {"scheduled": "announced", "ongoing": "maintenance", "pre_open": "maintenance"}
"""OKX's words for a maintenance; `completed` and `canceled` ones are over."""


def mark_price(row: MarkRow, rules: Rules, ts_recv: Micros, origin: Origin = "stream") -> MarkPrice:
    """The mark price alone; the index comes apart."""
    return MarkPrice(
        venue="okx",
        instrument=rules.instrument,
        ts_event=row.ts * 1000,
        ts_recv=ts_recv,
        mark_price=row.markPx,
        index_price=None,
        origin=origin,
    )


def index_price(row: IndexRow, rules: Rules, ts_recv: Micros, origin: Origin = "stream") -> MarkPrice:
    """The index price alone, for the perpetual that follows this index."""
    return MarkPrice(
        venue="okx",
        instrument=rules.instrument,
        ts_event=row.ts * 1000,
        ts_recv=ts_recv,
        mark_price=None,
        index_price=row.idxPx,
        origin=origin,
    )


def accruing(row: AccruingRow, rules: Rules, ts_recv: Micros, origin: Origin = "stream") -> FundingRate:
    """The rate that will settle at `next_funding_at`; the interval is that between the next two settlements.

    Raises ValueError for a settlement that does not come after the one before it.
    """
    later = millis(row.nextFundingTime)
    interval = None if later is None else later - row.fundingTime * 1000
    if interval is not None and interval <= 0:
        raise ValueError(f"nextFundingTime {row.nextFundingTime} does not follow fundingTime {row.fundingTime}")
    return FundingRate(
        venue="okx",
        instrument=rules.instrument,
        ts_event=ts_recv if row.ts is None else row.ts * 1000,
        ts_recv=ts_recv,
        funding_rate=row.fundingRate,
        settled=False,
        interval_us=interval,
        next_funding_at=row.fundingTime * 1000,
        origin=origin,
    )


def open_interest(
    row: OpenInterestRow | OpenInterestBar, rules: Rules, ts_recv: Micros, origin: Origin = "stream", period: Micros = 0
) -> OpenInterest:
    """One side in base units as OKX converts it; its value in US dollars stands for quote units."""
    return OpenInterest(
        venue="okx",
        instrument=rules.instrument,
        ts_event=row.ts * 1000,
        ts_recv=ts_recv,
        open_interest=row.oiCcy,
        open_interest_quote=row.oiUsd,
        period_us=period,
        origin=origin,
    )


def ticker(row: TickerRow, rules: Rules, ts_recv: Micros, origin: Origin = "stream") -> Ticker:
    """24 hours of an instrument. OKX gives swaps no volume in quote units. Raises ValueError when high is below low."""
    if row.high24h < row.low24h:
        raise ValueError(f"24 hours with a high of {row.high24h} below a low of {row.low24h}")
    spot = rules.market == "spot"
    return Ticker(
        venue="okx",
        instrument=rules.instrument,
        ts_event=row.ts * 1000,
        ts_recv=ts_recv,
        last_price=row.last,
        open=row.open24h,
        high=row.high24h,
        low=row.low24h,
        volume=row.vol24h if spot else row.volCcy24h,
        quote_volume=row.volCcy24h if spot else None,
        origin=origin,
    )


def block_trade(row: BlockRow, rules: Rules, ts_recv: Micros, origin: Origin = "stream") -> Trade:
    """A trade agreed outside the book: its price need not lie on a tick, `ticks` is the nearest one.

    Raises ValueError when the size is off the grid.
    """
    grid = rules.grid
    lots = grid.lots(row.sz)
    if not lots:
        raise ValueError(f"size {row.sz!r} is less than a lot")
    return Trade(
        venue="okx",
        instrument=rules.instrument,
        ts_event=row.ts * 1000,
        ts_recv=ts_recv,
        trade_id=f"block-{row.tradeId}",
        trade_seq=None,
        price=row.px,
        size=grid.size(lots),
        taker_side=row.side,
        ticks=round(row.px * grid.tick_inv),
        lots=lots,
        kind="block",
        origin=origin,
    )


def liquidations(details: Sequence[LiquidationDetail], rules: Rules, ts_recv: Micros) -> list[Liquidation]:
    """Forced closes of one instrument in one frame. Raises ValueError off the grid or for sides that contradict."""
    seen: dict[tuple[int, str, float, float], int] = {}
    found: list[Liquidation] = []
    grid = rules.grid
    for row in details:
        key = (row.ts, row.side, row.bkPx, row.sz)
        seen[key] = nth = seen.get(key, -1) + 1
        lots = grid.lots(row.sz)
        if not lots:
            raise ValueError(f"size {row.sz!r} is less than a lot")
        found.append(
            Liquidation(
                venue="okx",
                instrument=rules.instrument,
                ts_event=row.ts * 1000,
                ts_recv=ts_recv,
                liquidated_side=_closed(row),
                price=row.bkPx,
                size=grid.size(lots),
                ticks=_ticks(row.bkPx, rules),
                lots=lots,
                price_basis="bankruptcy",
                sampled=True,
                nth=nth,
            )
        )
    return found


def _closed(row: LiquidationDetail) -> LiquidatedSide:
    """The position behind an order: a forced sale closes a long one."""
    side: LiquidatedSide = "long" if row.side == "sell" else "short"
    if row.posSide in ("long", "short") and row.posSide != side:
        raise ValueError(f"a {row.side} order does not close a {row.posSide} position")
    return side


def _ticks(price: float, rules: Rules) -> int | None:
    """None: a bankruptcy price is computed and may lie between two ticks."""
    try:
        return rules.grid.ticks(price)
    except ValueError:
        return None


def instrument_status(
    row: InstrumentRow, instrument: str, ts_recv: Micros, origin: Origin = "stream"
) -> InstrumentStatus:
    """The state now; OKX stamps it with no time. Raises ValueError for a listing or delisting time that is none."""
    return InstrumentStatus(
        venue="okx",
        instrument=instrument,
        ts_event=ts_recv,
        ts_recv=ts_recv,
        state=STATES.get(row.state, "halted"),
        code=row.state,
        listed_at=millis(row.listTime),
        delisting_at=millis(row.expTime),
        origin=origin,
    )


def rule_changes(row: InstrumentRow, rules: Rules, connection: str, ts_recv: Micros) -> list[VenueNotice]:
    """What OKX announces about this instrument's rules, and what already differs from those in use here."""
    told: list[tuple[str, str]] = []
    for change in row.upcChg or ():
        at = millis(change.effTime)
        when = "at a time not given" if at is None else f"at {datetime.fromtimestamp(at / 1e6, UTC).isoformat()}"
        told.append(("rules_announced", f"{row.instId}: {change.param} becomes {change.newValue} {when}"))
    for name, says, known in (("tickSz", row.tickSz, rules.tick), ("lotSz", row.lotSz, rules.lot)):
        if says and float(says) != float(known):
            told.append(("rules_changed", f"{row.instId}: {name} is {says}, and {known} is in use here; restart"))
    return [
        VenueNotice(
            venue="okx",
            instrument=rules.instrument,
            ts_event=ts_recv,
            ts_recv=ts_recv,
            connection=connection,
            code=code,
            words=words,
        )
        for code, words in told
    ]


def venue_status(row: MaintenanceRow, ts_recv: Micros, origin: Origin = "stream") -> VenueStatus:
    """One maintenance of the venue. Raises ValueError for times that are none."""
    words = f"{row.title} ({row.state}, service {row.serviceType or 'not named'})"
    at = millis(row.ts)
    return VenueStatus(
        venue="okx",
        instrument="",
        ts_event=ts_recv if at is None else at,
        ts_recv=ts_recv,
        state=VENUE_STATES.get(row.state, "ok"),
        words=f"{words}; {row.scheDesc}" if row.scheDesc else words,
        from_ts=millis(row.begin),
        to_ts=millis(row.end),
        origin=origin,
    )


def insurance(row: FundRow, ts_recv: Micros) -> list[InsuranceFund]:
    """A family's pool, day by day, oldest first; the total in US dollars is that of the newest day."""
    days = sorted(row.details, key=lambda detail: detail.ts)
    return [
        InsuranceFund(
            venue="okx",
            instrument="",
            ts_event=day.ts * 1000,
            ts_recv=ts_recv,
            pool=row.instFamily,
            asset=day.ccy,
            balance=day.balance,
            balance_usd=row.total if at == len(days) - 1 else None,
            origin="rest",
        )
        for at, day in enumerate(days)
    ]


def flat_candle(row: FlatCandle, rules: Rules, timeframe: str, ts_recv: Micros) -> Candle:
    """A bar of the mark or index price. Raises ValueError when high and low contradict it."""
    if not row.l <= min(row.o, row.c) <= max(row.o, row.c) <= row.h:
        raise ValueError(f"candle {row.ts} is not within its own high and low")
    return Candle(
        venue="okx",
        instrument=rules.instrument,
        ts_event=row.ts * 1000,
        ts_recv=ts_recv,
        timeframe=timeframe,
        open_time=row.ts * 1000,
        open=row.o,
        high=row.h,
        low=row.l,
        close=row.c,
        volume=0.0,
        closed=row.confirm == "1",
        origin="rest",
    )


def millis(text: str) -> Micros | None:
    """OKX's milliseconds as text; empty is None. Raises ValueError for anything else."""
    if not text:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) < 14):
        raise ValueError(f"{text[:40]!r} is no time in milliseconds")
    return int(text) * 1000
