"""Which streams there are, where each is served, and how a frame finds its reader."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

from warehouse.clock import Micros
from warehouse.instruments import Market
from warehouse.venues.base import Dialect, Output
from warehouse.venues.silence import Kind, limit

Root = Literal["spot", "public", "market"]
Handler = Callable[[bytes, Micros], Sequence[Output]]

STREAMS: dict[Market, tuple[str, ...]] = {
    "spot": ("aggTrade", "bookTicker", "depth@100ms", "kline_1m", "ticker", "blockTrade"),
    "perp": (
        "aggTrade", "bookTicker", "depth@100ms", "kline_1m", "ticker", "markPrice@1s", "forceOrder", "!contractInfo",
    ),
}  # fmt: skip
"""What is subscribed to when the dialect names nothing. A name that begins with `!` is one stream of all symbols."""

_ONLY: dict[str, Market] = {
    "depth@0ms": "perp",
    "depth@500ms": "perp",
    "markPrice": "perp",
    "markPrice@1s": "perp",
    "forceOrder": "perp",
    "!contractInfo": "perp",
    "blockTrade": "spot",
}
"""Streams that one market alone has."""

_OTHERS = ("bookTicker", "ticker", "markPrice", "markPrice@1s", "forceOrder", "!contractInfo", "blockTrade")
"""Streams of a fixed name, but for trades and depth."""

_KINDS: dict[str, Kind] = {
    "trade": "trades",
    "aggTrade": "trades",
    "bookTicker": "bbo",
    "ticker": "ticker",
    "markPrice": "mark",
    "markPrice@1s": "mark",
}


def chosen(market: Market, dialect: Dialect) -> tuple[str, ...]:
    """The dialect's streams as far as the market has them: one kind of trade and one speed of depth at most."""
    if dialect.streams is None:
        return STREAMS[market]
    names = [name for name in dialect.streams if _ONLY.get(name, market) == market]
    trade = next((name for name in names if name in ("trade", "aggTrade")), None)
    depths = [name for name in names if name.startswith("depth")]
    depth = "depth@0ms" if "depth@0ms" in depths else next(iter(depths), None)
    rest = [name for name in names if name in _OTHERS or name.startswith("kline_")]
    return tuple(name for name in (trade, depth, *rest) if name is not None)


def root_of(market: Market, stream: str) -> Root:
    """Where a stream is served."""
    if market == "spot":
        return "spot"
    return "public" if stream in ("trade", "bookTicker") or stream.startswith("depth") else "market"


def patience(stream: str, instrument: str) -> Micros | None:
    """How long a stream may be quiet; None for one that speaks only when something happens."""
    if stream.startswith("depth"):
        return limit("depth", instrument)
    if stream.startswith("kline_"):
        return limit("candles", instrument)
    return limit(_KINDS[stream], instrument) if stream in _KINDS else None


def heads(names: Sequence[str]) -> tuple[int, dict[str, bytes]]:
    """A fixed number of first bytes of each stream's frames, and that number: a slice is the cheapest look-up.

    0, and the names themselves, when two streams begin alike; then every frame takes the way that reads the name.
    """
    whole = [f'{{"stream":"{name}","data":{{'.encode() for name in names]
    width = min(map(len, whole), default=0)
    found = {name: head[:width] for name, head in zip(names, whole, strict=True)}
    if len(set(found.values())) < len(names):
        return 0, {name: name.encode() for name in names}
    return width, found
