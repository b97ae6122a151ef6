"""A column of candles gives the bars that its rows give one by one."""

from __future__ import annotations

import random

import polars as pl
import pytest

from pipelines import gridding
from warehouse.instruments import Grid
from warehouse.metrics.bars import CANDLE_FIELDS, Bar, bar_on

GRIDS = [("0.1", "0.001", "1"), ("0.0000001", "1", "1"), ("0.25", "0.00000001", "10"), ("0.05", "5", "0.01")]


@pytest.mark.parametrize("steps", GRIDS)
def test_bars_by_the_column_equal_bars_one_by_one(steps: tuple[str, str, str]) -> None:
    grid, chance = Grid(*steps), random.Random(7)

    def candle(at: int) -> dict[str, float | None]:
        prices = {name: grid.price(chance.randrange(1, 10**7)) for name in gridding.PRICES}
        sums = {
            name: chance.choice([None, chance.random() * 10.0 ** chance.randrange(12)]) for name in CANDLE_FIELDS[6:8]
        }
        return {"open_time": at, **prices, "volume": grid.size(chance.randrange(10**9)), **sums, "trade_count": at}

    rows = [candle(at) for at in range(500)]
    expected = [bar_on(grid, *[row[name] for name in CANDLE_FIELDS]) for row in rows]  # type: ignore[arg-type]
    made = gridding.bars(pl.DataFrame(rows, infer_schema_length=None), grid)
    assert tuple(made.columns) == Bar.__struct_fields__
    assert [Bar(*row) for row in made.rows()] == expected


@pytest.mark.parametrize("price", [0.15, 0.0, -1.0, float("nan")])
def test_a_price_off_the_grid_is_refused(price: float) -> None:
    row = dict.fromkeys(CANDLE_FIELDS, 1.0) | {"open_time": 0, "trade_count": 1, "low": price}
    with pytest.raises(ValueError, match="low"):
        gridding.bars(pl.DataFrame([row]), Grid("0.1", "1"))


@pytest.mark.parametrize("volume", [1e19, None])
def test_a_volume_that_is_no_number_of_lots_is_off_the_grid(volume: float | None) -> None:
    sound = dict.fromkeys(CANDLE_FIELDS, 1.0) | {"open_time": 0, "trade_count": 1, "timeframe": "1m"}
    rows = pl.DataFrame([sound, sound | {"volume": volume, "open_time": 1}, sound | {"open_time": 2}])
    assert gridding.reached(rows, Grid("0.1", "1"))["open_time"].to_list() == [2]
    with pytest.raises(ValueError, match="volume"):
        gridding.bars(rows, Grid("0.1", "1"))
