"""From the wire of Binance's further feeds to our records, for the streams and for REST alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from warehouse.clock import Micros
from warehouse.instruments import Rules
from warehouse.records import (
    FundingRate,
    InstrumentStatus,
    InsuranceFund,
    Liquidation,
    MarkPrice,
    OpenInterest,
    Origin,
    Ticker,
    Trade,
    TradingState,
    VenueStatus,
)
from warehouse.venues.binance import wire, wire_feeds
from warehouse.venues.binance.decode import VENUE, convert, reader

NEVER = 4_133_404_800_000
"""`deliveryDate` of a perpetual that nobody means to delist, ms."""

STATES: dict[str, TradingState] = {
    "TRADING": "trading",
    "PENDING_TRADING": "pre_launch",
    "PRE_TRADING": "pre_launch",
    "DELIVERED": "delisted",
    "CLOSE": "delisted",
}
"""Every other word (HALT, BREAK, CANCEL_ONLY, SETTLING, PRE_DELIVERING, ...) means that one cannot trade freely."""


def mark_price(mark: float, index: float, instrument: str, at: Micros, ts_recv: Micros, origin: Origin) -> MarkPrice:
    """Both prices; an index of 0 is none."""
    return MarkPrice(
        venue=VENUE,
        instrument=instrument,
        ts_event=at,
        ts_recv=ts_recv,
        mark_price=mark,
        index_price=index or None,
        origin=origin,
    )


def accruing(
    rate: str,
    next_ms: int,
    interval_us: Micros | None,
    mark: float,
    instrument: str,
    at: Micros,
    ts_recv: Micros,
    origin: Origin,
) -> FundingRate | None:
    """The rate that accrues, None where the venue left it empty. Raises msgspec.ValidationError."""
    if not rate:
        return None
    return FundingRate(
        venue=VENUE,
        instrument=instrument,
        ts_event=at,
        ts_recv=ts_recv,
        funding_rate=convert(rate, wire_feeds.Rate),
        settled=False,
        interval_us=interval_us,
        next_funding_at=next_ms * 1000 or None,
        mark_price=mark,
        origin=origin,
    )


def marks(
    rules: Rules, intervals: Mapping[str, Micros]
) -> Callable[[bytes, Micros], tuple[MarkPrice, FundingRate] | tuple[MarkPrice]]:
    """A reader of frames of `@markPrice`: mark and index, and the rate that accrues.

    `intervals` is looked into for each frame: funding intervals by symbol, empty until the venue has told them.
    """
    instrument, symbol, parse = rules.instrument, rules.symbol, reader(wire.Frame[wire_feeds.MarkPriceUpdate])

    def read(frame: bytes, ts_recv: Micros) -> tuple[MarkPrice, FundingRate] | tuple[MarkPrice]:
        row = parse(frame).data
        at = row.E * 1000
        price = mark_price(row.p, row.i, instrument, at, ts_recv, "stream")
        rate = accruing(row.r, row.T, intervals.get(symbol), row.p, instrument, at, ts_recv, "stream")
        return (price,) if rate is None else (price, rate)

    return read


def premium_index(
    row: wire_feeds.PremiumIndex, instrument: str, interval_us: Micros | None, now: Micros
) -> list[MarkPrice | FundingRate]:
    """The same over REST."""
    at, mark = row.time * 1000, row.markPrice
    price = mark_price(mark, row.indexPrice, instrument, at, now, "rest")
    rate = accruing(row.lastFundingRate, row.nextFundingTime, interval_us, mark, instrument, at, now, "rest")
    return [price] if rate is None else [price, rate]


def liquidations(rules: Rules) -> Callable[[bytes, Micros], tuple[Liquidation]]:
    """A reader of frames of `@forceOrder`.

    The order sells what a long held. Raises ValueError for another side, no price, or a size off the grid; an average
    price may lie off it.
    """
    instrument, grid, parse = rules.instrument, rules.grid, reader(wire.Frame[wire_feeds.ForceOrder])

    def read(frame: bytes, ts_recv: Micros) -> tuple[Liquidation]:
        order = parse(frame).data.o
        size, price = order.z or order.q, order.ap or order.p
        lots = grid.lots(size)
        if not lots or not price or order.S not in ("BUY", "SELL"):
            raise ValueError(f"liquidation without size, price or side: {order.S} {size} at {price}")
        try:
            ticks = grid.ticks(price)
        except ValueError:
            ticks = None
        liquidation = Liquidation(
            venue=VENUE,
            instrument=instrument,
            ts_event=order.T * 1000,
            ts_recv=ts_recv,
            liquidated_side="long" if order.S == "SELL" else "short",
            price=price,
            size=size,
            ticks=ticks,
            lots=lots,
            price_basis="fill",
            sampled=True,
        )
        return (liquidation,)

    return read


def block_trades(rules: Rules) -> Callable[[bytes, Micros], tuple[Trade]]:
    """A reader of frames of `@blockTrade`.

    Its ids are no part of the trade chain: `trade_seq` is None, and `trade_id` begins with `block-`. Raises ValueError
    off the grid.
    """
    instrument, grid, parse = rules.instrument, rules.grid, reader(wire.Frame[wire_feeds.BlockTrade])

    def read(frame: bytes, ts_recv: Micros) -> tuple[Trade]:
        row = parse(frame).data
        lots = grid.lots(row.q)
        if not lots:
            raise ValueError(f"block trade {row.t} has no size")
        trade = Trade(
            venue=VENUE,
            instrument=instrument,
            ts_event=row.T * 1000,
            ts_recv=ts_recv,
            trade_id=f"block-{row.t}",
            trade_seq=None,
            price=row.p,
            size=row.q,
            taker_side="sell" if row.m else "buy",
            ticks=grid.ticks(row.p),
            lots=lots,
            kind="block",
        )
        return (trade,)

    return read


def tickers(rules: Rules) -> Callable[[bytes, Micros], tuple[Ticker]]:
    """A reader of frames of `@ticker`."""
    instrument, parse = rules.instrument, reader(wire.Frame[wire_feeds.DayTicker])

    def read(frame: bytes, ts_recv: Micros) -> tuple[Ticker]:
        row = parse(frame).data
        ticker = Ticker(
            venue=VENUE,
            instrument=instrument,
            ts_event=row.E * 1000,
            ts_recv=ts_recv,
            last_price=row.c,
            open=row.o,
            high=row.h,
            low=row.l,
            volume=row.v,
            quote_volume=row.q,
            trade_count=row.n,
        )
        return (ticker,)

    return read


def contracts(names: Mapping[str, str]) -> Callable[[bytes, Micros], list[InstrumentStatus]]:
    """A reader of frames of `!contractInfo`, silent for all but our perpetuals (`names`: instruments by symbol)."""
    parse = reader(wire.Frame[wire_feeds.ContractInfo])

    def read(frame: bytes, ts_recv: Micros) -> list[InstrumentStatus]:
        row = parse(frame).data
        instrument = names.get(row.s)
        if instrument is None or row.st != 1 or row.ct != "PERPETUAL":
            return []
        return [status(row.cs, row.ot, row.dt, instrument, row.E * 1000, ts_recv, "stream")]

    return read


def status(
    code: str, onboard_ms: int, delivery_ms: int, instrument: str, at: Micros, ts_recv: Micros, origin: Origin
) -> InstrumentStatus:
    """A state by the venue's word; 0 ms are unknown."""
    return InstrumentStatus(
        venue=VENUE,
        instrument=instrument,
        ts_event=at,
        ts_recv=ts_recv,
        state=STATES.get(code, "halted"),
        code=code,
        listed_at=onboard_ms * 1000 or None,
        delisting_at=delivery_ms * 1000 if delivery_ms not in (0, NEVER) else None,
        origin=origin,
    )


