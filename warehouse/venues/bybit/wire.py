"""Bybit v5's public JSON, spelled as the venue spells it.

Numbers arrive as decimal text and leave the parser as floats (one rounding, none later); zero prices, negative sizes,
NaN and infinity do not pass it. Spot and linear order their keys differently, so nothing here depends on order.
Unknown keys are ignored. Source: https://bybit-exchange.github.io/docs/v5/intro
"""

from __future__ import annotations

from typing import Annotated, Generic, Literal, TypeVar

import msgspec
from msgspec import Meta

Price = Annotated[float, Meta(gt=0, lt=1e15)]
"""Quote per base."""

Size = Annotated[float, Meta(ge=0, lt=1e15)]
"""Base units on spot and on linear contracts; 0 deletes a book level."""

Millis = Annotated[int, Meta(ge=1, lt=10_000_000_000_000)]
"""Milliseconds since the epoch; the bound is the year 2286."""

Id = Annotated[int, Meta(ge=0, le=9_223_372_036_854_775_807)]

Text = Annotated[str, Meta(min_length=1, max_length=64)]

Level = tuple[Price, Size]

ResultT = TypeVar("ResultT")

Turnover = Annotated[float, Meta(ge=0, lt=1e18)]
"""Quote units."""


class TradeRow(msgspec.Struct, frozen=True, gc=False):
    """One execution of `publicTrade.BTCUSDT`; `S` is the taker's side, `i` a UUID on linear and digits on spot.

    `{"T":1672304486865,"s":"BTCUSDT","S":"Buy","v":"0.001","p":"16578.50","L":"PlusTick",
    "i":"20f43950-d8dd-5b31-9112-a178eb6023af","BT":false,"RPI":false,"seq":1783284617}`
    https://bybit-exchange.github.io/docs/v5/websocket/public/trade
    """

    T: Millis
    S: Literal["Buy", "Sell"]
    v: Size
    p: Price
    i: Text
    BT: bool = False
    RPI: bool = False


class TradeFrame(msgspec.Struct, frozen=True, gc=False):
    """`{"topic":"publicTrade.BTCUSDT","type":"snapshot","ts":1672304486868,"data":[...]}`, oldest execution first."""

    data: list[TradeRow]


class BookData(msgspec.Struct, frozen=True, gc=False):
    """Sides of a book as [price, absolute size]; `u` counts the messages of a topic, 1 after a service restart."""

    b: list[Level]
    a: list[Level]
    u: Id


class BookFrame(msgspec.Struct, frozen=True, gc=False):
    """`orderbook.{depth}.BTCUSDT`; `ts` is the push time, `cts` the matching engine's (absent in older recordings).

    `{"topic":"orderbook.50.BTCUSDT","type":"delta","ts":1687940967466,"data":{"s":"BTCUSDT","b":[["30247.20",
    "30.028"]],"a":[],"u":177400507,"seq":66544703342},"cts":1687940967464}`
    https://bybit-exchange.github.io/docs/v5/websocket/public/orderbook
    """

    type: Literal["snapshot", "delta"]
    ts: Millis
    data: BookData
    cts: Millis | None = None


class CandleRow(msgspec.Struct, frozen=True, gc=False):
    """A bar of `kline.1.BTCUSDT`; `start` is its open time, `volume` base, `turnover` quote, `confirm` closed.

    `{"start":1672324800000,"end":1672325099999,"interval":"5","open":"16649.5","close":"16677","high":"16677",
    "low":"16608","volume":"2.081","turnover":"34666.4005","confirm":false,"timestamp":1672324988882}`
    https://bybit-exchange.github.io/docs/v5/websocket/public/kline
    """

    start: Millis
    open: Price
    high: Price
    low: Price
    close: Price
    volume: Size
    turnover: Annotated[float, Meta(ge=0, lt=1e18)]
    confirm: bool


class CandleFrame(msgspec.Struct, frozen=True, gc=False):
    """`{"topic":"kline.1.BTCUSDT","type":"snapshot","ts":1672324988882,"data":[...]}`."""

    ts: Millis
    data: list[CandleRow]


