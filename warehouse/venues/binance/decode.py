"""From Binance's wire to our records: one function for each kind of row, used by the streams and by REST alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import msgspec

from warehouse.clock import Micros
from warehouse.errors import DecodeError
from warehouse.instruments import Rules, timeframe_us
from warehouse.records import WHOLE, BestQuote, BookUpdate, Candle, FundingRate, Origin, Trade
from warehouse.venues.answers import beginning, read
from warehouse.venues.binance import wire
from warehouse.venues.binance.requests import BOOK_LEVELS

VENUE = "binance"

T = TypeVar("T")


def reader(kind: type[T]) -> Callable[[bytes], T]:
    """A parser of `kind` that also takes numbers written as text. Raises msgspec's errors only."""
    return msgspec.json.Decoder(kind, strict=False).decode


def convert(page: object, kind: type[T]) -> T:
    """An already parsed JSON answer as `kind`, by the same rules. Raises msgspec.ValidationError."""
    return msgspec.convert(page, kind, strict=False)


def page(answer: object, kind: type[T]) -> T:
    """The answer to a walk as `kind`. Raises DecodeError."""
    try:
        return read(answer, kind)
    except (ValueError, RecursionError) as error:
        raise DecodeError(VENUE, str(error), beginning(answer)) from error


class Priceless(ValueError):
    """A row that takes an id of the chain without being a trade: price or size is 0 and the venue marks it so."""

    def __init__(self, trade_id: int, at: Micros, why: str) -> None:
        super().__init__(why)
        self.trade_id = trade_id
        self.at = at


def aggregates(rules: Rules, origin: Origin = "stream") -> Callable[[wire.AggTrade, Micros], Trade]:
    """A reader of `aggTrade`: fills of one taker order at one price. Raises Priceless, and ValueError off the grid."""
    instrument, ticks, lots = rules.instrument, rules.grid.ticks_of, rules.grid.lots_of

    def read(row: wire.AggTrade, ts_recv: Micros) -> Trade:
        price, size, number = row.p, row.q, row.a
        if row.f < 0:
            raise Priceless(number, row.T * 1000, "placeholder without a trade")
        whole = lots[size]
        if not whole:
            raise ValueError(f"trade {number} has no size")
        return Trade(
            venue=VENUE,
            instrument=instrument,
            ts_event=row.T * 1000,
            ts_recv=ts_recv,
            trade_id=str(number),
            trade_seq=number,
            price=price,
            size=size,
            taker_side="sell" if row.m else "buy",
            ticks=ticks[price],
            lots=whole,
            rpi=row.nq == 0.0,
            first_fill=row.f,
            last_fill=row.l,
            origin=origin,
        )

    return read


def fills(rules: Rules) -> Callable[[wire.RawTrade, Micros], Trade]:
    """A reader of `@trade`: one fill; `X` other than MARKET is off-market.

    Raises Priceless, and ValueError off the grid.
    """
    instrument, ticks, lots = rules.instrument, rules.grid.ticks_of, rules.grid.lots_of

    def read(row: wire.RawTrade, ts_recv: Micros) -> Trade:
        price, size, number = row.p, row.q, row.t
        off_market = row.X != "MARKET"
        if off_market and (price == 0.0 or size == 0.0):
            raise Priceless(number, row.T * 1000, f"print of kind {row.X} without a price")
        whole = lots[size]
        if not whole:
            raise ValueError(f"trade {number} has no size")
        return Trade(
            venue=VENUE,
            instrument=instrument,
            ts_event=row.T * 1000,
            ts_recv=ts_recv,
            trade_id=str(number),
            trade_seq=number,
            price=price,
            size=size,
            taker_side="sell" if row.m else "buy",
            ticks=ticks[price],
            lots=whole,
            kind="off_market" if off_market else "market",
        )

    return read


def historical(rules: Rules) -> Callable[[wire.HistoricalTrade, Micros], Trade]:
    """A reader of `historicalTrades`: one fill, from REST. Raises Priceless, and ValueError off the grid."""
    instrument, ticks, lots = rules.instrument, rules.grid.ticks_of, rules.grid.lots_of

    def read(row: wire.HistoricalTrade, ts_recv: Micros) -> Trade:
        if row.price == 0.0 and row.qty == 0.0:
            raise Priceless(row.id, row.time * 1000, "print without a price")
        whole = lots[row.qty]
        if not whole:
            raise ValueError(f"trade {row.id} has no size")
        return Trade(
            venue=VENUE,
            instrument=instrument,
            ts_event=row.time * 1000,
            ts_recv=ts_recv,
            trade_id=str(row.id),
            trade_seq=row.id,
            price=row.price,
            size=row.qty,
            taker_side="sell" if row.isBuyerMaker else "buy",
            ticks=ticks[row.price],
            lots=whole,
            rpi=row.isRPITrade,
            origin="rest",
        )

    return read


