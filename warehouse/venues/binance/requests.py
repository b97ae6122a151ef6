"""The REST questions we ask, with their published weights and ccxt's name for each."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from warehouse.clock import Micros
from warehouse.instruments import Market, Rules, timeframe_us
from warehouse.venues.base import Fetch, MarkKind, Purpose

AGG_PAGE = 1000
KLINES_PAGES: dict[str, tuple[tuple[int, int], ...]] = {
    "spot": ((1000, 2),),
    "perp": ((99, 1), (499, 2), (1000, 5)),
}
"""Pages of bars and their weights, small to large."""

LEAN: dict[str, tuple[int, int]] = {"spot": (1000, 2), "perp": (499, 2)}
"""The page that gives most bars for its weight, where several are needed."""

FUNDING_PAGE = 1000
INTEREST_PAGE = 500
BOOK_LEVELS = 1000
RAW_PAGE: dict[str, int] = {"spot": 1000, "perp": 500}

_PREFIX: dict[str, str] = {"spot": "/api/v3/", "perp": "/fapi/v1/"}
_CCXT: dict[str, str] = {"spot": "publicGet", "perp": "fapiPublicGet"}
_WEIGHT: dict[str, tuple[int, int]] = {
    # spot, perp at the page sizes above
    "aggTrades": (4, 20),
    "historicalTrades": (25, 200),
    "depth": (50, 20),
    "exchangeInfo": (20, 1),
    "fundingRate": (1, 1),
    "time": (1, 1),
    "premiumIndex": (0, 1),
    "openInterest": (0, 1),
    "insuranceBalance": (0, 1),
    "fundingInfo": (0, 1),
}


def request(
    market: Market,
    name: str,
    purpose: Purpose,
    query: dict[str, str],
    instrument: str = "",
    tag: str = "",
    *,
    weight: int | None = None,
) -> Fetch:
    """`GET` of an endpoint by its last word: `klines` is `/api/v3/klines` or `/fapi/v1/klines`.

    `weight` is the published one where it depends on more than the endpoint.
    """
    return Fetch(
        purpose=purpose,
        base=f"rest_{market}",
        path=_PREFIX[market] + name,
        query=query,
        ccxt=f"{_CCXT[market]}{name[0].upper()}{name[1:]}",
        weight=_WEIGHT[name][market == "perp"] if weight is None else weight,
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
    limit, weight = klines_page(rules.market, timeframe, start_ms, end_ms)
    query = {
        "symbol": rules.symbol,
        "interval": timeframe,
        "startTime": str(start_ms),
        "endTime": str(end_ms),
        "limit": str(limit),
    }
    return request(rules.market, "klines", "candles", query, rules.instrument, weight=weight)


def klines_page(market: Market, timeframe: str, start_ms: int, end_ms: int) -> tuple[int, int]:
    """How many bars to ask for of a range, and what that weighs: one page where it weighs no more, else the leanest.

    >>> klines_page("perp", "1m", 0, 60_000), klines_page("perp", "1m", 0, 999 * 60_000)
    ((99, 1), (1000, 5))
    >>> klines_page("perp", "1m", 0, 600 * 60_000), klines_page("perp", "1m", 0, 10_000 * 60_000)
    ((499, 2), (499, 2))
    """
    wanted = (end_ms - start_ms) * 1000 // timeframe_us(timeframe) + 1
    lean = LEAN[market]
    one = next((page for page in KLINES_PAGES[market] if page[0] >= wanted), None)
    return one if one is not None and one[1] <= -(-wanted // lean[0]) * lean[1] else lean


def funding_rates(rules: Rules, start_ms: int, end_ms: int) -> Fetch:
    """Settled rates with `start_ms <= fundingTime <= end_ms`, oldest first."""
    query = {
        "symbol": rules.symbol,
        "startTime": str(start_ms),
        "endTime": str(end_ms),
        "limit": str(FUNDING_PAGE),
    }
    return request("perp", "fundingRate", "funding", query, rules.instrument)


def premium_index(symbol: str, instrument: str) -> Fetch:
    """Mark and index price and the accruing rate of one perpetual."""
    tag = f"premiumIndex/{instrument}"
    return request("perp", "premiumIndex", "mark_price", {"symbol": symbol}, instrument, tag)


def open_interest(symbol: str, instrument: str) -> Fetch:
    """Open interest of one perpetual now."""
    tag = f"openInterest/{instrument}"
    return request("perp", "openInterest", "open_interest", {"symbol": symbol}, instrument, tag)


def insurance() -> Fetch:
    """Balances of all insurance pools."""
    return request("perp", "insuranceBalance", "insurance", {}, tag="insuranceBalance")


def funding_info() -> Fetch:
    """Funding intervals that were ever adjusted."""
    return request("perp", "fundingInfo", "funding", {}, tag="fundingInfo")


def perp_states() -> Fetch:
    """All contracts: futures take no choice of symbols."""
    return request("perp", "exchangeInfo", "status", {}, tag="exchangeInfo/perp")


def spot_rules(symbols: Sequence[str]) -> Fetch:
    """The rules of these symbols of spot; refused as `spot_states` is."""
    query = {"symbols": msgspec.json.encode(symbols).decode()}
    return request("spot", "exchangeInfo", "instruments", query)


def spot_states(symbols: Sequence[str]) -> Fetch:
    """These symbols of spot; one that is not listed makes the venue refuse the whole question."""
    query = {"symbols": msgspec.json.encode(symbols).decode()}
    return request("spot", "exchangeInfo", "status", query, tag="exchangeInfo/spot")


def system_status() -> Fetch:
    """Is the venue in maintenance? The only `sapi` question that needs no key."""
    return Fetch(
        purpose="status",
        base="rest_spot",
        path="/sapi/v1/system/status",
        query={},
        ccxt="sapiGetSystemStatus",
        tag="system/status",
    )


def mark_klines(rules: Rules, kind: MarkKind, timeframe: str, start_ms: int, end_ms: int) -> Fetch:
    """Bars of the mark or index price, as `klines`; the index is asked for by pair."""
    limit, weight = klines_page("perp", timeframe, start_ms, end_ms)
    query = {
        "symbol" if kind == "mark" else "pair": rules.symbol,
        "interval": timeframe,
        "startTime": str(start_ms),
        "endTime": str(end_ms),
        "limit": str(limit),
    }
    return request("perp", f"{kind}PriceKlines", "mark_price", query, rules.instrument, weight=weight)


def open_interest_history(rules: Rules, period: str, start_ms: int, end_ms: int) -> Fetch:
    """Readings with `start_ms <= timestamp <= end_ms`. Costs no weight; 1000 of these are allowed in five minutes."""
    query = {
        "symbol": rules.symbol,
        "period": period,
        "startTime": str(start_ms),
        "endTime": str(end_ms),
        "limit": str(INTEREST_PAGE),
    }
    return Fetch(
        purpose="open_interest",
        base="rest_perp",
        path="/futures/data/openInterestHist",
        query=query,
        ccxt="fapiDataGetOpenInterestHist",
        weight=0,
        instrument=rules.instrument,
    )


def ceil_ms(at: Micros) -> int:
    """The first millisecond not before `at`."""
    return -(-at // 1000)
