"""The lake as it was known at a time."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.kit.journals import BEGIN, rules, trade
from warehouse.clock import DAY, HOUR
from warehouse.errors import ConfigError
from warehouse.frames import frame, integers, merged
from warehouse.past import Moment, as_of, micros
from warehouse.reading import connect, scan
from warehouse.records import Candle, SequenceGap
from warehouse.rows import Mismatch
from warehouse.store import Lake
from warehouse.tables import CANDLES, CORRECTIONS, TABLES, Correction


def candle(hour: int, close: float, known: int, venue: str = "okx") -> Candle:
    return Candle(
        venue=venue, instrument="BTC-USDT", ts_event=0, ts_recv=known, timeframe="1h", open_time=hour * HOUR, open=10.0,
        high=20.0, low=9.0, close=close, volume=1.0, origin="rest",
    )  # fmt: skip


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Hour 1 stated as 11 at 100, corrected to 12 at 200 and to 13 at 300; hour 2 known at 250; hour 3 first known at
    150 and corrected at 400.
    """
    lake = Lake(tmp_path_factory.mktemp("lake"))
    lake.upsert("candles", [candle(1, 11.0, 100), candle(1, 11.0, 100, "bybit")], now=100)
    lake.upsert("candles", [candle(3, 15.0, 150)], now=150)
    lake.upsert("candles", [candle(1, 12.0, 200)], now=200)
    lake.upsert("candles", [candle(2, 14.0, 250)], now=250)
    lake.upsert("candles", [candle(1, 13.0, 300)], now=300)
    lake.upsert("candles", [candle(3, 16.0, 400)], now=400)
    gap = SequenceGap(
        venue="okx", instrument="BTC-USDT", ts_event=1, ts_recv=100, stream="trades", from_id=1, to_id=2, from_ts=1,
        to_ts=2, cause="ids", state="open", opened_at=1,
    )  # fmt: skip
    lake.append("gaps", [gap, msgspec.structs.replace(gap, state="repaired", ts_recv=200)])
    lake.append("trades", [trade(0), trade(1)])
    (rule,) = rules("okx", ["BTC-USDT"])
    lake.upsert("instruments", [msgspec.structs.replace(rule, valid_from=50)], now=60)
    lake.upsert("instruments", [msgspec.structs.replace(rule, valid_from=50, tick="0.5")], now=260)
    return lake.root


EXPECTED: list[tuple[int, list[tuple[int, float, int]]]] = [
    (99, []),
    (100, [(1, 11.0, 100)]),
    (199, [(1, 11.0, 100), (3, 15.0, 150)]),
    (200, [(1, 12.0, 200), (3, 15.0, 150)]),
    (299, [(1, 12.0, 200), (2, 14.0, 250), (3, 15.0, 150)]),
    (300, [(1, 13.0, 300), (2, 14.0, 250), (3, 15.0, 150)]),
    (400, [(1, 13.0, 300), (2, 14.0, 250), (3, 16.0, 400)]),
]


