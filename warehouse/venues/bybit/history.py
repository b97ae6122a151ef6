"""Bybit's REST walks (`base.HistoryModule`): instruments, time, candles, the newest trades, funding here, and those of
`derivatives`.

Bounds of the venue are inclusive milliseconds and pages run from new to old; here ranges are half-open and ascend.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from decimal import Decimal, InvalidOperation

from warehouse.clock import HOUR, Micros
from warehouse.errors import DecodeError
from warehouse.instruments import Listing, Market, Rules, timeframe_us
from warehouse.records import FundingRate, Record
from warehouse.venues.base import Answer, Fetch, Walk
from warehouse.venues.bybit import decode
from warehouse.venues.bybit.derivatives import (
    CANDLES,
    book,
    calendar,
    insurance,
    mark_candles,
    open_interest,
    statuses,
)
from warehouse.venues.bybit.envelope import opened, recent_trades
from warehouse.venues.bybit.requests import RECENT
from warehouse.venues.bybit.wire import FundingRow, FundingRows, InstrumentRow, InstrumentRows, Klines, ServerTime

__all__ = [
    "instruments",
    "server_time",
    "candles",
    "trades",
    "funding",
    "mark_candles",
    "open_interest",
    "insurance",
    "statuses",
    "calendar",
    "book",
]

FUNDING = 200
"""Most rows of a funding page."""

STATUS = {"Trading": "trading", "PreLaunch": "prelaunch", "Delivering": "delivering", "Closed": "closed"}


def instruments(instruments: Sequence[str], now: Micros) -> Generator[Fetch, object, list[Rules]]:
    """Rules of the named instruments, in their order; those that Bybit does not list are left out."""
    wanted = [Listing.parse(decode.VENUE, name) for name in instruments]
    found: dict[str, Rules] = {}
    for market in ("spot", "perp"):
        names = {f"{one.base}{one.quote}": one.instrument for one in wanted if one.market == market}
        cursor = ""
        while names:
            query = {"category": "spot"} if market == "spot" else {"category": "linear", "limit": "1000"}
            if cursor:
                query["cursor"] = cursor
            answer = yield Fetch(
                purpose="instruments",
                base="rest",
                path="/v5/market/instruments-info",
                query=query,
                ccxt="publicGetV5MarketInstrumentsInfo",
            )
            page, _ = opened(answer, InstrumentRows)
            for row in page.rows:
                if row.symbol in names and row.contractType in (None, "LinearPerpetual"):
                    found[names[row.symbol]] = _rules(row, names[row.symbol], now)
            if not page.nextPageCursor or page.nextPageCursor == cursor or not page.rows:
                break
            cursor = page.nextPageCursor
    return [found[name] for name in instruments if name in found]


def server_time(market: Market) -> Generator[Fetch, object, Micros]:
    """The venue's clock; both markets share one."""
    answer = yield Fetch(purpose="time", base="rest", path="/v5/market/time", query={}, ccxt="publicGetV5MarketTime")
    result, _ = opened(answer, ServerTime)
    return result.timeNano // 1000


