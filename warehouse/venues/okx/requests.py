"""The REST requests of OKX, each made in one place, and what a refusal means.

Bounds are exclusive on both sides and pages descend. `before` alone gives the newest rows and not the oldest after
it, so every walk goes downward with `after`.
"""

from __future__ import annotations

from warehouse.clock import SECOND, Micros
from warehouse.errors import RateLimited, Rejected
from warehouse.venues.base import Fetch, MarkKind

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
INDEX_TICKERS = "/api/v5/market/index-tickers"

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


def book(symbol: str, instrument: str, tag: str) -> Fetch:
    """The 400 best levels of each side, with the `seqId` that joins them to the `books` channel."""
    return Fetch(
        purpose="book",
        base="rest",
        path="/api/v5/market/books",
        query={"instId": symbol, "sz": str(BOOK_DEPTH)},
        ccxt="publicGetMarketBooks",
        instrument=instrument,
        tag=tag,
    )


def newest_trades(symbol: str, instrument: str, tag: str = "", limit: int = NEWEST_TRADES) -> Fetch:
    """The newest fills, at most 500."""
    return Fetch(
        purpose="trades",
        base="rest",
        path="/api/v5/market/trades",
        query={"instId": symbol, "limit": str(limit)},
        ccxt="publicGetMarketTrades",
        instrument=instrument,
        tag=tag,
    )


def trades_below(symbol: str, instrument: str, trade_id: int, tag: str = "") -> Fetch:
    """The 100 fills with ids just below `trade_id`, exclusive."""
    return _history_trades(symbol, instrument, {"type": "1", "after": str(trade_id)}, tag)


def trades_before(symbol: str, instrument: str, at_ms: int) -> Fetch:
    """The 100 fills just older than a time in milliseconds, exclusive: the way into an unknown stretch of ids."""
    return _history_trades(symbol, instrument, {"type": "2", "after": str(at_ms)}, "")


def _history_trades(symbol: str, instrument: str, bound: dict[str, str], tag: str) -> Fetch:
    return Fetch(
        purpose="trades",
        base="rest",
        path="/api/v5/market/history-trades",
        query={"instId": symbol, **bound, "limit": str(TRADES_PAGE)},
        ccxt="publicGetMarketHistoryTrades",
        instrument=instrument,
        tag=tag,
    )


def candles(symbol: str, instrument: str, bar: str, before_ms: int, *, deep: bool) -> Fetch:
    """The 300 bars that open just before a time, from the newest 1440 (`deep` False) or from all of history."""
    name = "HistoryCandles" if deep else "Candles"
    return Fetch(
        purpose="candles",
        base="rest",
        path="/api/v5/market/history-candles" if deep else "/api/v5/market/candles",
        query={"instId": symbol, "bar": bar, "after": str(before_ms), "limit": str(CANDLES_PAGE)},
        ccxt=f"publicGetMarket{name}",
        instrument=instrument,
    )


def funding(symbol: str, instrument: str, before_ms: int) -> Fetch:
    """The 400 settlements just before a time."""
    return Fetch(
        purpose="funding",
        base="rest",
        path="/api/v5/public/funding-rate-history",
        query={"instId": symbol, "after": str(before_ms), "limit": str(FUNDING_PAGE)},
        ccxt="publicGetPublicFundingRateHistory",
        weight=2,
        instrument=instrument,
    )


def instruments(inst_type: str) -> Fetch:
    """All instruments of a kind, `SPOT` or `SWAP`."""
    return Fetch(
        purpose="instruments",
        base="rest",
        path="/api/v5/public/instruments",
        query={"instType": inst_type},
        ccxt="publicGetPublicInstruments",
    )


def server_time() -> Fetch:
    """OKX's clock."""
    return Fetch(
        purpose="time",
        base="rest",
        path="/api/v5/public/time",
        query={},
        ccxt="publicGetPublicTime",
        weight=2,
    )


def mark_price(symbol: str, instrument: str) -> Fetch:
    """The mark price of a swap now."""
    return Fetch(
        purpose="mark_price",
        base="rest",
        path="/api/v5/public/mark-price",
        query={"instType": "SWAP", "instId": symbol},
        ccxt="publicGetPublicMarkPrice",
        instrument=instrument,
        tag=f"mark:{symbol}",
    )


