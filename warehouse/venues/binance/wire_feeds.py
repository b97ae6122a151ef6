"""The JSON of Binance's further feeds, spelled as Binance spells it: derivatives, tickers, states, block trades.

Same rules as in `wire`. USD-M: https://developers.binance.com/docs/derivatives/usds-margined-futures. Since 2026-06-30
streams of the whole market carry COIN-M symbols too; `st` is 1 for USD-M and 2 for COIN-M.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from warehouse.venues.binance.wire import Id, Millis, Price, Size

Rate = Annotated[float, msgspec.Meta(gt=-1e3, lt=1e3)]
"""A funding rate as a fraction."""

Balance = Annotated[float, msgspec.Meta(gt=-1e18, lt=1e18)]
"""Of an insurance pool; it may be in debt."""


class MarkPriceUpdate(msgspec.Struct, gc=False):
    """`@markPrice@1s`: mark `p`, index `i`, accruing funding rate `r` (may be empty), next settlement `T`.

    `{"e":"markPriceUpdate","E":1562305380000,"s":"BTCUSDT","p":"11794.15","i":"11784.62","P":"11784.25",
    "r":"0.00038167","ap":"11794.15","T":1562306400000,"st":1}`
    """

    E: Millis
    p: Price
    i: Size
    r: str = ""
    T: Millis = 0


class PremiumIndex(msgspec.Struct, gc=False):
    """REST `premiumIndex`: `{"symbol":"BTCUSDT","markPrice":"11793.63","indexPrice":"11781.80",
    "estimatedSettlePrice":"11781.16","lastFundingRate":"0.00038246","interestRate":"0.0001",
    "nextFundingTime":1597392000000,"time":1597370495002}`. `lastFundingRate` is the accruing one.
    """

    markPrice: Price
    indexPrice: Size
    time: Millis
    lastFundingRate: str = ""
    nextFundingTime: Millis = 0


class FundingInfo(msgspec.Struct, gc=False):
    """A row of REST `fundingInfo`, which lists only symbols that were ever adjusted; the others settle each 8 hours.

    `{"symbol":"BLZUSDT","adjustedFundingRateCap":"0.025","adjustedFundingRateFloor":"-0.025",
    "fundingIntervalHours":8,"disclaimer":false}`
    """

    symbol: str
    fundingIntervalHours: Annotated[int, msgspec.Meta(ge=1, le=24)]


class LiquidationOrder(msgspec.Struct, gc=False):
    """The order in `@forceOrder`: side `S` of the order, quantity `q`, price `p`, average price `ap`, filled `z`."""

    s: str
    S: str
    q: Size
    p: Size
    T: Millis
    ap: Size = 0.0
    z: Size = 0.0


class ForceOrder(msgspec.Struct, gc=False):
    """`@forceOrder`: `{"e":"forceOrder","E":1568014460893,"o":{"s":"BTCUSDT","S":"SELL","o":"LIMIT","f":"IOC",
    "q":"0.014","p":"9910","ap":"9910","X":"FILLED","l":"0.014","z":"0.014","T":1568014460893}}`.
    """

    E: Millis
    o: LiquidationOrder


class OpenInterestNow(msgspec.Struct, gc=False):
    """REST `openInterest`: `{"openInterest":"10659.509","symbol":"BTCUSDT","time":1589437530011}`."""

    openInterest: Size
    time: Millis


class OpenInterestRow(msgspec.Struct, gc=False):
    """A row of `/futures/data/openInterestHist`: `{"symbol":"BTCUSDT","sumOpenInterest":"20403.12",
    "sumOpenInterestValue":"176196512.12","CMCCirculatingSupply":"165880.538","timestamp":1591261200000}`; the time is
    the end of the period.
    """

    sumOpenInterest: Size
    sumOpenInterestValue: Size
    timestamp: Millis


class DayTicker(msgspec.Struct, gc=False):
    """`@ticker`: last price `c`, open `o`, high `h`, low `l`, base volume `v`, quote volume `q`, trades `n`.

    `{"e":"24hrTicker","E":1672515782136,"s":"BNBBTC","p":"0.0015","P":"250.00","w":"0.0018","c":"0.0025","Q":"10",
    "o":"0.0010","h":"0.0025","l":"0.0010","v":"10000","q":"18","O":0,"C":86400000,"F":0,"L":18150,"n":18151}`
    """

    E: Millis
    c: Price
    o: Price
    h: Price
    l: Price
    v: Size
    q: Size
    n: Id


class InsurancePool(msgspec.Struct, gc=False):
    """One asset of a group in `insuranceBalance`: `{"asset":"USDT","marginBalance":"793930579.31",
    "updateTime":1745366402000}`.
    """

    asset: str
    marginBalance: Balance
    updateTime: Millis


class InsuranceGroup(msgspec.Struct):
    """REST `insuranceBalance` without a symbol is a list of these: `{"symbols":["BNBUSDT",...],"assets":[...]}`."""

    symbols: list[str]
    assets: list[InsurancePool]


class ContractInfo(msgspec.Struct, gc=False):
    """`!contractInfo`, pushed when a contract is listed, settled or rebracketed: type `ct`, delivery `dt`, onboarding
    `ot`, status `cs`.

    `{"e":"contractInfo","E":1669356423908,"s":"IOTAUSDT","ct":"PERPETUAL","dt":4133404800000,"ot":1569398400000,
    "cs":"TRADING","bks":[...],"st":1}`
    """

    E: Millis
    s: str
    ct: str
    cs: str
    dt: Millis = 0
    ot: Millis = 0
    st: int = 1


class BlockTrade(msgspec.Struct, gc=False):
    """`@blockTrade` (spot, since 2026-05-12): negotiated outside the book, with ids of its own.

    `{"e":"blockTrade","E":1772506983582,"s":"BNBBTC","t":582,"p":"0.052","q":"5838","T":1772506983321,"m":true}`
    """

    t: Id
    p: Price
    q: Size
    T: Millis
    m: bool


class SystemStatus(msgspec.Struct):
    """REST `/sapi/v1/system/status`, which needs no key: `{"status":0,"msg":"normal"}`; 1 is maintenance."""

    status: int
    msg: str
