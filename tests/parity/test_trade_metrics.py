"""One definition, three ways to its input: the live ring, a naive loop over trades, and polars over a frame.

All three must agree at every final second: integers exactly, values bit for bit (they come from the same expression),
volatility within 1e-9 (polars takes its own logarithms), reasons included.
"""

from __future__ import annotations

import random
from fractions import Fraction
from math import fsum, log, sqrt

import polars as pl
import pytest

from warehouse.instruments import Grid
from warehouse.metrics import TRADE_METRICS, WINDOWS
from warehouse.metrics.base import Reason
from warehouse.metrics.ring import LATENESS, TradeRing
from warehouse.metrics.vwap import MIN_TRADES
from warehouse.metrics.windows import TradeWindow, log_return

S = 1_000_000
LENGTH = 1500

Print = tuple[int, int, int, bool]

GRIDS = {"btc spot": Grid("0.01", "0.00001"), "okx swap": Grid("0.1", "0.01", "0.01"), "xrp": Grid("0.0001", "0.1")}
PRICE = {"btc spot": 10_000_000, "okx swap": 1_000_000, "xrp": 21_000}


def tape(name: str) -> list[Print]:
    """Twenty-five minutes of seeded trades in log order: bursts, quiet minutes, and trades up to three seconds late."""
    rng = random.Random(name)
    out, at, ticks = [], 0, PRICE[name]
    while at < LENGTH * S:
        quiet = rng.random() < 0.002
        at += rng.randrange(60 * S) if quiet else int(rng.expovariate(1 / 150_000))
        ticks += rng.randint(-3, 3)
        late = rng.randrange(3 * S) if rng.random() < 0.02 else 0
        out.append((max(0, at - late), ticks, rng.randint(1, 10**6), rng.random() < 0.5))
    return [trade for trade in out if trade[0] < LENGTH * S]


