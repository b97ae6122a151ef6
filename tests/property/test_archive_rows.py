"""A million rows at a time is a row at a time: integers of the grid, sizes and times are those of the decoders."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines import gridding
from pipelines.sources.archive import columns
from pipelines.sources.archive.telling import Told
from warehouse.instruments import Rules
from warehouse.venues.archives import Layout

STEPS = ("0.1", "0.01", "0.00001", "0.00000001", "1", "0.5", "0.25", "5")
LAYOUT = Layout(kind="trades", columns={"time": ("time",)})


def rules(tick: str, lot: str, contract: str = "1") -> Rules:
    return Rules(venue="okx", instrument="X-USDT", symbol="X-USDT", market="spot", tick=tick, lot=lot,
                 contract_value=contract)  # fmt: skip


@given(
    st.sampled_from(STEPS), st.lists(st.integers(0, 10**9), min_size=1, max_size=40), st.floats(-2, 2)
)  # fmt: skip
def test_steps_are_counted_as_the_grid_counts_them(step: str, counts: list[int], off: float) -> None:
    rule = rules(step, step)
    texts = [format(float(count * float(step)), ".10f") for count in counts]
    texts += [format(float(count) + off * float(step), ".12f") for count in counts[:10]]
    found = pl.read_csv("\n".join(["size", *texts]).encode(), schema={"size": pl.Float64})
    assert found["size"].to_list() == [float(text) for text in texts]  # the reader rounds once, as Python does
    told = found.select(gridding.lots(pl.col("size"), rule.grid)).to_series().to_list()
    ticks = found.select(gridding.ticks(pl.col("size"), rule.grid)).to_series().to_list()
    for text, lots, tick in zip(texts, told, ticks, strict=True):
        assert (lots or 0) == _counted(rule.grid.lots, float(text))
        assert (tick or 0) == _counted(rule.grid.ticks, float(text))


def _counted(count: object, number: float) -> int:
    try:
        return int(count(number))  # type: ignore[operator]
    except ValueError:
        return 0


@given(st.lists(st.integers(1, 10**9), min_size=1, max_size=40), st.sampled_from(["0.01", "0.1", "0.001", "10"]))
def test_contracts_become_base_units_with_one_rounding(counts: list[int], contract: str) -> None:
    rule = rules("0.1", "0.01", contract)
    frame = pl.DataFrame({"size": [count / 100 for count in counts]})
    assert frame.select(columns.base_size(rule)).to_series().to_list() == [rule.grid.size(count) for count in counts]


@pytest.mark.parametrize("unit", [1, 1000])
@given(st.lists(st.integers(1_500_000_000_000_000, 2_000_000_000_000_000), min_size=1, max_size=20))
def test_milliseconds_and_microseconds_are_told_by_their_size(unit: int, times: list[int]) -> None:
    told = Told(LAYOUT, {"time": 0}, 1, header=False, times="number")
    whole = [at // 1000 * 1000 for at in times]
    frame = pl.DataFrame({"time": [at // unit for at in whole]})
    assert frame.select(columns.instant(told)).to_series().to_list() == whole


@given(st.lists(st.integers(15_000_000_000_000, 20_000_000_000_000), min_size=1, max_size=20))
def test_seconds_with_four_decimals_lose_nothing(tenths: list[int]) -> None:
    told = Told(LAYOUT, {"time": 0}, 1, header=False, times="seconds")
    frame = pl.DataFrame({"time": [float(f"{n // 10_000}.{n % 10_000:04}") for n in tenths]})
    assert frame.select(columns.instant(told)).to_series().to_list() == [n * 100 for n in tenths]
