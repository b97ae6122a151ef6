"""Whales and blocks that the engine tells of an emulated market are those that a plain count of its trades finds."""

from __future__ import annotations

from itertools import groupby
from math import floor
from typing import Any

import msgspec
import polars as pl
import pytest

from pipelines.sizes import COLUMNS, sizes
from realtime.channels import Message
from realtime.engine import Produced
from tests.kit.produced import complaints
from tests.kit.wires import START, Bench
from tests.unit.metrics.fixtures import bin_of
from warehouse.clock import MINUTE, SECOND, Micros
from warehouse.context import encode
from warehouse.instruments import Rules
from warehouse.journal import Kind
from warehouse.metrics.histogram import value_of
from warehouse.records import Trade
from warehouse.structure.document import TradeHistory, build

LOOKBACK = 20 * MINUTE
BARS = 300


def tell_history(bench: Bench, rules: Rules) -> Micros:
    """The context document of this moment, as the structure flow makes it; where its trades end."""
    now = bench.clock.now()
    end = now - now % SECOND
    trades = bench.view.trades_by_time(rules.instrument, START - LOOKBACK, end, 1_000_000, False)
    rows = [[getattr(one, name) for name in COLUMNS] for one in trades]
    past = sizes(pl.DataFrame(rows, schema=COLUMNS, orient="row"), START - LOOKBACK, end)
    history = TradeHistory(trades=(), complete_from=START - LOOKBACK, complete_to=end, sizes=past)
    candles = bench.view.candles(rules.instrument, "1m", now - BARS * MINUTE, now, BARS, True)
    bench.take(rules.instrument, Kind.CONTEXT, encode(build(rules, {"1m": candles}, history, now)))
    return end


def plain(bench: Bench, rules: Rules, told_at: Micros) -> list[dict[str, Any]]:
    """The same by sorting and adding: every large order since the history was told."""
    grid, now = rules.grid, bench.clock.now()
    past = bench.view.trades_by_time(rules.instrument, START - LOOKBACK, START, 1_000_000, False)
    live = [one for one in bench.trades[rules.instrument] if one.kind == "market"]
    volumes = {
        bar.open_time // MINUTE: round(bar.volume * grid.size_den / grid.size_num)
        for bar in bench.view.candles(rules.instrument, "1m", told_at - BARS * MINUTE, now, 2 * BARS, True)
    }
    orders = [list(prints) for _, prints in groupby([*past, *live], key=lambda one: (one.ts_event, one.taker_side))]
    found, known, second, threshold = [], list[int](), 0, 0.0
    for prints in orders:
        worth = sum(one.ticks * one.lots for one in prints)
        if prints[0].ts_event // SECOND > second and known:
            second = prints[0].ts_event // SECOND
            known.sort()
            ranks = floor(0.999 * (len(known) - 1)), (len(known) - 1) // 2
            high, median = (value_of(bin_of(known[rank])) for rank in ranks)
            threshold = max(high, 50 * median)
        if prints[0].ts_event >= told_at and worth >= 0.35 * threshold:
            minute = prints[0].ts_event // MINUTE - 1
            inside = [lots for at, lots in volumes.items() if minute - 1440 <= at < minute]
            found.append(verdict(rules, prints, worth, threshold, inside))
        known.append(worth)
    return found


def verdict(rules: Rules, prints: list[Trade], worth: int, threshold: float, minutes: list[int]) -> dict[str, Any]:
    """What is to be said of one order."""
    lots, grid = sum(one.lots for one in prints), rules.grid
    ratio = lots * len(minutes) / sum(minutes)
    return {
        "kind": "INFERRED" if worth >= threshold and ratio >= 0.5 else "WHALE",
        "ts_event": prints[0].ts_event,
        "taker_side": prints[0].taker_side,
        "size": grid.size(lots),
        "notional": grid.notional(worth),
        "levels": len({one.ticks for one in prints}),
        "prints": len(prints),
        "first_trade_id": prints[0].trade_id,
        "last_trade_id": prints[-1].trade_id,
        "confidence": min(1.0, worth / threshold),
        "threshold_notional": threshold * grid.notional_num / grid.notional_den,
        "threshold_source": "history",
        "block_ratio": ratio,
        "minute_volume": grid.size(sum(minutes)) / len(minutes),
    }


@pytest.mark.parametrize(
    ("venue", "seed", "instrument", "granularity"),
    [
        pytest.param("binance", 1, "ETH-USDT-PERP", "AGG_100MS", marks=pytest.mark.slow),
        ("bybit", 2, "BTC-USDT-PERP", "SAME_TIME"),
        pytest.param("okx", 8, "BTC-USDT", "SAME_TIME", marks=pytest.mark.slow),
    ],
)
def test_live_equals_a_plain_count(venue: str, seed: int, instrument: str, granularity: str) -> None:
    bench = Bench(
        venue, seed, rate=10.0, instruments=(instrument,), step_us=SECOND // 10, lookback_us=LOOKBACK, blocks=True
    )
    (rules,) = bench.rules
    for name, other in bench.view.markets.items():
        other.ended = name != instrument  # the others are still, for speed
    heard: list[Message] = []
    flows: list[Message] = []

    def take(produced: Produced) -> None:
        heard.extend(one for one in produced.messages if one.channel.startswith("whale_detection:"))
        flows.extend(one for one in produced.messages if one.channel.startswith("orderflow:"))

    bench.heard = take
    bench.run(5 * SECOND)
    end = tell_history(bench, rules)
    bench.run(118 * SECOND)
    assert [words for one in heard for words in complaints(one)] == []
    said = [msgspec.json.decode(one.produced) for one in heard]
    market = [one for one in said if one["kind"] != "VENUE" and one["ts_event"] >= end]
    expected = plain(bench, rules, end)
    assert [{name: one[name] for name in row} for one, row in zip(market, expected, strict=True)] == expected
    assert {one["granularity"] for one in said} == {granularity}
    inferred = [one for one in market if one["kind"] == "INFERRED"]
    assert inferred
    assert all(one["prints"] > 1 for one in inferred)

    blocks = [one for one in bench.trades[instrument] if one.kind == "block"]
    assert [one["first_trade_id"] for one in said if one["kind"] == "VENUE"] == [one.trade_id for one in blocks]
    assert (not blocks) == (venue == "binance")
    flow = msgspec.json.decode(flows[-1].produced)
    assert flow["whale_threshold"] == pytest.approx(market[-1]["threshold_notional"], rel=0.1)
    assert flow["reasons"]["whale_count_15m"] == "WARMUP", "the window is not observed whole"
