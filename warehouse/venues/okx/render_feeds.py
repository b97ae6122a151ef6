"""Records of derivatives, tickers and states in OKX's wire shape."""

from __future__ import annotations

from collections.abc import Sequence

from warehouse.instruments import Rules
from warehouse.records import (
    BookUpdate,
    Candle,
    FundingRate,
    InstrumentStatus,
    InsuranceFund,
    Liquidation,
    MarkPrice,
    OpenInterest,
    Ticker,
    Trade,
    TradingState,
    VenueState,
    VenueStatus,
)
from warehouse.venues.base import MarketView
from warehouse.venues.okx import render
from warehouse.venues.okx.channels import index_of
from warehouse.venues.okx.render import Row, lots_of, millis, number, wire_size

STATES: dict[TradingState, str] = {
    "trading": "live",
    "halted": "suspend",
    "pre_launch": "preopen",
    "delisted": "expired",
}
VENUE_STATES: dict[VenueState, str] = {"announced": "scheduled", "maintenance": "ongoing", "ok": "completed"}


def mark(one: MarkPrice, rules: Rules) -> Row | None:
    """A push of `mark-price`; None where the record has no mark price."""
    if one.mark_price is None:
        return None
    price = number(one.mark_price)
    return {"instType": "SWAP", "instId": rules.symbol, "markPx": price, "ts": millis(one.ts_event)}


def index(one: MarkPrice, rules: Rules) -> Row | None:
    """A push of `index-tickers`; None where the record has no index price. Its 24 hours are not kept here."""
    if one.index_price is None:
        return None
    unknown = dict.fromkeys(("high24h", "low24h", "open24h", "sodUtc0", "sodUtc8"), "")
    return {"instId": index_of(rules), "idxPx": number(one.index_price), **unknown, "ts": millis(one.ts_event)}


def accruing(one: FundingRate, rules: Rules) -> Row:
    """A push of `funding-rate` and a row of its endpoint."""
    at, every = one.next_funding_at or one.ts_event, one.interval_us
    return {
        "formulaType": "noRate",
        "fundingRate": number(one.funding_rate),
        "fundingTime": millis(at),
        "impactValue": "",
        "instId": rules.symbol,
        "instType": "SWAP",
        "interestRate": "",
        "maxFundingRate": "0.00375",
        "method": "current_period",
        "minFundingRate": "-0.00375",
        "nextFundingRate": "",
        "nextFundingTime": "" if every is None else millis(at + every),
        "premium": "",
        "settFundingRate": "",
        "settState": "settled",
        "ts": millis(one.ts_event),
    }


def open_interest(one: OpenInterest, rules: Rules) -> Row:
    """A push of `open-interest` and a row of its endpoint."""
    return {
        "instId": rules.symbol,
        "instType": "SWAP",
        "oi": wire_size(lots_of(one.open_interest, rules), rules),
        "oiCcy": number(one.open_interest),
        "oiUsd": _usd(one),
        "ts": millis(one.ts_event),
    }


def open_interest_bar(one: OpenInterest, rules: Rules) -> list[str]:
    """A row of the open-interest history."""
    contracts = wire_size(lots_of(one.open_interest, rules), rules)
    return [millis(one.ts_event), contracts, number(one.open_interest), _usd(one)]


def _usd(one: OpenInterest) -> str:
    return "" if one.open_interest_quote is None else number(one.open_interest_quote)


def ticker(one: Ticker, rules: Rules, book: BookUpdate) -> Row:
    """A push of `tickers` and a row of its endpoint, with the top of the book."""
    bid, ask = (book.bids or [(0.0, 0.0)])[0], (book.asks or [(0.0, 0.0)])[0]
    spot = rules.market == "spot"
    volume, quoted = number(one.volume), number(one.quote_volume or 0.0)
    contracts = wire_size(lots_of(one.volume, rules), rules)
    return {
        "instType": "SPOT" if spot else "SWAP",
        "instId": rules.symbol,
        "last": number(one.last_price),
        "lastSz": "0",
        "askPx": number(ask[0]),
        "askSz": number(ask[1]),
        "bidPx": number(bid[0]),
        "bidSz": number(bid[1]),
        "open24h": number(one.open),
        "high24h": number(one.high),
        "low24h": number(one.low),
        "sodUtc0": "",
        "sodUtc8": "",
        "volCcy24h": quoted if spot else volume,
        "vol24h": volume if spot else contracts,
        "ts": millis(one.ts_event),
    }