def numbered(read: Callable[[T, Micros], Trade], rows: Sequence[T], now: Micros) -> list[tuple[int, Trade | Priceless]]:
    """Each row's id with its trade, or with why the id is none. Raises ValueError off the grid."""
    found: list[tuple[int, Trade | Priceless]] = []
    for row in rows:
        try:
            trade = read(row, now)
            found.append((int(trade.trade_id), trade))
        except Priceless as blank:
            found.append((blank.trade_id, blank))
    return found


def quotes(rules: Rules) -> Callable[[bytes, Micros], tuple[BestQuote]]:
    """A reader of frames of `bookTicker`, most of all there are. Spot states no time: its `ts_event` is `ts_recv`."""
    instrument, parse = rules.instrument, reader(wire.Frame[wire.BookTicker])

    def read(frame: bytes, ts_recv: Micros) -> tuple[BestQuote]:
        row = parse(frame).data
        quote = BestQuote(
            venue=VENUE,
            instrument=instrument,
            ts_event=row.T * 1000 or ts_recv,
            ts_recv=ts_recv,
            best_bid=row.b,
            best_bid_size=row.B,
            best_ask=row.a,
            best_ask_size=row.A,
            update_id=row.u,
        )
        return (quote,)

    return read


def book_update(row: wire.DepthUpdate, instrument: str, previous_id: int, ts_recv: Micros) -> BookUpdate:
    """A depth event proven to follow `previous_id`. `ts_event` is the matching time; on spot the push time."""
    return BookUpdate(
        venue=VENUE,
        instrument=instrument,
        ts_event=(row.T or row.E) * 1000,
        ts_recv=ts_recv,
        bids=row.b,
        asks=row.a,
        snapshot=False,
        update_id=row.u,
        previous_id=previous_id,
    )


def book_snapshot(row: wire.DepthSnapshot, instrument: str, ts_recv: Micros) -> BookUpdate:
    """A REST book, cut off at `BOOK_LEVELS`. Spot states no time: its `ts_event` is `ts_recv`."""
    return BookUpdate(
        venue=VENUE,
        instrument=instrument,
        ts_event=row.T * 1000 if row.T else ts_recv,
        ts_recv=ts_recv,
        bids=row.bids,
        asks=row.asks,
        snapshot=True,
        update_id=row.lastUpdateId,
        known=(
            min(row.bids)[0] if len(row.bids) >= BOOK_LEVELS else WHOLE[0],
            max(row.asks)[0] if len(row.asks) >= BOOK_LEVELS else WHOLE[1],
        ),
    )


def candle(row: wire.KlineEvent, instrument: str, ts_recv: Micros) -> Candle:
    """`kline`: the running or final bar, `ts_event` being the push time."""
    k = row.k
    return Candle(
        venue=VENUE,
        instrument=instrument,
        ts_event=row.E * 1000,
        ts_recv=ts_recv,
        timeframe=k.i,
        open_time=k.t * 1000,
        open=k.o,
        high=k.h,
        low=k.l,
        close=k.c,
        volume=k.v,
        quote_volume=k.q,
        trade_count=k.n,
        taker_buy_volume=k.V,
        closed=k.x,
    )


def candle_row(row: wire.KlineRow, instrument: str, timeframe: str, now: Micros) -> Candle:
    """A row of `klines`, which carries no flag: closed when its end has passed on the clock that says `now`.

    `ts_event` is the end of a closed bar, and `now` for the open one.
    """
    end = row.open_time * 1000 + timeframe_us(timeframe)
    return Candle(
        venue=VENUE,
        instrument=instrument,
        ts_event=min(end, now),
        ts_recv=now,
        timeframe=timeframe,
        open_time=row.open_time * 1000,
        open=row.open,
        high=row.high,
        low=row.low,
        close=row.close,
        volume=row.volume,
        quote_volume=row.quote_volume,
        trade_count=row.trades,
        taker_buy_volume=row.taker_buy_base,
        closed=end <= now,
        origin="rest",
    )


def funding(row: wire.FundingRow, instrument: str, interval_us: Micros | None, now: Micros) -> FundingRate:
    """A settled rate; the venue writes a few milliseconds past the hour, we the second."""
    return FundingRate(
        venue=VENUE,
        instrument=instrument,
        ts_event=settled_at(row),
        ts_recv=now,
        funding_rate=row.fundingRate,
        settled=True,
        interval_us=interval_us,
        mark_price=convert(row.markPrice, wire.Price) if row.markPrice else None,
        origin="rest",
    )


def settled_at(row: wire.FundingRow) -> Micros:
    """Settlement time rounded to the second."""
    return (row.fundingTime + 500) // 1000 * 1_000_000


def head(frame: bytes) -> str:
    """The first bytes of a frame for an `Undecodable` record."""
    return frame[:96].decode("utf-8", "replace")


def builtins(value: Any) -> Any:
    """A struct as JSON-able values, for a session's state."""
    return msgspec.to_builtins(value)
