"""Recorded history of other people's collections, through the venues' own decoders, into a lake."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec
import polars as pl

from pipelines.load import Fetched, Lander
from pipelines.plan import Part
from warehouse.clock import Micros
from warehouse.instruments import Rules, timeframe_us
from warehouse.records import Candle, Record
from warehouse.store import Lake
from warehouse.venues.base import Answer
from warehouse.venues.binance import decode as binance
from warehouse.venues.binance.wire import KlineRow
from warehouse.venues.bybit import decode as bybit
from warehouse.venues.bybit.wire import Klines
from warehouse.venues.okx import decode as okx
from warehouse.venues.okx.wire import CandleRow

NOW: Micros = 1_800_000_000_000_000
"""After everything that was recorded."""

_NAME = re.compile(r"([A-Z]{3,5})-?USDT(?:-SWAP)?[-_](\d+[mhd]|240m|60m)\b")
_SPELLED = {"60m": "1h", "240m": "4h"}


def candle_files(folder: Path) -> Iterator[tuple[Path, str, str]]:
    """The files of candles in a folder, each with its coin and timeframe."""
    for path in sorted(folder.glob("*.csv.gz")):
        told = _NAME.match(path.name)
        if told and not re.search("funding|mark", path.name):
            yield path, told[1], _SPELLED.get(told[2], told[2])
        elif path.name.endswith("USDT.csv.gz"):
            yield path, path.name.removesuffix("USDT.csv.gz"), folder.name


def rules_of(venue: str, coin: str, market: str = "perp") -> Rules:
    """Rules that are enough for candles."""
    instrument = f"{coin}-USDT" + ("-PERP" if market == "perp" else "")
    return Rules(venue=venue, instrument=instrument, symbol=f"{coin}USDT", tick="0.0001", lot="0.001",
                 market="perp" if market == "perp" else "spot")  # fmt: skip


def candles(path: Path, rules: Rules, timeframe: str) -> list[Candle]:
    """A file's bars as the venue's decoder of REST makes them; sums that the file lacks are None."""
    table = pl.read_csv(path)
    at = "open_time_ms" if "open_time_ms" in table.columns else "timestamp"
    if table[at].dtype == pl.String:
        table = table.with_columns(pl.col(at).str.slice(0, 19).str.to_datetime().dt.epoch("ms"))
    table = table.rename({at: "at"})
    return [_candle(row, rules, timeframe) for row in table.iter_rows(named=True)]


def _candle(row: Mapping[str, float], rules: Rules, timeframe: str) -> Candle:
    at, quote, count = int(row["at"]), row.get("quote_volume", row.get("turnover")), row.get("trades")
    prices = (row["open"], row["high"], row["low"], row["close"])
    if rules.venue == "binance":
        end = at + timeframe_us(timeframe) // 1000 - 1
        told = KlineRow(at, *prices, row["volume"], end, quote or 0.0, int(count or 0), 0.0)
        bar = binance.candle_row(told, rules.instrument, timeframe, NOW)
    elif rules.venue == "bybit":
        page = Klines(rows=[(at, *prices, row["volume"], quote or 0.0)])
        (bar,) = bybit.klines(page, rules.instrument, timeframe, NOW, NOW)
    else:
        bar = okx.candle(CandleRow(at, *prices, row["volume"], row["volume"], None, "1"), rules, timeframe, NOW, "rest")
    return msgspec.structs.replace(
        bar, quote_volume=quote, trade_count=None if count is None else int(count), taker_buy_volume=None
    )


def land(lake: Lake, part: Part, rows: list[Record]) -> int:
    """Land an answer as a flow does; how many rows came into the lake."""
    answer = Answer(records=rows, complete_from=part.start, complete_to=part.end)
    (outcome,) = Lander(lake, "recorded").land([Fetched(part=part, started_at=NOW, answer=answer)], NOW)
    return outcome.landed
