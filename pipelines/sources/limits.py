"""What each venue publishes about how often it may be asked, per address.

Binance: https://developers.binance.com/docs (weights per minute, funding apart); Bybit v5 "Rate Limit Rules"; OKX v5,
with each endpoint. Amounts are the venues' own; how much of them the flows may use is decided in `throttle.py`.
"""

from __future__ import annotations

import msgspec

from warehouse.clock import MINUTE, SECOND, Micros
from warehouse.venues.base import Fetch


class Limit(msgspec.Struct, frozen=True):
    """At most `amount` units in any `per_us` microseconds. `name` is unique within the venue."""

    name: str
    amount: int
    per_us: Micros


Charge = tuple[Limit, int]
"""A limit and what one request takes of it."""

_BINANCE_SPOT = Limit("weight.spot", 6000, MINUTE)
_BINANCE_PERP = Limit("weight.perp", 2400, MINUTE)
_BINANCE_FUNDING = Limit("requests.funding", 500, 5 * MINUTE)
_BINANCE_DATA = Limit("requests.data", 1000, 5 * MINUTE)
_BYBIT = Limit("requests", 600, 5 * SECOND)
_OKX_PER_2S: dict[str, int] = {
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
    "public/funding-rate": 20,
    "public/funding-rate-history": 10,
    "public/time": 10,
    "support/announcements": 5,
}
_OKX_UNLISTED = 10


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
    return Limit(endpoint, _OKX_PER_2S.get(endpoint, _OKX_UNLISTED), 2 * SECOND), 1


CHARGES = {"binance": binance, "bybit": bybit, "okx": okx}
"""What a request costs, by venue."""
