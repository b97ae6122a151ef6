"""Each venue's bulk files are told apart and read right; a file that cannot be right hands on no row."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import polars as pl
import pytest

from pipelines.sources.archive import local
from pipelines.sources.archive.reading import read, windows
from pipelines.sources.archive.sums import checksum, digest
from tests.kit.archives import (
    BINANCE_PERP,
    BINANCE_SPOT,
    BYBIT_PERP,
    BYBIT_SPOT,
    OKX_SPOT,
    OKX_SWAP,
    of,
    packed,
    rows,
)
from warehouse.clock import HOUR, MINUTE
from warehouse.errors import BadFile, ConfigError

T0 = 1_763_596_800_000
"""2025-11-20 in milliseconds."""

PERP = "futures/um/daily/aggTrades/BTCUSDT/BTCUSDT-aggTrades-2025-11-20.zip"
SPOT = "spot/daily/aggTrades/BTCUSDT/BTCUSDT-aggTrades-2025-11-20.zip"
HEADER = "agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker\n"
CHOSEN = ["ts_event", "trade_id", "price", "size", "buy", "ticks", "lots"]


def test_futures_aggregates_with_a_header_come_sorted_and_once(tmp_path: Path) -> None:
    text = HEADER + f"12,90000.2,0.020,22,23,{T0 + 2},true\n11,90000.1,0.010,21,21,{T0 + 1},false\n"
    text += f"12,90000.2,0.020,22,23,{T0 + 2},true\n"
    found = rows(packed(tmp_path, PERP, text), BINANCE_PERP, "trades")
    assert found.select(CHOSEN).rows() == [
        ((T0 + 1) * 1000, "11", 90000.1, 0.01, True, 900001, 10),
        ((T0 + 2) * 1000, "12", 90000.2, 0.02, False, 900002, 20),
    ]
    assert found["first_fill"].to_list() == [21, 22]


def test_old_futures_files_have_no_header_and_placeholders_are_no_trades(tmp_path: Path) -> None:
    text = f"11,90000.1,0.010,21,21,{T0 + 1},false\n12,0,0,-1,-1,{T0 + 2},true\n"
    assert rows(packed(tmp_path, PERP, text), BINANCE_PERP, "trades")["trade_id"].to_list() == ["11"]


def test_spot_counts_microseconds_and_a_trade_keeps_the_millisecond_of_stream_and_rest(tmp_path: Path) -> None:
    text = f"7,90000.01,0.00001,1,1,{T0 * 1000 + 1234},True,True\n8,90000.02,0.00002,2,2,{T0 + 5},False,True\n"
    found = rows(packed(tmp_path, SPOT, text), BINANCE_SPOT, "trades")
    assert found["ts_event"].to_list() == [T0 * 1000 + 1000, (T0 + 5) * 1000]
    assert found["buy"].to_list() == [False, True]


def test_bybits_perpetuals_come_newest_first_in_seconds_with_a_fraction(tmp_path: Path) -> None:
    head = "timestamp,symbol,side,size,price,tickDirection,trdMatchID,grossValue,homeNotional,foreignNotional,RPI\n"
    text = head + "".join(
        f"{T0 // 1000 + at},BTCUSDT,{side},0.001,90000.{price},ZeroPlusTick,{name},1,1,1,{rpi}\n"
        for at, side, price, name, rpi in
        ((2, "Buy", 3, "c", 1), (1.1239, "Sell", 2, "b2", 0), (1.1235, "Sell", 2, "b1", 0), (1, "Buy", 1, "a", 0))
    )  # fmt: skip
    found = rows(packed(tmp_path, "BTCUSDT2025-11-20.csv.gz", text), BYBIT_PERP, "trades")
    assert found["trade_id"].to_list() == ["a", "b1", "b2", "c"]
    assert found["ts_event"].to_list() == [(T0 + ms) * 1000 for ms in (1000, 1123, 1123, 2000)]
    assert (found["trade_seq"].null_count(), found["rpi"].to_list()) == (4, [False, False, False, True])


def test_bybits_spot_numbers_begin_anew_each_day_so_the_day_is_part_of_the_id(tmp_path: Path) -> None:
    text = f"id,timestamp,price,volume,side,rpi\n1,{T0},90000.1,0.5,sell,0\n2,{T0 + 9},90000.2,0.25,buy,1\n"
    found = rows(packed(tmp_path, "BTCUSDT_2025-11-20.csv.gz", text), BYBIT_SPOT, "trades")
    assert found["trade_id"].to_list() == ["2025-11-20#1", "2025-11-20#2"]
    assert found["buy"].to_list() == [False, True]


def test_okx_counts_contracts_over_a_day_of_utc_plus_eight(tmp_path: Path) -> None:
    head = "instrument_name,trade_id,side,price,size,created_time,source\n"
    at = T0 - 8 * 3_600_000
    text = head + f"BTC-USDT-SWAP,5,buy,90000.1,3.5,{at},1\nBTC-USDC-SWAP,6,buy,1,1,{at},0\n"
    path = packed(tmp_path, "BTC-USDT-SWAP-trades-2025-11-20.zip", text)
    found = rows(path, OKX_SWAP, "trades")
    assert found.select("trade_id", "size", "lots", "rpi").rows() == [("5", 0.035, 350, True)]
    file = of(path, OKX_SWAP, "trades")
    assert (file.start, file.end) == ((T0 * 1000) - 8 * HOUR, T0 * 1000 + 16 * HOUR)


@pytest.mark.parametrize("encoding", ["utf-8", "gbk", "utf-8-sig"])
def test_okx_headers_of_old_are_read_by_what_stands_before_the_slash(tmp_path: Path, encoding: str) -> None:
    head = "trade_id/撮合id,side/交易方向,size/数量,price/价格,created_time/成交时间\n"
    path = tmp_path / "BTC-USDT-trades-2025-11-20.csv"
    path.write_bytes((head + f"5,sell,1e-08,90000.1,{T0}\n").encode(encoding))
    assert rows(path, OKX_SPOT, "trades").select("trade_id", "size", "lots").rows() == [("5", 1e-08, 1)]


def test_candles_funding_metrics_and_old_liquidations_find_their_columns(tmp_path: Path) -> None:
    kline = f"{T0},1,3,0.5,2,10,{T0 + 59_999},15,7,4,6,0\n"
    bar = rows(
        packed(tmp_path, "data/spot/daily/klines/BTCUSDT/1m/BTCUSDT-1m-2025-11-20.zip", kline), BINANCE_SPOT, "candles"
    )
    assert bar.row(0, named=True) == {
        "ts_event": T0 * 1000 + MINUTE, "open_time": T0 * 1000, "open": 1.0, "high": 3.0, "low": 0.5, "close": 2.0,
        "volume": 10.0, "quote_volume": 15.0, "trade_count": 7, "taker_buy_volume": 4.0, "closed": True,
    }  # fmt: skip
    funding = "calc_time,funding_interval_hours,last_funding_rate\n1762300800007,8,0.0001\n"
    path = packed(tmp_path, "data/futures/um/monthly/fundingRate/BTCUSDT/BTCUSDT-fundingRate-2025-11.zip", funding)
    assert rows(path, BINANCE_PERP, "funding").rows() == [(1_762_300_800_000_000, 0.0001, True, 8 * HOUR)]
    metrics = "create_time,symbol,sum_open_interest,sum_open_interest_value,a,b,c,d\n"
    metrics += "2025-11-20 00:05:00,BTCUSDT,5.5,6.25,1,,1,1\n"
    path = packed(tmp_path, "data/futures/um/daily/metrics/BTCUSDT/BTCUSDT-metrics-2025-11-20.zip", metrics)
    assert rows(path, BINANCE_PERP, "open_interest").rows() == [(T0 * 1000 + 5 * MINUTE, 5.5, 6.25, 5 * MINUTE)]
    forced = "time,side,order_type,time_in_force,original_quantity,price,average_price,order_status,"
    forced += "last_fill_quantity,accumulated_fill_quantity\n"
    row = f"{T0},SELL,LIMIT,IOC,7,30741.3,30631.6,FILLED,6,7\n"
    path = packed(tmp_path, "futures/um/BTCUSDT-liquidationSnapshot-2025-11-20.zip", forced + row + row)
    (one,) = rows(path, BINANCE_PERP, "liquidations").rows(named=True)
    assert (one["liquidated_side"], one["price"], one["size"], one["lots"], one["nth"]) == (
        "long",
        30631.6,
        7.0,
        7000,
        0,
    )


def test_many_small_blocks_are_the_same_as_one(tmp_path: Path) -> None:
    lines = [f"{n},90000.{n % 10},0.010,{n},{n},{T0 + n * 7 % 5000},false\n" for n in range(1, 2000)]
    path = packed(tmp_path, PERP, HEADER + "".join(lines))
    whole = rows(path, BINANCE_PERP, "trades")
    assert rows(path, BINANCE_PERP, "trades", block=1000).equals(whole)
    assert whole["ts_event"].is_sorted()
    assert whole.height == 1999


BAD = {
    "unknown header": ("a,b,c\n1,2,3\n", "header 'a,b,c' is unknown for trades"),
    "too few columns": ("1,2,3\n", "3 columns without a header are unknown"),
    "a cell is missing": (HEADER + f"11,90000.1,,21,21,{T0},false\n", "lacks a cell"),
    "no number": (HEADER + f"11,9o000.1,1,21,21,{T0},false\n", "cannot be read"),
    "off the grid": (HEADER + f"11,90000.15,1,21,21,{T0},false\n", "not lie on the instrument's grid"),
    "no size": (HEADER + f"11,90000.1,0,21,21,{T0},false\n", "not lie on the instrument's grid"),
    "another day": (HEADER + "".join(f"{n},90000.1,1,2,2,{T0 - 5},false\n" for n in range(9)), "outside of 2025-11-20"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_file_that_cannot_be_right_says_what_where_and_what_to_do(tmp_path: Path, name: str) -> None:
    text, words = BAD[name]
    path = packed(tmp_path, PERP, text)
    with pytest.raises(BadFile) as caught:
        rows(path, BINANCE_PERP, "trades")
    told = str(caught.value)
    assert words in told
    assert str(path) in told
    assert "Nothing of this file has landed" in told


@pytest.mark.parametrize("name", [PERP, "BTCUSDT2025-11-20.csv.gz"])
def test_a_file_that_is_cut_short_is_damaged(tmp_path: Path, name: str) -> None:
    head = "timestamp,symbol,side,size,price,tickDirection,trdMatchID\n"
    line = f"{T0 // 1000}.5,BTCUSDT,Buy,0.001,90000.1,x,id-%d\n"
    text = head + "".join(line % n for n in range(5000)) if name.endswith("gz") else HEADER
    path = packed(tmp_path, name, text)
    path.write_bytes(path.read_bytes()[:-20])
    rules = BYBIT_PERP if name.endswith("gz") else BINANCE_PERP
    with pytest.raises(BadFile, match="cut short or damaged"):
        read(path, of(path, rules, "trades"), rules, tmp_path, block=1000)


def test_a_checksum_beside_a_file_must_be_its_own(tmp_path: Path) -> None:
    path = packed(tmp_path, PERP, HEADER)
    sums = path.with_name(path.name + ".CHECKSUM")
    sums.write_text(f"{digest(path)}  {path.name}\n")
    assert local.digested(path, "binance") == digest(path)
    sums.write_text(f"{'0' * 64}  {path.name}\n")
    with pytest.raises(BadFile, match="SHA-256"):
        local.digested(path, "binance")
    sums.write_text(f"{'0' * 64}  another.zip\n")
    with pytest.raises(BadFile, match="tells no SHA-256"):
        local.digested(path, "binance")
    assert checksum("abc  *x.zip\n", "x.zip") == "abc"


def test_a_local_file_is_told_by_name_and_folder_or_not_at_all(tmp_path: Path) -> None:
    rules = [BINANCE_SPOT, BINANCE_PERP, OKX_SWAP]
    plain = packed(tmp_path, "BTCUSDT-1m-2025-11-20.zip", "")
    with pytest.raises(ConfigError, match="may be binance BTC-USDT candles, binance BTC-USDT-PERP candles"):
        local.recognised(plain, ["binance", "okx"], rules, [])
    assert local.recognised(plain, ["binance"], [BINANCE_PERP], []).instrument == "BTC-USDT-PERP"
    marks = packed(tmp_path, "data/futures/um/daily/markPriceKlines/BTCUSDT/1m/BTCUSDT-1m-2025-11-20.zip", "")
    file = local.recognised(marks, ["binance"], rules, [])
    assert (file.kind, file.timeframe, local.path_of(file)) == ("price_candles", "mark:1m", marks)
    with pytest.raises(ConfigError, match="its name is none"):
        local.recognised(packed(tmp_path, "notes.csv", ""), ["binance", "okx"], rules, [])
    assert local.found([str(tmp_path)]) == sorted(tmp_path.resolve().rglob("*.[zc]*"))
    with pytest.raises(ConfigError, match="no such file"):
        local.found([str(tmp_path / "gone")])


def test_rows_beyond_what_memory_holds_come_back_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [f"{n},90000.1,0.010,{n},{n},{T0 + n * 13 % 4999},false\n" for n in range(1, 5000)]
    path = packed(tmp_path, PERP, HEADER + "".join(lines))
    whole = rows(path, BINANCE_PERP, "trades")
    monkeypatch.setattr("pipelines.sources.archive.spool.HELD", 500)
    monkeypatch.setattr("pipelines.sources.archive.reading.WINDOW", 1000)
    folder = tmp_path / "spool"
    folder.mkdir()
    parts = list(windows(read(path, of(path, BINANCE_PERP, "trades"), BINANCE_PERP, folder, block=5000)))
    assert len(parts) > 3
    assert pl.concat(parts).equals(whole)
    assert all(a["ts_event"][-1] < b["ts_event"][0] for a, b in pairwise(parts))
