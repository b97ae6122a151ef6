"""Exports lie as their readers expect them; with the packages installed, they read them."""

from __future__ import annotations

import ast
import struct
import zipfile
from pathlib import Path

import msgspec
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

import warehouse
from p9.commands.export import export
from tests.kit.journals import BEGIN, rules, trade
from warehouse.clock import DAY, SECOND
from warehouse.errors import ConfigError
from warehouse.exports.hftbacktest import BUY, CLEAR, EXCHANGE, LOCAL, SELL, SNAPSHOT, TRADE, Event, array, sided
from warehouse.instruments import Rules
from warehouse.records import Trade
from warehouse.rows import BookPicture
from warehouse.store import Lake

PERP = Rules(
    venue="okx", instrument="BTC-USDT-PERP", symbol="BTC-USDT-SWAP", market="perp", tick="0.1", lot="0.1",
    contract_value="0.01",
)  # fmt: skip
Row = tuple[int, int, int, float, float]


def swap(number: int, days: int = 0) -> Trade:
    return msgspec.structs.replace(
        trade(number, "BTC-USDT-PERP"), ts_event=BEGIN + number * SECOND + days * DAY,
        ts_recv=BEGIN + number * SECOND + days * DAY + 1500,
    )  # fmt: skip


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    lake = Lake(tmp_path / "lake")
    lake.append("instruments", [PERP, *rules("okx", ["BTC-USDT"])])
    block = msgspec.structs.replace(swap(3), kind="block")
    lake.append("trades", [swap(0), swap(1), msgspec.structs.replace(swap(2), origin="rest"), block, swap(4, days=1)])
    book = BookPicture(
        venue="okx", instrument="BTC-USDT-PERP", ts_event=BEGIN - 5, ts_recv=BEGIN + 5, update_id=7,
        bid_prices=[49_999.9, 49_999.5], bid_sizes=[0.003, 0.5], ask_prices=[50_000.1], ask_sizes=[1.25],
    )  # fmt: skip
    lake.append("books", [book])
    return lake


def read(path: Path) -> tuple[list[tuple[str, str]], list[Row]]:
    """A one-dimensional structured `data.npy` in an `.npz`, read by its published format."""
    with zipfile.ZipFile(path) as file:
        assert file.namelist() == ["data.npy"]
        body = file.read("data.npy")
    assert body[:8] == b"\x93NUMPY\x01\x00"
    (length,) = struct.unpack("<H", body[8:10])
    assert (10 + length) % 64 == 0
    head = ast.literal_eval(body[10 : 10 + length].decode())
    rows = list(struct.iter_unpack("<QqqddQqd", body[10 + length :]))
    assert head["shape"] == (len(rows),)
    assert all(row[5:] == (0, 0, 0.0) for row in rows)
    return head["descr"], [row[:5] for row in rows]


def test_hftbacktest_events_have_its_fields_flags_and_nanoseconds(lake: Lake, tmp_path: Path) -> None:
    out = tmp_path / "out.npz"
    count = warehouse.export_hftbacktest("okx", "BTC-USDT-PERP", out, lake.root, latency_us=700)
    fields, rows = read(out)
    assert fields == [
        ("ev", "<u8"), ("exch_ts", "<i8"), ("local_ts", "<i8"), ("px", "<f8"), ("qty", "<f8"), ("order_id", "<u8"),
        ("ival", "<i8"), ("fval", "<f8"),
    ]  # fmt: skip
    both, at = EXCHANGE | LOCAL, BEGIN * 1000
    assert count == len(rows) == 9
    assert rows[:5] == [
        (CLEAR | BUY | both, at - 5_000, at + 5_000, 49_999.5, 0.0),
        (SNAPSHOT | BUY | both, at - 5_000, at + 5_000, 49_999.9, 0.003),
        (SNAPSHOT | BUY | both, at - 5_000, at + 5_000, 49_999.5, 0.5),
        (CLEAR | SELL | both, at - 5_000, at + 5_000, 50_000.1, 0.0),
        (SNAPSHOT | SELL | both, at - 5_000, at + 5_000, 50_000.1, 1.25),
    ]
    assert rows[5] == (TRADE | SELL | both, at, at + 1_500_000, 50_000.0, 0.001)
    assert rows[7][1:3] == (at + 2 * 10**9, at + 2 * 10**9 + 700_000), "history has the latency that was asked for"
    assert (TRADE, CLEAR, SNAPSHOT, EXCHANGE, LOCAL, BUY, SELL) == (2, 3, 4, 2**31, 2**30, 2**29, 2**28)


def test_the_range_is_half_open(lake: Lake, tmp_path: Path) -> None:
    start, end = BEGIN + SECOND, BEGIN + 2 * SECOND
    count = warehouse.export_hftbacktest("okx", "BTC-USDT-PERP", tmp_path / "o.npz", lake.root, start=start, end=end)
    assert count == 1


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=30))
def test_each_side_sees_every_event_once_and_in_its_own_order(times: list[tuple[int, int]]) -> None:
    events = [Event(n, at, at + wait, 1.0, 1.0) for n, (at, wait) in enumerate(sorted(times, key=lambda pair: pair[0]))]
    rows = sided(events)
    exchange = [row for row in rows if row.ev & EXCHANGE]
    local = [row for row in rows if row.ev & LOCAL]
    assert [row.exch_ts for row in exchange] == sorted(event.exch_ts for event in events)
    assert [row.local_ts for row in local] == sorted(event.local_ts for event in events)
    for side in (exchange, local):
        assert sorted(row.ev & 0xFFFF for row in side) == [event.ev for event in events]
    assert len(array(rows)) % 64 == 0


