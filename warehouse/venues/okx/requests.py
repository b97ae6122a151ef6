"""The REST requests of OKX, each made in one place, and what a refusal means.

Bounds are exclusive on both sides and pages descend. `before` alone gives the newest rows and not the oldest after
it, so every walk goes downward with `after`.
"""

from __future__ import annotations

from warehouse.clock import SECOND, Micros
from warehouse.errors import RateLimited, Rejected
from warehouse.venues.base import Fetch, MarkKind, Purpose

ROOT = "/api/v5"
"""Of every public request."""

BARS: dict[str, str] = {
    "1m": "1m",
    "3m": "3m",
    "5m": "5m",
    "15m": "15m",
    "30m": "30m",
    "1h": "1H",
    "2h": "2H",
    "4h": "4H",
    "6h": "6Hutc",
    "12h": "12Hutc",
    "1d": "1Dutc",
}
"""Our timeframes in OKX's spelling. Without `utc` the three largest would open at 00:00 in Hong Kong."""

TRADES_PAGE = 100
NEWEST_TRADES = 500
CANDLES_PAGE = 300
FUNDING_PAGE = 400
BOOK_DEPTH = 400
FLAT_PAGE = 100
INSURANCE_PAGE = 100
DEEP_DEPTH = 1000
DEEPEST = 5000
OPEN_INTEREST_PAGE = 100
OPEN_INTEREST_ROWS = 1440
"""How many periods back open interest is served."""

LISTINGS, DELISTINGS = "announcements-new-listings", "announcements-delistings"
INDEX_TICKERS = "market/index-tickers"

PERIODS: dict[str, str] = {
    "5m": "5m",
    "15m": "15m",
    "30m": "30m",
    "1h": "1H",
    "2h": "2H",
    "4h": "4H",
    "6h": "6Hutc",
    "12h": "12Hutc",
    "1d": "1Dutc",
}
"""Periods of open interest in OKX's spelling."""

BUSY: tuple[str, ...] = ("50001", "50004", "50011", "50013", "50026", "50040", "50061")
"""Codes after which the same request may succeed: maintenance, timeout, rate limits, busy, system error."""

LIMITED: tuple[str, ...] = ("50011", "50040", "50061")
RETRY_AFTER: Micros = 2 * SECOND
"""OKX counts requests per two seconds and does not say how long to wait."""


def transient(status: int, code: str) -> bool:
    """Whether the same request may succeed later, by HTTP status (0: no reply) and OKX's own code ("": none)."""
    return status == 0 or status == 429 or status >= 500 or code in BUSY


def refused(code: str, words: str) -> RateLimited | Rejected:
    """The exception for an envelope whose `code` is not "0"."""
    return RateLimited("okx", RETRY_AFTER) if code in LIMITED else Rejected("okx", code, words)


def _get(
    purpose: Purpose, path: str, query: dict[str, str], instrument: str = "", tag: str = "", *, weight: int = 1
) -> Fetch:
    """A public request by its path below the API's version, of which ccxt's name for it is made."""
    words = "".join(word.capitalize() for word in path.replace("-", "/").split("/"))
    return Fetch(
        purpose=purpose,
        base="rest",
        path=f"{ROOT}/{path}",
        query=query,
        ccxt=f"publicGet{words}",
        weight=weight,
        instrument=instrument,
        tag=tag,
    )


def book(symbol: str, instrument: str, tag: str) -> Fetch:
    """The 400 best levels of each side, with the `seqId` that joins them to the `books` channel."""
    return _get("book", "market/books", {"instId": symbol, "sz": str(BOOK_DEPTH)}, instrument, tag)


def newest_trades(symbol: str, instrument: str, tag: str = "", limit: int = NEWEST_TRADES) -> Fetch:
    """The newest fills, at most 500."""
    return _get("trades", "market/trades", {"instId": symbol, "limit": str(limit)}, instrument, tag)


def trades_below(symbol: str, instrument: str, trade_id: int, tag: str = "") -> Fetch:
    """The 100 fills with ids just below `trade_id`, exclusive."""
    return _history_trades(symbol, instrument, {"type": "1", "after": str(trade_id)}, tag)


