"""From Bybit's frames and rows to records: the only place that knows what Bybit's fields mean.

Every function raises ValueError (msgspec's errors are ValueErrors) for what it cannot read.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from warehouse.clock import Micros
from warehouse.instruments import Grid, timeframe_us
from warehouse.records import BestQuote, BookUpdate, Candle, FundingRate, Level, Origin, Trade
from warehouse.venues.bybit.wire import (
    BookFrame,
    CandleFrame,
    Control,
    FundingRow,
    Klines,
    RecentTrade,
    TradeFrame,
)

VENUE = "bybit"

INTERVALS: dict[str, str] = {
    "1": "1m",
    "3": "3m",
    "5": "5m",
    "15": "15m",
    "30": "30m",
    "60": "1h",
    "120": "2h",
    "240": "4h",
    "360": "6h",
    "720": "12h",
    "D": "1d",
}
"""Bybit's spelling of an interval to ours."""

SPELLED: dict[str, str] = {ours: theirs for theirs, ours in INTERVALS.items()}
"""Our timeframes to Bybit's spelling."""

_trades = msgspec.json.Decoder(TradeFrame, strict=False).decode
_book = msgspec.json.Decoder(BookFrame, strict=False).decode
_candles = msgspec.json.Decoder(CandleFrame, strict=False).decode
_control = msgspec.json.Decoder(Control).decode


def control(frame: bytes) -> Control:
    """An acknowledgement, pong or error; or the topic of a data frame whose keys come in an unusual order."""
    return _control(frame)


def trades(frame: bytes, instrument: str, grid: Grid, ts_recv: Micros) -> list[Trade]:
    """The executions of a `publicTrade` frame, in the venue's order (ascending)."""
    ticks, lots = grid.ticks, grid.lots
    found: list[Trade] = []
    for row in _trades(frame).data:
        price, size = row.p, row.v
        whole = lots(size)
        if not whole:
            raise ValueError(f"trade {row.i} has no size")
        found.append(
            Trade(
                venue=VENUE,
                instrument=instrument,
                ts_event=row.T * 1000,
                ts_recv=ts_recv,
                trade_id=row.i,
                trade_seq=None,
                price=price,
                size=size,
                taker_side="buy" if row.S == "Buy" else "sell",
                ticks=ticks(price),
                lots=whole,
                kind="block" if row.BT else "market",
                rpi=row.RPI,
            )
        )
    return found


def recent_trades(rows: Iterable[RecentTrade], instrument: str, grid: Grid, ts_recv: Micros) -> list[Trade]:
    """The same executions as `/v5/market/recent-trade` tells them, turned to ascending order."""
    found = [
        Trade(
            venue=VENUE,
            instrument=instrument,
            ts_event=row.time * 1000,
            ts_recv=ts_recv,
            trade_id=row.execId,
            trade_seq=None,
            price=row.price,
            size=row.size,
            taker_side="buy" if row.side == "Buy" else "sell",
            ticks=grid.ticks(row.price),
            lots=_positive(grid.lots(row.size)),
            kind="block" if row.isBlockTrade else "market",
            rpi=row.isRPITrade,
            origin="rest",
        )
        for row in rows
    ]
    found.reverse()
    found.sort(key=_by_time)
    return found


def book(frame: bytes, instrument: str, grid: Grid, ts_recv: Micros, last: int) -> BookUpdate:
    """A depth frame as an update that follows update `last`; `u` = 1 makes any frame a snapshot.

    Snapshots are held against the grid level by level, because the venue sends one whenever a tick or lot changes.
    """
    wire = _book(frame)
    data = wire.data
    snapshot = wire.type == "snapshot" or data.u == 1
    if snapshot:
        on_grid(data.b, grid)
        on_grid(data.a, grid)
    return BookUpdate(
        venue=VENUE,
        instrument=instrument,
        ts_event=(wire.cts or wire.ts) * 1000,
        ts_recv=ts_recv,
        bids=data.b,
        asks=data.a,
        snapshot=snapshot,
        update_id=data.u,
        previous_id=None if snapshot else last,
    )


def quote(frame: bytes, instrument: str, grid: Grid, ts_recv: Micros) -> BestQuote | None:
    """Best bid and ask of an `orderbook.1` frame; None when one side is empty."""
    wire = _book(frame)
    if wire.type != "snapshot":
        raise ValueError("orderbook.1 sends snapshots only since 2025-03-20; decode older frames with --at")
    bids, asks = wire.data.b, wire.data.a
    if not bids or not asks:
        return None
    return best(instrument, grid, ts_recv, wire, bids[0], asks[0])


