"""Binance's public data: which files there are and how they are written.

https://github.com/binance/binance-public-data. Spot files have no header and count microseconds since 2025; those of
futures count milliseconds, with a header since about the middle of 2022. Rows come unsorted and doubled at times.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import date
from typing import Literal

from warehouse.clock import DAY, Micros
from warehouse.instruments import TIMEFRAMES, Market, Rules
from warehouse.venues.archives import ArchiveFile, ArchiveKind, Layout, Listed, begin_of, days, month_of

KINDS: tuple[ArchiveKind, ...] = (
    "trades", "fills", "candles", "price_candles", "funding", "open_interest", "liquidations",
)  # fmt: skip

LATE: Micros = 2 * DAY
"""A day's file comes on the next day, at no certain hour; a month's comes later, and its days stand in for it."""

_AGGREGATES = Layout(
    kind="trades",
    columns={
        "id": ("agg_trade_id",),
        "price": ("price",),
        "size": ("quantity",),
        "first_fill": ("first_trade_id",),
        "last_fill": ("last_trade_id",),
        "time": ("transact_time",),
        "maker": ("is_buyer_maker",),
    },
    bare=("id", "price", "size", "first_fill", "last_fill", "time", "maker", ""),
)
_FILLS = Layout(
    kind="fills",
    columns={"id": ("id",), "price": ("price",), "size": ("qty",), "time": ("time",), "maker": ("is_buyer_maker",)},
    bare=("id", "price", "size", "", "time", "maker", ""),
)
_BAR: dict[str, tuple[str, ...]] = {
    "time": ("open_time",),
    "open": ("open",),
    "high": ("high",),
    "low": ("low",),
    "close": ("close",),
}
_VOLUMES: dict[str, tuple[str, ...]] = {
    "volume": ("volume",),
    "quote_volume": ("quote_volume",),
    "trade_count": ("count",),
    "taker_buy_volume": ("taker_buy_volume",),
}
_BAR_ORDER = (
    "time", "open", "high", "low", "close", "volume", "", "quote_volume", "trade_count", "taker_buy_volume", "", "",
)  # fmt: skip
_CANDLES = Layout(kind="candles", columns={**_BAR, **_VOLUMES}, bare=_BAR_ORDER)
_PRICE_CANDLES = Layout(kind="price_candles", columns=_BAR, bare=(*_BAR_ORDER[:5], *[""] * 7))
_FUNDING = Layout(
    kind="funding",
    columns={"time": ("calc_time",), "interval_hours": ("funding_interval_hours",), "rate": ("last_funding_rate",)},
)
_METRICS = Layout(
    kind="open_interest",
    columns={
        "time": ("create_time",),
        "open_interest": ("sum_open_interest",),
        "open_interest_quote": ("sum_open_interest_value",),
    },
)
_LIQUIDATIONS = Layout(
    kind="liquidations",
    columns={
        "time": ("time",),
        "side": ("side",),
        "price": ("average_price",),
        "limit": ("price",),
        "size": ("accumulated_fill_quantity",),
        "asked": ("original_quantity",),
    },
)
_LAYOUTS: dict[ArchiveKind, Layout] = {
    layout.kind: layout for layout in (_AGGREGATES, _FILLS, _CANDLES, _PRICE_CANDLES, _FUNDING, _METRICS, _LIQUIDATIONS)
}
_FOLDER: dict[ArchiveKind, str] = {
    "trades": "aggTrades",
    "fills": "trades",
    "candles": "klines",
    "funding": "fundingRate",
    "open_interest": "metrics",
    "liquidations": "liquidationSnapshot",
}
_PRICES = {"mark": "markPriceKlines", "index": "indexPriceKlines"}
_PERP_ONLY: tuple[ArchiveKind, ...] = ("price_candles", "funding", "open_interest", "liquidations")
_MARKETS: dict[Market, str] = {"spot": "spot", "perp": "futures/um"}
_NAME = re.compile(r"([A-Z0-9]+)-(\w+)-(\d{4}-\d{2})(-\d{2})?\.(?:zip|csv)")

Period = Literal["daily", "monthly"]


def layouts(kind: ArchiveKind, market: Market) -> Sequence[Layout]:
    """Both markets write the same columns; what differs (header, unit of time) the file itself shows."""
    return (_LAYOUTS[kind],)


def files(rules: Rules, kind: ArchiveKind, timeframe: str, start: Micros, end: Micros) -> Listed:
    """Months of funding; of candles too, where all of one is asked for; days of everything else."""
    yield from ()
    if rules.market == "spot" and kind in _PERP_ONLY:
        return []
    return list(_files(rules, kind, timeframe, start, end))


def recognised(path: str, rules: Sequence[Rules]) -> list[ArchiveFile]:
    """By `{SYMBOL}-{dataset or interval}-{day or month}` and, for what that leaves open, the archive's own folders."""
    name = path.rpartition("/")[2]
    told = _NAME.fullmatch(name)
    if told is None:
        return []
    symbol, what, month, day = told.groups()
    span = month_of(date.fromisoformat(f"{month}-01"))
    if day is not None:
        begin = begin_of(date.fromisoformat(month + day))
        span = begin, begin + DAY
    of_market = [market for market, folder in _MARKETS.items() if f"/{folder}/" in f"/{path}"] or list(_MARKETS)
    found = []
    for rule in rules:
        if rule.symbol != symbol or rule.market not in of_market:
            continue
        for kind, timeframe in _kinds(path, what):
            if rule.market == "perp" or kind not in _PERP_ONLY:
                found.append(ArchiveFile(venue="binance", kind=kind, instrument=rule.instrument, timeframe=timeframe,
                                         start=span[0], end=span[1], path=path))  # fmt: skip
    return found


