"""How Bybit writes numbers and execution ids, for the emulated side."""

from __future__ import annotations

import uuid
import zlib
from decimal import Decimal

from warehouse.instruments import Market, Rules
from warehouse.records import Candle, Level, Trade

SPOT_IDS = 2_290_000_000_000_000_000
"""Spot ids look like this number plus a count."""


def decimals(step: str) -> int:
    """Digits behind the point that a step needs: `0.10` needs 2, as the venue writes it; `5` needs none."""
    exponent = Decimal(step).as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def decimal(value: float) -> str:
    """A number without an exponent."""
    return format(Decimal(repr(value)), "f")


class Text:
    """Prices and sizes of one instrument as decimal text."""

    __slots__ = ("_bar", "_price", "_size")

    def __init__(self, rules: Rules) -> None:
        self._price = f".{decimals(rules.tick)}f"
        self._size = f".{decimals(rules.lot)}f"
        price = f'"%{self._price}"'
        self._bar = f'["%d",{price},{price},{price},{price},"%{self._size}","%.8f"]'

    def price(self, price: float) -> str:
        return format(price, self._price)

    def size(self, size: float) -> str:
        return format(size, self._size)

    def level(self, level: Level) -> list[str]:
        """`["16493.50","0.006"]`; a deleted level has size `0`."""
        return [format(level[0], self._price), format(level[1], self._size) if level[1] else "0"]

    def bar(self, bar: Candle) -> str:
        """A bar as JSON, in one go for pages of a thousand: its start in milliseconds, prices, volume, turnover."""
        turnover = bar.volume * bar.close if bar.quote_volume is None else bar.quote_volume
        return self._bar % (bar.open_time // 1000, bar.open, bar.high, bar.low, bar.close, bar.volume, turnover)

    def turnover(self, notional: float) -> str:
        """Quote volume."""
        return format(notional, ".8f")


def execution_id(trade: Trade, market: Market) -> str:
    """The venue's id of an execution: digits on spot, a UUID on linear; the same over REST and WebSocket.

    Made from `trade_seq`, unique per instrument; a trade without one keeps its own id.
    """
    if trade.trade_seq is None:
        return trade.trade_id
    if market == "spot":
        return str(SPOT_IDS + trade.trade_seq)
    head = zlib.crc32(b"%s:%d" % (trade.instrument.encode(), trade.trade_seq))
    high = (head << 32) | (head ^ 0x5BD1E995)
    return str(uuid.UUID(int=(high << 64) | trade.trade_seq, version=5))