def best(instrument: str, grid: Grid, ts_recv: Micros, wire: BookFrame, bid: Level, ask: Level) -> BestQuote:
    """A quote of the two given levels, checked against the grid."""
    grid.ticks(bid[0])
    grid.ticks(ask[0])
    return BestQuote(
        venue=VENUE,
        instrument=instrument,
        ts_event=(wire.cts or wire.ts) * 1000,
        ts_recv=ts_recv,
        best_bid=bid[0],
        best_bid_size=grid.size(_positive(grid.lots(bid[1]))),
        best_ask=ask[0],
        best_ask_size=grid.size(_positive(grid.lots(ask[1]))),
        update_id=wire.data.u,
    )


class QuoteBefore20250320:
    """`orderbook.1` as it was before 2025-03-20: a snapshot, then deltas that state only the side that moved.

    A delta may delete the old best (size 0) beside the new one; a side that only loses its level is unknown.
    """

    def __init__(self) -> None:
        self.bid: Level | None = None
        self.ask: Level | None = None

    def quote(self, frame: bytes, instrument: str, grid: Grid, ts_recv: Micros) -> BestQuote | None:
        """The quote after this frame; None while a side is unknown."""
        wire = _book(frame)
        if wire.type == "snapshot" or wire.data.u == 1:
            self.bid = self.ask = None
        self.bid = _moved(self.bid, wire.data.b)
        self.ask = _moved(self.ask, wire.data.a)
        if self.bid is None or self.ask is None:
            return None
        return best(instrument, grid, ts_recv, wire, self.bid, self.ask)


def candles(frame: bytes, instrument: str, grid: Grid, timeframe: str, ts_recv: Micros) -> list[Candle]:
    """The bars of a `kline` frame; `closed` is the venue's `confirm`."""
    wire = _candles(frame)
    found = []
    for row in wire.data:
        for price in (row.open, row.high, row.low, row.close):
            grid.ticks(price)
        if not row.low <= min(row.open, row.close) <= max(row.open, row.close) <= row.high:
            raise ValueError(f"bar {row.start}: its low and high do not enclose its open and close")
        found.append(
            Candle(
                venue=VENUE,
                instrument=instrument,
                ts_event=wire.ts * 1000,
                ts_recv=ts_recv,
                timeframe=timeframe,
                open_time=row.start * 1000,
                open=row.open,
                high=row.high,
                low=row.low,
                close=row.close,
                volume=row.volume,
                quote_volume=row.turnover,
                closed=row.confirm,
            )
        )
    return found


def klines(page: Klines, instrument: str, timeframe: str, ts_recv: Micros, server: Micros) -> list[Candle]:
    """The bars of a REST page, ascending; one is closed when its end has passed on the server's clock.

    `ts_event` is when a bar ended, or `server` for the open one.
    """
    length = timeframe_us(timeframe)
    return [
        Candle(
            venue=VENUE,
            instrument=instrument,
            ts_event=end if end <= server else max(server, end - length),
            ts_recv=ts_recv,
            timeframe=timeframe,
            open_time=end - length,
            open=opened,
            high=high,
            low=low,
            close=close,
            volume=volume,
            quote_volume=turnover,
            closed=end <= server,
            origin="rest",
        )
        for start, opened, high, low, close, volume, turnover in reversed(page.rows)
        for end in (start * 1000 + length,)
    ]


def funding(row: FundingRow, instrument: str, ts_recv: Micros, interval_us: Micros | None) -> FundingRate:
    """A settled rate, its time rounded to the second."""
    origin: Origin = "rest"
    return FundingRate(
        venue=VENUE,
        instrument=instrument,
        ts_event=(row.fundingRateTimestamp + 500) // 1000 * 1_000_000,
        ts_recv=ts_recv,
        funding_rate=row.fundingRate,
        settled=True,
        interval_us=interval_us,
        origin=origin,
    )


def _by_time(trade: Trade) -> Micros:
    return trade.ts_event


def _positive(lots: int) -> int:
    if lots == 0:
        raise ValueError("a size of zero")
    return lots


def on_grid(levels: list[Level], grid: Grid) -> None:
    """Raises ValueError unless every price and size lies on the instrument's grid."""
    for price, size in levels:
        grid.ticks(price)
        grid.lots(size)


def _moved(best_level: Level | None, levels: list[Level]) -> Level | None:
    for level in levels:
        if level[1] > 0:
            return level
    return None if levels else best_level
