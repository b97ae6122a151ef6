"""The slower feeds as OKX spells them: mark, index, funding, open interest, liquidations, tickers, states.

Rows of the whole market come on one subscription (`liquidation-orders`, `instruments`): what is not ours is left as
raw bytes. https://www.okx.com/docs-v5/en/#public-data
"""

from __future__ import annotations

from typing import Annotated, Generic, Literal, TypeVar

from msgspec import Meta, Raw, Struct
from msgspec.json import Decoder

from warehouse.venues.okx.wire import Filled, InstrumentRow, Millis, Page, Price, Side, Size

Rate = Annotated[float, Meta(gt=-10.0, lt=10.0)]


class MarkRow(Struct, gc=False):
    """`{"instType":"SWAP","instId":"BTC-USDT-SWAP","markPx":"42310.6","ts":"1630049139746"}`"""

    markPx: Price
    ts: Millis


class IndexRow(Struct, gc=False):
    """`{"instId":"BTC-USDT","idxPx":"42310.6","high24h":"..","low24h":"..","open24h":"..","ts":"1597026383085"}`

    `instId` is the index, not an instrument.
    """

    idxPx: Price
    ts: Millis


class AccruingRow(Struct, gc=False):
    """`{"instId":"BTC-USDT-SWAP","fundingRate":"0.0000182","fundingTime":"1743609600000",
    "nextFundingTime":"1743638400000","settFundingRate":"0.0000145","settState":"settled","ts":"1743588686291"}`

    `fundingRate` accrues until `fundingTime`. `nextFundingTime` is the settlement after that one, empty where unknown;
    recordings of 2022 have neither it nor `ts` (None).
    """

    fundingRate: Rate
    fundingTime: Millis
    nextFundingTime: str = ""
    ts: Millis | None = None


class OpenInterestRow(Struct, gc=False):
    """`{"instId":"BTC-USDT-SWAP","instType":"SWAP","oi":"2216113.01","oiCcy":"22161.1301","oiUsd":"1939251795.54",
    "ts":"1743041250440"}`

    Contracts, base units and US dollars of one side; recordings of 2022 have no `oiUsd` (None).
    """

    oi: Size
    oiCcy: Size
    ts: Millis
    oiUsd: Size | None = None


class OpenInterestBar(Struct, array_like=True, gc=False):
    """`["1701417600000","731377.57500501","7313.7757500501","277923478.5"]`: time, contracts, base units, USD."""

    ts: Millis
    oi: Size
    oiCcy: Size
    oiUsd: Size


class TickerRow(Struct, gc=False):
    """`{"instType":"SWAP","instId":"BTC-USDT-SWAP","last":"29963","open24h":"31589.3","high24h":"31907.2",
    "low24h":"29302","volCcy24h":"108540.53","vol24h":"10854053","ts":"1654166233877"}`

    `vol24h` is base on spot and contracts on swaps, `volCcy24h` quote on spot and base on swaps.
    """

    last: Price
    open24h: Price
    high24h: Price
    low24h: Price
    vol24h: Size
    volCcy24h: Size
    ts: Millis


class BlockRow(Struct, gc=False):
    """`{"fillVol":"","fwdPx":"","groupId":"","idxPx":"27222.5","instId":"BTC-USDT-SWAP","markPx":"27220.1",
    "px":"27215","side":"buy","sz":"500","tradeId":"633971452580106242","ts":"1697422572972"}`

    One leg of a block trade, told a quarter of an hour after it. Its ids have nothing to do with those of the book.
    """

    tradeId: str
    px: Price
    sz: Filled
    side: Side
    ts: Millis


class LiquidationRow(Struct, gc=False):
    """`{"details":[{...}],"instFamily":"IOST-USDT","instId":"IOST-USDT-SWAP","instType":"SWAP","uly":"IOST-USDT"}`"""

    instId: str
    details: Raw


