"""Binance over REST: walks that yield a `Fetch`, are sent the parsed answer, and return records of a half-open range.

All raise DecodeError for a page that cannot be read.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from functools import partial

from warehouse.clock import DAY, HOUR, MINUTE, SECOND, Micros
from warehouse.errors import HEAD, DecodeError
from warehouse.instruments import Listing, Market, Rules
from warehouse.records import Record, Trade
from warehouse.venues.base import Answer, Fetch, Walk
from warehouse.venues.binance import decode, requests, wire
from warehouse.venues.binance.bars import bars
from warehouse.venues.binance.decode_feeds import NEVER
from warehouse.venues.binance.derivatives import book, calendar, insurance, mark_candles, open_interest, statuses
from warehouse.venues.binance.listed import listed

__all__ = [
    "book", "calendar", "candles", "funding", "instruments", "insurance", "mark_candles", "open_interest",
    "server_time", "statuses", "trades",
]  # fmt: skip

PERP_REACH = 48 * HOUR
"""How far back futures `aggTrades` answer."""

WINDOW = HOUR - SECOND
"""`startTime` to `endTime` of `aggTrades` must be shorter than an hour."""


def instruments(instruments: Sequence[str], now: Micros) -> Generator[Fetch, object, list[Rules]]:
    """Trading rules as published now; what the venue does not list is left out."""
    found: list[Rules] = []
    markets: tuple[Market, ...] = ("spot", "perp")
    listings = [Listing.parse(decode.VENUE, name) for name in instruments]
    for market in markets:
        asked = {f"{x.base}{x.quote}": x.instrument for x in listings if x.market == market}
        if not asked:
            continue
        if market == "spot":
            pages = yield from listed(requests.spot_rules, list(asked))
        else:
            question = requests.request("perp", "exchangeInfo", "instruments", {})
            pages = [decode.page((yield question), wire.ExchangeInfo)]
        found += [
            _rules(info, asked[info.symbol], market, now)
            for page in pages
            for info in page.symbols
            if info.symbol in asked and info.contractType in (None, "PERPETUAL")
        ]
    return found


def server_time(market: Market) -> Generator[Fetch, object, Micros]:
    """The venue's clock."""
    page = yield requests.request(market, "time", "time", {})
    return decode.page(page, wire.ServerTime).serverTime * 1000


def candles(rules: Rules, timeframe: str, start: Micros, end: Micros, now: Micros) -> Walk:
    """Bars that open in `[start, end)`. The open one has `closed=False`; complete up to the last closed one.

    The note says how many bars there are where they are fewer than the range is long.
    """
    return (
        yield from bars(
            partial(requests.klines, rules, timeframe),
            lambda row: decode.candle_row(row, rules.instrument, timeframe, now),
            timeframe,
            start,
            end,
            now,
        )
    )


def trades(rules: Rules, start: Micros, end: Micros, now: Micros, *, raw: bool = False) -> Walk:
    """Trades with `start <= ts_event < end`: aggregates, or single fills when `raw` (the ids of `@trade` tapes).

    The first page is found by time and the others by id. Complete up to the newest trade that the venue served, or to
    the first hole in its ids. Futures aggregates reach 48 h back.
    """
    note = None
    begin = start
    if rules.market == "perp" and now - start > PERP_REACH:
        begin = min(now - PERP_REACH + MINUTE, end)
        note = "binance serves futures aggregates of the last 48 h only"
    opening, wrong = yield from _opening(rules, begin, min(end, now), raw)
    if wrong is not None:
        return Answer(records=[], note=wrong)
    records: list[Record] = []
    complete_to = min(end, now)
    if opening:
        expected = opening[0].f if raw else opening[0].a
        rows = [] if raw else _rows(rules, opening, now)
        full = True  # a page found by time says nothing of what comes after it
        whole = True
        newest = begin
        while True:
            for number, row in rows:
                if number < expected:
                    continue
                if number > expected and whole:
                    whole = False
                    complete_to = min(complete_to, records[-1].ts_event if records else begin)
                    note = f"binance serves no trades {expected}..{number - 1}"
                expected = number + 1
                if isinstance(row, Trade) and begin <= row.ts_event < end:
                    records.append(row)
            newest = _at(rows[-1][1]) if rows else newest
            if newest >= end:
                break
            if not full:
                complete_to = min(complete_to, newest)
                break
            question = requests.by_id(rules, expected, requests.AGG_PAGE, raw)
            page = yield question
            if raw:
                rows = _rows(rules, decode.page(page, list[wire.HistoricalTrade]), now)
            else:
                rows = _rows(rules, decode.page(page, list[wire.AggTrade]), now)
            full = len(rows) == int(question.query["limit"])
    return Answer(records=records, complete_from=begin, complete_to=max(begin, complete_to), note=note)


