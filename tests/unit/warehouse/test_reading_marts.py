"""What the marts answer about derivatives, books, gaps and coverage, on a lake small enough to reckon by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import msgspec
import pytest

from tests.kit.journals import rules, trade
from warehouse.clock import DAY, HOUR, MINUTE, SECOND
from warehouse.reading import audits, connect
from warehouse.records import Candle, FundingRate, InsuranceFund, Liquidation, MarkPrice, OpenInterest
from warehouse.rows import BookPicture, Mismatch, PriceCandle
from warehouse.store import Lake
from warehouse.tables import Coverage

T = 20_000 * DAY
"""A midnight."""
PERP: dict[str, Any] = {"venue": "okx", "instrument": "BTC-USDT-PERP", "ts_event": T, "ts_recv": T + 5}
SINCE = "TIMESTAMPTZ '2000-01-01', TIMESTAMPTZ '2100-01-01'"


def minute(number: int, venue: str = "okx", close: float = 11.0, timeframe: str = "1m", volume: float = 2.0) -> Candle:
    return Candle(
        venue=venue, instrument="BTC-USDT", ts_event=T, ts_recv=T, timeframe=timeframe, open_time=T + number * MINUTE,
        open=10.0, high=12.0 + number, low=9.0, close=close, volume=volume, trade_count=3,
    )  # fmt: skip


def funding(hours: float, rate: float, interval: int | None = None, settled: bool = True, venue: str = "okx") -> Any:
    return FundingRate(
        venue=venue, instrument="BTC-USDT-PERP", ts_event=T + int(hours * HOUR), ts_recv=T, funding_rate=rate,
        settled=settled, interval_us=interval,
    )  # fmt: skip


def forced(second: float, side: Any, price: float, size: float = 1.0) -> Liquidation:
    return Liquidation(
        **{**PERP, "ts_event": T + int(second * SECOND)}, liquidated_side=side, price=price, size=size,
        ticks=int(price * 10), lots=int(size * 10), price_basis="fill", sampled=True,
    )  # fmt: skip


def book(seconds: int, bids: list[tuple[float, float]], asks: list[tuple[float, float]]) -> BookPicture:
    return BookPicture(
        **{**PERP, "ts_event": T + seconds * SECOND}, update_id=seconds,
        bid_prices=[p for p, _ in bids], bid_sizes=[s for _, s in bids],
        ask_prices=[p for p, _ in asks], ask_sizes=[s for _, s in asks],
    )  # fmt: skip


def held(start: int, end: int, source: str = "") -> Coverage:
    return Coverage(
        dataset="trades", venue="okx", instrument="BTC-USDT", start=T + start, end=T + end, origin="rest",
        source=source, ts_recv=T,
    )  # fmt: skip


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    lake = Lake(tmp_path_factory.mktemp("lake"))
    bars = [minute(n, volume=0.0 if n == 1 else 2.0, close=11.0 + n) for n in (0, 1, 2, 3, 4, 5, 7, 8, 9)]
    bars += [minute(0, "bybit", close=10.5), minute(0, "binance", close=11.5), minute(5, timeframe="5m", close=9.5)]
    lake.append("candles", bars)
    lake.append("funding", [funding(0, 1e-4, 8 * HOUR), funding(4, 8e-5), funding(9, 1e-4)])
    lake.append("accruals", [funding(9.5, 3e-4, 8 * HOUR, settled=False)])
    both = MarkPrice(**PERP, mark_price=100.05, index_price=100.0)
    lake.append("marks", [both, msgspec.structs.replace(both, ts_event=T + SECOND, index_price=None)])
    bar = PriceCandle(**PERP, kind="mark", timeframe="1h", open_time=T, open=99.0, high=102.0, low=98.0, close=101.0)
    lone = msgspec.structs.replace(bar, open_time=T + HOUR)
    lake.append("price_candles", [bar, msgspec.structs.replace(bar, kind="index", close=100.0), lone])
    for at, oi in ((0, 1000.0), (5, 1052.0), (60, 950.0)):
        row = OpenInterest(**{**PERP, "ts_event": T + at * MINUTE}, open_interest=oi, open_interest_quote=None)
        lake.append("open_interest", [row])
    burst = [
        forced(0, "long", 100.0),
        forced(4, "long", 98.0),
        forced(9, "long", 96.0, 2.0),
        forced(13, "short", 97.0, 0.1),
    ]
    alone = [forced(30, "short", 99.0), forced(36, "short", 99.0), forced(60, "long", 9.0), forced(61, "short", 9.0),
             forced(62, "short", 9.0)]  # fmt: skip
    lake.append("liquidations", burst + alone)
    bids, asks = [(99.9, 2.0), (99.8, 3.0), (99.0, 15.0)], [(100.0, 1.0), (100.1, 2.0), (101.0, 7.0)]
    lake.append("books", [book(0, bids, asks), book(1, [(99.0, 1.0)], [(101.0, 1.0)])])
    fund = InsuranceFund(
        venue="okx", instrument="", ts_event=T, ts_recv=T, pool="BTC", asset="USDT", balance=1.0, balance_usd=None
    )
    lake.append("insurance", [fund])
    lake.append("instruments", rules("okx", ["BTC-USDT"]))
    prices = [trade(n) for n in range(6)]
    ticks = [10, 10, 12, 12, 11, 11]
    lake.append("trades", [
        msgspec.structs.replace(row, ticks=tick, price=tick / 10) for row, tick in zip(prices, ticks, strict=True)
    ])  # fmt: skip
    lake.append("coverage", [held(0, 4 * HOUR), held(3 * HOUR, 5 * HOUR), held(9 * HOUR, 10 * HOUR)])
    return lake


@pytest.fixture(scope="module")
def ask(lake: Lake) -> duckdb.DuckDBPyConnection:
    return connect(lake.root)


def test_a_gapless_series_says_what_is_missing_and_what_was_built(ask: duckdb.DuckDBPyConnection) -> None:
    query = f"FROM candles_gapless('BTC-USDT', '1m', {SINCE}) WHERE venue = 'okx'"
    found = ask.execute(f"SELECT (epoch_us(open_time) - {T}) // {MINUTE}, state, close, last_close, quiet {query}")
    expected = [
        (n, "stated", 11.0 + n, 11.0 + n, n == 1) if n != 6 else (6, "missing", None, 16.0, False) for n in range(10)
    ]
    assert found.fetchall() == expected


def test_a_timeframe_nobody_states_is_built_of_smaller_bars_where_all_are_there(ask: duckdb.DuckDBPyConnection) -> None:
    query = "SELECT state, built_from, open, high, low, close, volume, quote_volume, trade_count FROM candles_gapless"
    five = ask.execute(f"{query}('BTC-USDT', '5m', {SINCE}) WHERE venue = 'okx'").fetchall()
    assert five == [
        ("built", "1m", 10.0, 16.0, 9.0, 15.0, 8.0, None, 15),
        ("stated", "5m", 10.0, 17.0, 9.0, 9.5, 2.0, None, 3),
    ]
    three = ask.execute(f"{query}('BTC-USDT', '3m', {SINCE}) WHERE venue = 'okx'").fetchall()
    assert [row[0] for row in three] == ["built", "built", "missing", "missing"]


def test_the_tick_rule_is_the_last_move_of_the_price(ask: duckdb.DuckDBPyConnection) -> None:
    found = ask.execute("SELECT tick_rule FROM trades_enriched ORDER BY ts_event").fetchall()
    assert [rule for (rule,) in found] == [None, None, "buy", "buy", "sell", "sell"]


def test_funding_of_any_interval_becomes_a_yearly_rate(ask: duckdb.DuckDBPyConnection) -> None:
    found = ask.execute("SELECT settled, interval_hours, rate_8h, apr FROM funding_apr ORDER BY ts_event").fetchall()
    assert found == [
        (True, 8.0, pytest.approx(1e-4), pytest.approx(0.1095)),
        (True, 4.0, pytest.approx(1.6e-4), pytest.approx(0.1752)),
        (True, None, None, None),
        (False, 8.0, pytest.approx(3e-4), pytest.approx(0.3285)),
    ]


def test_the_basis_compares_mark_and_index(ask: duckdb.DuckDBPyConnection) -> None:
    found = ask.execute("SELECT timeframe, epoch_us(ts_event), basis_bps FROM basis ORDER BY ts_event").fetchall()
    assert found == [
        ("", T, pytest.approx(5.0)), ("", T + SECOND, None), ("1h", T + HOUR, pytest.approx(100.0))
    ], "no index within a second of the mark, no basis"  # fmt: skip


def test_open_interest_changes_are_fractions_of_what_was(ask: duckdb.DuckDBPyConnection) -> None:
    found = ask.execute(
        "SELECT change_5m, change_15m, change_1h FROM open_interest_change ORDER BY ts_event"
    ).fetchall()
    assert found == [(None, None, None), (pytest.approx(0.052), None, None), (None, None, pytest.approx(-0.05))]


def test_a_burst_of_one_side_is_a_cluster_and_chop_is_none(ask: duckdb.DuckDBPyConnection) -> None:
    found = ask.execute("FROM liquidation_clusters").fetchall()
    total = 100 + 98 + 192 + 9.7
    ((*_, started, ended, side, events, notional, share, price, low, high, sampled),) = found
    assert ((ended - started).total_seconds(), side, events, low, high, sampled) == (13.0, "long", 4, 96.0, 100.0, True)
    assert (notional, share, price) == tuple(pytest.approx(one) for one in (total, 390 / total, total / 4.1))


def test_depth_in_bands_is_notional_and_null_beyond_the_picture(ask: duckdb.DuckDBPyConnection) -> None:
    found = ask.execute(
        "SELECT bid_5bps, ask_5bps, bid_25bps, ask_25bps, imbalance_25bps, bid_50bps FROM book_depth_bands "
        "WHERE bid_levels = 3"
    ).fetchall()
    bid, ask_side = 99.9 * 2 + 99.8 * 3, 100.0 + 2 * 100.1
    mid = 99.95
    assert (mid - 99.9) / mid * 1e4 > 5, "the best level is just outside the narrowest band"
    assert found == [
        (0.0, 0.0, pytest.approx(bid), pytest.approx(ask_side), pytest.approx((bid - ask_side) / (bid + ask_side)),
         pytest.approx(bid))
    ]  # fmt: skip
    shallow = ask.execute("SELECT bid_5bps, bid_50bps, imbalance_50bps FROM book_depth_bands WHERE bid_levels = 1")
    assert shallow.fetchall() == [(0.0, 0.0, None)], "its only level lies 100 bps away: nothing rests nearer"
    assert ask.execute("SELECT band_notional([99.9, 99.8], [2.0, 3.0], 100.0, 25)").fetchall() == [(None,)]


def test_spreads_are_summed_up_by_the_hour(ask: duckdb.DuckDBPyConnection) -> None:
    found = ask.execute("SELECT pictures, spread_bps_min, spread_bps_median, spread_bps_max FROM spread_stats")
    narrow, wide = 1e4 * 0.1 / 99.95, 200.0
    assert found.fetchall() == [(2, pytest.approx(narrow), pytest.approx((narrow + wide) / 2), pytest.approx(wide))]


def test_a_premium_is_against_the_median_of_the_venues(ask: duckdb.DuckDBPyConnection) -> None:
    found = ask.execute("SELECT venue, venues, premium_bps FROM cross_venue_premium('BTC-USDT', '1m')").fetchall()
    assert found == [
        ("binance", 3, pytest.approx(1e4 * 0.5 / 11)), ("bybit", 3, pytest.approx(-1e4 * 0.5 / 11)), ("okx", 3, 0.0)
    ]  # fmt: skip


def test_coverage_counts_no_second_twice(ask: duckdb.DuckDBPyConnection) -> None:
    found = ask.execute("SELECT intervals, pieces, seconds_covered, share FROM coverage_matrix").fetchall()
    assert found == [(3, 2, 6 * 3600.0, pytest.approx(0.6))]


def test_freshness_knows_every_dataset_that_has_rows(ask: duckdb.DuckDBPyConnection) -> None:
    found = ask.execute("SELECT dataset, sum(rows)::INT FROM freshness GROUP BY ALL ORDER BY ALL").fetchall()
    assert found == [
        ("accruals", 1), ("books", 2), ("candles", 12), ("funding", 3), ("insurance", 1), ("liquidations", 9),
        ("marks", 2), ("open_interest", 3), ("price_candles", 3), ("trades", 6),
    ]  # fmt: skip


def test_every_audit_passes_here(ask: duckdb.DuckDBPyConnection) -> None:
    assert [(name, rows) for name, count, rows in audits(ask) if count] == []


def broken(tmp_path: Path, name: str, rows: list[Any]) -> list[str]:
    """The audits that fail when `rows` have come past the door's own checks."""
    lake = Lake(tmp_path / "lake")
    lake.append("instruments", rules("okx", ["BTC-USDT"]))
    for row in rows:
        lake.append(name, [row])
    return [found for found, count, _ in audits(connect(lake.root)) if count]


