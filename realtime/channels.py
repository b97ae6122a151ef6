"""Every channel, one line each: its name, its payload, how it is delivered and how often. Names are built here alone.

A message is one JSON object: the envelope, then the payload's fields. The engine writes all of it but three fields
that only the
sender knows (`prev`, `ts_pub`, `source`); `finish` splices those in. So the same journal gives the same bytes, and
sending costs one join.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from realtime import payloads
from warehouse.clock import Micros
from warehouse.instruments import Listing

VERSION = 1
"""`v` of the envelope. Payloads gain fields within a version and change meaning only with the next."""

Delivery = Literal["state", "lossless", "sequenced"]
"""`state`: the newest message wins and is kept under `last:`. `lossless`: also an entry of a bounded stream.

`sequenced`: every message in order, gaps visible by `prev`; nothing is stored but the last whole picture.
"""

JOINER = {"binance": "", "bybit": "", "okx": "-"}
"""How a venue joins base and quote in its own symbols."""


class Channel(msgspec.Struct, frozen=True):
    """One kind of channel. `cadence` in words for people; the numbers are the engine's configuration.

    `delivery` of candles is `state` while the bar forms; its closing message is lossless.
    """

    name: str
    template: str
    payload: type[msgspec.Struct]
    delivery: Delivery
    cadence: str


CHANNELS: tuple[Channel, ...] = (
    Channel("trade", "trade:{exchange}:{symbol}", payloads.TradePrint, "lossless", "every trade"),
    Channel("bbo", "bbo:{exchange}:{symbol}", payloads.Quote, "state", "100 ms while changing"),
    Channel("depth", "depth:{exchange}:{symbol}", payloads.Depth, "sequenced", "100 ms while changing"),
    Channel("candles", "candles:{exchange}:{symbol}:{timeframe}", payloads.CandleBar, "state", "1 s; each close once"),
    Channel("orderflow", "orderflow:{exchange}:{symbol}", payloads.OrderFlow, "state", "500 ms"),
)

BY_NAME: dict[str, Channel] = {channel.name: channel for channel in CHANNELS}


def symbol(listing: Listing) -> str:
    """The `{symbol}` of channel names.

    >>> symbol(Listing("okx", "BTC", "USDT", "perp"))
    'btc-usdt-perp'
    """
    pair = f"{listing.base}{JOINER.get(listing.venue, '-')}{listing.quote}".lower()
    return f"{pair}-perp" if listing.market == "perp" else pair


def channel(name: str, listing: Listing, timeframe: str = "") -> str:
    """The full name of a channel of one instrument. Raises KeyError for an unknown kind.

    >>> channel("candles", Listing("binance", "BTC", "USDT", "spot"), "5m")
    'candles:binance:btcusdt:5m'
    """
    return BY_NAME[name].template.format(exchange=listing.venue, symbol=symbol(listing), timeframe=timeframe)


class Message(msgspec.Struct, frozen=True, gc=False):
    """A message as the engine made it: `head` + what the sender knows + `tail` is the whole.

    `keep`: the newest such message is stored under `last:{channel}`. `ts_recv` is that of the entry that caused it.
    """

    channel: str
    delivery: Delivery
    epoch: int
    seq: int
    ts_recv: Micros
    keep: bool
    head: bytes
    tail: bytes

    @property
    def produced(self) -> bytes:
        """The bytes that a replay reproduces: a JSON object without `prev`, `ts_pub` and `source`."""
        return self.head + self.tail


def finish(message: Message, prev: int, ts_pub: Micros, source: bytes) -> bytes:
    """The message as sent. `prev` is the `seq` sent before on this channel; `source` `live`, `emulated` or `replay`."""
    return b'%b,"prev":%d,"ts_pub":%d,"source":"%b"%b' % (message.head, prev, ts_pub, source, message.tail)


def record_name(channel_name: str) -> str:
    """The kind of a channel by its full name: `candles:okx:btc-usdt:1m` is of kind `candles`."""
    return channel_name.partition(":")[0]
