"""Walks over OKX's REST history: each yields a request, is sent the parsed answer, and returns what is proven.

All walks go from new to old, since OKX's `before` alone answers with the newest rows. A refusal raises `Rejected` or
`RateLimited`, an unreadable page `DecodeError`.
https://www.okx.com/docs-v5/en/#order-book-trading-market-data-get-candlesticks-history
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from decimal import Decimal, InvalidOperation
from functools import partial

from warehouse.clock import Micros
from warehouse.errors import DecodeError
from warehouse.instruments import Listing, Market, Rules
from warehouse.records import Candle, Record, Trade
from warehouse.venues.base import Answer, Fetch, Walk
from warehouse.venues.okx import decode, requests, wire
from warehouse.venues.okx.derivatives import book, calendar, insurance, mark_candles, open_interest, statuses
from warehouse.venues.okx.pages import SETTLED_AFTER, bars, decoded, listed, rows

__all__ = [
    "book",
    "calendar",
    "candles",
    "funding",
    "instruments",
    "insurance",
    "mark_candles",
    "open_interest",
    "server_time",
    "statuses",
    "trades",
]

NEWEST_CANDLES = 840
"""Bars for which `/market/candles` is asked.

It holds 1440, but the deep endpoint has a budget of its own: using both brings a thousand bars of every timeframe a
third sooner."""


def instruments(instruments: Sequence[str], now: Micros) -> Generator[Fetch, object, list[Rules]]:
    """The rules of those of `instruments` that OKX lists, in the order asked. Inverse swaps are not ours."""
    found = yield from listed(instruments)
    return [_rules(row, listing) for listing, row in found]


def _rules(row: wire.InstrumentRow, listing: Listing) -> Rules:
    try:
        contract = Decimal(row.ctVal) * Decimal(row.ctMult or "1") if listing.market == "perp" else Decimal(1)
        return Rules(
            venue="okx",
            instrument=listing.instrument,
            symbol=row.instId,
            market=listing.market,
            tick=row.tickSz,
            lot=row.lotSz,
            contract_value=format(contract.normalize(), "f"),
            min_size=row.minSz or None,
            status="trading" if row.state == "live" else row.state,
            listed_at=int(row.listTime) * 1000 if row.listTime else None,
            delisting_at=int(row.expTime) * 1000 if row.expTime else None,
        )
    except (InvalidOperation, ValueError) as error:
        raise DecodeError("okx", f"rules of {row.instId}: {error!r}", repr(row).encode()) from error


def server_time(market: Market) -> Generator[Fetch, object, Micros]:
    """OKX's clock, the same for both markets."""
    answer = yield requests.server_time()
    found = rows(answer, wire.TimeRow)
    if not found:
        raise DecodeError("okx", "no time in the answer", repr(answer).encode())
    return found[0].ts * 1000


def candles(rules: Rules, timeframe: str, start: Micros, end: Micros, now: Micros) -> Walk:
    """Bars that open in `[start, end)`. The bar still forming comes with `closed=False`, outside what is complete."""
    bar = requests.BARS[timeframe]

    def ask(before_ms: int, deep: bool) -> Fetch:
        return requests.candles(rules.symbol, rules.instrument, bar, before_ms, deep=deep)

    def read(answer: object) -> list[Candle]:
        return [
            decoded(partial(decode.candle, row, rules, timeframe, now, "rest"), row)
            for row in rows(answer, wire.CandleRow)
        ]

    return (yield from bars(ask, read, timeframe, start, end, now, NEWEST_CANDLES))


def trades(rules: Rules, start: Micros, end: Micros, now: Micros) -> Walk:
    """Single fills in `[start, end)`: entered by time, walked down by id, so that a skipped id is noticed."""
    found: list[Trade] = []
    note: str | None = None
    complete_from: Micros = start
    lowest: Trade | None = None
    while lowest is None or lowest.ts_event >= start:
        if lowest is None:
            answer = yield requests.trades_before(rules.symbol, rules.instrument, -(-end // 1000))
        else:
            answer = yield requests.trades_below(rules.symbol, rules.instrument, _id(lowest))
        page = sorted(rows(answer, wire.TradeRow), key=lambda row: -row.tradeId)
        fresh = [row for row in page if lowest is None or row.tradeId < _id(lowest)]
        if not fresh:
            if lowest is None:
                return Answer(records=[], note="the venue serves no trades before the end of this range")
            complete_from = max(complete_from, lowest.ts_event + 1000)
            note = note or f"the venue serves no trades before id {lowest.trade_id}"
            break
        for row in fresh:
            one = decoded(partial(decode.trade, row, rules, rules.grid, now, "rest"), row)
            if lowest is not None and _id(lowest) - _id(one) > 1 and lowest.ts_event >= start:
                complete_from = max(complete_from, lowest.ts_event + 1000)
                note = note or f"the venue leaves out ids {_id(one) + 1} to {_id(lowest) - 1}"
            found.append(one)
            lowest = one
    complete_to = end if end <= now - SETTLED_AFTER else min(end, max(one.ts_event for one in found))
    records: list[Record] = [one for one in reversed(found) if start <= one.ts_event < end]
    if complete_to <= complete_from:
        return Answer(records=records, note=note or "nothing in this range is certain to be complete yet")
    return Answer(records=records, complete_from=complete_from, complete_to=complete_to, note=note)


def _id(one: Trade) -> int:
    return int(one.trade_id)


def funding(rules: Rules, start: Micros, end: Micros, now: Micros) -> Walk:
    """Settled rates in `[start, end)`, at most three months old; the interval is the time since the one before."""
    if rules.market == "spot":
        return Answer(records=[], complete_from=start, complete_to=end, note="spot has no funding")
    found: dict[int, wire.FundingRow] = {}
    cursor, note, complete_from = -(-end // 1000), None, start
    while cursor * 1000 >= start:
        answer = yield requests.funding(rules.symbol, rules.instrument, cursor)
        page = {row.fundingTime: row for row in rows(answer, wire.FundingRow) if row.fundingTime < cursor}
        if not page:
            complete_from = max(start, cursor * 1000) if found else start
            note = (
                "the venue serves no earlier settlement" if found else "the venue serves no settlement before the end"
            )
            break
        found.update(page)
        cursor = min(page)
    times = sorted(found)
    before = dict(zip(times[1:], times, strict=False))
    records: list[Record] = []
    for at in times:
        earlier = before.get(at)
        gap = None if earlier is None else ((at - earlier) + 500) // 1000 * 1_000_000
        one = decode.funding_rate(found[at], rules, now, gap)
        if start <= one.ts_event < end:
            records.append(one)
    if not found:
        return Answer(records=[], note=note)
    return Answer(records=records, complete_from=complete_from, complete_to=min(end, now), note=note)
