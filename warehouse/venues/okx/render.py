"""Records in OKX's wire shape: decimal text, milliseconds as text, swap sizes in contracts."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from fractions import Fraction

from warehouse.clock import Micros
from warehouse.instruments import Rules
from warehouse.records import BestQuote, BookUpdate, Candle, FundingRate, Level, Trade

Row = dict[str, object]


def number(value: float) -> str:
    """A float as OKX writes it: no exponent, no trailing zeros.

    >>> number(64000.0), number(1e-08), number(0.10)
    ('64000', '0.00000001', '0.1')
    """
    text = repr(value)
    if "e" in text:
        text = format(Decimal(text), "f")
    return text[:-2] if text.endswith(".0") else text


def wire_size(lots: int, rules: Rules) -> str:
    """Lots in the venue's wire unit (base coin, or contracts on swaps), exactly."""
    text = format(Decimal(lots) * Decimal(rules.lot), "f")
    return (text.rstrip("0").rstrip(".") or "0") if "." in text else text


def lots_of(base_size: float, rules: Rules) -> int:
    """A size in base units back in lots."""
    grid = rules.grid
    return round(Fraction(base_size) * grid.size_den / grid.size_num)


def millis(at: Micros) -> str:
    """Microseconds as OKX's milliseconds."""
    return str(at // 1000)


def trade(one: Trade, rules: Rules) -> Row:
    """A fill as in `trades-all` and REST."""
    return {
        "instId": rules.symbol,
        "tradeId": one.trade_id,
        "px": number(rules.grid.price(one.ticks)),
        "sz": wire_size(one.lots, rules),
        "side": one.taker_side,
        "source": "1" if one.rpi else "0",
        "ts": millis(one.ts_event),
    }


def aggregate(one: Trade, rules: Rules, seq_id: int) -> Row:
    """The same as in `trades`, with `count` and the book's `seqId`."""
    count = 1 if one.first_fill is None or one.last_fill is None else one.last_fill - one.first_fill + 1
    return {**trade(one, rules), "count": str(count), "seqId": seq_id}


def side(levels: Iterable[Level]) -> list[list[str]]:
    """Levels with the deprecated field and an order count."""
    return [[number(price), number(size), "0", "1" if size else "0"] for price, size in levels]


def book(update: BookUpdate, depth: int | None = None) -> Row:
    """Both sides, time and `seqId`, as REST has them."""
    return {
        "asks": side(update.asks[:depth]),
        "bids": side(update.bids[:depth]),
        "ts": millis(update.ts_event),
        "seqId": update.update_id,
    }


def quote(one: BestQuote, rules: Rules) -> Row:
    """A push of `bbo-tbt`."""
    ask = [number(one.best_ask), wire_size(lots_of(one.best_ask_size, rules), rules), "0", "1"]
    bid = [number(one.best_bid), wire_size(lots_of(one.best_bid_size, rules), rules), "0", "1"]
    return {"asks": [ask], "bids": [bid], "ts": millis(one.ts_event), "seqId": one.update_id}


def candle(one: Candle, rules: Rules) -> list[str]:
    """A bar of nine columns. A market that keeps no quote volume gets volume times close."""
    quoted = number(one.volume * one.close if one.quote_volume is None else one.quote_volume)
    volume = number(one.volume)
    if rules.market == "perp":
        contracts = wire_size(lots_of(one.volume, rules), rules)
        volumes = [contracts, volume, quoted]
    else:
        volumes = [volume, quoted, quoted]
    prices = [number(price) for price in (one.open, one.high, one.low, one.close)]
    return [millis(one.open_time), *prices, *volumes, "1" if one.closed else "0"]


def funding(one: FundingRate, rules: Rules) -> Row:
    """A settled rate."""
    rate = number(one.funding_rate)
    return {
        "formulaType": "noRate",
        "fundingRate": rate,
        "fundingTime": millis(one.ts_event),
        "instId": rules.symbol,
        "instType": "SWAP",
        "method": "current_period",
        "realizedRate": rate,
    }


def instrument(rules: Rules, number_of: int) -> Row:
    """A row of `/public/instruments` with the fields that clients such as ccxt read."""
    perp = rules.market == "perp"
    base, coin = rules.symbol.split("-")[:2]
    family = f"{base}-{coin}"
    return {
        "alias": "",
        "baseCcy": "" if perp else base,
        "category": "1",
        "ctMult": "1" if perp else "",
        "ctType": "linear" if perp else "",
        "ctVal": rules.contract_value if perp else "",
        "ctValCcy": base if perp else "",
        "expTime": "" if rules.delisting_at is None else millis(rules.delisting_at),
        "instFamily": family if perp else "",
        "instCategory": "1",
        "instId": rules.symbol,
        "instIdCode": number_of,
        "instType": "SWAP" if perp else "SPOT",
        "lever": "100" if perp else "10",
        "listTime": "" if rules.listed_at is None else millis(rules.listed_at),
        "lotSz": rules.lot,
        "maxLmtSz": "1000000",
        "maxMktSz": "100000",
        "minSz": rules.min_size or rules.lot,
        "optType": "",
        "quoteCcy": "" if perp else coin,
        "ruleType": "normal",
        "settleCcy": coin if perp else "",
        "state": "live" if rules.status == "trading" else rules.status,
        "stk": "",
        "tickSz": rules.tick,
        "uly": family if perp else "",
        "upcChg": [],
    }
