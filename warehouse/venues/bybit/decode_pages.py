"""From Bybit's reference pages to records: states of instruments, news, rows of open interest, price bars, the book.

As in `decode`, every function raises ValueError for what it cannot read.
"""

from __future__ import annotations

from collections.abc import Iterable

from warehouse.clock import Micros
from warehouse.instruments import Rules, timeframe_us
from warehouse.records import BookUpdate, Candle, InstrumentStatus, OpenInterest, TradingState, VenueNotice
from warehouse.venues.bybit.decode import VENUE, on_grid
from warehouse.venues.bybit.wire import InstrumentRow
from warehouse.venues.bybit.wire_feeds import BookPage, InterestRow, NewsRow, PriceKlines

STATES: dict[str, TradingState] = {
    "Trading": "trading",
    "PreLaunch": "pre_launch",
    "Delivering": "halted",
    "Closed": "delisted",
}
"""Bybit's word for an instrument's state to ours. `Delivering`: trading has ended, positions are being settled."""

NEWS: dict[str, str] = {"new_crypto": "listing", "delistings": "delisting"}
"""Bybit's kinds of announcements to the codes of a `VenueNotice`."""


def interest_row(row: InterestRow, instrument: str, period: Micros, ts_recv: Micros) -> OpenInterest:
    """A row of history, one side; Bybit's history has no value in quote units."""
    single = row.singleOpenInterest
    return OpenInterest(
        venue=VENUE,
        instrument=instrument,
        ts_event=row.timestamp * 1000,
        ts_recv=ts_recv,
        open_interest=row.openInterest / 2 if isinstance(single, str) else single,
        open_interest_quote=None,
        period_us=period,
        origin="rest",
    )


def price_bars(page: PriceKlines, instrument: str, timeframe: str, ts_recv: Micros, server: Micros) -> list[Candle]:
    """Bars of a mark or index price, ascending, without volume; see `decode.klines`."""
    length = timeframe_us(timeframe)
    return [
        Candle(
            venue=VENUE,
            instrument=instrument,
            ts_event=min(start * 1000 + length, max(server, start * 1000)),
            ts_recv=ts_recv,
            timeframe=timeframe,
            open_time=start * 1000,
            open=opened,
            high=high,
            low=low,
            close=close,
            volume=0.0,
            closed=start * 1000 + length <= server,
            origin="rest",
        )
        for start, opened, high, low, close in reversed(page.rows)
    ]


def status(row: InstrumentRow, instrument: str, ts_event: Micros, ts_recv: Micros) -> InstrumentStatus:
    """An instrument's state; a word that Bybit does not document counts as `halted`."""
    return InstrumentStatus(
        venue=VENUE,
        instrument=instrument,
        ts_event=ts_event,
        ts_recv=ts_recv,
        state=STATES.get(row.status, "halted"),
        code=row.status,
        listed_at=row.launchTime * 1000 if row.launchTime else None,
        delisting_at=row.deliveryTime * 1000 if row.deliveryTime else None,
        origin="rest",
    )


def unlisted(rules: Rules, before: InstrumentStatus | None, ts_event: Micros, ts_recv: Micros) -> InstrumentStatus:
    """An instrument that Bybit no longer lists among those that trade: `delisted` when its announced end has passed,
    else `halted`, because positions may still be settled.
    """
    ends = rules.delisting_at if before is None else before.delisting_at
    return InstrumentStatus(
        venue=VENUE,
        instrument=rules.instrument,
        ts_event=ts_event,
        ts_recv=ts_recv,
        state="delisted" if ends is not None and ends <= ts_event else "halted",
        code="unlisted",
        listed_at=rules.listed_at if before is None else before.listed_at,
        delisting_at=ends,
        origin="rest",
    )


def news(rows: Iterable[NewsRow], ts_recv: Micros) -> list[VenueNotice]:
    """Announcements of listings and delistings, ascending, by headline and address."""
    found = [
        VenueNotice(
            venue=VENUE,
            instrument="",
            ts_event=row.dateTimestamp * 1000,
            ts_recv=ts_recv,
            connection="",
            code=NEWS[row.type.key],
            words=f"{row.title} {row.url}".strip()[:500],
        )
        for row in rows
        if row.type.key in NEWS
    ]
    found.sort(key=lambda notice: (notice.ts_event, notice.words))
    return found


def book_page(page: BookPage, rules: Rules, ts_recv: Micros) -> BookUpdate:
    """A whole book over REST, held against the grid level by level."""
    on_grid(page.b, rules.grid)
    on_grid(page.a, rules.grid)
    return BookUpdate(
        venue=VENUE,
        instrument=rules.instrument,
        ts_event=(page.cts or page.ts) * 1000,
        ts_recv=ts_recv,
        bids=page.b,
        asks=page.a,
        snapshot=True,
        update_id=page.u,
    )