def block_trade(one: Trade, rules: Rules) -> Row:
    """A push of `public-block-trades`."""
    unknown = dict.fromkeys(("fillVol", "fwdPx", "groupId", "idxPx", "markPx"), "")
    row = {"instId": rules.symbol, "px": number(one.price), "sz": wire_size(one.lots, rules), "side": one.taker_side}
    return {**unknown, **row, "tradeId": one.trade_id.removeprefix("block-"), "ts": millis(one.ts_event)}


def liquidation(one: Liquidation, rules: Rules) -> Row:
    """A push of `liquidation-orders`."""
    detail = {
        "bkLoss": "0",
        "bkPx": number(one.price),
        "ccy": "",
        "posSide": one.liquidated_side,
        "side": "sell" if one.liquidated_side == "long" else "buy",
        "sz": wire_size(one.lots, rules),
        "ts": millis(one.ts_event),
    }
    family = index_of(rules)
    return {
        "details": [detail],
        "instFamily": family,
        "instId": rules.symbol,
        "instType": "SWAP",
        "uly": family,
    }


def instruments(view: MarketView, kind: str) -> list[Row]:
    """Every row of `instruments` of a kind (`SPOT`, `SWAP`) as of now."""
    rows = [
        {**render.instrument(rules, 10_000 + at), **state(view.status(rules.instrument))}
        for at, rules in enumerate(view.rules())
    ]
    return [row for row in rows if row["instType"] == kind]


def state(one: InstrumentStatus) -> Row:
    """What a state changes in a row of `instruments`."""
    word = one.code if one.code in ("rebase", "post_only", "test", *STATES.values()) else STATES[one.state]
    times = {"listTime": one.listed_at, "expTime": one.delisting_at}
    return {"state": word, **{name: millis(at) for name, at in times.items() if at is not None}}


def maintenance(one: VenueStatus) -> Row:
    """A push of `status`; REST has the same but for `ts`."""
    return {
        "begin": "" if one.from_ts is None else millis(one.from_ts),
        "end": "" if one.to_ts is None else millis(one.to_ts),
        "env": "1",
        "href": "",
        "maintType": "1",
        "preOpenBegin": "",
        "scheDesc": "",
        "serviceType": "5",
        "state": VENUE_STATES[one.state],
        "system": "unified",
        "title": one.words,
        "ts": millis(one.ts_event),
    }


def insurance(days: Sequence[InsuranceFund]) -> Row:
    """The pool of a family, newest day first. The total is the newest balance where no value in dollars is known."""
    newest = days[0]
    total = newest.balance if newest.balance_usd is None else newest.balance_usd
    details = [
        {
            "adlType": "",
            "amt": "",
            "balance": number(one.balance),
            "ccy": one.asset,
            "maxBal": "",
            "maxBalTs": "",
            "ts": millis(one.ts_event),
            "type": "liquidation_balance_deposit",
        }
        for one in days
    ]
    return {"total": number(total), "instFamily": newest.pool, "instType": "SWAP", "details": details}


def flat_candle(one: Candle) -> list[str]:
    """A bar of the mark or index price."""
    prices = [number(price) for price in (one.open, one.high, one.low, one.close)]
    return [millis(one.open_time), *prices, "1" if one.closed else "0"]


def deep_book(book: BookUpdate, depth: int) -> Row:
    """`books-full`: levels of three elements, no `seqId`."""
    return {
        "asks": [[number(price), number(size), "1"] for price, size in book.asks[:depth]],
        "bids": [[number(price), number(size), "1"] for price, size in book.bids[:depth]],
        "ts": millis(book.ts_event),
    }
