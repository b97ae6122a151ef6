"""What files do to rows: those of one instant keep their order, and a table of an earlier version grows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from deltalake import DeltaTable, write_deltalake

import warehouse
from pipelines.executions import executions
from tests.kit.journals import BEGIN, trade
from warehouse import layout
from warehouse.clock import DAY, HOUR
from warehouse.frames import frame
from warehouse.layout import create, write
from warehouse.records import Trade
from warehouse.store import Lake
from warehouse.tables import TRADES

INSTANT = BEGIN - BEGIN % DAY + HOUR


def unnumbered(number: int, received: int = 5) -> Trade:
    """An execution of a venue that does not count them: whatever it is called, the id tells nothing of its place."""
    return msgspec.structs.replace(
        trade(number), venue="bybit", trade_id=f"{number * 7919 % 1000:03}", trade_seq=None, ts_event=INSTANT,
        ts_recv=INSTANT + received, ticks=100 + number,
    )  # fmt: skip


def ids(rows: list[Trade]) -> list[str]:
    return [row.trade_id for row in rows]


def shuffle(lake: Lake) -> None:
    """All rows into one file in another order, as a compaction may."""
    held = lake.handle("trades")
    rows = lake.scan("trades").collect().sample(fraction=1.0, shuffle=True, seed=3)
    write_deltalake(held, rows.to_arrow().cast(held.to_pyarrow_table().schema), mode="overwrite")


def test_executions_of_one_instant_keep_the_order_in_which_they_came_together(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake")
    first, second = [unnumbered(n) for n in range(40)], [unnumbered(n, received=9) for n in range(40, 60)]
    lake.upsert("trades", second, now=BEGIN)
    lake.upsert("trades", first, now=BEGIN)
    shuffle(lake)
    assert lake.rows("trades") == [*first, *second]
    lake.upsert("trades", [*second[5:9], unnumbered(60, received=12)], now=BEGIN)
    shuffle(lake)
    assert lake.rows("trades") == [*first, *second, unnumbered(60, received=12)]
    with warehouse.connect(lake.root) as ask:
        rules = ask.execute("SELECT ticks, tick_rule FROM trades_enriched ORDER BY ticks").fetchall()
    assert rules == [(100, None), *((100 + n, "buy") for n in range(1, 61))]


def test_what_proves_a_seam_stands_among_its_neighbours_once(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake")
    rows = [unnumbered(n, received=n // 3) for n in range(12)]
    lake.append("trades", rows[:3] + rows[6:])
    lake.append("overlaps", rows[3:9])
    found = executions(lake, "bybit", "BTC-USDT", (INSTANT, INSTANT + 1), ["trade_id"])
    assert found["trade_id"].to_list() == ids(rows)


@pytest.fixture
def earlier(tmp_path: Path) -> Lake:
    """A lake whose trades were written before there was a place."""
    root = tmp_path / "lake"
    declared = msgspec.structs.replace(TRADES, placed=False)
    Lake(root)
    held = create(f"{root}/trades", declared, None)
    write(held, declared, frame(declared, [trade(n) for n in range(3)]))
    return Lake(root)


def test_readers_find_null_where_a_table_lacks_a_column_and_change_nothing(earlier: Lake) -> None:
    reader = Lake(earlier.root, realm=None)
    assert reader.read("trades")["place"].to_list() == [None] * 3
    assert warehouse.scan("trades", earlier.root).select("place").collect().height == 3
    assert "place" not in [field.name for field in DeltaTable(earlier.uri("trades")).schema().fields]


@pytest.mark.parametrize("grown", [False, True])
def test_sql_finds_null_before_any_row_has_the_column(earlier: Lake, grown: bool) -> None:
    if grown:
        earlier.handle("trades")
    with warehouse.connect(earlier.root) as ask:
        assert ask.execute("SELECT count(*), count(place), max(date) FROM trades").fetchall()[0][:2] == (3, 0)
        assert ask.execute("SELECT count(*) FROM trades_enriched").fetchall() == [(3,)]


def test_who_grows_a_table_while_others_write_grows_it_all_the_same(
    earlier: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, others = layout.write, [Lake(earlier.root)]

    def overtaken(*args: Any, **named: Any) -> None:
        if others:
            others.pop().handle("trades")
        real(*args, **named)

    monkeypatch.setattr(layout, "write", overtaken)
    earlier.handle("trades")
    assert not others
    assert "place" in [field.name for field in DeltaTable(earlier.uri("trades")).schema().fields]


def test_a_writer_gives_it_the_column_and_later_rows_have_it(earlier: Lake) -> None:
    assert earlier.seal("trades", BEGIN + 2 * DAY) == 0
    assert "place" in [field.name for field in DeltaTable(earlier.uri("trades")).schema().fields]
    version = earlier.version("trades")
    assert Lake(earlier.root).version("trades") == version  # once
    earlier.upsert("trades", [trade(1), trade(3)], now=BEGIN)
    earlier.append("trades", [unnumbered(4)])
    assert [row.trade_seq for row in earlier.rows("trades")] == [None, 0, 1, 2, 3]  # type: ignore[attr-defined]
    with warehouse.connect(earlier.root) as ask:
        assert ask.execute("SELECT count(*), count(place) FROM trades").fetchall() == [(5, 1)]


def test_a_table_with_a_column_less_is_sealed_as_any_other(earlier: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("warehouse.sealing.MANY_ROWS", 1)
    before = earlier.rows("trades")
    assert earlier.seal("trades", BEGIN + 2 * DAY) == 1
    assert earlier.rows("trades") == before
