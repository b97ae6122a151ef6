"""Readers of pushes and of polls: each turns a frame or an answer into records, and keeps nothing.

All raise msgspec.MsgspecError or ValueError when they cannot read, `polled` also Rejected and RateLimited.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from msgspec.json import Decoder

from warehouse.clock import Micros
from warehouse.instruments import Rules
from warehouse.records import Origin, Record, VenueStatus
from warehouse.venues.base import Fetch, Output
from warehouse.venues.okx import decode_feeds, requests, wire, wire_feeds
from warehouse.venues.okx.channels import BLOCKS, CANDLE_CHANNELS, index_of
from warehouse.venues.okx.decode import best_quote, candle

Handler = Callable[[bytes, Micros], Sequence[Output]]
RowT = TypeVar("RowT")

QUIET_VENUE = "no maintenance is announced"


def handler(channel: str, rules: Sequence[Rules], connection: str) -> Handler:
    """The reader of a channel without a memory, for these instruments."""
    if channel == "bbo-tbt":
        return _quotes(rules[0])
    if channel in CANDLE_CHANNELS:
        return _candles(rules[0], CANDLE_CHANNELS[channel])
    if channel == "tickers":
        return _each(wire_feeds.ticker_push, decode_feeds.ticker, rules)
    if channel == "mark-price":
        return _each(wire_feeds.mark_push, decode_feeds.mark_price, rules)
    if channel == "index-tickers":
        return _each(wire_feeds.index_push, decode_feeds.index_price, rules)
    if channel == "funding-rate":
        return _each(wire_feeds.funding_push, decode_feeds.accruing, rules)
    if channel == "open-interest":
        return _each(wire_feeds.open_interest_push, decode_feeds.open_interest, rules)
    if channel == BLOCKS:
        return _each(wire_feeds.block_push, decode_feeds.block_trade, rules)
    if channel == "liquidation-orders":
        return _liquidations(rules)
    return _instruments(rules, connection) if channel == "instruments" else _status()


def _quotes(rules: Rules) -> Handler:
    """`bbo-tbt`: the top of the book at each change."""
    decode, grid = wire.books_push.decode, rules.grid

    def push(frame: bytes, ts_recv: Micros) -> Sequence[Output]:
        quotes = [best_quote(row, rules, grid, ts_recv) for row in decode(frame).data]
        return [quote for quote in quotes if quote is not None]

    return push


def _candles(rules: Rules, timeframe: str) -> Handler:
    """`candle1m` and its sisters."""
    decode = wire.candles_push.decode

    def push(frame: bytes, ts_recv: Micros) -> Sequence[Output]:
        return [candle(row, rules, timeframe, ts_recv) for row in decode(frame).data]

    return push


def _each(
    decoder: Decoder[wire_feeds.Push[RowT]],
    read: Callable[[RowT, Rules, Micros, Origin], Record],
    rules: Sequence[Rules],
) -> Handler:
    """Each row as one record of each of these instruments (an index may have more than one)."""
    decode = decoder.decode

    def push(frame: bytes, ts_recv: Micros) -> Sequence[Output]:
        return [read(row, rule, ts_recv, "stream") for row in decode(frame).data for rule in rules]

    return push


def _liquidations(rules: Sequence[Rules]) -> Handler:
    """`liquidation-orders` of all swaps: only our own are looked into."""
    by_symbol = {rule.symbol: rule for rule in rules}
    rows_of, details_of = wire_feeds.liquidation_push.decode, wire_feeds.liquidation_details.decode

    def push(frame: bytes, ts_recv: Micros) -> Sequence[Output]:
        ours: dict[str, list[wire_feeds.LiquidationDetail]] = {}
        for row in rows_of(frame).data:
            if row.instId in by_symbol:
                ours.setdefault(row.instId, []).extend(details_of(row.details))
        return [
            one
            for symbol, details in ours.items()
            for one in decode_feeds.liquidations(details, by_symbol[symbol], ts_recv)
        ]

    return push


def _instruments(rules: Sequence[Rules], connection: str) -> Handler:
    """`instruments` of a kind: all of them at first, then those that change."""
    by_symbol = {rule.symbol: rule for rule in rules}
    decode = wire_feeds.instrument_push.decode

    def push(frame: bytes, ts_recv: Micros) -> Sequence[Output]:
        out: list[Output] = []
        for row in decode(frame).data:
            rule = by_symbol.get(row.instId)
            if rule is not None:
                out.append(decode_feeds.instrument_status(row, rule.instrument, ts_recv))
                out += decode_feeds.rule_changes(row, rule, connection, ts_recv)
        return out

    return push


def _status() -> Handler:
    """`status`: the latest maintenance at first, then each change. Demo trading is not ours."""
    decode = wire_feeds.status_push.decode

    def push(frame: bytes, ts_recv: Micros) -> Sequence[Output]:
        return [decode_feeds.venue_status(row, ts_recv) for row in decode(frame).data if row.env == "1"]

    return push


def polls(rules: Sequence[Rules], *, whole: bool) -> list[Fetch]:
    """What a session asks besides its streams, to check them and for what has none; `whole`: of the venue too."""
    found: list[Fetch] = []
    for rule in rules:
        if rule.market == "perp":
            symbol, name, index = rule.symbol, rule.instrument, index_of(rule)
            found += [
                requests.mark_price(symbol, name),
                requests.index_price(index, name),
                requests.funding_now(symbol, name),
                requests.open_interest_now(symbol, name),
                requests.insurance_fund(index, name),
            ]
    return [*found, requests.status()] if whole else found


def polled(fetch: Fetch, body: bytes, rules: Rules | None, ts_recv: Micros) -> Sequence[Record]:
    """The records of an answer to one of `polls`; `rules` of its instrument, None for the venue's own status."""
    if rules is None:
        found = [row for row in _rows(wire_feeds.status_page, body) if row.env == "1"]
        return [decode_feeds.venue_status(row, ts_recv, "rest") for row in found] or [_calm(ts_recv)]
    if fetch.purpose == "funding":
        return [decode_feeds.accruing(row, rules, ts_recv, "rest") for row in _rows(wire_feeds.funding_page, body)]
    if fetch.purpose == "open_interest":
        readings = _rows(wire_feeds.open_interest_page, body)
        return [decode_feeds.open_interest(row, rules, ts_recv, "rest") for row in readings]
    if fetch.purpose == "insurance":
        return [fund for row in _rows(wire_feeds.fund_page, body) for fund in decode_feeds.insurance(row, ts_recv)[-1:]]
    if fetch.path.endswith(requests.INDEX_TICKERS):
        return [decode_feeds.index_price(row, rules, ts_recv, "rest") for row in _rows(wire_feeds.index_page, body)]
    return [decode_feeds.mark_price(row, rules, ts_recv, "rest") for row in _rows(wire_feeds.mark_page, body)]


def _rows(decoder: Decoder[wire.Page[RowT]], body: bytes) -> list[RowT]:
    page = decoder.decode(body)
    if page.code != "0":
        raise requests.refused(page.code, page.msg)
    return page.data


def _calm(ts_recv: Micros) -> VenueStatus:
    return VenueStatus(
        venue="okx", instrument="", ts_event=ts_recv, ts_recv=ts_recv, state="ok", words=QUIET_VENUE, origin="rest"
    )