def index_price(index: str, instrument: str) -> Fetch:
    """The price of an index now."""
    return Fetch(
        purpose="mark_price",
        base="rest",
        path=INDEX_TICKERS,
        query={"instId": index},
        ccxt="publicGetMarketIndexTickers",
        instrument=instrument,
        tag=f"index:{instrument}",
    )


def funding_now(symbol: str, instrument: str) -> Fetch:
    """The funding rate that accrues now, and the next two settlements."""
    return Fetch(
        purpose="funding",
        base="rest",
        path="/api/v5/public/funding-rate",
        query={"instId": symbol},
        ccxt="publicGetPublicFundingRate",
        weight=2,
        instrument=instrument,
        tag=f"funding:{symbol}",
    )


def open_interest_now(symbol: str, instrument: str) -> Fetch:
    """Open contracts of a swap now."""
    return Fetch(
        purpose="open_interest",
        base="rest",
        path="/api/v5/public/open-interest",
        query={"instType": "SWAP", "instId": symbol},
        ccxt="publicGetPublicOpenInterest",
        instrument=instrument,
        tag=f"open_interest:{symbol}",
    )


def open_interest(symbol: str, instrument: str, period: str, begin_ms: int, end_ms: int) -> Fetch:
    """The 100 newest readings between two times, exclusive."""
    return Fetch(
        purpose="open_interest",
        base="rest",
        path="/api/v5/rubik/stat/contracts/open-interest-history",
        query={
            "instId": symbol,
            "period": period,
            "begin": str(begin_ms),
            "end": str(end_ms),
            "limit": str(OPEN_INTEREST_PAGE),
        },
        ccxt="publicGetRubikStatContractsOpenInterestHistory",
        instrument=instrument,
    )


def insurance_fund(family: str, instrument: str = "") -> Fetch:
    """The insurance fund of a family of swaps: its newest 100 days."""
    return Fetch(
        purpose="insurance",
        base="rest",
        path="/api/v5/public/insurance-fund",
        query={"instType": "SWAP", "instFamily": family, "limit": str(INSURANCE_PAGE)},
        ccxt="publicGetPublicInsuranceFund",
        instrument=instrument,
        tag=f"insurance:{family}",
    )


def status() -> Fetch:
    """Maintenances of the venue that lie ahead or go on."""
    return Fetch(
        purpose="status",
        base="rest",
        path="/api/v5/system/status",
        query={},
        ccxt="publicGetSystemStatus",
        tag="status",
    )


def flat_candles(about: str, instrument: str, kind: MarkKind, bar: str, before_ms: int, *, deep: bool) -> Fetch:
    """The 100 bars of a swap's mark price or of an index that open just before a time.

    From the newest 1440 (`deep` False) or from all of history.
    """
    price, name = ("mark-price", "MarkPrice") if kind == "mark" else ("index", "Index")
    return Fetch(
        purpose="mark_price",
        base="rest",
        path=f"/api/v5/market/{'history-' if deep else ''}{price}-candles",
        query={"instId": about, "bar": bar, "after": str(before_ms), "limit": str(FLAT_PAGE)},
        ccxt=f"publicGetMarket{'History' if deep else ''}{name}Candles",
        instrument=instrument,
    )


def announcements(kind: str, page: int) -> Fetch:
    """Twenty headlines of a kind, newest first."""
    return Fetch(
        purpose="calendar",
        base="rest",
        path="/api/v5/support/announcements",
        query={"annType": kind, "page": str(page)},
        ccxt="publicGetSupportAnnouncements",
    )


def deep_book(symbol: str, instrument: str) -> Fetch:
    """The 1000 best levels of each side, without ids."""
    return Fetch(
        purpose="book",
        base="rest",
        path="/api/v5/market/books-full",
        query={"instId": symbol, "sz": str(DEEP_DEPTH)},
        ccxt="publicGetMarketBooksFull",
        instrument=instrument,
    )