def funding(rules: Rules, start: Micros, end: Micros, now: Micros) -> Walk:
    """Settled rates in `[start, end)`, each with the span since the one before it. Spot has none."""
    if rules.market == "spot":
        return Answer(records=[], note="spot has no funding")
    records: list[Record] = []
    before: Micros | None = None
    cursor, last_ms = (start - DAY) // 1000, requests.ceil_ms(end) + 999
    while cursor <= last_ms:
        page = yield requests.funding_rates(rules, cursor, last_ms)
        rows = [row for row in decode.page(page, list[wire.FundingRow]) if row.fundingTime >= cursor]
        for row in rows:
            at = decode.settled_at(row)
            interval = at - before if before is not None else None
            if start <= at < end:
                records.append(decode.funding(row, rules.instrument, interval, now))
            before = at
        if len(rows) < requests.FUNDING_PAGE:
            break
        cursor = rows[-1].fundingTime + 1
    return Answer(records=records, complete_from=start, complete_to=max(start, min(end, now)))


def _opening(
    rules: Rules, start: Micros, end: Micros, raw: bool
) -> Generator[Fetch, object, tuple[list[wire.AggTrade], str | None]]:
    """The first page of aggregates at or after `start`, empty when there is none before `end`, and None; or why the
    venue cannot say.

    For fills it begins a little earlier, since a futures aggregate spans 100 ms.
    """
    cursor, last_ms = requests.ceil_ms(start - SECOND if raw else start), requests.ceil_ms(end) - 1
    while cursor <= last_ms:
        until = min(cursor + WINDOW // 1000, last_ms)
        page = yield requests.aggregates_between(rules, cursor, until, 1 if raw else requests.AGG_PAGE)
        rows = decode.page(page, list[wire.AggTrade])
        if any(not cursor <= row.T <= until for row in rows):
            return [], f"binance answered another time than asked (aggTrades of {cursor}..{until} ms)"
        if rows:
            return rows, None
        cursor = until + 1
    return [], None


def _at(row: Trade | decode.Priceless) -> Micros:
    return row.ts_event if isinstance(row, Trade) else row.at


def _rows(
    rules: Rules, rows: Sequence[wire.AggTrade | wire.HistoricalTrade], now: Micros
) -> list[tuple[int, Trade | decode.Priceless]]:
    fill, whole = decode.historical(rules), decode.aggregates(rules, "rest")

    def read(row: wire.AggTrade | wire.HistoricalTrade, at: Micros) -> Trade:
        return whole(row, at) if isinstance(row, wire.AggTrade) else fill(row, at)

    try:
        return decode.numbered(read, rows, now)
    except ValueError as error:  # off the instrument's grid
        raise DecodeError(decode.VENUE, str(error), repr(rows[0])[:HEAD].encode()) from error


def _rules(info: wire.SymbolInfo, instrument: str, market: Market, now: Micros) -> Rules:
    """Tick and lot from the filters: `pricePrecision` and `quantityPrecision` are not the steps."""
    filters = {f.filterType: f for f in info.filters}
    if not {"PRICE_FILTER", "LOT_SIZE"} <= filters.keys():
        raise DecodeError(decode.VENUE, f"{info.symbol} has no PRICE_FILTER or LOT_SIZE", repr(info)[:HEAD].encode())
    notional = filters.get("NOTIONAL") or filters.get("MIN_NOTIONAL")
    delivery = info.deliveryDate
    return Rules(
        venue=decode.VENUE,
        instrument=instrument,
        symbol=info.symbol,
        market=market,
        tick=_plain(filters["PRICE_FILTER"].tickSize),
        lot=_plain(filters["LOT_SIZE"].stepSize),
        min_size=_plain(filters["LOT_SIZE"].minQty),
        min_notional=_plain(notional.minNotional or notional.notional) if notional else None,
        status=info.status.lower(),
        listed_at=info.onboardDate * 1000 if info.onboardDate else None,
        delisting_at=delivery * 1000 if delivery and delivery != NEVER else None,
        valid_from=now,
    )


def _plain(text: str | None) -> str:
    """Decimal text without the zeros behind it: `0.01000000` is `0.01`."""
    if text is None:
        raise DecodeError(decode.VENUE, "a trading rule is missing in exchangeInfo", b"")
    return text.rstrip("0").rstrip(".") if "." in text else text
