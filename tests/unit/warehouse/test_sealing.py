"""A sealed day holds what it held, sorted; nobody who writes meanwhile loses a row."""

from __future__ import annotations

from pathlib import Path

import deltalake
import polars as pl
import pytest
from deltalake import DeltaTable

from tests.kit.journals import BEGIN
from warehouse import sealing, store
from warehouse.clock import DAY, HOUR, SECOND, Micros
from warehouse.frames import frame
from warehouse.records import Trade
from warehouse.store import Lake
from warehouse.tables import table

START: Micros = BEGIN - BEGIN % DAY
NAMES = ("BTC-USDT", "ETH-USDT")
NOW = START + DAY + 3 * HOUR


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Days of a few rows are worth sealing, of which some fit into memory at once."""
    monkeypatch.setattr(sealing, "MANY_ROWS", 4)
    monkeypatch.setattr(sealing, "AT_ONCE", 25)
    monkeypatch.setattr(store._pause, "wait", lambda _: None)


def trade(number: int, at: Micros, name: str) -> Trade:
    return Trade(
        venue="bybit", instrument=name, ts_event=at, ts_recv=at + 5, trade_id=f"{name}-{number}", trade_seq=None,
        price=2.0, size=1.0, taker_side="buy", ticks=20, lots=10,
    )  # fmt: skip


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """Ten commits of two instruments each; every second trade is of the same time as the one before."""
    made = Lake(tmp_path / "lake")
    for commit in range(10):
        at = [START + HOUR + (commit * 4 + number // 2 * 2) * SECOND for number in range(4)]
        made.append("trades", [trade(commit * 4 + n, at[n], name) for n in range(4) for name in NAMES])
    return made


def held(lake: Lake) -> dict[str, list[dict[str, object]]]:
    """Every instrument's rows as readers get them."""
    return {name: lake.read("trades", instrument=name).to_dicts() for name in NAMES}


def stored(lake: Lake) -> pl.DataFrame:
    """Instruments and times in the order in which they lie in the files."""
    return lake.scan("trades").select("instrument", "ts_event").collect()


def ordered(rows: pl.DataFrame) -> bool:
    """Every instrument in one piece, by time."""
    pieces = [
        rows.filter(pl.col("instrument") == name)["ts_event"] for name in rows["instrument"].rle().struct["value"]
    ]
    return len(pieces) == len(NAMES) and all(times.is_sorted() for times in pieces)


def test_a_day_that_is_over_is_sorted_and_reads_as_before(lake: Lake) -> None:
    before = held(lake)
    assert not stored(lake)["instrument"].is_sorted()
    assert lake.seal("trades", START + DAY + HOUR) == 0  # too early: late rows may still come
    assert lake.seal("trades", NOW) == 1
    assert len(lake.handle("trades").file_uris()) == 1
    assert ordered(stored(lake))
    assert held(lake) == before


def test_many_rows_of_one_time_keep_their_order(lake: Lake) -> None:
    many = frame(table("trades"), [trade(1000, START + 5 * HOUR, name) for name in NAMES])
    many = pl.concat([many] * 30_000).with_columns(trade_id=pl.int_range(60_000).cast(pl.String)).drop("place")
    for part in many.iter_slices(20_000):
        lake.append("trades", part)
    before = lake.read("trades", instrument="ETH-USDT")
    assert lake.seal("trades", NOW) == 1
    assert ordered(stored(lake))
    assert lake.read("trades", instrument="ETH-USDT").equals(before)


def test_a_sealed_day_is_left_alone_until_rows_come_into_it(lake: Lake) -> None:
    lake.seal("trades", NOW)
    version = lake.version("trades")
    assert lake.seal("trades", NOW) == 0
    assert lake.version("trades") == version
    lake.append("trades", [trade(100, START + 2 * HOUR, "BTC-USDT"), trade(101, START + 30 * HOUR, "BTC-USDT")])
    assert lake.seal("trades", NOW) == 1
    assert stored(lake).height == 82
    day = stored(lake).filter(pl.col("ts_event").dt.timestamp("us") < START + DAY)
    assert ordered(day)


@pytest.mark.parametrize("at", [START + HOUR, START + 26 * HOUR])
def test_rows_that_come_meanwhile_are_there_and_the_day_is_sorted(
    lake: Lake, at: Micros, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, late = deltalake.write_deltalake, [trade(200, at, "ETH-USDT")]

    def overtaken(*args: object, **options: object) -> None:
        if late:
            Lake(lake.root).append("trades", [late.pop()])
        real(*args, **options)  # type: ignore[call-overload]

    monkeypatch.setattr("warehouse.sealing.write_deltalake", overtaken)
    assert lake.seal("trades", NOW) == 1
    assert stored(lake).height == 81
    assert sealing.unsealed(lake.handle("trades"), table("trades"), NOW) == []


def test_who_replaces_a_range_of_a_day_that_is_sealed_meanwhile_reads_again(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, left = Lake.handle, [1]

    def handle(self: Lake, name: str) -> DeltaTable:
        found = read(self, name)
        if self is lake and left[0]:
            left[0] -= 1
            Lake(lake.root).seal("trades", NOW)
        return found

    monkeypatch.setattr(Lake, "handle", handle)
    rows = [trade(0, START + HOUR, "BTC-USDT"), trade(300, START + HOUR, "BTC-USDT")]
    landed = lake.upsert("trades", rows, now=NOW)
    assert (landed.added, landed.equal) == (1, 1)
    assert lake.read("trades")["trade_id"].n_unique() == stored(lake).height == 81


def test_tables_without_days_are_not_sealed(tmp_path: Path) -> None:
    assert Lake(tmp_path / "lake").seal("candles", NOW) == 0