def _kinds(path: str, what: str) -> list[tuple[ArchiveKind, str]]:
    """The kinds, with the series' timeframe, that a file's name leaves open."""
    for kind, folder in _FOLDER.items():
        if what == folder:
            return [(kind, "")]
    if what not in TIMEFRAMES:
        return []
    for price, folder in _PRICES.items():
        if f"/{folder}/" in f"/{path}":
            return [("price_candles", f"{price}:{what}")]
    return [("candles", what)]


def _files(rules: Rules, kind: ArchiveKind, timeframe: str, start: Micros, end: Micros) -> Iterator[ArchiveFile]:
    monthly: ArchiveFile | None = None
    for day, begin in days(start, end):
        if monthly is not None and begin < monthly.end:
            continue
        first, after = month_of(day)
        bars = kind in ("candles", "price_candles")
        if kind == "funding" or (bars and begin == first and after <= end):
            monthly = _file(rules, kind, timeframe, "monthly", day, (first, after))
            if bars:
                single = [_file(rules, kind, timeframe, "daily", one, (at, at + DAY)) for one, at in days(first, after)]
                monthly = ArchiveFile(**{name: getattr(monthly, name) for name in monthly.__struct_fields__}
                                      | {"parts": tuple(single)})  # fmt: skip
            yield monthly
        else:
            yield _file(rules, kind, timeframe, "daily", day, (begin, begin + DAY))


def _file(
    rules: Rules, kind: ArchiveKind, timeframe: str, period: Period, day: date, span: tuple[Micros, Micros]
) -> ArchiveFile:
    price, _, bar = timeframe.rpartition(":")
    folder = _PRICES[price] if kind == "price_candles" else _FOLDER[kind]
    what, below = (bar, f"{bar}/") if bar else (folder, "")
    when = day.isoformat() if period == "daily" else day.isoformat()[:7]
    path = f"/data/{_MARKETS[rules.market]}/{period}/{folder}/{rules.symbol}/{below}{rules.symbol}-{what}-{when}.zip"
    return ArchiveFile(
        venue="binance", kind=kind, instrument=rules.instrument, timeframe=timeframe, start=span[0], end=span[1],
        path=path, checksum=path + ".CHECKSUM",
    )  # fmt: skip
