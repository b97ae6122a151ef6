"""The REST questions we ask, with their published weights and ccxt's name for each."""

from __future__ import annotations

from warehouse.clock import Micros
from warehouse.instruments import Market, Rules
from warehouse.venues.base import Fetch, Purpose

AGG_PAGE = 1000
KLINES_PAGE = 1000
FUNDING_PAGE = 1000
BOOK_LEVELS = 1000
RAW_PAGE: dict[str, int] = {"spot": 1000, "perp": 500}

_PREFIX: dict[str, str] = {"spot": "/api/v3/", "perp": "/fapi/v1/"}
_CCXT: dict[str, str] = {"spot": "publicGet", "perp": "fapiPublicGet"}
_WEIGHT: dict[str, tuple[int, int]] = {
    # spot, perp at the page sizes above
    "aggTrades": (4, 20),
    "historicalTrades": (25, 200),
    "klines": (2, 5),
    "depth": (50, 20),
    "exchangeInfo": (20, 1),
    "fundingRate": (1, 1),
    "time": (1, 1),
}


def request(
    market: Market, name: str, purpose: Purpose, query: dict[str, str], instrument: str = "", tag: str = ""
) -> Fetch:
    """`GET` of an endpoint by its last word: `klines` is `/api/v3/klines` or `/fapi/v1/klines`."""
    return Fetch(
        purpose=purpose,
        base=f"rest_{market}",
        path=_PREFIX[market] + name,
        query=query,
        ccxt=f"{_CCXT[market]}{name[0].upper()}{name[1:]}",
        weight=_WEIGHT[name][market == "perp"],
        instrument=instrument,
        tag=tag,
    )


def book(rules: Rules, tag: str) -> Fetch:
    """A snapshot of the book, 1000 levels a side."""
    query = {"symbol": rules.symbol, "limit": str(BOOK_LEVELS)}
    return request(rules.market, "depth", "book", query, rules.instrument, tag)


def by_id(rules: Rules, first: int, count: int, raw: bool, tag: str = "") -> Fetch:
    """Up to `count` (and a page's size) trades from id `first` on: fills when `raw`, else aggregates."""
    page = RAW_PAGE[rules.market] if raw else AGG_PAGE
    query = {"symbol": rules.symbol, "fromId": str(first), "limit": str(min(count, page))}
    return request(rules.market, "historicalTrades" if raw else "aggTrades", "trades", query, rules.instrument, tag)


def aggregates_between(rules: Rules, start_ms: int, end_ms: int, limit: int = AGG_PAGE) -> Fetch:
    """The oldest aggregates with `start_ms <= T <= end_ms`; the window must be shorter than an hour."""
    query = {"symbol": rules.symbol, "startTime": str(start_ms), "endTime": str(end_ms), "limit": str(limit)}
    return request(rules.market, "aggTrades", "trades", query, rules.instrument)


def klines(rules: Rules, timeframe: str, start_ms: int, end_ms: int) -> Fetch:
    """Bars with `start_ms <= open time <= end_ms`, oldest first, up to a page."""
    query = {
        "symbol": rules.symbol,
        "interval": timeframe,
        "startTime": str(start_ms),
        "endTime": str(end_ms),
        "limit": str(KLINES_PAGE),
    }
    return request(rules.market, "klines", "candles", query, rules.instrument)


def funding_rates(rules: Rules, start_ms: int, end_ms: int) -> Fetch:
    """Settled rates with `start_ms <= fundingTime <= end_ms`, oldest first."""
    query = {
        "symbol": rules.symbol,
        "startTime": str(start_ms),
        "endTime": str(end_ms),
        "limit": str(FUNDING_PAGE),
    }
    return request("perp", "fundingRate", "funding", query, rules.instrument)


def ceil_ms(at: Micros) -> int:
    """The first millisecond not before `at`."""
    return -(-at // 1000)
