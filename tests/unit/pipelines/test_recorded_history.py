"""Real history, recorded by others: through our decoders, into a lake, and held against itself without a difference."""

from __future__ import annotations

import json
from collections.abc import Sequence
from gzip import open as unzipped
from pathlib import Path

import polars as pl
import pytest
from msgspec.structs import replace

from pipelines import checks
from pipelines.bulk import Bulk
from pipelines.load import Lander
from pipelines.plan import Dataset, Part
from pipelines.sources.archive.reading import read
from tests.kit.archives import BINANCE_PERP, of, packed
from tests.kit.history import NOW, candle_files, candles, land, rules_of
from tests.kit.recordings import recordings
from warehouse.clock import DAY, HOUR, SECOND
from warehouse.instruments import Rules, timeframe_us
from warehouse.records import Candle, FundingRate, Record, Trade
from warehouse.store import Lake
from warehouse.venues.archives import ArchiveKind
from warehouse.venues.binance import decode, decode_feeds
from warehouse.venues.binance.wire import FundingRow, HistoricalTrade
from warehouse.venues.binance.wire_feeds import OpenInterestRow

FOLDERS = {
    "binance/spot/candles_2026": ("1m", "5m", "15m", "30m", "1h"),
    "binance/linear/candles_2025": ("1m", "5m", "15m", "30m", "1h"),
    "binance/linear/gravestone/4h": (),
    "bybit/linear/candles_2025a": ("5m", "15m", "30m", "1h"),
    "okx/linear/candles_2022": (),
    "okx/linear/candles_2026": (),
}
"""Recorded candles, and the timeframes of which longer ones are there too."""


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path / "lake", realm="emulated")


def part_of(dataset: Dataset, rules: Rules, timeframe: str, times: Sequence[int]) -> Part:
    return Part(dataset, rules.venue, rules.instrument, timeframe, min(times), max(times) + 1)


@pytest.mark.slow
@pytest.mark.parametrize("folder", FOLDERS)
def test_recorded_candles_land_whole_and_longer_ones_are_what_shorter_ones_make(lake: Lake, folder: str) -> None:
    venue, market, *_ = folder.split("/")
    count = 0
    for path, coin, timeframe in candle_files(recordings(*folder.split("/"))):
        rules = rules_of(venue, coin, "spot" if market == "spot" else "perp")
        bars = candles(path, rules, timeframe)
        count += land(lake, part_of("candles", rules, timeframe, [bar.open_time for bar in bars]), list(bars))
    assert lake.read("candles").height == count > 5000
    assert lake.read("corrections").height == 0
    for base in FOLDERS[folder]:
        assert checks.roll_up(lake, venue, (0, NOW), NOW, base) == []
    if FOLDERS[folder]:  # and a bar that is not what it was is noticed
        base = FOLDERS[folder][-1]
        shorter = [row for row in lake.rows("candles", match={"timeframe": base}) if isinstance(row, Candle)]
        lake.upsert("candles", [replace(row, high=row.high * 2) for row in shorter], now=NOW)
        assert checks.roll_up(lake, venue, (0, NOW), NOW, base) != []


def test_binances_daily_candles_are_what_its_four_hours_make_in_a_collection_of_both(lake: Lake) -> None:
    for name in ("4h", "1d"):
        path = recordings("binance", "linear", "gravestone", name, "BTCUSDT.csv.gz")
        rules = rules_of("binance", "BTC")
        bars = candles(path, rules, name)
        land(lake, part_of("candles", rules, name, [bar.open_time for bar in bars]), list(bars))
    whole = lake.read("candles", match={"timeframe": "1d"}).height
    assert whole == 416
    assert checks.roll_up(lake, "binance", (0, NOW), NOW, "4h") == []


def test_recorded_funding_is_the_same_by_archive_and_by_rest(lake: Lake, tmp_path: Path) -> None:
    table = pl.read_csv(recordings("binance", "linear", "funding_2025", "BTCUSDT-8h-funding_rate.csv.gz"))
    lines = [f"{at},8,{rate}\n" for at, rate in table.iter_rows()]
    landed = 0
    for month in ("2025-03", "2025-04"):
        ours = [line for line in lines if _month(int(line.split(",")[0])) == month]
        name = f"data/futures/um/monthly/fundingRate/BTCUSDT/BTCUSDT-fundingRate-{month}.zip"
        path = packed(tmp_path, name, "calc_time,funding_interval_hours,last_funding_rate\n" + "".join(ours))
        landed += bulk(lake, path, BINANCE_PERP, "funding", tmp_path)
    told = [decode.funding(FundingRow(fundingRate=rate, fundingTime=at), "BTC-USDT-PERP", 8 * HOUR, NOW)
            for at, rate in table.iter_rows()]  # fmt: skip
    assert landed == len(told) == table.height > 100
    again = lake.upsert("funding", told, now=NOW)
    assert (again.added, again.equal, again.corrected) == (0, len(told), 0)
    rows = [row for row in lake.rows("funding") if isinstance(row, FundingRate)]
    assert all(row.ts_event % SECOND == 0 for row in rows)


def _month(at_ms: int) -> str:
    return str(pl.Series([at_ms]).cast(pl.Datetime("ms")).dt.strftime("%Y-%m")[0])


