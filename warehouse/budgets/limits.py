"""What each venue publishes about how often it may be asked, per address.

Binance: https://developers.binance.com/docs (weights per minute, funding apart); Bybit v5 "Rate Limit Rules"; OKX v5,
with each endpoint. Amounts are the venues' own; how much of them who may use is decided beside this file.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

import msgspec

from warehouse.clock import HOUR, MINUTE, SECOND, Micros
from warehouse.venues.base import Fetch


class Limit(msgspec.Struct, frozen=True):
    """At most `amount` units in any `per_us` microseconds. `name` is unique within the venue.

    When the venue says "wait", all limits of the same `gate` wait.
    """

    name: str
    amount: int
    per_us: Micros
    gate: str = "rest"


Charge = tuple[Limit, int]
"""A limit and what one request takes of it."""

_BINANCE_SPOT = Limit("weight.spot", 6000, MINUTE)
_BINANCE_PERP = Limit("weight.perp", 2400, MINUTE)
_BINANCE_FUNDING = Limit("requests.funding", 500, 5 * MINUTE)
_BINANCE_DATA = Limit("requests.data", 1000, 5 * MINUTE)
_BYBIT = Limit("requests", 600, 5 * SECOND)
_BYBIT_COOLING: Micros = 10 * MINUTE
_OKX_PER_2S: dict[str, int] = {
    "market/ticker": 20,
    "market/tickers": 20,
    "market/index-tickers": 20,
    "market/candles": 40,
    "market/history-candles": 20,
    "market/mark-price-candles": 20,
    "market/history-mark-price-candles": 10,
    "market/index-candles": 20,
    "market/history-index-candles": 10,
    "market/trades": 100,
    "market/history-trades": 20,
    "market/books": 40,
    "public/instruments": 20,
    "public/funding-rate": 10,
    "public/open-interest": 20,
    "public/funding-rate-history": 10,
    "public/time": 10,
    "public/market-data-history": 5,
    "support/announcements": 5,
}
_OKX_UNLISTED = 10
_OKX_STATUS = Limit("system/status", 1, 5 * SECOND, "system/status")


def binance(fetch: Fetch) -> Charge:
    """Weight per minute and market; funding and the statistics under `/futures/data` have budgets of their own."""
    if fetch.purpose == "funding":
        return _BINANCE_FUNDING, 1
    if fetch.path.startswith("/futures/data/"):
        return _BINANCE_DATA, 1
    return (_BINANCE_SPOT if fetch.base == "rest_spot" else _BINANCE_PERP), fetch.weight


def bybit(fetch: Fetch) -> Charge:
    """One limit of requests per address over all hosts and paths."""
    return _BYBIT, 1


def okx(fetch: Fetch) -> Charge:
    """Requests per two seconds, each endpoint by itself."""
    endpoint = fetch.path.removeprefix("/api/v5/").lstrip("/")
    if endpoint == _OKX_STATUS.name:
        return _OKX_STATUS, 1
    return Limit(endpoint, _OKX_PER_2S.get(endpoint, _OKX_UNLISTED), 2 * SECOND, endpoint), 1


CHARGES = {"binance": binance, "bybit": bybit, "okx": okx}
"""What a request costs, by venue."""

CONNECTS: dict[str, Limit] = {
    "binance": Limit("connects", 300, 5 * MINUTE, "connects"),
    "bybit": Limit("connects", 500, 5 * MINUTE, "connects"),
    "okx": Limit("connects", 3, SECOND, "connects"),
}
"""WebSocket connections that may be attempted from one address. What is said on one is that connection's own limit."""


def told_to_wait(status: int, body: bytes, headers: Mapping[str, str], now: Micros) -> Micros | None:
    """For how long a reply forbids us to ask; None when it does not. Names of `headers` are found in any case.

    Bybit answers who asks too often with 403 and an address that is blocked for ten minutes.
    """
    if status == 403:
        return _BYBIT_COOLING if b"too frequent" in body.lower() else None
    if status not in (418, 429):
        return None
    return retry_after(next((value for name, value in headers.items() if name.lower() == "retry-after"), None), now)


def retry_after(header: str | None, now: Micros) -> Micros:
    """How long a `Retry-After` asks us to wait: seconds or an HTTP date (RFC 9110, 10.2.3).

    A second where there is none or it cannot be read, never more than an hour.
    """
    wait = SECOND
    if header is not None:
        try:
            wait = round(float(header) * SECOND)
        except (ValueError, OverflowError):
            with contextlib.suppress(ValueError):
                wait = round(parsedate_to_datetime(header).timestamp() * SECOND) - now
    return min(max(wait, 0), HOUR)
