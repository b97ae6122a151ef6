"""Prices and sizes to integers and back, exactly."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from warehouse.instruments import Grid, Listing

TICKS = ["1", "0.5", "0.1", "0.05", "0.01", "0.0001", "0.00000001"]


@given(st.sampled_from(TICKS), st.integers(1, 10**9))
def test_ticks_survive_the_way_through_text(tick: str, ticks: int) -> None:
    grid = Grid(tick, "0.001")
    price = grid.price(ticks)
    assert grid.ticks(float(repr(price))) == ticks


@given(st.integers(0, 10**9))
def test_contracts_become_base_units_with_one_rounding(lots: int) -> None:
    grid = Grid("0.1", "0.01", "0.01")  # OKX BTC-USDT-SWAP: lots of 0.01 contract, a contract is 0.01 BTC
    assert grid.lots(lots / 100) == lots
    assert grid.size(lots) == lots / 10_000


@pytest.mark.parametrize("price", [0.0, -1.0, float("nan"), float("inf"), 100.05])
def test_a_price_off_the_grid_is_refused(price: float) -> None:
    with pytest.raises(ValueError, match="price"):
        Grid("0.1", "0.001").ticks(price)


@pytest.mark.parametrize("size", [-1.0, float("nan"), float("inf"), 0.0005])
def test_a_size_off_the_grid_is_refused(size: float) -> None:
    with pytest.raises(ValueError, match="size"):
        Grid("0.1", "0.001").lots(size)


@given(st.integers(1, 10**15 - 1), st.integers(0, 12))
def test_sizes_of_millions_in_lots_of_a_millionth_are_on_the_grid(lots: int, places: int) -> None:
    grid = Grid("0.0001", f"{10**-places:.{places}f}")
    text = f"{lots // 10**places}.{lots % 10**places:0{places}d}" if places else str(lots)
    assert grid.lots(float(text)) == lots


def test_instrument_names_go_both_ways() -> None:
    for name in ("BTC-USDT", "BTC-USDT-PERP"):
        assert Listing.parse("okx", name).instrument == name
    with pytest.raises(ValueError, match="BTC-USDT-PERP"):
        Listing.parse("okx", "BTCUSDT")