def test_recorded_open_interest_agrees_between_its_periods(lake: Lake) -> None:
    for name in ("4h", "1d"):
        table = pl.read_csv(recordings("binance", "linear", "gravestone", f"oi_{name}", "BTCUSDT.csv.gz"))
        rows: list[Record] = [
            decode_feeds.open_interest_row(
                OpenInterestRow(sumOpenInterest=held, sumOpenInterestValue=worth, timestamp=at),
                "BTC-USDT-PERP", timeframe_us(name), NOW,
            )
            for at, _, held, worth in table.iter_rows()
        ]  # fmt: skip
        part = part_of("open_interest", BINANCE_PERP, "", [row.ts_event for row in rows])
        assert land(lake, part, rows) == table.height
    read = lake.read("open_interest").select("ts_event", "period_us", "open_interest", "open_interest_quote")
    by_day = read.filter(pl.col("period_us") == DAY)
    pairs = by_day.join(read.filter(pl.col("period_us") == 4 * HOUR), on="ts_event")
    assert pairs.height >= 10
    assert pairs.filter(pl.col("open_interest") != pl.col("open_interest_right")).height == 0


XRP_ETH = Rules(venue="binance", instrument="XRP-ETH", symbol="XRPETH", market="spot", tick="0.00000001", lot="1")
TRX = Rules(venue="binance", instrument="TRX-USDT", symbol="TRXUSDT", market="spot", tick="0.0001", lot="0.1")


def bulk(lake: Lake, path: Path, rules: Rules, kind: ArchiveKind, folder: Path) -> int:
    """Land a bulk file; how many rows were new."""
    file = of(path, rules, kind)
    spool = folder / "spool"
    spool.mkdir(exist_ok=True)
    rows = read(path, file, rules, spool)
    return Bulk(lake, Lander(lake, "recorded"), "recorded").land(file, rules, rows, "", NOW, NOW).landed


def same(lake: Lake, rules: Rules, rows: Sequence[tuple[int, float, float, int, bool]]) -> None:
    """The lake's trades are what the decoder of REST makes of (id, price, size, ms, buyer is maker)."""
    one = decode.historical(rules)
    told = [one(HistoricalTrade(id=n, price=p, qty=q, time=at, isBuyerMaker=maker), NOW) for n, p, q, at, maker in rows]
    found = [row for row in lake.rows("trades", instrument=rules.instrument) if isinstance(row, Trade)]
    values = ("ts_event", "trade_id", "trade_seq", "price", "size", "taker_side", "ticks", "lots", "kind", "rpi")
    assert [[getattr(row, name) for name in values] for row in sorted(found, key=_number)] == [
        [getattr(row, name) for name in values] for row in sorted(told, key=_number)
    ]


def _number(row: Trade) -> int:
    return row.trade_seq or 0


@pytest.mark.slow
def test_recorded_futures_trades_in_the_archives_layout_are_what_rest_would_tell(lake: Lake, tmp_path: Path) -> None:
    name = "trades_btc_fut_2026-02-16_04.parquet"
    table = pl.read_parquet(recordings("binance", "linear", "book1000_and_trades_20260216", name))
    maker = pl.col("side").str.to_lowercase().is_in(["sell", "s"])
    rows = table.select(pl.col("trade_id").cast(pl.Int64), "price", "qty", "exch_ts_ms", maker).rows()
    lines = [f"{n},{p!r},{q!r},{p * q!r},{at},{str(m).lower()}\n" for n, p, q, at, m in rows]
    head = "id,price,qty,quote_qty,time,is_buyer_maker\n"
    path = packed(tmp_path, "futures/um/BTCUSDT-trades-2026-02-16.zip", head + "".join(lines[::-1] + lines[:500]))
    assert bulk(lake, path, BINANCE_PERP, "fills", tmp_path) == len(rows) == 11_947
    same(lake, BINANCE_PERP, rows)
    note = lake.read("outcomes")["note"][0]
    assert "500 rows were doubled" in note
    assert "19 ids are missing in the file" in note
    assert bulk(lake, path, BINANCE_PERP, "fills", tmp_path) == 0


def test_recorded_spot_trades_in_microseconds_are_told_by_their_size(lake: Lake, tmp_path: Path) -> None:
    name = "trade_stream_spot_trxusdt_04-03-2025.csv.gz"
    table = pl.read_csv(recordings("binance", "spot", "flat_trx_20250304", name))
    columns = ("TradeId", "Price", "Quantity", "TransactionTime", "IsBuyerMarketMaker")
    rows = [(n, p, q, at // 1000, bool(m)) for n, p, q, at, m in table.select(columns).iter_rows()]
    lines = [f"{n},{p},{q},{p * q},{at},{bool(m)},True\n" for n, p, q, at, m in table.select(columns).iter_rows()]
    path = packed(tmp_path, "spot/TRXUSDT-trades-2025-03-04.zip", "".join(lines))
    assert bulk(lake, path, TRX, "fills", tmp_path) == len(rows) == 9999
    same(lake, TRX, rows)


def test_trades_of_2019_in_the_old_layout_of_spot_land_day_by_day(lake: Lake, tmp_path: Path) -> None:
    with unzipped(recordings("binance", "spot", "trades_201910", "XRP_ETH-trades.json.gz")) as text:
        table = json.load(text)
    rows = [(int(n), price, size, at, side == "sell") for at, n, _, side, price, size, _ in table]
    landed = 0
    for day in ("2019-10-11", "2019-10-12", "2019-10-13"):
        low = int(pl.Series([day]).str.to_date().cast(pl.Datetime("ms")).cast(pl.Int64)[0])
        lines = [
            f"{n},{p:.8f},{q},{p * q:.8f},{at},{m},True\n" for n, p, q, at, m in rows if low <= at < low + 86_400_000
        ]
        landed += bulk(
            lake, packed(tmp_path, f"spot/XRPETH-trades-{day}.csv", "".join(lines)), XRP_ETH, "fills", tmp_path
        )
    assert landed == len(rows) == 12_477
    same(lake, XRP_ETH, rows)