@pytest.mark.parametrize(("at", "expected"), EXPECTED)
def test_a_corrected_value_is_what_it_was_before(root: str, at: int, expected: list[tuple[int, float, int]]) -> None:
    rows = connect(root, as_of=at).execute(
        f"SELECT epoch_us(open_time) // {HOUR}, close, epoch_us(ts_recv) FROM candles WHERE venue = 'okx' ORDER BY 1"
    )
    assert rows.fetchall() == expected
    frame = scan("candles", root, as_of=at).collect()
    mine = [row for row in frame.sort("open_time").to_dicts() if row["venue"] == "okx"]
    assert [(row["close"], row["high"], row["origin"]) for row in mine] == [(c, 20.0, "rest") for _, c, _ in expected]
    assert frame.schema == scan("candles", root).collect_schema()
    assert (frame.filter(venue="bybit").height == 1) == (at >= 100), "what was never corrected is there all along"


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 3), st.integers(11, 13)), min_size=1, max_size=8))
def test_any_history_of_landings_can_be_seen_as_of_any_time(landings: list[tuple[int, int]]) -> None:
    known = frame(CANDLES, [])
    corrections: list[Correction] = []
    then: list[dict[int, tuple[float, int]]] = [{}]
    for now, (hour, close) in enumerate(landings, 1):
        landed = merged(CANDLES, known, frame(CANDLES, [candle(hour, float(close), now)]), now)
        known, corrections = landed.rows, corrections + landed.corrections
        before = then[-1].get(hour)
        then.append(then[-1] if before and before[0] == close else {**then[-1], hour: (float(close), now)})
    for at, expected in enumerate(then):
        rows = integers(as_of(CANDLES, known.lazy(), frame(CORRECTIONS, corrections), at).collect())
        assert {row["open_time"] // HOUR: (row["close"], row["ts_recv"]) for row in rows.to_dicts()} == expected


def test_a_ledger_shows_the_newest_state_known_then(root: str) -> None:
    assert connect(root, as_of=150).execute("SELECT state FROM stg_gaps").fetchall() == [("open",)]
    assert connect(root, as_of=200).execute("SELECT state FROM stg_gaps").fetchall() == [("repaired",)]
    assert connect(root, as_of=99).execute("FROM gaps_open").fetchall() == []


def test_trades_are_known_when_they_were_received(root: str) -> None:
    assert connect(root, as_of=BEGIN).execute("SELECT count(*) FROM trades").fetchall() == [(0,)]
    assert connect(root, as_of=trade(0).ts_recv).execute("SELECT trade_seq FROM trades").fetchall() == [(0,)]


def test_a_table_without_a_receipt_goes_by_its_own_time(root: str) -> None:
    def ticks(at: int) -> list[tuple[str]]:
        found: list[tuple[str]] = connect(root, as_of=at).execute("SELECT tick FROM instruments").fetchall()
        return found

    assert (ticks(49), ticks(259), ticks(260)) == ([], [("0.1",)], [("0.5",)])


def test_now_and_the_far_future_are_the_same(root: str) -> None:
    now, later = connect(root), connect(root, as_of=BEGIN + DAY)
    for declared in TABLES:
        query = f"SELECT count(*) FROM {declared.sql_name}"
        assert later.execute(query).fetchall() == now.execute(query).fetchall()
        assert scan(declared.name, root, as_of=BEGIN + DAY).collect().equals(scan(declared.name, root).collect())


MOMENTS: list[Moment] = [
    86_400_000_001,
    "1970-01-02T00:00:00.000001Z",
    "1970-01-02T02:00:00.000001+02:00",
    "1970-01-02 00:00:00.000001",
    datetime(1970, 1, 2, microsecond=1, tzinfo=UTC),
]


@pytest.mark.parametrize("at", MOMENTS)
def test_a_moment_may_be_written_in_several_ways(at: Moment) -> None:
    assert micros(at) == DAY + 1


@pytest.mark.parametrize("at", ["yesterday", datetime(2026, 1, 1)])  # noqa: DTZ001
def test_what_is_no_moment_is_refused(at: Moment, tmp_path: Path) -> None:
    Lake(tmp_path)
    with pytest.raises(ConfigError, match="time"):
        connect(tmp_path, as_of=at)


def test_a_finding_that_was_found_again_otherwise_is_there_as_it_was_first_found(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake")
    first = Mismatch(
        check="candles_roll_up", venue="okx", instrument="X", timeframe="1h", at=HOUR, field="close",
        left_source="1m candles", left_value=1.0, right_source="1h candle", right_value=2.0, found_at=100,
    )  # fmt: skip
    lake.upsert("mismatches", [first], now=100)
    lake.upsert("mismatches", [msgspec.structs.replace(first, left_value=3.0, found_at=200)], now=200)
    for at, expected in ((99, []), (150, [(1.0, 100)]), (200, [(3.0, 200)])):
        with connect(lake.root, as_of=at) as ask:
            assert ask.execute("SELECT left_value, epoch_us(found_at) FROM mismatches").fetchall() == expected
