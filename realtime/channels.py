"""Every channel, one line each: name, payload, delivery, cadence. Names are built here alone."""

from __future__ import annotations

import msgspec

from realtime import contracts, payloads, venue_payloads
from realtime.message import Delivery, Message, finish
from warehouse.instruments import Listing

JOINER = {"binance": "", "bybit": "", "okx": "-"}
"""How a venue joins base and quote in its own symbols."""


__all__ = ["BY_NAME", "CHANNELS", "Channel", "Message", "channel", "finish", "streams", "symbol"]


class Channel(msgspec.Struct, frozen=True):
    """One kind of channel. `cadence` in words for people; the numbers are the engine's configuration.

    A template's `{pair}` is `{symbol}` without `-perp`, for what exists of perpetuals alone.
    `delivery` of candles is `state` while the bar forms; its closing message is lossless.
    """

    name: str
    template: str
    payload: type[msgspec.Struct]
    delivery: Delivery
    cadence: str


CHANNELS: tuple[Channel, ...] = (
    Channel("market_context", "market_context:{exchange}:{symbol}", contracts.MarketContext, "state", "on change"),
    Channel("structure", "structure:{exchange}:{symbol}", contracts.MarketStructure, "state", "on change"),
    Channel("fusion_data", "fusion_data:{exchange}:{symbol}", contracts.FusionData, "state", "100 ms while changing"),
    Channel(
        "precision9_context", "precision9_context:{exchange}:{symbol}", contracts.Precision9, "state", "1 s, on change"
    ),
    Channel("trade", "trade:{exchange}:{symbol}", payloads.TradePrint, "lossless", "every trade"),
    Channel("bbo", "bbo:{exchange}:{symbol}", payloads.Quote, "state", "100 ms while changing"),
    Channel("depth", "depth:{exchange}:{symbol}", payloads.Depth, "sequenced", "100 ms while changing"),
    Channel("candles", "candles:{exchange}:{symbol}:{timeframe}", payloads.CandleBar, "state", "1 s; each close once"),
    Channel("orderflow", "orderflow:{exchange}:{symbol}", payloads.OrderFlow, "state", "500 ms"),
    Channel("whale_detection", "whale_detection:{exchange}:{symbol}", payloads.LargeOrder, "lossless", "each"),
    Channel("book_snapshot", "book_snapshot:{exchange}:{symbol}", venue_payloads.BookSnapshot, "state", "1 s"),
    Channel("ticker", "ticker:{exchange}:{symbol}", venue_payloads.Statistics, "state", "1 s, on change"),
    Channel("mark_price", "mark_price:{exchange}:{pair}", venue_payloads.Marks, "state", "1 s, on change"),
    Channel("funding", "funding:{exchange}:{pair}", venue_payloads.Funding, "state", "1 s, on change"),
    Channel("open_interest", "open_interest:{exchange}:{pair}", venue_payloads.Interest, "state", "on change"),
    Channel("liquidations", "liquidations:{exchange}:{pair}", venue_payloads.LiquidationPrint, "lossless", "each"),
    Channel("insurance_fund", "insurance_fund:{exchange}", venue_payloads.InsuranceFunds, "state", "on change"),
    Channel("status", "status:{exchange}", venue_payloads.Standing, "state", "on change"),
    Channel("reference", "reference:{exchange}", venue_payloads.Reference, "state", "on change"),
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
    spelled = symbol(listing)
    return BY_NAME[name].template.format(
        exchange=listing.venue, symbol=spelled, pair=spelled.removesuffix("-perp"), timeframe=timeframe
    )


def streams(listing: Listing, timeframes: int) -> int:
    """How many channels of one instrument the bus keeps as streams: those without loss, and the closes of candles.

    >>> streams(Listing("binance", "BTC", "USDT", "spot"), 11)
    13
    """
    lossless = [one for one in CHANNELS if one.delivery == "lossless"]
    return timeframes + sum("{pair}" not in one.template or listing.market == "perp" for one in lossless)
