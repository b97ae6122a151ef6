"""Bybit v5's public JSON beside trades, books and bars: tickers, liquidations, open interest, insurance, the venue.

The same manner as `wire`: decimal text becomes floats in the parser, unknown keys are ignored.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from warehouse.venues.bybit.wire import Level, Millis, Price, Size, Text, Turnover

Rate = Annotated[float, Meta(gt=-1, lt=1)]
"""A fraction per funding interval."""

Balance = Annotated[float, Meta(gt=-1e18, lt=1e18)]
"""Units of a coin; a pool may be overdrawn."""

Hours = Annotated[int, Meta(ge=0, le=24)] | Literal[""]
"""0 or empty: none."""

Moment = Annotated[int, Meta(ge=0, lt=10_000_000_000_000)] | Literal[""]
"""Milliseconds since the epoch; 0 or empty: none."""

Symbols = Annotated[str, Meta(min_length=1, max_length=100_000)]


class PerpTickerData(msgspec.Struct, frozen=True, gc=False):
    """Fields of `tickers.BTCUSDT` on the linear socket; one that is absent has not changed.

    `openInterest` counts both sides of each contract, `singleOpenInterest` (since 2026-06-11) one. Dated futures and
    contracts before their launch leave some fields empty.
    """

    lastPrice: Price | UnsetType = UNSET
    prevPrice24h: Price | UnsetType = UNSET
    highPrice24h: Price | UnsetType = UNSET
    lowPrice24h: Price | UnsetType = UNSET
    volume24h: Size | UnsetType = UNSET
    turnover24h: Turnover | UnsetType = UNSET
    markPrice: Price | UnsetType = UNSET
    indexPrice: Price | UnsetType = UNSET
    openInterest: Size | UnsetType = UNSET
    openInterestValue: Turnover | UnsetType = UNSET
    singleOpenInterest: Size | UnsetType = UNSET
    singleOpenInterestValue: Turnover | UnsetType = UNSET
    fundingRate: Rate | Literal[""] | UnsetType = UNSET
    nextFundingTime: Moment | UnsetType = UNSET
    fundingIntervalHour: Hours | UnsetType = UNSET


class PerpTickerFrame(msgspec.Struct, frozen=True, gc=False):
    """`tickers.BTCUSDT` on linear: a snapshot, then deltas each 100 ms; `ts` is when it was made.

    `{"topic":"tickers.BTCUSDT","type":"delta","data":{"symbol":"BTCUSDT","markPrice":"66666.60"},"cs":9532239429,
    "ts":1760325052630}`
    https://bybit-exchange.github.io/docs/v5/websocket/public/ticker
    """

    type: Literal["snapshot", "delta"]
    ts: Millis
    data: PerpTickerData


class SpotTickerData(msgspec.Struct, frozen=True, gc=False):
    """All statistics of a spot pair."""

    lastPrice: Price
    prevPrice24h: Price
    highPrice24h: Price
    lowPrice24h: Price
    volume24h: Size
    turnover24h: Turnover


class SpotTickerFrame(msgspec.Struct, frozen=True, gc=False):
    """`tickers.BTCUSDT` on spot: snapshots only, each 50 ms.

    `{"topic":"tickers.BTCUSDT","ts":1673853746003,"type":"snapshot","cs":2588407389,"data":{"symbol":"BTCUSDT",
    "lastPrice":"21109.77","highPrice24h":"21426.99","lowPrice24h":"20575","prevPrice24h":"20704.93",
    "volume24h":"6780.866843","turnover24h":"141946527.22907118","price24hPcnt":"0.0196"}}`
    """

    type: Literal["snapshot"]
    ts: Millis
    data: SpotTickerData


class LiquidationRow(msgspec.Struct, frozen=True, gc=False):
    """`S` is the side of the **position** that was closed (`Buy`: a long), `p` its bankruptcy price, `v` base units.

    `{"T":1739502302929,"s":"ROSEUSDT","S":"Sell","v":"20000","p":"0.04499"}`
    https://bybit-exchange.github.io/docs/v5/websocket/public/all-liquidation
    """

    T: Millis
    S: Literal["Buy", "Sell"]
    v: Annotated[float, Meta(gt=0, lt=1e15)]
    p: Price


class LiquidationFrame(msgspec.Struct, frozen=True, gc=False):
    """`{"topic":"allLiquidation.ROSEUSDT","type":"snapshot","ts":1739502303204,"data":[...]}`: all of 500 ms."""

    data: list[LiquidationRow]


class PoolRow(msgspec.Struct, frozen=True, gc=False):
    """A pool of the insurance fund. Over REST `value` is its worth in USD; the stream names `updateTime` instead.

    `{"coin":"USDT","symbols":"GRIFFAINUSDT","balance":"25614.92972633","updateTime":"1747722930000"}`
    https://bybit-exchange.github.io/docs/v5/websocket/public/insurance-pool
    """

    coin: Text
    symbols: Symbols
    balance: Balance
    value: Balance | Literal[""] = ""
    updateTime: Millis | None = None


class PoolFrame(msgspec.Struct, frozen=True, gc=False):
    """`insurance.USDT`, each second when a pool of one contract changed; shared pools are only told over REST."""

    ts: Millis
    data: list[PoolRow]


class Pools(msgspec.Struct, frozen=True):
    """Result of `/v5/market/insurance`. The documentation calls the time of the rows by two names.

    https://bybit-exchange.github.io/docs/v5/market/insurance
    """

    rows: list[PoolRow] = msgspec.field(name="list")
    updatedTime: Millis | None = None
    updateTime: Millis | None = None


class WorkRow(msgspec.Struct, frozen=True):
    """A maintenance or an incident. `product`: 1 futures, 2 spot; `env`: 2 is the demo service.

    `{"id":"4d95b2a0-587f-11f0-bcc9-56f28c94d6ea","title":"t06","state":"completed","begin":"1751596902000",
    "end":"1751597011000","href":"","serviceTypes":[2,3,4,5],"product":[1,2],"uidSuffix":[],"maintainType":1,"env":1}`
    https://bybit-exchange.github.io/docs/v5/websocket/system/system-status
    """

    id: Text
    state: Literal["scheduled", "ongoing", "completed", "canceled"]
    title: Annotated[str, Meta(max_length=1000)] = ""
    begin: Moment = ""
    end: Moment = ""
    product: list[int] = []
    env: int = 1


class WorkFrame(msgspec.Struct, frozen=True):
    """`{"topic":"system.status","ts":1751858399649,"data":[...]}`: what changed."""

    ts: Millis
    data: list[WorkRow]


class Works(msgspec.Struct, frozen=True):
    """Result of `/v5/system/status`: everything, past and future.

    https://bybit-exchange.github.io/docs/v5/system-status
    """

    rows: list[WorkRow] = msgspec.field(name="list")


class PerpTickerRows(msgspec.Struct, frozen=True):
    """Result of `/v5/market/tickers?category=linear`: the fields of the stream, all of them.

    https://bybit-exchange.github.io/docs/v5/market/tickers
    """

    rows: list[PerpTickerData] = msgspec.field(name="list")


class InterestRow(msgspec.Struct, frozen=True, gc=False):
    """`{"openInterest":"52664.64200000","singleOpenInterest":"26332.321","timestamp":"1789458600000"}`

    https://bybit-exchange.github.io/docs/v5/market/open-interest
    """

    timestamp: Millis
    openInterest: Size
    singleOpenInterest: Size | Literal[""] = ""


class InterestRows(msgspec.Struct, frozen=True):
    """Result of `/v5/market/open-interest`, newest first; an empty cursor is the last page."""

    rows: list[InterestRow] = msgspec.field(name="list")
    nextPageCursor: str = ""


class PriceKlines(msgspec.Struct, frozen=True):
    """Result of `/v5/market/mark-price-kline` and `index-price-kline`: `[start, open, high, low, close]`, newest first.

    https://bybit-exchange.github.io/docs/v5/market/mark-kline
    """

    rows: list[tuple[Millis, Price, Price, Price, Price]] = msgspec.field(name="list")


class NewsType(msgspec.Struct, frozen=True):
    """`{"title":"New Listings","key":"new_crypto"}`"""

    key: str


class NewsRow(msgspec.Struct, frozen=True):
    """An announcement; `dateTimestamp` is when it was published, in milliseconds.

    https://bybit-exchange.github.io/docs/v5/announcement
    """

    title: str
    dateTimestamp: Millis
    type: NewsType
    url: str = ""


class News(msgspec.Struct, frozen=True):
    """Result of `/v5/announcements/index`, newest first."""

    rows: list[NewsRow] = msgspec.field(name="list")
    total: int = 0


class BookPage(msgspec.Struct, frozen=True):
    """Result of `/v5/market/orderbook`: best first on both sides; `u` is that of `orderbook.1000`.

    https://bybit-exchange.github.io/docs/v5/market/orderbook
    """

    b: list[Level]
    a: list[Level]
    u: Annotated[int, Meta(ge=0, le=9_223_372_036_854_775_807)]
    ts: Millis
    cts: Millis | None = None