def number(raw: bytes) -> float:
    return int.from_bytes(raw, "little", signed=True) / 10**16


def test_a_nautilus_catalog_has_its_folders_names_and_columns(lake: Lake, tmp_path: Path) -> None:
    counts = warehouse.export_nautilus("okx", "BTC-USDT-PERP", tmp_path / "catalog", lake.root)
    assert counts == {"crypto_perpetual": 1, "trade_tick": 4, "order_book_depth10": 1}
    files = sorted(str(path.relative_to(tmp_path / "catalog")) for path in (tmp_path / "catalog").rglob("*.parquet"))
    nought = "1970-01-01T00-00-00-000000000Z"
    assert files == [
        f"data/crypto_perpetual/BTC-USDT-PERP.OKX/{nought}_{nought}.parquet",
        "data/order_book_depth10/BTC-USDT-PERP.OKX/2026-09-21T14-13-20-000005000Z_2026-09-21T14-13-20-000005000Z.parquet",
        "data/trade_tick/BTC-USDT-PERP.OKX/2026-09-21T14-13-20-001500000Z_2026-09-21T14-13-22-000000000Z.parquet",
        "data/trade_tick/BTC-USDT-PERP.OKX/2026-09-22T14-13-24-001500000Z_2026-09-22T14-13-24-001500000Z.parquet",
    ]
    ticks = pq.read_table(tmp_path / "catalog" / files[2])
    assert ticks.schema.metadata == {
        b"instrument_id": b"BTC-USDT-PERP.OKX", b"price_precision": b"1", b"size_precision": b"3",
    }  # fmt: skip
    assert [str(field.type) for field in ticks.schema] == [
        "fixed_size_binary[16]", "fixed_size_binary[16]", "uint8", "string", "uint64", "uint64",
    ]  # fmt: skip
    first, second, third = ticks.to_pylist()
    assert (number(first["price"]), number(first["size"]), first["aggressor_side"]) == (50_000.0, 0.001, 2)
    assert (second["trade_id"], second["aggressor_side"]) == ("1", 1)
    assert second["ts_init"] - second["ts_event"] == 1_500_000
    assert third["ts_init"] == third["ts_event"]
    (depth,) = pq.read_table(tmp_path / "catalog" / files[1]).to_pylist()
    assert (number(depth["bid_price_1"]), number(depth["bid_size_1"]), depth["bid_count_1"]) == (49_999.5, 0.5, 1)
    assert (number(depth["ask_price_1"]), number(depth["ask_size_1"]), depth["ask_count_1"]) == (0.0, 0.0, 0)
    (thing,) = pq.read_table(tmp_path / "catalog" / files[0]).to_pylist()
    assert (thing["price_increment"], thing["size_increment"], thing["base_currency"]) == ("0.1", "0.001", "BTC")


def test_what_cannot_be_exported_is_refused(lake: Lake, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no rules of ETH-USDT at okx"):
        warehouse.export_nautilus("okx", "ETH-USDT", tmp_path / "catalog", lake.root)
    assert warehouse.export_nautilus("okx", "BTC-USDT", tmp_path / "catalog", lake.root)["currency_pair"] == 1
    with pytest.raises(ConfigError, match=r"holds BTC-USDT\.OKX already"):
        warehouse.export_nautilus("okx", "BTC-USDT", tmp_path / "catalog", lake.root)


def test_the_command_writes_both(lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("P9_HOME", str(tmp_path))
    which = ["--venue", "okx", "--symbol", "BTC-USDT-PERP", "--out"]
    told = CliRunner().invoke(export, ["hftbacktest", *which, str(tmp_path / "x.npz"), "--to", "2026-09-22"])
    assert told.output == f"{tmp_path / 'x.npz'}: 8 events\n"
    told = CliRunner().invoke(export, ["nautilus", *which, str(tmp_path / "catalog")])
    assert f"{tmp_path / 'catalog' / 'data' / 'trade_tick'}: 4 rows\n" in told.output


def test_nautilus_trader_reads_the_catalog(lake: Lake, tmp_path: Path) -> None:
    parquet = pytest.importorskip("nautilus_trader.persistence.catalog.parquet")
    warehouse.export_nautilus("okx", "BTC-USDT-PERP", tmp_path / "catalog", lake.root)
    catalog = parquet.ParquetDataCatalog(str(tmp_path / "catalog"))
    assert [str(tick.price) for tick in catalog.trade_ticks()] == ["50000.0", "50000.1", "50000.2", "50000.4"]
    assert [str(one.id) for one in catalog.instruments()] == ["BTC-USDT-PERP.OKX"]
    assert str(catalog.order_book_depth10()[0].bids[1].size) == "0.500"


def test_numpy_reads_the_events(lake: Lake, tmp_path: Path) -> None:
    numpy = pytest.importorskip("numpy")
    warehouse.export_hftbacktest("okx", "BTC-USDT-PERP", tmp_path / "o.npz", lake.root)
    data = numpy.load(tmp_path / "o.npz")["data"]
    assert data.dtype.itemsize == 64
    assert data["px"].tolist() == [row[3] for row in read(tmp_path / "o.npz")[1]]
