"""The lake keeps what it is given, once, and refuses what breaks a promise."""

from __future__ import annotations

from pathlib import Path
from threading import Thread
from typing import Any

import msgspec
import pytest

from tests.kit.journals import BEGIN, rules, trade
from warehouse import store
from warehouse.clock import DAY, HOUR
from warehouse.errors import ConfigError, DataError
from warehouse.instruments import Rules
from warehouse.layout import write
from warehouse.records import (
    Candle,
    FundingRate,
    InstrumentStatus,
    InsuranceFund,
    Liquidation,
    MarkPrice,
    OpenInterest,
    Record,
    SequenceGap,
    VenueNotice,
    VenueStatus,
)
from warehouse.rows import BookPicture, Mismatch, PriceCandle
from warehouse.seam import Certificate
from warehouse.store import Lake, Landed
from warehouse.tables import TABLES, ContextDocument, Correction, Coverage, Outcome, Table


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path / "lake")


def candle(hour: int, close: float = 101.0, timeframe: str = "1h", instrument: str = "BTC-USDT") -> Candle:
    return Candle(
        venue="binance", instrument=instrument, ts_event=BEGIN, ts_recv=BEGIN + 7, timeframe=timeframe,
        open_time=hour * HOUR, open=100.0, high=110.0, low=90.0, close=close, volume=3.5, trade_count=4, origin="rest",
    )  # fmt: skip


HEAD: dict[str, Any] = {"venue": "okx", "instrument": "BTC-USDT-PERP", "ts_event": BEGIN, "ts_recv": 1}

