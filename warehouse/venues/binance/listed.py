"""What spot lists of the symbols we ask about: one that it does not list makes it refuse the whole question."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence

from warehouse.errors import Rejected
from warehouse.venues.base import Fetch
from warehouse.venues.binance import decode, wire

UNLISTED = "-1121"
"""Binance's code for a symbol that it does not know, or knows no more."""


def listed(
    ask: Callable[[Sequence[str]], Fetch], symbols: Sequence[str]
) -> Generator[Fetch, object, list[wire.ExchangeInfo]]:
    """The answers about `symbols`: one, or after a refusal one for each that is listed."""
    try:
        return [decode.page((yield ask(symbols)), wire.ExchangeInfo)]
    except Rejected as refusal:
        if refusal.code != UNLISTED:
            raise
    found = []
    for symbol in symbols if len(symbols) > 1 else ():
        found += yield from listed(ask, [symbol])
    return found
