"""REST answers: take off the envelope, raise what is in it."""

from __future__ import annotations

from typing import TypeVar

from warehouse.clock import SECOND, Micros
from warehouse.errors import DecodeError, RateLimited, Rejected
from warehouse.venues.answers import beginning, read
from warehouse.venues.bybit.wire import Envelope, RecentTrade, RecentTrades, Refusal

BUSY: dict[int, Micros] = {10006: SECOND, 10429: 5 * SECOND, 10016: 5 * SECOND, 10000: SECOND, 10018: 600 * SECOND}
"""Codes that say "later", and how long to wait: rate limit, system protection, restart, time-out, old IP limit."""

WRONG_PARAMETER = "10001"

T = TypeVar("T")


def opened(answer: object, result: type[T]) -> tuple[T, Micros]:
    """The result of a REST answer, and the server's time (0 where it is not told).

    Raises Rejected for an error code, RateLimited for one that asks to come later, DecodeError for another shape.
    """
    try:
        envelope = read(answer, Refusal)
    except (ValueError, RecursionError) as error:
        raise DecodeError("bybit", str(error), beginning(answer)) from error
    code = envelope.retCode
    if code in BUSY:
        raise RateLimited("bybit", BUSY[code])
    if code:
        raise Rejected("bybit", str(code), envelope.retMsg)
    try:
        return read(answer, Envelope[result]).result, envelope.time * 1000  # type: ignore[valid-type]
    except (ValueError, RecursionError) as error:
        raise DecodeError("bybit", str(error), beginning(answer)) from error


def recent_trades(answer: object) -> tuple[list[RecentTrade], Micros]:
    """The rows of `/v5/market/recent-trade`, newest first, and the server's time."""
    result, server = opened(answer, RecentTrades)
    return result.rows, server


def absent(refused: Rejected) -> bool:
    """Whether a refusal means that there is no such instrument (any more)."""
    return refused.code == WRONG_PARAMETER and "symbol" in refused.words.lower()
