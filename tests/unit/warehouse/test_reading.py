"""The lake answers in SQL: tables, marts, macros, audits."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import msgspec
import pytest
from deltalake import write_deltalake

import warehouse
from tests.kit.journals import BEGIN, STEP, trade
from tests.kit.lakes import swap
from warehouse.clock import HOUR, MINUTE
from warehouse.errors import ConfigError
from warehouse.frames import arrow_schema, frame
from warehouse.reading import audits, connect, export, scan, statements
from warehouse.records import Candle, SequenceGap
from warehouse.seam import Certificate
from warehouse.store import Lake
from warehouse.tables import TABLES, Coverage, table

COUNT = 12_000  # two minutes of trades


def candles(hours: int, hole: int = -1) -> list[Candle]:
    return [
        Candle(
            venue="okx", instrument="BTC-USDT", ts_event=0, ts_recv=1, timeframe="1h", open_time=n * HOUR, open=10.0,
            high=12.0, low=9.0, close=11.0, volume=1.0,
        )
        for n in range(1000, 1000 + hours)
        if n != hole
    ]  # fmt: skip


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    lake = Lake(tmp_path_factory.mktemp("lake"))
    lake.append("trades", [trade(n) for n in range(COUNT)])
    late = msgspec.structs.replace(trade(COUNT), kind="off_market")
    lake.append("trades", [late])
    lake.upsert("candles", candles(50), now=1)
    gap = SequenceGap(
        venue="okx", instrument="BTC-USDT", ts_event=1, ts_recv=1, stream="trades", from_id=1, to_id=2, from_ts=1,
        to_ts=2, cause="ids", state="open", opened_at=1,
    )  # fmt: skip
    lake.append("gaps", [gap, msgspec.structs.replace(gap, from_id=9)])
    lake.append("gaps", [msgspec.structs.replace(gap, state="repaired", ts_recv=2)])
    held = Coverage(
        dataset="candles", venue="okx", instrument="BTC-USDT", timeframe="1h", start=1000 * HOUR, end=1040 * HOUR,
        origin="rest", rows=40, ts_recv=1,
    )  # fmt: skip
    lake.append("coverage", [held, msgspec.structs.replace(held, end=1050 * HOUR, rows=50, ts_recv=2)])
    seam = Certificate(venue="okx", instrument="BTC-USDT", state="broken", cut=None, reason="why", created=1)
    lake.append("seams", [seam, msgspec.structs.replace(seam, state="proven", reason=None, created=2)])
    return lake


@pytest.fixture(scope="module")
def connection(lake: Lake) -> duckdb.DuckDBPyConnection:
    return connect(lake.root)


def test_an_empty_lake_answers_with_no_rows(tmp_path: Path) -> None:
    Lake(tmp_path)
    found = connect(tmp_path)
    for declared in TABLES:
        assert found.execute(f"SELECT count(*) FROM {declared.sql_name}").fetchall() == [(0,)]
    for name, text in (*statements("staging"), *statements("marts")):
        if "CREATE VIEW" in text:
            assert found.execute(f"FROM {name}").fetchall() == []
    assert found.execute("FROM ohlcv('BTC-USDT', '1h', 3)").fetchall() == []
    assert audits(found) == [(name, 0, []) for name, _ in statements("audits")]


@pytest.mark.parametrize("layer", ["staging", "marts", "audits"])
def test_every_query_says_what_one_row_is(layer: str) -> None:
    for name, text in statements(layer):
        head = [line for line in text.splitlines() if line.startswith("--")]
        assert head[0].startswith("-- One row: "), name
        assert any("Grain: " in line for line in head), name
        if layer != "audits":
            assert any("Example: " in line for line in head), name
            assert f" {name}" in text.split("AS", 1)[0], name


def test_every_example_runs(connection: duckdb.DuckDBPyConnection) -> None:
    for layer in ("staging", "marts"):
        for _, text in statements(layer):
            (example,) = [line for line in text.splitlines() if line.startswith("-- Example: ")]
            connection.execute(example.removeprefix("-- Example: ")).fetchall()


def test_times_are_utc_and_the_partition_is_a_date(connection: duckdb.DuckDBPyConnection) -> None:
    ((at, day),) = connection.execute("SELECT ts_event, date FROM trades WHERE trade_seq = 0").fetchall()
    assert at == datetime.fromtimestamp(BEGIN / 1e6, tz=UTC)
    assert day == at.date()


def test_the_newest_state_of_a_gap_and_a_seam_counts(connection: duckdb.DuckDBPyConnection) -> None:
    assert connection.execute("SELECT from_id, state FROM gaps_open").fetchall() == [(9, "open")]
    assert connection.execute("SELECT state FROM seams_latest").fetchall() == [("proven",)]
    assert connection.execute("SELECT intervals, seconds_covered FROM coverage_matrix").fetchall() == [(1, 180_000.0)]


def test_ohlcv_gives_the_newest_n_ascending(connection: duckdb.DuckDBPyConnection) -> None:
    found = connection.execute("SELECT epoch_us(open_time) FROM ohlcv('BTC-USDT', '1h', 3)").fetchall()
    assert [at for (at,) in found] == [1047 * HOUR, 1048 * HOUR, 1049 * HOUR]


def test_cvd_and_vwap_equal_a_plain_count(connection: duckdb.DuckDBPyConnection) -> None:
    trades = [trade(n) for n in range(COUNT)]
    minutes: dict[int, list[int]] = {}
    for row in trades:
        sums = minutes.setdefault(row.ts_event // MINUTE, [0, 0, 0])
        sums[0] += row.lots if row.taker_side == "buy" else -row.lots
        sums[1] += row.lots
        sums[2] += row.ticks * row.lots
    flow = connection.execute("SELECT epoch_us(minute), delta, cvd FROM cvd ORDER BY minute").fetchall()
    price = connection.execute("SELECT vwap, day_vwap FROM vwap ORDER BY minute").fetchall()
    assert [at // MINUTE for at, _, _ in flow] == sorted(minutes)
    total = [0, 0, 0]
    for (_, delta, cvd), (vwap, day_vwap), minute in zip(flow, price, sorted(minutes), strict=True):
        sums = minutes[minute]
        total = [a + b for a, b in zip(total, sums, strict=True)]
        assert delta == pytest.approx(sums[0] / 1000)
        assert cvd == pytest.approx(total[0] / 1000)
        assert vwap == pytest.approx(sums[2] / sums[1] / 10)
        assert day_vwap == pytest.approx(total[2] / total[1] / 10)


def test_the_volume_profile_holds_all_volume(connection: duckdb.DuckDBPyConnection) -> None:
    found = connection.execute(
        "SELECT sum(volume), sum(trades), min(bin), max(bin) FROM volume_profile('BTC-USDT', TIMESTAMPTZ '2020-01-01', "
        "TIMESTAMPTZ '2100-01-01', 5.0)"
    ).fetchall()
    volume = sum(trade(n).size for n in range(COUNT))
    assert found == [(pytest.approx(volume), COUNT, 50_000.0, 50_005.0)]


@pytest.mark.parametrize(
    ("tick", "width", "ticks", "bins"),
    [
        (0.01, 0.1, [10_009, 10_010, 10_019, 10_020], [100.0, 100.1, 100.1, 100.2]),
        (0.001, 0.001, [1500, 1501, 1502], [1.5, 1.501, 1.502]),
        (0.1, 0.05, [1_234_567], [123_456.7]),
        (0.05, 0.1, [3, 4, 5], [0.1, 0.2, 0.2]),
        (1e-8, 1e-7, [1239], [1.23e-5]),
    ],
)
def test_a_price_on_the_edge_of_a_bin_falls_into_it(
    tmp_path: Path, tick: float, width: float, ticks: list[int], bins: list[float]
) -> None:
    lake = Lake(tmp_path)
    rows = [(n, one, float(f"{one * tick:.12g}")) for n, one in enumerate(ticks)]
    lake.append("trades", [msgspec.structs.replace(trade(n), ticks=one, price=price) for n, one, price in rows])
    found = connect(tmp_path).execute(
        "SELECT bin, trades FROM volume_profile('BTC-USDT', TIMESTAMPTZ '2020-01-01', TIMESTAMPTZ '2100-01-01', ?)",
        [width],
    )
    assert found.fetchall() == sorted(Counter(bins).items())


def test_enriched_trades_leave_off_market_prints_out(connection: duckdb.DuckDBPyConnection) -> None:
    found = connection.execute("SELECT count(*), sum(notional), max(delay_us) FROM trades_enriched").fetchall()
    assert found == [(COUNT, pytest.approx(sum(trade(n).price * trade(n).size for n in range(COUNT))), 1_500)]


def test_audits_pass_on_a_good_lake_and_name_what_is_bad(lake: Lake, tmp_path: Path) -> None:
    assert [name for name, count, _ in audits(connect(lake.root)) if count] == []
    bad = Lake(tmp_path / "bad")
    bad.append("trades", [trade(1)])
    bad.append("trades", [trade(1)])
    bad.upsert("candles", candles(9, hole=1004), now=1)
    bad.append("coverage", [
        Coverage(dataset="candles", venue="okx", instrument="BTC-USDT", timeframe="1h", start=1000 * HOUR,
                 end=1009 * HOUR, origin="rest", ts_recv=1)
    ])  # fmt: skip
    assert [name for name, count, _ in audits(connect(bad.root)) if count] == ["candles_without_holes", "trades_unique"]


def test_scan_and_export(lake: Lake, tmp_path: Path) -> None:
    assert warehouse.scan("candles", lake.root).collect().height == 50
    assert scan is warehouse.scan
    target = tmp_path / "out.parquet"
    assert export("SELECT * FROM candles WHERE timeframe = '1h';", target, lake.root) == 50
    assert duckdb.connect().execute(f"SELECT count(*) FROM '{target}'").fetchall() == [(50,)]
    with pytest.raises(ConfigError, match="suffix"):
        export("SELECT 1", tmp_path / "out.xls", lake.root)


def test_no_lake_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no lake at"):
        connect(tmp_path / "nowhere")


def test_a_connection_is_one_snapshot(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    lake.append("trades", [trade(1)])
    before = connect(tmp_path)
    swap(lake, "trades", [trade(2)], venue="okx", instrument="BTC-USDT", start=BEGIN, end=BEGIN + 9 * STEP)
    assert before.execute("SELECT trade_seq FROM trades").fetchall() == [(1,)]
    assert connect(tmp_path).execute("SELECT trade_seq FROM trades").fetchall() == [(2,)]


def test_rows_of_before_a_column_was_declared_have_null_there(tmp_path: Path) -> None:
    lake, declared = Lake(tmp_path), table("candles")
    older, newer = candles(2)[:1], [msgspec.structs.replace(bar, trade_count=7) for bar in candles(2)[1:]]
    whole = frame(declared, older).to_arrow().cast(arrow_schema(declared))
    write_deltalake(lake.uri("candles"), whole.drop_columns("trade_count"), partition_by=list(declared.partition))
    lake.append("candles", newer)
    found = connect(tmp_path).execute("SELECT open_time, trade_count FROM candles ORDER BY open_time DESC").fetchall()
    assert [count for _, count in found] == [7, None]