class Control(msgspec.Struct, frozen=True, gc=False):
    """Everything that is not market data, and the topic of what is: acknowledgements, pongs, errors.

    `{"success":true,"ret_msg":"subscribe","conn_id":"2324d924","req_id":"10001","op":"subscribe"}`
    https://bybit-exchange.github.io/docs/v5/ws/connect
    """

    topic: str | None = None
    op: str | None = None
    success: bool | None = None
    ret_msg: str = ""
    req_id: str = ""


class Envelope(msgspec.Struct, Generic[ResultT], frozen=True):
    """Around every REST result: `{"retCode":0,"retMsg":"OK","result":{...},"retExtInfo":{},"time":1672025956592}`."""

    result: ResultT


class Refusal(msgspec.Struct, frozen=True):
    """The envelope of a refusal, whatever else is in it; `retCode` 0 is none. HTTP is 200 even for errors.

    `time` is the server's clock in milliseconds, 0 where a proxy dropped it.
    """

    retCode: int
    retMsg: str = ""
    time: int = 0


class RecentTrade(msgspec.Struct, frozen=True, gc=False):
    """A row of `/v5/market/recent-trade`, newest first; `execId` equals the stream's `i`.

    `{"execId":"2100000000007764263","symbol":"BTCUSDT","price":"16618.49","size":"0.00012","side":"Buy",
    "time":"1672052955758","isBlockTrade":false,"isRPITrade":true,"seq":"123456"}`
    https://bybit-exchange.github.io/docs/v5/market/recent-trade
    """

    execId: Text
    price: Price
    size: Size
    side: Literal["Buy", "Sell"]
    time: Millis
    isBlockTrade: bool = False
    isRPITrade: bool = False


class RecentTrades(msgspec.Struct, frozen=True):
    """Result of `/v5/market/recent-trade`."""

    rows: list[RecentTrade] = msgspec.field(name="list")


class Klines(msgspec.Struct, frozen=True):
    """Result of `/v5/market/kline`: rows `[start, open, high, low, close, volume, turnover]`, newest first.

    `["1670608800000","17071","17073","17027","17055.5","268611","15.74462667"]`
    https://bybit-exchange.github.io/docs/v5/market/kline
    """

    rows: list[tuple[Millis, Price, Price, Price, Price, Size, Annotated[float, Meta(ge=0, lt=1e18)]]] = msgspec.field(
        name="list"
    )


class FundingRow(msgspec.Struct, frozen=True, gc=False):
    """`{"symbol":"ETHPERP","fundingRate":"0.0001","fundingRateTimestamp":"1672041600000"}`, a fraction.

    https://bybit-exchange.github.io/docs/v5/market/history-fund-rate
    """

    fundingRate: Annotated[float, Meta(gt=-1, lt=1)]
    fundingRateTimestamp: Millis


class FundingRows(msgspec.Struct, frozen=True):
    """Result of `/v5/market/funding/history`, newest first."""

    rows: list[FundingRow] = msgspec.field(name="list")


class PriceFilter(msgspec.Struct, frozen=True):
    """Price step, decimal text."""

    tickSize: str


class LotSizeFilter(msgspec.Struct, frozen=True):
    """Size step: `basePrecision` on spot, `qtyStep` on linear; minimum notional likewise under two names."""

    basePrecision: str | None = None
    qtyStep: str | None = None
    minOrderQty: str | None = None
    minOrderAmt: str | None = None
    minNotionalValue: str | None = None


class InstrumentRow(msgspec.Struct, frozen=True):
    """A row of `/v5/market/instruments-info`; spot has no launch time and no contract type.

    https://bybit-exchange.github.io/docs/v5/market/instrument
    """

    symbol: str
    status: str
    baseCoin: str
    quoteCoin: str
    priceFilter: PriceFilter
    lotSizeFilter: LotSizeFilter
    contractType: str | None = None
    launchTime: int | None = None
    deliveryTime: int | None = None
    fundingInterval: int | None = None


class InstrumentRows(msgspec.Struct, frozen=True):
    """Result of `/v5/market/instruments-info`; an empty or missing cursor is the last page."""

    rows: list[InstrumentRow] = msgspec.field(name="list")
    nextPageCursor: str | None = None


class ServerTime(msgspec.Struct, frozen=True):
    """Result of `/v5/market/time`: `{"timeSecond":"1688639403","timeNano":"1688639403423213947"}`."""

    timeNano: int