def live(name: str, trades: list[Print]) -> tuple[dict[tuple[int, int], TradeWindow], list[Print]]:
    """Every window when it becomes final, and the trades that were in time."""
    ring = TradeRing(GRIDS[name])
    ring.start(0)
    out: dict[tuple[int, int], TradeWindow] = {}
    kept = []
    seen = 0
    for trade in trades:
        if trade[0] // S > ring.second:
            for second in range(ring.second + 1, trade[0] // S + 1):
                ring.advance(second)
                for end in range(seen + 1, second - LATENESS + 1):
                    out.update({(end, w): ring.window(end, w) for w in WINDOWS.values()})
                seen = max(seen, second - LATENESS)
        if ring.add(*trade):
            kept.append(trade)
    return out, kept


def frame(kept: list[Print]) -> pl.DataFrame:
    """Per second sums, cumulated in Int128 where squares are: the batch side's accumulator."""
    return (
        pl.DataFrame(kept, schema=["ts", "ticks", "lots", "buy"], orient="row")
        .with_columns(second=pl.col("ts") // S, big=pl.col("ticks").cast(pl.Int128))
        .group_by("second", maintain_order=True)
        .agg(
            count=pl.len().cast(pl.Int64),
            buy_lots=(pl.col("lots") * pl.col("buy")).sum(),
            sell_lots=(pl.col("lots") * ~pl.col("buy")).sum(),
            buy_tick_lots=(pl.col("big") * pl.col("lots") * pl.col("buy")).sum(),
            sell_tick_lots=(pl.col("big") * pl.col("lots") * ~pl.col("buy")).sum(),
            tick2_lots=(pl.col("big") * pl.col("big") * pl.col("lots")).sum(),
            close=pl.col("ticks").last(),
        )
        .join(pl.DataFrame({"second": range(LENGTH)}), on="second", how="right")
        .sort("second")
        .with_columns(pl.col("close").forward_fill())
        .with_columns(pl.exclude("second", "close").fill_null(0))
        .with_columns(step=(pl.col("close") / pl.col("close").shift(1)).log().fill_null(0.0))
    )


SUMS = ("count", "buy_lots", "sell_lots", "buy_tick_lots", "sell_tick_lots", "tick2_lots")


@pytest.mark.parametrize("name", list(GRIDS))
def test_the_ring_equals_polars_sum_by_sum(name: str) -> None:
    windows, kept = live(name, tape(name))
    table = frame(kept)
    cumulated = {column: [0, *table[column].cum_sum().to_list()] for column in SUMS}
    closes = table["close"].to_list()
    assert len(windows) > 3 * 1400
    for (end, seconds), window in windows.items():
        first = max(0, end - seconds)
        assert {c: getattr(window, c) for c in SUMS} == {c: cumulated[c][end] - cumulated[c][first] for c in SUMS}
        assert window.last_ticks == (closes[end - 1] or 0)
        assert window.reason is (None if end >= seconds else Reason.WARMUP)
        assert window.final


@pytest.mark.parametrize("name", list(GRIDS))
def test_every_metric_equals_its_naive_oracle(name: str) -> None:
    windows, kept = live(name, tape(name))
    grid = GRIDS[name]
    by_second: dict[int, list[Print]] = {}
    for trade in kept:
        by_second.setdefault(trade[0] // S, []).append(trade)
    closes: list[int] = []
    for second in range(LENGTH):
        before = closes[-1] if closes else 0
        closes.append(by_second[second][-1][1] if second in by_second else before)
    for (end, seconds), window in windows.items():
        if end % 37:
            continue
        first = end - seconds
        inside = [trade for second in range(max(0, first), end) for trade in by_second.get(second, ())]
        active = sum(1 for second in range(max(0, first), end) if second in by_second)
        expected = naive(grid, inside, closes, first, end, active)
        for metric in TRADE_METRICS:
            value = metric.value(window)
            wanted = expected[metric.spec.name]
            assert value.reason == (wanted if isinstance(wanted, Reason) else None), (metric.spec.name, end, seconds)
            if not isinstance(wanted, Reason):
                assert value.value == (
                    wanted if isinstance(wanted, str) else pytest.approx(wanted, rel=1e-9, abs=1e-12)
                )


def naive(
    grid: Grid, inside: list[Print], closes: list[int], first: int, end: int, active: int
) -> dict[str, float | int | str | Reason]:
    """Each metric as a textbook would write it; where floats would cancel, in fractions."""
    if first < 0:
        return {metric.spec.name: Reason.WARMUP for metric in TRADE_METRICS}
    rows = [(grid.price(ticks), grid.size(lots), buy) for _, ticks, lots, buy in inside]
    buy = fsum(size for _, size, side in rows if side)
    sell = fsum(size for _, size, side in rows if not side)
    out: dict[str, float | int | str | Reason] = {
        "cvd": fsum(size if side else -size for _, size, side in rows),
        "cvd_quote": fsum(price * size if side else -price * size for price, size, side in rows),
        "buy_volume": buy,
        "sell_volume": sell,
        "trade_count": len(rows),
        "delta_ratio": (buy - sell) / (buy + sell) if rows else Reason.NO_TRADES,
    }
    if rows:
        volume = sum(lots for _, _, lots, _ in inside)
        mean_ticks = Fraction(sum(ticks * lots for _, ticks, lots, _ in inside), volume)
        variance = sum(lots * (ticks - mean_ticks) ** 2 for _, ticks, lots, _ in inside) / volume
        tick = Fraction(grid.tick_num, grid.tick_den)
        out |= {"vwap": float(mean_ticks * tick), "vwap_sd": sqrt(variance * tick * tick)}
        few = len(rows) < MIN_TRADES
        z = float(closes[end - 1] - mean_ticks) / sqrt(variance)
        out["vwap_z"] = Reason.WARMUP if few else z
        strong = "STRONG_" if abs(z) >= 2.5 else ""
        word = "NEUTRAL" if abs(z) < 1.5 else strong + ("SELL" if z > 0 else "BUY")
        out["mr_signal"] = Reason.WARMUP if few else word
    else:
        out |= dict.fromkeys(("vwap", "vwap_sd", "vwap_z", "mr_signal"), Reason.NO_TRADES)
    names = ("volatility", "realized_volatility", "sigma_bps", "volatility_annual")
    if first == 0 or not closes[first - 1]:
        return out | dict.fromkeys(names, Reason.WARMUP)
    if active < 5:
        return out | dict.fromkeys(names, Reason.NO_TRADES)
    steps = [log(closes[k] / closes[k - 1]) for k in range(first, end)]
    mean = fsum(steps) / len(steps)
    deviation = sqrt(fsum((step - mean) ** 2 for step in steps) / (len(steps) - 1))
    return out | {
        "volatility": deviation,
        "realized_volatility": sqrt(fsum(step * step for step in steps)),
        "sigma_bps": 1e4 * deviation * sqrt(len(steps)),
        "volatility_annual": deviation * sqrt(31_536_000),
    }


@pytest.mark.parametrize("name", list(GRIDS))
def test_volatility_equals_polars_rolling_deviation(name: str) -> None:
    windows, kept = live(name, tape(name))
    table = frame(kept)
    metric = next(metric for metric in TRADE_METRICS if metric.spec.name == "volatility")
    for seconds in WINDOWS.values():
        rolled = table["step"].rolling_std(seconds).to_list()
        for (end, width), window in windows.items():
            value = metric.value(window)
            if width == seconds and value.value is not None:
                assert value.value == pytest.approx(rolled[end - 1], rel=1e-9)


@pytest.mark.parametrize("name", list(GRIDS))
def test_a_ring_built_from_the_lake_gives_the_same_values_bit_for_bit(name: str) -> None:
    """The batch side runs the very same accumulator over stored rows, late ones left out."""
    windows, kept = live(name, tape(name))
    batch, again = live(name, sorted(kept, key=lambda trade: trade[0] // S))
    assert again == sorted(kept, key=lambda trade: trade[0] // S)
    for key in sorted(windows.keys() & batch.keys()):
        assert [metric.value(windows[key]) for metric in TRADE_METRICS] == [m.value(batch[key]) for m in TRADE_METRICS]


def test_returns_are_rounded_far_below_the_promise() -> None:
    assert log_return(10_000_000, 10_000_001) / 2**80 == pytest.approx(log(10_000_001 / 10_000_000), rel=1e-15)
