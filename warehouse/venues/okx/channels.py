"""Which channels the instruments of a connection need, how each is named, and how long it may be quiet.

OKX names most channels by instrument, those of an index by the index (`BTC-USDT`), and those of the whole market by
kind of instrument or not at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from warehouse.clock import HOUR, SECOND, Micros
from warehouse.instruments import Rules
from warehouse.venues.base import Reconnect, Send
from warehouse.venues.okx.requests import BARS
from warehouse.venues.silence import Kind, limit

CANDLE_CHANNELS: dict[str, str] = {f"candle{bar}": timeframe for timeframe, bar in BARS.items()}

PUBLIC = ("bbo-tbt", "books", "trades", "tickers")
PERPETUAL = ("mark-price", "index-tickers", "funding-rate", "open-interest")
WHOLE: dict[str, tuple[str, ...]] = {"liquidation-orders": ("SWAP",), "instruments": ("SPOT", "SWAP"), "status": ("",)}
BLOCKS = "public-block-trades"
BUSINESS = ("trades-all", *CANDLE_CHANNELS, BLOCKS)

ESSENTIAL = ("bbo-tbt", "books", "trades", "trades-all", *CANDLE_CHANNELS)
"""Without these a connection is not ready."""

STREAMS = (
    "bbo-tbt", "books", "tickers", "mark-price", "index-tickers", "funding-rate", "open-interest",
    "liquidation-orders", "instruments", "status", "trades-all", "candle1m", BLOCKS,
)  # fmt: skip
"""The channels of today. `trades` (aggregated) is read where a recording has nothing else."""

BOOKS_PER_CONNECTION = 25
"""OKX asks for fewer than 30 channels of 400 levels on one connection."""

KINDS: dict[str, Kind] = {
    "bbo-tbt": "bbo",
    "trades": "trades",
    "trades-all": "trades",
    "funding-rate": "funding",
    "open-interest": "open_interest",
    **dict.fromkeys(CANDLE_CHANNELS, "candles"),
}

BY_DESIGN: dict[str, Micros] = {
    "books": 75 * SECOND,
    "tickers": 60 * SECOND,
    "mark-price": 15 * SECOND,
    "index-tickers": 75 * SECOND,
}
"""Channels that OKX pushes on change, else once a minute (books, index) or each 10 s (mark price)."""

MAJORS = ("BTC", "ETH")
CALM_QUOTE: Micros = 30 * SECOND
"""How long the best prices of other coins may stand still: OKX repeats them not."""

Arg = tuple[str, str]
"""A channel and what it is about: an instrument, an index, a kind of instrument, or nothing."""


def args_of(rules: Sequence[Rules], channels: Sequence[str], everyone: Sequence[Rules]) -> dict[Arg, list[Rules]]:
    """The subscriptions of a connection, each with the instruments it is about.

    `everyone` are the instruments that the channels of the whole market are read for; empty where another connection
    has those.
    """
    found: dict[Arg, list[Rules]] = {}
    for rule in rules:
        for channel in channels:
            if channel in WHOLE or (channel in PERPETUAL and rule.market != "perp"):
                continue
            about = index_of(rule) if channel == "index-tickers" else rule.symbol
            found.setdefault((channel, about), []).append(rule)
    for channel in channels:
        for kind in WHOLE.get(channel, ()):
            those = [rule for rule in everyone if kind == ("SPOT" if rule.market == "spot" else "SWAP")]
            if those or (everyone and not kind):
                found[channel, kind] = those
    return found


def index_of(rules: Rules) -> str:
    """The index a swap follows: `BTC-USDT` of `BTC-USDT-SWAP`."""
    return rules.symbol.removesuffix("-SWAP")


def patience(channel: str, rules: Sequence[Rules]) -> Micros | None:
    """How long a channel may be quiet; None for what speaks only when something happens."""
    if channel in BY_DESIGN:
        return BY_DESIGN[channel]
    if channel == "bbo-tbt" and rules[0].symbol.split("-")[0] not in MAJORS:
        return CALM_QUOTE
    return limit(KINDS[channel], rules[0].instrument) if channel in KINDS else None


def named(channel: str, about: str) -> dict[str, str]:
    """A channel as OKX's `arg` names it."""
    if not about:
        return {"channel": channel}
    return {"channel": channel, "instType" if channel in WHOLE else "instId": about}


def control(op: str, args: Iterable[Arg], tag: str = "") -> Send:
    """One control message about many channels; `tag` comes back in its acknowledgements."""
    body = {**({"id": tag} if tag else {}), "op": op, "args": [named(*arg) for arg in args]}
    return Send(msgspec.json.encode(body))


class Controls:
    """The control messages of this connection in the last hour: OKX refuses the 481st."""

    LIMIT = 460
    FOR_QUIET = 230
    """So many may be spent on streams that are merely quiet; the rest is for books that broke."""

    def __init__(self) -> None:
        self.sent: list[Micros] = []

    def spend(self, count: int, now: Micros, limit: int = LIMIT) -> bool:
        """Count these; False, and nothing counted, when the hour would have more than `limit`."""
        while self.sent and self.sent[0] <= now - HOUR:
            del self.sent[0]
        if len(self.sent) + count > limit:
            return False
        self.sent += [now] * count
        return True

    def exhausted(self) -> Reconnect:
        """What is left when they are: a connection with an hour of its own. Counts anew, to be said once."""
        self.sent.clear()
        return Reconnect(f"the {self.LIMIT} control messages of this hour are used up")