def status_of(info: wire.SymbolInfo, instrument: str, at: Micros, now: Micros) -> InstrumentStatus:
    """The state in a symbol of `exchangeInfo`."""
    return status(info.status, info.onboardDate or 0, info.deliveryDate or 0, instrument, at, now, "rest")


def open_interest_now(row: wire_feeds.OpenInterestNow, instrument: str, now: Micros) -> OpenInterest:
    """A reading of now. The venue gives no value in quote units here."""
    return OpenInterest(
        venue=VENUE,
        instrument=instrument,
        ts_event=row.time * 1000,
        ts_recv=now,
        open_interest=row.openInterest,
        open_interest_quote=None,
        origin="rest",
    )


def open_interest_row(row: wire_feeds.OpenInterestRow, instrument: str, period: Micros, now: Micros) -> OpenInterest:
    """A row of history: the period that ends at `ts_event`."""
    return OpenInterest(
        venue=VENUE,
        instrument=instrument,
        ts_event=row.timestamp * 1000,
        ts_recv=now,
        open_interest=row.sumOpenInterest,
        open_interest_quote=row.sumOpenInterestValue,
        period_us=period,
        origin="rest",
    )


def insurance(groups: list[wire_feeds.InsuranceGroup], now: Micros) -> list[InsuranceFund]:
    """Every asset of every pool. The venue gives no value in USD."""
    return [
        InsuranceFund(
            venue=VENUE,
            instrument="",
            ts_event=pool.updateTime * 1000,
            ts_recv=now,
            pool=",".join(sorted(group.symbols)),
            asset=pool.asset,
            balance=pool.marginBalance,
            balance_usd=None,
            origin="rest",
        )
        for group in groups
        for pool in group.assets
    ]


def venue_status(row: wire_feeds.SystemStatus, now: Micros) -> VenueStatus:
    """Normal, or in maintenance; the venue gives no time."""
    return VenueStatus(
        venue=VENUE,
        instrument="",
        ts_event=now,
        ts_recv=now,
        state="ok" if row.status == 0 else "maintenance",
        words=row.msg,
        origin="rest",
    )