ONE_OF_EACH: dict[str, msgspec.Struct] = {
    "trades": trade(1),
    "overlaps": msgspec.structs.replace(trade(1), trade_seq=None, first_fill=7, rpi=True),
    "candles": candle(500_000),
    "funding": FundingRate(
        venue="okx", instrument="BTC-USDT-PERP", ts_event=BEGIN, ts_recv=1, funding_rate=-1e-4, settled=True
    ),
    "gaps": SequenceGap(
        venue="okx", instrument="BTC-USDT", ts_event=BEGIN, ts_recv=1, stream="trades", from_id=None, to_id=2,
        from_ts=1, to_ts=2, cause="ids", state="open", opened_at=BEGIN,
    ),
    "coverage": Coverage(
        dataset="trades", venue="okx", instrument="BTC-USDT", start=1, end=2, origin="rest", rows=3, ts_recv=4
    ),
    "outcomes": Outcome(
        dataset="trades", venue="okx", instrument="X", start=1, end=2, error="why", started_at=3, finished_at=4
    ),
    "liquidations": Liquidation(
        **HEAD, liquidated_side="long", price=9.5, size=0.2, ticks=95, lots=2, price_basis="fill", sampled=True
    ),
    "marks": MarkPrice(**HEAD, mark_price=9.5, index_price=None),
    "accruals": FundingRate(**HEAD, funding_rate=1e-4, settled=False, interval_us=1, next_funding_at=2),
    "open_interest": OpenInterest(**HEAD, open_interest=9.5, open_interest_quote=None, period_us=5),
    "insurance": InsuranceFund(
        venue="okx", instrument="", ts_event=BEGIN, ts_recv=1, pool="BTC", asset="USDT", balance=1.5, balance_usd=None
    ),
    "books": BookPicture(
        **HEAD, update_id=5, bid_prices=[2.5, 2.0], bid_sizes=[1.0, 2.0], ask_prices=[3.0], ask_sizes=[0.5]
    ),
    "calendar": InstrumentStatus(**HEAD, state="trading", code="live", delisting_at=7),
    "venue_states": VenueStatus(
        venue="okx", instrument="", ts_event=BEGIN, ts_recv=1, state="announced", words="upgrade", from_ts=5, to_ts=None
    ),
    "notices": VenueNotice(
        venue="okx", instrument="", ts_event=BEGIN, ts_recv=1, connection="", code="listing", words="OKX lists X"
    ),
    "mismatches": Mismatch(
        check="candles_roll_up", venue="okx", instrument="X", timeframe="1h", at=HOUR, field="close",
        left_source="1m candles", left_value=1.0, right_source="1h candle", right_value=None, found_at=2,
    ),
    "price_candles": PriceCandle(
        **HEAD, kind="mark", timeframe="1h", open_time=HOUR, open=2.0, high=3.0, low=1.0, close=2.5
    ),
    "seams": Certificate(venue="okx", instrument="X", state="unprovable", cut=None, reason="none", created=9),
    "contexts": ContextDocument(venue="okx", instrument="X", digest="d", created=1, document=b"\x00\xff"),
    "instruments": rules("okx", ["BTC-USDT"])[0],
    "corrections": Correction(
        table="trades", venue="okx", instrument="X", key="{}", old="{}", new="{}", known_at=1, corrected_at=2
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", [declared.name for declared in TABLES])
def test_every_tables_record_comes_back_as_it_was(lake: Lake, name: str) -> None:
    assert lake.rows(name) == [], "a table that was never written is empty"
    lake.append(name, [ONE_OF_EACH[name]])
    assert lake.rows(name) == [ONE_OF_EACH[name]]
    assert Lake(lake.root, realm=None).rows(name) == [ONE_OF_EACH[name]]


def test_a_batch_repeated_under_its_position_is_skipped(lake: Lake) -> None:
    assert lake.append_once("trades", [trade(1)], "j/trades", 5)
    assert not lake.append_once("trades", [trade(1)], "j/trades", 5)
    assert not lake.append_once("trades", [trade(2)], "j/trades", 4)
    assert lake.append_once("trades", [trade(2)], "k/trades", 1), "another writer has its own numbers"
    lake.upkeep("trades")
    assert (lake.position("trades", "j/trades"), lake.position("trades", "k/trades")) == (5, 1)
    assert lake.position("trades", "nobody") is None
    lake.advance("trades", {"j/trades": 9})
    assert Lake(lake.root).position("trades", "j/trades") == 9
    assert lake.rows("trades") == [trade(1), trade(2)]


def test_landing_the_same_rows_again_changes_nothing(lake: Lake) -> None:
    hours = [candle(500_000 + n) for n in range(5)]
    assert lake.upsert("candles", hours, now=BEGIN) == Landed(5, 0, 0)
    version = lake.version("candles")
    again = [msgspec.structs.replace(row, ts_recv=row.ts_recv + DAY) for row in hours]
    assert lake.upsert("candles", again, now=BEGIN) == Landed(0, 5, 0)
    assert lake.version("candles") == version
    assert lake.rows("candles") == hours, "a value keeps the time when it was first known"


def test_a_differing_value_replaces_the_row_and_leaves_the_old_one_in_corrections(lake: Lake) -> None:
    lake.upsert("candles", [candle(500_000), candle(500_001)], now=BEGIN)
    changed = msgspec.structs.replace(candle(500_000, close=102.0), ts_recv=BEGIN + DAY)
    assert lake.upsert("candles", [changed, candle(500_002)], now=BEGIN + DAY) == Landed(1, 0, 1)
    assert lake.rows("candles") == [changed, candle(500_001), candle(500_002)]
    (row,) = lake.rows("corrections")
    assert isinstance(row, Correction)
    assert (row.known_at, row.corrected_at) == (BEGIN + 7, BEGIN + DAY)
    assert msgspec.json.decode(row.old)["close"] == 101.0
    assert msgspec.json.decode(row.new)["close"] == 102.0


def test_a_correction_cut_short_before_its_row_and_landed_again_is_told_once(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake.upsert("candles", [candle(500_000)], now=BEGIN)
    changed = msgspec.structs.replace(candle(500_000, close=102.0), ts_recv=BEGIN + DAY)

    def die(held: object, declared: Table, *args: object, **kwargs: object) -> None:
        if declared.name == "candles":
            raise KeyboardInterrupt
        write(held, declared, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(store, "write", die)
    with pytest.raises(KeyboardInterrupt):
        lake.upsert("candles", [changed], now=BEGIN + DAY)
    monkeypatch.undo()
    assert lake.rows("candles") == [candle(500_000)]
    assert lake.upsert("candles", [changed], now=BEGIN + DAY + HOUR) == Landed(0, 0, 1)
    assert lake.rows("candles") == [changed]
    assert lake.read("corrections").height == 1


def test_landing_touches_no_other_series(lake: Lake) -> None:
    others: list[Record] = [candle(500_000, timeframe="4h"), candle(500_000, instrument="ETH-USDT")]
    lake.upsert("candles", others, now=BEGIN)
    lake.upsert("candles", [candle(500_000)], now=BEGIN)
    lake.upsert("candles", [candle(500_000, close=99.0)], now=BEGIN)
    assert len(lake.rows("candles")) == 3
    assert all(row in lake.rows("candles") for row in others)


def test_reading_a_range_is_half_open_over_midnight(lake: Lake) -> None:
    midnight = (BEGIN // DAY + 1) * DAY
    rows = [msgspec.structs.replace(trade(n), ts_event=midnight + n) for n in (-2, -1, 0, 1)]
    lake.append("trades", rows)
    assert lake.rows("trades", start=midnight - 1, end=midnight + 1) == rows[1:3]


@pytest.mark.parametrize(
    ("change", "check"),
    [
        ({"price": -1.0}, "price > 0"),
        ({"price": float("nan")}, "price is finite"),
        ({"size": float("inf")}, "size is finite"),
        ({"lots": 0}, "lots > 0"),
    ],
)
def test_a_row_that_breaks_a_promise_stops_the_batch(lake: Lake, change: dict[str, float], check: str) -> None:
    bad = msgspec.structs.replace(trade(2), **change)
    with pytest.raises(DataError, match=check) as caught:
        lake.append("trades", [trade(1), bad])
    assert caught.value.table == "trades"
    assert lake.rows("trades") == []


def test_one_key_twice_in_a_batch_is_refused_on_append_and_one_row_on_landing(lake: Lake) -> None:
    with pytest.raises(DataError, match="is unique"):
        lake.append("trades", [trade(1), trade(1)])
    lake.upsert("trades", [trade(1), trade(1)], now=BEGIN)
    assert lake.rows("trades") == [trade(1)]


def test_a_lake_of_the_other_realm_and_a_root_with_a_space_are_refused(tmp_path: Path) -> None:
    Lake(tmp_path / "lake", realm="emulated")
    with pytest.raises(ConfigError, match="holds emulated data and this process is live"):
        Lake(tmp_path / "lake", realm="live")
    with pytest.raises(ConfigError, match="space"):
        Lake(tmp_path / "my lake")


def test_instruments_keep_every_version_of_their_rules(lake: Lake) -> None:
    first: Rules = rules("okx", ["BTC-USDT"])[0]
    second = msgspec.structs.replace(first, tick="0.01", valid_from=BEGIN)
    lake.upsert("instruments", [first], now=BEGIN)
    lake.upsert("instruments", [second], now=BEGIN)
    assert lake.rows("instruments") == [first, second]


def test_two_writers_landing_the_same_range_at_once_store_each_row_once(tmp_path: Path) -> None:
    def land(offset: int) -> None:
        one = Lake(tmp_path / "lake")
        for start in range(offset, offset + 60, 10):
            one.upsert("trades", [trade(n) for n in range(start, start + 30)], now=BEGIN)

    threads = [Thread(target=land, args=(offset,)) for offset in (0, 10, 0)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = Lake(tmp_path / "lake").read("trades")["trade_seq"].to_list()
    assert found == list(range(90))


def test_upkeep_loses_nothing(lake: Lake) -> None:
    for n in range(6):
        lake.append("trades", [trade(n)])
    lake.upkeep("trades")
    assert len(lake.handle("trades").file_uris()) == 1
    assert [row.trade_seq for row in lake.rows("trades")] == list(range(6))  # type: ignore[attr-defined]
