"""Which streams there are, where each is served, and how a frame finds its reader."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

from warehouse.clock import Micros
from warehouse.instruments import Market
from warehouse.venues.base import Dialect, Output

Root = Literal["spot", "public", "market"]
Handler = Callable[[bytes, Micros], Sequence[Output]]

STREAMS: dict[Market, tuple[str, ...]] = {
    "spot": ("aggTrade", "bookTicker", "depth@100ms", "kline_1m"),
    "perp": ("aggTrade", "bookTicker", "depth@100ms", "kline_1m"),
}
"""What is subscribed to when the dialect names nothing."""


def chosen(market: Market, dialect: Dialect) -> tuple[str, ...]:
    """The dialect's streams as far as the market has them: one kind of trade and one speed of depth at most."""
    if dialect.streams is None:
        return STREAMS[market]
    names = [name for name in dialect.streams if not (market == "spot" and name in ("depth@0ms", "depth@500ms"))]
    trade = next((name for name in names if name in ("trade", "aggTrade")), None)
    depths = [name for name in names if name.startswith("depth")]
    depth = "depth@0ms" if "depth@0ms" in depths else next(iter(depths), None)
    rest = [name for name in names if name == "bookTicker" or name.startswith("kline_")]
    return tuple(name for name in (trade, depth, *rest) if name is not None)


def root_of(market: Market, stream: str) -> Root:
    """Where a stream is served."""
    if market == "spot":
        return "spot"
    return "public" if stream in ("trade", "bookTicker") or stream.startswith("depth") else "market"


def by_head(handlers: dict[str, Handler]) -> tuple[int, dict[bytes, Handler]]:
    """Handlers by a fixed number of first bytes of their frames, and that number: a slice is the cheapest look-up.

    Empty when two streams begin alike; then every frame takes the way that reads the name.
    """
    whole = [f'{{"stream":"{name}","data":{{'.encode() for name in handlers]
    width = min(map(len, whole), default=0)
    found = dict(zip((head[:width] for head in whole), handlers.values(), strict=True))
    return width, found if len(found) == len(handlers) else {}
