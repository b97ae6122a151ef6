"""From OKX's rows to records: pure functions, used by the session and by the walks over REST.

Sizes of swaps arrive as contracts. `Rules.grid` counts them in lots and gives base units with a single rounding; book
levels keep the wire unit, as `BookUpdate` promises.
"""

from __future__ import annotations

from warehouse.clock import Micros
from warehouse.instruments import Grid, Rules
from warehouse.records import BestQuote, BookUpdate, Candle, FundingRate, Level, Origin, Trade
from warehouse.venues.okx.wire import BookLevel, BookRow, CandleRow, FundingRow, TradeRow


def trade(row: TradeRow, rules: Rules, grid: Grid, ts_recv: Micros, origin: Origin = "stream") -> Trade:
    """One fill, or an aggregate whose `trade_seq` is its last fill. Raises ValueError off the grid."""
    ticks = grid.ticks(row.px)
    lots = grid.lots(row.sz)
    if not lots:
        raise ValueError(f"size {row.sz!r} is less than a lot")
    seq = row.tradeId
    count = row.count
    return Trade(
        venue="okx",
        instrument=rules.instrument,
        ts_event=row.ts * 1000,
        ts_recv=ts_recv,
        trade_id=str(seq),
        trade_seq=seq,
        price=row.px,
        size=grid.size(lots),
        taker_side=row.side,
        ticks=ticks,
        lots=lots,
        rpi=row.source == "1",
        first_fill=None if count == 1 else seq - count + 1,
        last_fill=None if count == 1 else seq,
        origin=origin,
    )


def levels(wire: list[BookLevel]) -> list[Level]:
    """(price, size) in the wire unit."""
    return [(level.px, level.sz) for level in wire]


def book_update(row: BookRow, instrument: str, ts_recv: Micros, update_id: int, previous_id: int | None) -> BookUpdate:
    """A proven push as a record; `previous_id` None makes it a snapshot."""
    return BookUpdate(
        venue="okx",
        instrument=instrument,
        ts_event=row.ts * 1000,
        ts_recv=ts_recv,
        bids=[(level.px, level.sz) for level in row.bids],
        asks=[(level.px, level.sz) for level in row.asks],
        snapshot=previous_id is None,
        update_id=update_id,
        previous_id=previous_id,
    )


def best_quote(row: BookRow, rules: Rules, grid: Grid, ts_recv: Micros) -> BestQuote | None:
    """The top of the book in base units; None while a side is empty, which is no quote.

    `update_id` is 0 in recordings made before OKX numbered this channel. Raises ValueError off the grid.
    """
    if not row.bids or not row.asks:
        return None
    bid, ask = row.bids[0], row.asks[0]
    grid.ticks(bid.px)
    grid.ticks(ask.px)
    return BestQuote(
        venue="okx",
        instrument=rules.instrument,
        ts_event=row.ts * 1000,
        ts_recv=ts_recv,
        best_bid=bid.px,
        best_bid_size=grid.size(grid.lots(bid.sz)),
        best_ask=ask.px,
        best_ask_size=grid.size(grid.lots(ask.sz)),
        update_id=row.seqId or 0,
    )


def candle(row: CandleRow, rules: Rules, timeframe: str, ts_recv: Micros, origin: Origin = "stream") -> Candle:
    """A bar; base volume is `vol` on spot and `volCcy` on swaps. Raises ValueError when high and low contradict it.

    `closed` is the venue's `confirm`; a row without that column (old recordings) is not called closed.
    """
    if not row.l <= min(row.o, row.c) <= max(row.o, row.c) <= row.h:
        raise ValueError(f"candle {row.ts} is not within its own high and low")
    spot = rules.market == "spot"
    quote = row.volCcyQuote
    if quote is None and spot:
        quote = row.volCcy
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
        volume=row.vol if spot else row.volCcy,
        quote_volume=quote,
        closed=row.confirm == "1",
        origin=origin,
    )


def funding_rate(row: FundingRow, rules: Rules, ts_recv: Micros, interval_us: Micros | None) -> FundingRate:
    """A settled rate, its time rounded to the second; `interval_us` None where no earlier settlement is known."""
    return FundingRate(
        venue="okx",
        instrument=rules.instrument,
        ts_event=(row.fundingTime + 500) // 1000 * 1_000_000,
        ts_recv=ts_recv,
        funding_rate=row.realizedRate,
        settled=True,
        interval_us=interval_us,
        next_funding_at=None,
        origin="rest",
    )