class LiquidationDetail(Struct, gc=False):
    """`{"bkLoss":"0","bkPx":"0.007831","ccy":"","posSide":"short","side":"buy","sz":"13","ts":"1692266434010"}`

    `side` is that of the closing order, `posSide` the closed position or `net`; `bkPx` the bankruptcy price.
    """

    bkPx: Price
    sz: Filled
    side: Side
    ts: Millis
    posSide: Literal["long", "short", "net", ""] = ""


class MaintenanceRow(Struct, gc=False):
    """`{"begin":"1672823400000","end":"1672825980000","href":"","preOpenBegin":"","scheDesc":"","serviceType":"0",
    "state":"completed","system":"unified","maintType":"1","env":"1","title":"WebSocket upgrade","ts":"1672826038470"}`

    REST has no `ts`. `env` 2 is demo trading.
    """

    title: str
    state: Literal["scheduled", "ongoing", "pre_open", "completed", "canceled"]
    begin: str = ""
    end: str = ""
    serviceType: str = ""
    scheDesc: str = ""
    env: str = "1"
    ts: str = ""


class FundDetail(Struct, gc=False):
    """`{"adlType":"","amt":"1343.1308","balance":"1369179.7489","ccy":"USDT","ts":"1704883083000",
    "type":"liquidation_balance_deposit"}`; one a day about 08:00 UTC.
    """

    balance: Annotated[float, Meta(gt=-1e18, lt=1e18)]
    ccy: str
    ts: Millis


class FundRow(Struct, gc=False):
    """`{"total":"1369179138.7489","instFamily":"BTC-USDT","instType":"SWAP","details":[{...}]}`; `total` is USD."""

    total: Annotated[float, Meta(gt=-1e18, lt=1e18)]
    details: list[FundDetail]
    instFamily: str = ""


class FlatCandle(Struct, array_like=True, gc=False):
    """`["1597026360000","3.721","3.743","3.677","3.708","1"]`: a bar of the mark or index price."""

    ts: Millis
    o: Price
    h: Price
    l: Price
    c: Price
    confirm: str


class DeepLevel(Struct, array_like=True, gc=False):
    """`["8476.98","415","13"]` of `/market/books-full`: price, size, orders (not read)."""

    px: Price
    sz: Filled


class DeepBook(Struct, gc=False):
    """`{"asks":[..],"bids":[..],"ts":"1597026383085"}`: up to 5000 levels, once a second, without `seqId`."""

    asks: list[DeepLevel]
    bids: list[DeepLevel]
    ts: Millis


class Announcement(Struct, gc=False):
    """`{"annType":"announcements-delistings","title":"OKX to delist ..","url":"https://..","pTime":"1761620404821"}`"""

    annType: str
    title: str
    pTime: Millis
    url: str = ""


class AnnouncementPage(Struct, gc=False):
    """`{"details":[{...}],"totalPage":"123"}`: 20 a page, newest first."""

    details: list[Announcement]
    totalPage: int = 1


RowT = TypeVar("RowT")


class Push(Struct, Generic[RowT], gc=False):
    """`{"arg":{"channel":..},"data":[{...}]}`"""

    data: list[RowT]


mark_push = Decoder(Push[MarkRow], strict=False)
index_push = Decoder(Push[IndexRow], strict=False)
funding_push = Decoder(Push[AccruingRow], strict=False)
open_interest_push = Decoder(Push[OpenInterestRow], strict=False)
ticker_push = Decoder(Push[TickerRow], strict=False)
block_push = Decoder(Push[BlockRow], strict=False)
liquidation_push = Decoder(Push[LiquidationRow], strict=False)
liquidation_details = Decoder(list[LiquidationDetail], strict=False)
instrument_push = Decoder(Push[InstrumentRow], strict=False)
status_push = Decoder(Push[MaintenanceRow], strict=False)
mark_page = Decoder(Page[MarkRow], strict=False)
index_page = Decoder(Page[IndexRow], strict=False)
funding_page = Decoder(Page[AccruingRow], strict=False)
open_interest_page = Decoder(Page[OpenInterestRow], strict=False)
fund_page = Decoder(Page[FundRow], strict=False)
status_page = Decoder(Page[MaintenanceRow], strict=False)
