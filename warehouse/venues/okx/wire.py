"""OKX v5 as OKX spells it: pushes, control messages, REST pages, and their decoders.

Every number is a string of decimal text, times are milliseconds as text, and sizes of swaps are contracts. Floats are
parsed inside the JSON decoder, and a price that is zero, negative, NaN or infinite does not get past it.
https://www.okx.com/docs-v5/en/#order-book-trading-market-data
"""

from __future__ import annotations

from typing import Annotated, Generic, Literal, TypeVar

from msgspec import UNSET, Meta, Struct, UnsetType
from msgspec.json import Decoder

Price = Annotated[float, Meta(gt=0.0, lt=1e15)]
Size = Annotated[float, Meta(ge=0.0, lt=1e15)]
Filled = Annotated[float, Meta(gt=0.0, lt=1e15)]
Millis = Annotated[int, Meta(gt=0, lt=10_000_000_000_000)]
Id = Annotated[int, Meta(ge=0, le=9_223_372_036_854_775_807)]
SeqId = Annotated[int, Meta(ge=-1, le=9_223_372_036_854_775_807)]
Side = Literal["buy", "sell"]


class Arg(Struct, frozen=True):
    """`{"channel":"books","instId":"BTC-USDT"}`, `{"channel":"instruments","instType":"SPOT"}`"""

    channel: str
    instId: str = ""
    instType: str = ""

    @property
    def about(self) -> str:
        """What the channel is about: an instrument or an index, else a kind of instrument, else nothing."""
        return self.instId or self.instType


class TradeRow(Struct, gc=False):
    """One fill (`trades-all`, REST) or the fills of one taker order at one price (`trades`, with `count`).

    `{"instId":"BTC-USDT","tradeId":"130639474","px":"42219.9","sz":"0.12060306","side":"buy","source":"0",
    "ts":"1630048897897"}`. `tradeId` is the id of the last fill; `source` 1 is a retail-price-improvement order.
    """

    tradeId: Id
    px: Price
    sz: Filled
    side: Side
    ts: Millis
    count: Annotated[int, Meta(gt=0, le=1_000_000)] = 1
    source: str = "0"


class BookLevel(Struct, array_like=True, gc=False):
    """`["8476.98","415","0","13"]`: price, absolute size (0 deletes); the deprecated field and the order count are
    not read.
    """

    px: Price
    sz: Size


class TextLevel(Struct, array_like=True, gc=False):
    """A level as text, for the checksum of the days that had one."""

    px: str
    sz: str


class BookRow(Struct, gc=False):
    """`{"asks":[..],"bids":[..],"ts":"1597026383085","checksum":0,"prevSeqId":123456,"seqId":123457}`

    `bbo-tbt` and REST have no `prevSeqId`; before 2022-12 there was no `seqId` either (None).
    """

    asks: list[BookLevel]
    bids: list[BookLevel]
    ts: Millis
    seqId: SeqId | None = None
    prevSeqId: SeqId | None = None


class DatedBookRow(Struct, gc=False):
    """A book push as recorded before 2026-06-23, when `checksum` still was the signed CRC32 of the best 25 levels."""

    asks: list[TextLevel]
    bids: list[TextLevel]
    ts: Millis
    seqId: SeqId | None = None
    prevSeqId: SeqId | None = None
    checksum: int | None = None


class CandleRow(Struct, array_like=True, gc=False):
    """`["1629993600000","42500","48199.9","41006.1","41006.1","3587.41","166741046.2","166741046.2","0"]`

    `vol` is base on spot and contracts on swaps, `volCcy` quote on spot and base on swaps, `volCcyQuote` quote. The
    last two columns are absent (None) in old recordings; `confirm` "1" is final.
    """

    ts: Millis
    o: Price
    h: Price
    l: Price
    c: Price
    vol: Size
    volCcy: Size
    volCcyQuote: Size | None = None
    confirm: str | None = None


class FundingRow(Struct, gc=False):
    """`{"fundingRate":"0.00007","fundingTime":"1703059200000","instId":"BTC-USDT-SWAP","realizedRate":"0.00007"}`

    `realizedRate` is what was paid; `fundingRate` was the prediction.
    """

    fundingTime: Millis
    realizedRate: Annotated[float, Meta(gt=-10.0, lt=10.0)]


class Upcoming(Struct, gc=False):
    """`{"param":"tickSz","newValue":"0.0001","effTime":"1704876947000"}`"""

    param: str
    newValue: str
    effTime: str = ""


class InstrumentRow(Struct, gc=False):
    """`{"instType":"SWAP","instId":"BTC-USDT-SWAP","ctVal":"0.01","ctMult":"1","tickSz":"0.1","lotSz":"0.01",...}`

    Text fields that do not apply are empty. `expTime` is filled as soon as a delisting is announced; `upcChg` lists
    announced changes of the rules.
    """

    instId: str
    instType: str
    tickSz: str = ""
    lotSz: str = ""
    minSz: str = ""
    ctVal: str = ""
    ctMult: str = ""
    ctType: str = ""
    settleCcy: str = ""
    state: str = ""
    listTime: str = ""
    expTime: str = ""
    instFamily: str = ""
    upcChg: list[Upcoming] | None = None


class TimeRow(Struct, gc=False):
    """`{"ts":"1597026383085"}`"""

    ts: Millis


class TradesPush(Struct, gc=False):
    """`{"arg":{"channel":"trades-all","instId":"BTC-USDT"},"data":[{...}]}`"""

    data: list[TradeRow]


class BooksPush(Struct, gc=False):
    """`{"arg":{"channel":"books",..},"action":"snapshot","data":[{...}]}`; `bbo-tbt` has no `action`."""

    data: list[BookRow]
    action: Literal["snapshot", "update"] | UnsetType = UNSET


class DatedBooksPush(Struct, gc=False):
    """The same with its texts kept."""

    data: list[DatedBookRow]
    action: Literal["snapshot", "update"] | UnsetType = UNSET


class CandlesPush(Struct, gc=False):
    """`{"arg":{"channel":"candle1m",..},"data":[[...]]}`"""

    data: list[CandleRow]


class Control(Struct, gc=False):
    """Everything that is no push of ours: acknowledgements, errors, notices, pushes of other channels.

    `{"id":"1512","event":"subscribe","arg":{..},"connId":"a4d3ae55"}`,
    `{"event":"error","code":"60018","msg":"..","connId":".."}`, `{"event":"notice","code":"64008","msg":".."}`
    """

    event: str = ""
    code: str = ""
    msg: str = ""
    arg: Arg | None = None
    data: list[object] | UnsetType = UNSET


RowT = TypeVar("RowT")


class Page(Struct, Generic[RowT]):
    """The REST envelope `{"code":"0","msg":"","data":[...]}`; any other `code` is a refusal."""

    code: str
    msg: str = ""
    data: list[RowT] = []


class Refusal(Struct):
    """The envelope of a refusal, whatever else is in it."""

    code: str
    msg: str = ""


trades_push = Decoder(TradesPush, strict=False)
books_push = Decoder(BooksPush, strict=False)
dated_books_push = Decoder(DatedBooksPush, strict=False)
candles_push = Decoder(CandlesPush, strict=False)
control = Decoder(Control, strict=False)
refusal = Decoder(Refusal, strict=False)
trades_page = Decoder(Page[TradeRow], strict=False)
books_page = Decoder(Page[BookRow], strict=False)
