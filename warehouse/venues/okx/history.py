"""Walks over OKX's REST history: each yields a request, is sent the parsed answer, and returns what is proven.

All walks go from new to old, since OKX's `before` alone answers with the newest rows. A refusal raises `Rejected` or
`RateLimited`, an unreadable page `DecodeError`.
https://www.okx.com/docs-v5/en/#order-book-trading-market-data-get-candlesticks-history
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from decimal import Decimal, InvalidOperation
from typing import TypeVar

import msgspec

from warehouse.clock import MINUTE, Micros
from warehouse.errors import DecodeError
from warehouse.instruments import Listing, Market, Rules, timeframe_us
from warehouse.records import Candle, Record, Trade
from warehouse.venues.base import Answer, Fetch, Walk
from warehouse.venues.okx import decode, requests, wire

SETTLED_AFTER: Micros = MINUTE
"""What is older than this is taken to be complete; younger rows may lag behind in the deep endpoints."""

NEWEST_CANDLES = 840
"""Bars for which `/market/candles` is asked. It holds 1440, but the deep endpoint has a budget of its own: using both
brings a thousand bars of every timeframe a third sooner."""

RowT = TypeVar("RowT")


def rows(answer: object, row: type[RowT]) -> list[RowT]:
    """The rows of an envelope. Raises Rejected, RateLimited or DecodeError."""
    try:
        envelope = msgspec.convert(answer, wire.Refusal, strict=False)
        if envelope.code == "0":
            return msgspec.convert(answer, wire.Page[row], strict=False).data  # type: ignore[valid-type]
    except (msgspec.ValidationError, ValueError) as error:
        raise DecodeError("okx", str(error), repr(answer).encode()) from error
    raise requests.refused(envelope.code, envelope.msg)


def instruments(instruments: Sequence[str], now: Micros) -> Generator[Fetch, object, list[Rules]]:
    """The rules of those of `instruments` that OKX lists, in the order asked. Inverse swaps are not ours."""
    wanted = [Listing.parse("okx", name) for name in instruments]
    listed: dict[tuple[str, Market], wire.InstrumentRow] = {}
    kinds: tuple[tuple[str, Market], ...] = (("SPOT", "spot"), ("SWAP", "perp"))
    for kind, market in kinds:
        if any(listing.market == market for listing in wanted):
            answer = yield requests.instruments(kind)
            for row in rows(answer, wire.InstrumentRow):
                listed[row.instId, market] = row
    out: list[Rules] = []
    for listing in wanted:
        suffix = "-SWAP" if listing.market == "perp" else ""
        found = listed.get((f"{listing.base}-{listing.quote}{suffix}", listing.market))
        if found is not None and found.tickSz and (listing.market == "spot" or found.ctType == "linear"):
            out.append(_rules(found, listing))
    return out


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
    step = timeframe_us(timeframe)
    bar = requests.BARS[timeframe]
    found: dict[Micros, Candle] = {}
    cursor, note, deep = -(-end // 1000), None, False
    while cursor * 1000 > start:
        deep = deep or cursor * 1000 <= now - NEWEST_CANDLES * step
        answer = yield requests.candles(rules.symbol, rules.instrument, bar, cursor, deep=deep)
        page = rows(answer, wire.CandleRow)
        lowest = min((row.ts for row in page), default=cursor)
        for row in page:
            found[row.ts * 1000] = _bar(row, rules, timeframe, step, now)
        if lowest < cursor:
            cursor = lowest
        elif deep:
            note = f"no bars before {cursor}: the venue's history begins there"
            break
        else:
            deep = True
    records: list[Record] = [found[at] for at in sorted(found) if start <= at < end]
    closed = [at for at, one in found.items() if one.closed]
    complete_to = end if end <= now - step - SETTLED_AFTER else min(end, max(closed, default=start - step) + step)
    if complete_to <= start:
        return Answer(records=records, note=note or "no closed bar in this range yet")
    return Answer(records=records, complete_from=start, complete_to=complete_to, note=note)


def _bar(row: wire.CandleRow, rules: Rules, timeframe: str, step: Micros, now: Micros) -> Candle:
    if row.ts * 1000 % step:
        raise DecodeError("okx", f"a {timeframe} bar opens at {row.ts}, off the UTC grid", repr(row).encode())
    try:
        return decode.candle(row, rules, timeframe, now, "rest")
    except ValueError as error:
        raise DecodeError("okx", str(error), repr(row).encode()) from error


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
            one = _fill(row, rules, now)
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


def _fill(row: wire.TradeRow, rules: Rules, now: Micros) -> Trade:
    try:
        return decode.trade(row, rules, rules.grid, now, "rest")
    except ValueError as error:
        raise DecodeError("okx", str(error), repr(row).encode()) from error


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