MARK = MarkPrice(**PERP, mark_price=100.0, index_price=None)
DIFFERENCE = Mismatch(
    check="closes", venue="okx", instrument="BTC-USDT", timeframe="1h", at=T, field="close", left_source="candles",
    left_value=1.0, right_source="trades", right_value=2.0, found_at=T,
)  # fmt: skip
BAD: list[tuple[str, list[Any], str]] = [
    ("books", [book(0, [(10.0, 1.0)], [(9.0, 1.0)])], "books_sound"),
    ("books", [book(0, [(8.0, 1.0), (9.0, 1.0)], [])], "books_sound"),
    ("books", [book(0, [(8.0, 0.0)], [(9.0, 1.0)])], "books_sound"),
    ("books", [book(0, [(8.0, 1.0)], [(9.0, 1.0)])] * 2, "keys_unique"),
    ("marks", [MARK, MARK], "keys_unique"),
    ("marks", [msgspec.structs.replace(MARK, mark_price=None)], "prices_positive"),
    ("price_candles", [PriceCandle(**PERP, kind="mark", timeframe="1h", open_time=T + 1, open=1.0, high=1.0, low=1.0,
                                   close=1.0)], "prices_positive"),
    ("liquidations", [forced(0, "buy", 9.0)], "liquidations_sound"),
    ("mismatches", [DIFFERENCE, DIFFERENCE], "keys_unique"),
    ("funding", [funding(0, 0.2)], "funding_plausible"),
    ("accruals", [funding(0, 0.001, settled=True)], "funding_plausible"),
    ("trades", [msgspec.structs.replace(trade(1), price=50_000.3)], "trades_on_grid"),
    ("open_interest", [OpenInterest(**PERP, open_interest=1.0, open_interest_quote=-1.0)], "open_interest_sound"),
]  # fmt: skip


@pytest.mark.parametrize(("table", "rows", "audit"), BAD)
def test_an_audit_finds_what_it_is_for(tmp_path: Path, table: str, rows: list[Any], audit: str) -> None:
    assert broken(tmp_path, table, rows) == [audit]
