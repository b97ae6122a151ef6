"""OKX's bulk files: asked for by `market-data-history`, which answers with links.

https://www.okx.com/docs-v5/en/#public-data-rest-api-get-historical-market-data. A day of trades or candles is one of
UTC+8, sizes of swaps are contracts, and old headers carry Chinese words behind a slash.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date

import msgspec

from warehouse.clock import DAY, HOUR, Micros
from warehouse.instruments import Market, Rules
from warehouse.venues.archives import ArchiveFile, ArchiveKind, Layout, Listed, begin_of, days, month_of
from warehouse.venues.base import Fetch
from warehouse.venues.okx import pages

KINDS: tuple[ArchiveKind, ...] = ("trades", "candles", "funding")

LATE: Micros = 4 * DAY
"""Files come on the second day after, some later."""

SHIFT: Micros = -8 * HOUR
"""A file's day begins at 16:00 UTC of the day before."""

AT_ONCE = 20
"""Days, or months, of one question."""

_MODULE: dict[ArchiveKind, str] = {"trades": "1", "candles": "2", "funding": "3"}

_TRADES = Layout(
    kind="trades",
    columns={
        "instrument": ("instrument_name",),
        "id": ("trade_id",),
        "side": ("side",),
        "price": ("price",),
        "size": ("size",),
        "time": ("created_time",),
        "source": ("source",),
    },
    optional=("instrument", "source"),
)
_BAR: dict[str, tuple[str, ...]] = {
    "instrument": ("instrument_name",),
    "time": ("open_time",),
    "open": ("open",),
    "high": ("high",),
    "low": ("low",),
    "close": ("close",),
    "quote_volume": ("vol_quote",),
    "confirm": ("confirm",),
}
_SPOT_CANDLES = Layout(kind="candles", columns={**_BAR, "volume": ("vol",)}, optional=("instrument", "confirm"))
_SWAP_CANDLES = Layout(kind="candles", columns={**_BAR, "volume": ("vol_ccy",)}, optional=("instrument", "confirm"))
_FUNDING = Layout(
    kind="funding",
    columns={
        "instrument": ("instrument_name",),
        "time": ("funding_time",),
        "rate": ("real_funding_rate", "realized_rate", "funding_rate"),
    },
    optional=("instrument",),
)
_WORD: dict[ArchiveKind, str] = {"trades": "trades", "candles": "candlesticks", "funding": "fundingrates"}
_KIND: dict[str, ArchiveKind] = {word: kind for kind, word in _WORD.items()}
_FOLDER = {"trades": "trades", "candlesticks": "candlesticks", "fundingrates": "swaprates"}
_NAME = re.compile(r"([A-Z0-9-]+)-(trades|candlesticks|fundingrates)-(\d{4}-\d{2})(-\d{2})?\.(?:zip|csv)")


class _Link(msgspec.Struct, gc=False):
    """`{"dateTs":"1756656000000","filename":"BTC-USDT-SWAP-trades-2025-09-01.zip","sizeMB":"10.82","url":"https:..."}`"""

    filename: str
    url: str


class _Group(msgspec.Struct, gc=False):
    groupDetails: list[_Link]  # noqa: N815  the venue's spelling


class _Found(msgspec.Struct, gc=False):
    details: list[_Group]


def layouts(kind: ArchiveKind, market: Market) -> Sequence[Layout]:
    """Candles count contracts in `vol` on swaps and coins in `vol_ccy`."""
    if kind == "candles":
        return (_SPOT_CANDLES,) if market == "spot" else (_SWAP_CANDLES,)
    return (_FUNDING,) if kind == "funding" else (_TRADES,)


def files(rules: Rules, kind: ArchiveKind, timeframe: str, start: Micros, end: Micros) -> Listed:
    """Asked of the venue, twenty days or months at a time: months of funding, days of trades and 1m candles.

    What it does not name is looked for where it would lie.
    """
    if kind not in KINDS or (kind == "candles" and timeframe != "1m") or (kind == "funding" and rules.market == "spot"):
        return []
    found: list[ArchiveFile] = []
    word = _WORD[kind]
    whens = list(dict.fromkeys(_when(day, kind) for day, _ in days(start, end, SHIFT)))
    for place in range(0, len(whens), AT_ONCE):
        paths = [path_of(word, rules.symbol, when) for when in whens[place : place + AT_ONCE]]
        files = [file for path in paths for file in recognised(path, [rules])]
        answer = yield request(rules, kind, files[0].start, files[-1].end - 1)
        groups = [group for one in pages.rows(answer, _Found) for group in one.details]
        links = {link.filename: link.url for group in groups for link in group.groupDetails}
        found += [msgspec.structs.replace(file, path=links.get(file.name, file.path)) for file in files]
    return found


def path_of(word: str, symbol: str, when: str) -> str:
    """Where a day's or a month's file lies: `trades`, `BTC-USDT-SWAP`, `2025-09-01`."""
    period = "monthly" if len(when) == 7 else "daily"
    return f"/cdn/okex/traderecords/{_FOLDER[word]}/{period}/{when.replace('-', '')}/{symbol}-{word}-{when}.zip"


def request(rules: Rules, kind: ArchiveKind, first: Micros, last: Micros) -> Fetch:
    """The question for links of the days, or months, of UTC+8 that hold these two moments and what lies between."""
    spot = rules.market == "spot"
    family = rules.symbol.removesuffix("-SWAP")
    return Fetch(
        purpose="archive",
        base="rest",
        path="/api/v5/public/market-data-history",
        query={
            "module": _MODULE[kind],
            "instType": "SPOT" if spot else "SWAP",
            "instIdList" if spot else "instFamilyList": rules.symbol if spot else family,
            "dateAggrType": "monthly" if kind == "funding" else "daily",
            "begin": str(first // 1000),
            "end": str(last // 1000),
        },
        ccxt="publicGetPublicMarketDataHistory",
        instrument=rules.instrument,
    )


def recognised(path: str, rules: Sequence[Rules]) -> list[ArchiveFile]:
    """`BTC-USDT-SWAP-trades-2025-09-01.zip`; a month's name ends with the month."""
    told = _NAME.fullmatch(path.rpartition("/")[2])
    if told is None:
        return []
    symbol, word, month, day = told.groups()
    first, after = month_of(date.fromisoformat(f"{month}-01"))
    span = first + SHIFT, after + SHIFT
    if day is not None:
        begin = begin_of(date.fromisoformat(month + day)) + SHIFT
        span = begin, begin + DAY
    kind = _KIND[word]
    return [
        ArchiveFile(
            venue="okx", kind=kind, instrument=rule.instrument, timeframe="1m" if kind == "candles" else "",
            start=span[0], end=span[1], path=path,
        )
        for rule in rules
        if rule.symbol == symbol
    ]  # fmt: skip


def _when(day: date, kind: ArchiveKind) -> str:
    return day.isoformat()[:7] if kind == "funding" else day.isoformat()
