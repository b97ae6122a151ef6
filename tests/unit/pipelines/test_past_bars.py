"""The newest bars of every series, however long its history and however late its last bar."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import msgspec
import polars as pl
import pytest

from pipelines import past
from tests.kit.journals import BEGIN, STEP, trade
from warehouse.clock import DAY, HOUR, MINUTE, SECOND
from warehouse.frames import frame
from warehouse.instruments import Grid, Rules, timeframe_us
from warehouse.records import Candle
from warehouse.store import Lake
from warehouse.structure.document import TradeHistory, document_of
from warehouse.tables import Coverage, table

END = 20_000 * DAY
DEPTH = 5
NAMES = ("BTC-USDT", "ETH-USDT", "SOL-USDT")


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
    found = past.bars(lake, "okx", DEPTH, dict.fromkeys(NAMES, grid), END)
    told = {
        (instrument, timeframe): series.close
        for instrument, several in found.items()
        for timeframe, series in several.items()
    }
    assert told == {
        ("BTC-USDT", "1m"): [5, 4, 3, 2, 1],
        ("BTC-USDT", "1d"): [2, 1],
        ("ETH-USDT", "1m"): [904, 903, 902, 901, 900],
        ("SOL-USDT", "1m"): [3, 2, 1],
    }
    assert past.bars(Lake(tmp_path / "empty"), "okx", DEPTH, {}, END) == {}


def test_bars_of_finer_ticks_are_left_out_and_other_instruments_are_not(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    finer = [msgspec.structs.replace(bar, low=bar.low - 0.5) for bar in candles("BTC-USDT", "1m", 3, 4)]
    lake.upsert("candles", [*finer, *candles("BTC-USDT", "1m", 1, 2, 5), *candles("BTC-USDT", "1d", 1)], now=END)
    lake.upsert("candles", candles("ETH-USDT", "1m", 1, 2, 3), now=END)
    lake.upsert("candles", [msgspec.structs.replace(bar, low=0.5) for bar in candles("SOL-USDT", "1m", 1)], now=END)
    found = past.bars(lake, "okx", DEPTH, dict.fromkeys(NAMES, Grid("1", "1")), END)
    told = {name: {timeframe: len(bars) for timeframe, bars in series.items()} for name, series in found.items()}
    assert told == {"BTC-USDT": {"1m": 2, "1d": 1}, "ETH-USDT": {"1m": 3}}


STORED = Rules(venue="okx", instrument="BTC-USDT", symbol="", market="spot", tick="1", lot="0.001")
SPAN = (BEGIN, trade(200).ts_event)


@pytest.fixture
def traded(tmp_path: Path) -> Lake:
    """A lake with trades that were stored by `STORED`, at 1001 to 1100."""
    lake = Lake(tmp_path)
    rows = [
        msgspec.structs.replace(trade(n), price=1000.0 + n, ticks=1000 + n, size=STORED.grid.size(n), lots=n)
        for n in range(1, 101)
    ]
    lake.append("trades", rows)
    return lake


def history(lake: Lake, tick: str, lot: str) -> TradeHistory:
    found = past.trades(lake, msgspec.structs.replace(STORED, tick=tick, lot=lot), SPAN, SPAN[1])
    assert found is not None
    return found


def test_past_trades_count_in_the_steps_of_today(traded: Lake) -> None:
    before, finer = history(traded, "1", "0.001"), history(traded, "0.1", "0.0001")
    assert len(list(before.trades)) == 100
    assert list(finer.trades) == [
        (at, ticks * 10, lots * 10, buy, count) for at, ticks, lots, buy, count in before.trades
    ]
    assert finer.complete_from == before.complete_from


@pytest.mark.parametrize(("tick", "lot", "last"), [("10", "0.001", 99), ("1", "0.1", 99), ("7", "0.001", 100)])
def test_history_begins_behind_the_last_trade_that_todays_steps_do_not_tell(
    traded: Lake, tick: str, lot: str, last: int
) -> None:
    found = history(traded, tick, lot)
    assert len(list(found.trades)) == 100 - last
    assert found.complete_from == trade(last).ts_event + 1


def test_trades_that_are_summed_by_minute_are_counted_one_by_one(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    lake.append("trades", [trade(n) for n in range(500)])
    midnight, now = BEGIN - BEGIN % DAY, BEGIN + 60 * MINUTE
    rules = msgspec.structs.replace(STORED, tick="0.1")
    found = past.trades(lake, rules, (midnight, now), now)
    assert found is not None
    assert len(list(found.trades)) < 500
    ring = document_of(rules, {}, found, now).trade_ring(rules.grid)
    assert ring is not None
    session = ring.session(ring.second)
    assert (session.count, session.reason) == (500, None)
    assert session.lots == sum(trade(n).lots for n in range(500))


def test_late_trades_are_orders_and_else_in_no_history(tmp_path: Path) -> None:
    rules, end = msgspec.structs.replace(STORED, tick="0.1"), BEGIN + 2 * SECOND
    told = frame(table("trades"), [trade(n) for n in range(200)])
    late = pl.col("trade_id").cast(pl.Int64) % 4 == 0
    lake, kept, prompt = Lake(tmp_path / "told"), Lake(tmp_path / "kept"), Lake(tmp_path / "prompt")
    lake.append("trades", told.with_columns(late.alias("late")))
    kept.append("trades", told.filter(~late))
    prompt.append("trades", told)
    found = past.trades(lake, rules, (BEGIN, end), end)
    assert found is not None
    assert len(list(found.trades)) == 150
    without, with_all = (past.trades(one, rules, (BEGIN, end), end) for one in (kept, prompt))
    assert without is not None
    assert with_all is not None
    assert found == replace(without, sizes=with_all.sizes)
    assert found.sizes != without.sizes


def test_a_recording_is_complete_up_to_its_last_stored_trade_however_long_ago(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    last, later = trade(8).ts_event, trade(30 * HOUR // STEP).ts_event
    rows = [trade(n, name) for n in range(9) for name in NAMES] + [trade(30 * HOUR // STEP, "SOL-USDT")]
    lake.append("trades", frame(table("trades"), rows).with_columns(log_seq=pl.lit(1, pl.Int64)))
    for name, end in zip(NAMES, (last, later, later), strict=True):
        recorded = Coverage(
            dataset="trades", venue="okx", instrument=name, start=BEGIN, end=end, origin="stream", ts_recv=end
        )
        lake.append("coverage", [recorded])
    assert past.complete(lake, "okx") == {
        "BTC-USDT": (BEGIN, last), "ETH-USDT": (BEGIN, last), "SOL-USDT": (BEGIN, later),
    }  # fmt: skip
