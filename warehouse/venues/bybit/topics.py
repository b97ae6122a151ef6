"""Readers of the topics that need no machine: best quotes, candles, liquidations, insurance pools.

A reader takes a frame and its receive time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from warehouse.clock import Micros
from warehouse.instruments import Rules
from warehouse.records import Candle
from warehouse.venues.base import Output
from warehouse.venues.bybit import decode, decode_feeds
from warehouse.venues.bybit.recount import Recount

Handler = Callable[[bytes, Micros], Sequence[Output]]
"""Raises ValueError for a frame that it cannot read."""


def quotes(rules: Rules) -> Handler:
    """`orderbook.1` of today; a one-sided book says nothing."""
    instrument, grid = rules.instrument, rules.grid

    def receive(frame: bytes, ts_recv: Micros) -> Sequence[Output]:
        quote = decode.quote(frame, instrument, grid, ts_recv)
        return () if quote is None else (quote,)

    return receive


def quotes_before_20250320(rules: Rules, memory: decode.QuoteBefore20250320) -> Handler:
    """`orderbook.1` with deltas; `memory` holds the sides."""
    instrument, grid = rules.instrument, rules.grid

    def receive(frame: bytes, ts_recv: Micros) -> Sequence[Output]:
        quote = memory.quote(frame, instrument, grid, ts_recv)
        return () if quote is None else (quote,)

    return receive


def candles(rules: Rules, timeframe: str) -> Handler:
    """`kline` of one interval."""
    instrument, grid = rules.instrument, rules.grid

    def receive(frame: bytes, ts_recv: Micros) -> Sequence[Output]:
        return decode.candles(frame, instrument, grid, timeframe, ts_recv)

    return receive


def recounted(candles: Handler, recount: Recount) -> Handler:
    """The same bars of a minute, and each closed one beside what was counted."""

    def receive(frame: bytes, ts_recv: Micros) -> Sequence[Output]:
        found = candles(frame, ts_recv)
        for bar in found:
            if isinstance(bar, Candle) and bar.closed:
                recount.bar(bar)
        return found

    return receive


def liquidations(rules: Rules) -> Handler:
    """`allLiquidation`, linear only."""
    instrument, grid = rules.instrument, rules.grid

    def receive(frame: bytes, ts_recv: Micros) -> Sequence[Output]:
        return decode_feeds.liquidations(frame, instrument, grid, ts_recv)

    return receive


def pools(rules: Sequence[Rules]) -> Handler:
    """`insurance.USDT`: the pools that insure one of these contracts."""
    symbols = {rule.symbol: rule.instrument for rule in rules}

    def receive(frame: bytes, ts_recv: Micros) -> Sequence[Output]:
        return decode_feeds.pools(frame, symbols, ts_recv)

    return receive