def trades_before(symbol: str, instrument: str, at_ms: int) -> Fetch:
    """The 100 fills just older than a time in milliseconds, exclusive: the way into an unknown stretch of ids."""
    return _history_trades(symbol, instrument, {"type": "2", "after": str(at_ms)}, "")


def _history_trades(symbol: str, instrument: str, bound: dict[str, str], tag: str) -> Fetch:
    return _get(
        "trades", "market/history-trades", {"instId": symbol, **bound, "limit": str(TRADES_PAGE)}, instrument, tag
    )


def candles(symbol: str, instrument: str, bar: str, before_ms: int, *, deep: bool) -> Fetch:
    """The 300 bars that open just before a time, from the newest 1440 (`deep` False) or from all of history."""
    query = {"instId": symbol, "bar": bar, "after": str(before_ms), "limit": str(CANDLES_PAGE)}
    return _get("candles", "market/history-candles" if deep else "market/candles", query, instrument)


def funding(symbol: str, instrument: str, before_ms: int) -> Fetch:
    """The 400 settlements just before a time."""
    return _get(
        "funding",
        "public/funding-rate-history",
        {"instId": symbol, "after": str(before_ms), "limit": str(FUNDING_PAGE)},
        instrument,
        weight=2,
    )


def instruments(inst_type: str) -> Fetch:
    """All instruments of a kind, `SPOT` or `SWAP`."""
    return _get("instruments", "public/instruments", {"instType": inst_type})


def server_time() -> Fetch:
    """OKX's clock."""
    return _get("time", "public/time", {}, weight=2)


def mark_price(symbol: str, instrument: str) -> Fetch:
    """The mark price of a swap now."""
    return _get("mark_price", "public/mark-price", {"instType": "SWAP", "instId": symbol}, instrument, f"mark:{symbol}")


def index_price(index: str, instrument: str) -> Fetch:
    """The price of an index now."""
    return _get("mark_price", INDEX_TICKERS, {"instId": index}, instrument, f"index:{instrument}")


def funding_now(symbol: str, instrument: str) -> Fetch:
    """The funding rate that accrues now, and the next two settlements."""
    return _get("funding", "public/funding-rate", {"instId": symbol}, instrument, f"funding:{symbol}", weight=2)


def open_interest_now(symbol: str, instrument: str) -> Fetch:
    """Open contracts of a swap now."""
    return _get(
        "open_interest",
        "public/open-interest",
        {"instType": "SWAP", "instId": symbol},
        instrument,
        f"open_interest:{symbol}",
    )


def open_interest(symbol: str, instrument: str, period: str, begin_ms: int, end_ms: int) -> Fetch:
    """The 100 newest readings between two times, exclusive."""
    bounds = {"begin": str(begin_ms), "end": str(end_ms), "limit": str(OPEN_INTEREST_PAGE)}
    query = {"instId": symbol, "period": period, **bounds}
    return _get("open_interest", "rubik/stat/contracts/open-interest-history", query, instrument)


def insurance_fund(family: str, instrument: str = "") -> Fetch:
    """The insurance fund of a family of swaps: its newest 100 days."""
    return _get(
        "insurance",
        "public/insurance-fund",
        {"instType": "SWAP", "instFamily": family, "limit": str(INSURANCE_PAGE)},
        instrument,
        f"insurance:{family}",
    )


def status() -> Fetch:
    """Maintenances of the venue that lie ahead or go on."""
    return _get("status", "system/status", {}, tag="status")


def flat_candles(about: str, instrument: str, kind: MarkKind, bar: str, before_ms: int, *, deep: bool) -> Fetch:
    """The 100 bars of a swap's mark price or of an index that open just before a time.

    From the newest 1440 (`deep` False) or from all of history.
    """
    price = "mark-price" if kind == "mark" else "index"
    query = {"instId": about, "bar": bar, "after": str(before_ms), "limit": str(FLAT_PAGE)}
    return _get("mark_price", f"market/{'history-' if deep else ''}{price}-candles", query, instrument)


def announcements(kind: str, page: int) -> Fetch:
    """Twenty headlines of a kind, newest first."""
    return _get("calendar", "support/announcements", {"annType": kind, "page": str(page)})


def deep_book(symbol: str, instrument: str) -> Fetch:
    """The 1000 best levels of each side, without ids."""
    return _get("book", "market/books-full", {"instId": symbol, "sz": str(DEEP_DEPTH)}, instrument)
