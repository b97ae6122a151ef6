"""The newest bars of every series, however long its history and however late its last bar."""

from __future__ import annotations

from pathlib import Path

from pipelines import past
from warehouse.clock import DAY, MINUTE
from warehouse.instruments import Grid, timeframe_us
from warehouse.records import Candle
from warehouse.store import Lake
from warehouse.structure.document import unbroken

END = 20_000 * DAY
DEPTH = 5


def candles(instrument: str, timeframe: str, *back: int) -> list[Candle]:
    """Bars that many lengths before END; the price tells which."""
    length = timeframe_us(timeframe)
    return [
        Candle(
            venue="okx", instrument=instrument, ts_event=END, ts_recv=END, timeframe=timeframe,
            open_time=END - n * length, open=n, high=n, low=n, close=n, volume=1.0,
        )
        for n in back
    ]  # fmt: skip


def test_each_series_has_its_own_newest_bars(tmp_path: Path) -> None:
    lake, grid = Lake(tmp_path), Grid("1", "1")
    lake.upsert("candles", candles("BTC-USDT", "1m", *range(1, 30)), now=END)
    lake.upsert("candles", candles("BTC-USDT", "1d", *range(1, 3)), now=END)
    lake.upsert("candles", candles("ETH-USDT", "1m", *range(900, 930)), now=END)  # listed no more
    lake.upsert("candles", candles("SOL-USDT", "1m", 1, 2, 3, *range(5000, 5010)), now=END)
    lake.upsert("candles", candles("XRP-USDT", "1m", 1), now=END)
    found = past.bars(lake, "okx", DEPTH, dict.fromkeys(("BTC-USDT", "ETH-USDT", "SOL-USDT"), grid))
    told = {
        (instrument, timeframe): [bar.close for bar in unbroken(bars, timeframe, END + MINUTE)]
        for instrument, series in found.items()
        for timeframe, bars in series.items()
    }
    assert told == {
        ("BTC-USDT", "1m"): [5, 4, 3, 2, 1],
        ("BTC-USDT", "1d"): [2, 1],
        ("ETH-USDT", "1m"): [904, 903, 902, 901, 900],
        ("SOL-USDT", "1m"): [3, 2, 1],
    }
    assert past.bars(Lake(tmp_path / "empty"), "okx", DEPTH, {}) == {}
