"""The JSON of Binance, spelled as Binance spells it: streams, REST rows, control messages.

Spot: https://developers.binance.com/docs/binance-spot-api-docs/web-socket-streams. USD-M futures:
https://developers.binance.com/docs/derivatives/usds-margined-futures/websocket-market-streams. Numbers arrive as text
and become floats inside the parse, where NaN, infinity and prices that are not positive are refused too. Times are
milliseconds. Fields nobody reads are left out; unknown ones are skipped.
"""

from __future__ import annotations

from typing import Annotated, Generic, TypeVar

import msgspec

Price = Annotated[float, msgspec.Meta(gt=0, lt=1e15)]
"""Positive and finite."""

Size = Annotated[float, msgspec.Meta(ge=0, lt=1e18)]
"""Not negative and finite."""

Id = Annotated[int, msgspec.Meta(ge=-1, lt=1 << 53)]
"""Of a trade or an update; -1 where the venue means none."""

Millis = Annotated[int, msgspec.Meta(ge=0, lt=100_000_000_000_000)]
"""Milliseconds since the epoch. Microseconds, which spot sends on request, are too large to pass."""

Body = TypeVar("Body")


class Frame(msgspec.Struct, Generic[Body], gc=False):
    """The envelope of `/stream`: `{"stream":"btcusdt@aggTrade","data":{...}}`."""

    data: Body


class AggTrade(msgspec.Struct, gc=False):
    """`@aggTrade`, and a row of REST `aggTrades`.

    `{"e":"aggTrade","E":1672515782136,"s":"BNBBTC","a":12345,"p":"0.001","q":"100","f":100,"l":105,
    "T":1672515782136,"m":true,"M":true}`; futures have `nq` (quantity without RPI orders) and `st` instead of `M`. A
    few rows of 2017 and 2018 are placeholders: an id, price and size 0, `f` and `l` -1.
    """

    a: Id
    p: Size
    q: Size
    f: Id
    l: Id
    T: Millis
    m: bool
    nq: Size | None = None


class RawTrade(msgspec.Struct, gc=False):
    """`@trade`: one fill. On futures undocumented, with `X` = `MARKET`, `INSURANCE_FUND`, `ADL` or `NA` (price 0).

    `{"e":"trade","E":1723161256322,"T":1723161256322,"s":"BTCUSDT","t":5266583935,"p":"61800.30","q":"0.006",
    "X":"MARKET","m":false}`
    """

    t: Id
    p: Size
    q: Size
    T: Millis
    m: bool
    X: str = "MARKET"


class HistoricalTrade(msgspec.Struct, gc=False):
    """A row of REST `historicalTrades`.

    `{"id":28457,"price":"4.00000100","qty":"12.00000000","quoteQty":"48.000012","time":1499865549590,
    "isBuyerMaker":true,"isBestMatch":true}`; futures have `isRPITrade` instead of `isBestMatch`.
    """

    id: Id
    price: Size
    qty: Size
    time: Millis
    isBuyerMaker: bool
    isRPITrade: bool = False


class BookTicker(msgspec.Struct, gc=False):
    """`@bookTicker`. Spot has no time at all; futures add `e`, `E`, `T`.

    `{"u":400900217,"s":"BNBUSDT","b":"25.35190000","B":"31.21000000","a":"25.36520000","A":"40.66000000"}`
    """

    u: Id
    b: Price
    B: Size
    a: Price
    A: Size
    T: Millis = 0


class DepthUpdate(msgspec.Struct, gc=False):
    """`@depth`: absolute sizes of the levels that changed with updates `U` to `u`. Futures add `T` and `pu`.

    `{"e":"depthUpdate","E":123456789,"T":123456788,"s":"BTCUSDT","U":157,"u":160,"pu":149,"b":[["0.0024","10"]],
    "a":[["0.0026","100"]]}`
    """

    E: Millis
    U: Id
    u: Id
    b: list[tuple[Price, Size]]
    a: list[tuple[Price, Size]]
    pu: Id | None = None
    T: Millis | None = None


class DepthSnapshot(msgspec.Struct, gc=False):
    """REST `depth`: `{"lastUpdateId":1027024,"bids":[["4.0","431.0"]],"asks":[...]}`; futures add `E` and `T`."""

    lastUpdateId: Id
    bids: list[tuple[Price, Size]]
    asks: list[tuple[Price, Size]]
    T: Millis | None = None


class Kline(msgspec.Struct, gc=False):
    """The bar in `@kline_1m`: open time `t`, interval `i`, base volume `v`, trades `n`, closed `x`, quote volume `q`,
    taker-buy base volume `V`.
    """

    t: Millis
    i: str
    o: Price
    c: Price
    h: Price
    l: Price
    v: Size
    n: Id
    x: bool
    q: Size
    V: Size


class KlineEvent(msgspec.Struct, gc=False):
    """`@kline_1m`: `{"e":"kline","E":1672515782136,"s":"BNBBTC","k":{"t":1672515780000,...,"x":false}}`."""

    E: Millis
    k: Kline


class KlineRow(msgspec.Struct, array_like=True, gc=False):
    """A row of REST `klines`: `[1499040000000,"0.0163","0.8","0.0157","0.0157","148976.1",1499644799999,"2434.1",308,
    "1756.8","28.4","0"]`; `close_time` is the last millisecond of the bar.
    """

    open_time: Millis
    open: Price
    high: Price
    low: Price
    close: Price
    volume: Size
    close_time: Millis
    quote_volume: Size
    trades: Id
    taker_buy_base: Size


class FundingRow(msgspec.Struct, gc=False):
    """A row of `fundingRate`: `{"symbol":"BTCUSDT","fundingRate":"-0.0375","fundingTime":1570608000003,
    "markPrice":"34287.5"}`; old rows have an empty `markPrice`.
    """

    fundingRate: Annotated[float, msgspec.Meta(gt=-1e3, lt=1e3)]
    fundingTime: Millis
    markPrice: str = ""


class ServerTime(msgspec.Struct, gc=False):
    """`{"serverTime":1499827319559}`."""

    serverTime: Millis


class Filter(msgspec.Struct):
    """One of a symbol's filters; only these four say something about prices and sizes."""

    filterType: str
    tickSize: str | None = None
    stepSize: str | None = None
    minQty: str | None = None
    minNotional: str | None = None
    notional: str | None = None


class SymbolInfo(msgspec.Struct):
    """A symbol of `exchangeInfo`. `onboardDate` and `deliveryDate` (4133404800000: none) are on futures only."""

    symbol: str
    status: str
    baseAsset: str
    quoteAsset: str
    filters: list[Filter]
    contractType: str | None = None
    onboardDate: int | None = None
    deliveryDate: int | None = None


class ExchangeInfo(msgspec.Struct):
    """`exchangeInfo`."""

    symbols: list[SymbolInfo]
    serverTime: Millis = 0


class Refusal(msgspec.Struct):
    """The body of an error: `{"code":-1121,"msg":"Invalid symbol."}`."""

    code: int = 0
    msg: str = ""


class Control(msgspec.Struct):
    """Anything else on a socket: `{"result":null,"id":1}`, `{"code":2,"msg":"..."}`, `{"error":{...},"id":1}`,
    `{"stream":"!serverShutdown","data":{"e":"serverShutdown","E":1770123456789}}`, or a market frame whose keys come
    in another order.
    """

    stream: str | None = None
    id: int | str | None = None
    result: list[str] | msgspec.UnsetType | None = msgspec.UNSET
    error: Refusal | None = None
    code: int | None = None
    msg: str = ""
    e: str | None = None