def candles(rules: Rules, timeframe: str, start: Micros, end: Micros, now: Micros) -> Walk:
    """Bars with `start <= open_time < end`, in windows of a thousand; the last may be open (`closed` False)."""
    length = timeframe_us(timeframe)
    first = max(-(-start // length), (rules.listed_at or 0) // length) * length
    found: list[Record] = []
    server = 0
    for at in range(first, end, CANDLES * length):
        if at > max(now, server):
            break
        stop = min(at + CANDLES * length, end)
        answer = yield Fetch(
            purpose="candles",
            base="rest",
            path="/v5/market/kline",
            query={
                "category": _category(rules),
                "symbol": rules.symbol,
                "interval": decode.SPELLED[timeframe],
                "start": str(at // 1000),
                "end": str((stop - 1) // 1000),
                "limit": str(CANDLES),
            },
            ccxt="publicGetV5MarketKline",
            instrument=rules.instrument,
        )
        page, told = opened(answer, Klines)
        server = told or now
        rows = decode.klines(page, rules.instrument, timeframe, now, server)
        found += [row for row in rows if at <= row.open_time < stop]
    known = min(end, (server or now) // length * length)
    if known <= start:
        return Answer(records=found, note="no bar of this range has closed yet")
    note = None if known >= end else "the range reaches past the last closed bar"
    return Answer(records=found, complete_from=start, complete_to=known, note=note)


def trades(rules: Rules, start: Micros, end: Micros, now: Micros) -> Walk:
    """The executions of the newest page that lie in `[start, end)`: Bybit serves no others.

    Complete from behind the oldest millisecond of a full page (it may be cut) up to the newest.
    """
    limit = RECENT[rules.market]
    answer = yield Fetch(
        purpose="trades",
        base="rest",
        path="/v5/market/recent-trade",
        query={"category": _category(rules), "symbol": rules.symbol, "limit": str(limit)},
        ccxt="publicGetV5MarketRecentTrade",
        instrument=rules.instrument,
    )
    rows, _ = recent_trades(answer)
    page = decode.recent_trades(rows, rules.instrument, rules.grid, now)
    if not page:
        return Answer(records=[], note="the venue has no recent trades")
    records: list[Record] = [trade for trade in page if start <= trade.ts_event < end]
    oldest = page[0].ts_event + (1000 if len(page) >= limit else 0)
    complete_from, complete_to = max(start, oldest), min(end, page[-1].ts_event)
    note = None
    if complete_from > start:
        note = f"Bybit serves only its newest {limit} executions; older ones are in its archive"
    if complete_from >= complete_to:
        return Answer(records=records, note=note or "the newest executions end before this range")
    return Answer(records=records, complete_from=complete_from, complete_to=complete_to, note=note)


def funding(rules: Rules, start: Micros, end: Micros, now: Micros) -> Walk:
    """Settled rates of `[start, end)`, walked back from the end. Spot has none."""
    if rules.market == "spot":
        return Answer(records=[], complete_from=start, complete_to=end, note="spot has no funding")
    rows: dict[int, FundingRow] = {}
    until = (min(end, now + 1000) - 1) // 1000
    begin = -(-start // 1000)
    while until >= begin:
        answer = yield Fetch(
            purpose="funding",
            base="rest",
            path="/v5/market/funding/history",
            query={
                "category": "linear",
                "symbol": rules.symbol,
                "startTime": str(begin),
                "endTime": str(until),
                "limit": str(FUNDING),
            },
            ccxt="publicGetV5MarketFundingHistory",
            instrument=rules.instrument,
        )
        page, _ = opened(answer, FundingRows)
        inside = [row for row in page.rows if begin <= row.fundingRateTimestamp <= until]
        rows.update((row.fundingRateTimestamp, row) for row in inside)
        if len(page.rows) < FUNDING or not inside:
            break
        until = min(row.fundingRateTimestamp for row in inside) - 1
    times = sorted(rows)
    records: list[Record] = []
    for position, at in enumerate(times):
        records.append(decode.funding(rows[at], rules.instrument, now, _interval(times, position)))
    if len(records) == 1:
        records = yield from _with_published_interval(rules, records[0])
    complete_to = min(end, now)
    if complete_to <= start:
        return Answer(records=records, note="this range lies in the future")
    note = None if complete_to == end else "the range reaches past now"
    return Answer(records=records, complete_from=start, complete_to=complete_to, note=note)


def _with_published_interval(rules: Rules, only: Record) -> Generator[Fetch, object, list[Record]]:
    answer = yield Fetch(
        purpose="instruments",
        base="rest",
        path="/v5/market/instruments-info",
        query={"category": "linear", "symbol": rules.symbol},
        ccxt="publicGetV5MarketInstrumentsInfo",
        instrument=rules.instrument,
    )
    page, _ = opened(answer, InstrumentRows)
    minutes = next((row.fundingInterval for row in page.rows if row.symbol == rules.symbol), None)
    if not isinstance(only, FundingRate) or not minutes:
        return [only]
    return [
        FundingRate(
            venue=only.venue,
            instrument=only.instrument,
            ts_event=only.ts_event,
            ts_recv=only.ts_recv,
            funding_rate=only.funding_rate,
            settled=True,
            interval_us=minutes * 60_000_000,
            origin="rest",
        )
    ]


def _interval(times: list[int], position: int) -> Micros | None:
    if len(times) < 2:
        return None
    later = max(position, 1)
    span = round((times[later] - times[later - 1]) / 60_000) * 60_000_000
    return span if 0 < span <= 8 * HOUR else None


def _category(rules: Rules) -> str:
    return "spot" if rules.market == "spot" else "linear"


def _rules(row: InstrumentRow, instrument: str, now: Micros) -> Rules:
    lots = row.lotSizeFilter
    lot = lots.qtyStep or lots.basePrecision
    if lot is None or not _positive(lot) or not _positive(row.priceFilter.tickSize):
        raise DecodeError(decode.VENUE, f"{row.symbol}: no positive tick and lot", repr(row).encode())
    return Rules(
        venue=decode.VENUE,
        instrument=instrument,
        symbol=row.symbol,
        market="perp" if instrument.endswith("-PERP") else "spot",
        tick=row.priceFilter.tickSize,
        lot=lot,
        min_size=lots.minOrderQty,
        min_notional=lots.minNotionalValue or lots.minOrderAmt,
        status=STATUS.get(row.status, row.status.lower()),
        listed_at=row.launchTime * 1000 if row.launchTime else None,
        delisting_at=row.deliveryTime * 1000 if row.deliveryTime else None,
        valid_from=now,
    )


def _positive(text: str) -> bool:
    try:
        return Decimal(text) > 0
    except InvalidOperation:
        return False
