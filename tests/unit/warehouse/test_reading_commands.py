"""`p9 sql` and `p9 verify` on a small lake."""

from __future__ import annotations

from pathlib import Path

import duckdb
import msgspec
import pytest
from click.testing import CliRunner

from p9.commands.sql import sql
from p9.commands.verify import verify
from tests.kit.journals import BEGIN, trade
from warehouse.clock import HOUR
from warehouse.store import Lake
from warehouse.tables import Coverage


@pytest.fixture
def lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lake:
    monkeypatch.setenv("P9_HOME", str(tmp_path))
    lake = Lake(tmp_path / "lake")
    lake.append("trades", [trade(n, origin="rest") for n in range(3)])
    return lake


def test_a_query_is_an_argument_or_standard_input(lake: Lake) -> None:
    query = "SELECT trade_id, price FROM trades ORDER BY trade_seq LIMIT 2"
    asked = CliRunner().invoke(sql, [query, "--format", "csv"])
    assert asked.output == "trade_id,price\n0,50000.0\n1,50000.1\n"
    assert CliRunner().invoke(sql, ["--format", "csv"], input=query).output == asked.output


def test_json_is_one_object_a_line_and_the_table_is_readable(lake: Lake) -> None:
    found = CliRunner().invoke(sql, ["SELECT trade_seq, log_seq FROM trades ORDER BY 1", "--format", "json"])
    assert [msgspec.json.decode(line) for line in found.output.splitlines()] == [
        {"trade_seq": n, "log_seq": None} for n in range(3)
    ]
    shown = CliRunner().invoke(sql, ["SELECT trade_seq, log_seq FROM trades ORDER BY 1", "--format", "table"])
    assert shown.output.split() == ["trade_seq", "log_seq", "0", "-", "1", "-", "2", "-"]


def test_parquet_goes_to_a_file(lake: Lake, tmp_path: Path) -> None:
    target = tmp_path / "out.parquet"
    assert CliRunner().invoke(sql, ["FROM trades", "--format", "parquet"]).exit_code == 2
    assert CliRunner().invoke(sql, ["FROM trades", "--format", "parquet", "-o", str(target)]).exit_code == 0
    assert duckdb.connect().execute(f"SELECT count(*) FROM '{target}'").fetchall() == [(3,)]


def test_a_wrong_query_says_what_is_wrong(lake: Lake) -> None:
    found = CliRunner().invoke(sql, ["SELECT * FROM trade"])
    assert found.exit_code == 1
    assert "trade does not exist" in found.output
    assert "SHOW TABLES" in found.output
    assert CliRunner().invoke(sql, [], input="").exit_code == 2


def test_verify_lake_fails_on_bad_rows(lake: Lake) -> None:
    assert CliRunner().invoke(verify, ["lake"]).exit_code == 0
    lake.append("trades", [trade(1)])
    found = CliRunner().invoke(verify, ["lake"])
    assert found.exit_code == 1
    assert "FAIL  trades_unique  1 rows" in found.output


def test_verify_seams_joins_what_is_stored(lake: Lake) -> None:
    assert "no instrument has been recorded" in CliRunner().invoke(verify, ["seams"]).output
    held = Coverage(
        dataset="trades", venue="okx", instrument="BTC-USDT", start=trade(3).ts_event, end=BEGIN + HOUR,
        origin="stream", source="j", first_id="3", first_seq=3, ts_recv=BEGIN,
    )  # fmt: skip
    lake.append("coverage", [held])
    assert CliRunner().invoke(verify, ["seams"]).exit_code == 1, "nothing proves it yet"
    data = [msgspec.structs.replace(trade(n), origin="rest") for n in range(3, 300)]
    lake.upsert("overlaps", data, now=BEGIN)
    from warehouse.frames import frame
    from warehouse.tables import TRADES

    lake.append("trades", frame(TRADES, [trade(n) for n in range(3, 500)], {"log_seq": list(range(3, 500))}))
    found = CliRunner().invoke(verify, ["seams"])
    assert found.exit_code == 0, found.output
    assert found.output.startswith("proven")
