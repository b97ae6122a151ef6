"""The partition's date of a row is within the bounds of every span of time that holds the row."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest
from deltalake import DeltaTable
from hypothesis import given
from hypothesis import strategies as st

from warehouse.clock import DAY, HOUR, SECOND, Micros
from warehouse.errors import ConfigError
from warehouse.instruments import TIMEFRAMES
from warehouse.partitions import bounds, first_day, unit
from warehouse.store import Lake
from warehouse.tables import TABLES, Table, table

NOON: Micros = int(datetime(2026, 11, 21, 12, tzinfo=UTC).timestamp()) * SECOND
TIMES = st.integers(NOON - 1500 * DAY, NOON + 1500 * DAY)


def day_of(declared: Table, at: Micros, timeframe: str = "1m") -> date | None:
    found = pl.DataFrame({declared.time: [at], "timeframe": [timeframe]}).select(first_day(declared))
    return found.item() if found.width else None


def test_bars_of_an_hour_and_more_lie_in_years_shorter_ones_in_months() -> None:
    days = {name: day_of(table("candles"), NOON, name) for name in TIMEFRAMES}
    assert {name for name, day in days.items() if day == date(2026, 1, 1)} == {"1h", "2h", "4h", "6h", "12h", "1d"}
    assert {name for name, day in days.items() if day == date(2026, 11, 1)} == {"1m", "3m", "5m", "15m", "30m"}
    assert day_of(table("trades"), NOON) == date(2026, 11, 21)
    assert day_of(table("marks"), NOON) == date(2026, 11, 1)
    assert day_of(table("seams"), NOON) is None


@given(
    st.sampled_from([declared for declared in TABLES if unit(declared)]),
    TIMES,
    st.integers(0, 800 * DAY),
    st.integers(1, 800 * DAY),
    st.sampled_from(TIMEFRAMES),
    st.booleans(),
)
def test_no_row_of_a_span_lies_outside_its_bounds(
    declared: Table, at: Micros, since: Micros, until: Micros, timeframe: str, named: bool
) -> None:
    day = day_of(declared, at, timeframe)
    equal = {"timeframe": [timeframe]} if named else {}
    found = list(bounds(declared, equal, at - since, at + until))
    assert [(name, sign) for name, sign, _ in found] == [(unit(declared), ">="), (unit(declared), "<=")]
    assert found[0][2] <= day <= found[1][2]  # type: ignore[operator]  # there is a date


def test_an_hour_of_minutes_lies_in_one_month() -> None:
    found = list(bounds(table("candles"), {"timeframe": ["1m"]}, NOON - HOUR, NOON))
    assert found == [("period", ">=", date(2026, 11, 1)), ("period", "<=", date(2026, 11, 1))]


def test_a_table_of_another_partition_is_refused_in_words(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake")
    DeltaTable.create(
        lake.uri("candles"), pl.DataFrame(schema={"venue": pl.String, "month": pl.Date}).to_arrow().schema,
        partition_by=["venue", "month"],
    )  # fmt: skip
    with pytest.raises(ConfigError, match=r"candles is partitioned by venue, month, this version writes it by venue, "):
        lake.read("candles")
