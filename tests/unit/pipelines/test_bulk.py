"""Landing bulk files: all or nothing, once, whatever ends the landing; and nothing that would count twice."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pipelines.bulk import Bulk
from pipelines.load import Lander
from pipelines.sources.archive import reading
from pipelines.sources.archive.reading import read
from tests.kit.archives import BINANCE_PERP, BYBIT_SPOT, of, packed
from warehouse import layout
from warehouse.clock import DAY, HOUR, SECOND
from warehouse.errors import BadFile
from warehouse.frames import frame
from warehouse.instruments import Rules
from warehouse.records import Liquidation, SequenceGap, Trade
from warehouse.store import Lake
from warehouse.tables import GAPS, LIQUIDATIONS, TRADES, Coverage, Outcome
from warehouse.venues.archives import ArchiveKind

T0 = 1_763_596_800_000
"""2025-11-20 in milliseconds."""

NOW = T0 * 1000 + 3 * DAY
TABLES = ("trades", "coverage", "outcomes", "mismatches", "gaps", "corrections")
HEADER = "agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker\n"
NAME = "futures/um/BTCUSDT-aggTrades-2025-11-20.zip"
FORCED = (
    "time,side,order_type,time_in_force,original_quantity,price,average_price,order_status,last_fill_quantity,"
    "accumulated_fill_quantity\n"
)


def aggregates(*numbers: int) -> str:
    """A trade a second, with ids as given."""
    return HEADER + "".join(f"{n},90000.1,0.010,{n},{n},{T0 + n * 1000},false\n" for n in numbers)


def lake_in(folder: Path) -> Lake:
    return Lake(folder / "lake", realm="emulated")


def land(lake: Lake, path: Path, rules: Rules = BINANCE_PERP, kind: ArchiveKind = "trades") -> Outcome:
    """Read and land a file."""
    file, spool = of(path, rules, kind), path.parent / "spool"
    spool.mkdir(exist_ok=True)
    return Bulk(lake, Lander(lake, "run"), "run").land(file, rules, read(path, file, rules, spool), "5a", NOW, NOW)


def recorded(lake: Lake, start: int, end: int) -> None:
    word = Coverage(
        dataset="trades", venue="binance", instrument="BTC-USDT-PERP", start=start, end=end, origin="stream",
        source="journal", live_from=start, ts_recv=end,
    )  # fmt: skip
    lake.append("coverage", [word])


@pytest.mark.slow
def test_whoever_is_killed_at_any_write_and_lands_again_has_landed_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "WINDOW", 2000)
    monkeypatch.setattr("pipelines.sources.archive.spool.SAMPLE", 10)
    path = packed(tmp_path, NAME, aggregates(*range(1, 3001), *range(3011, 5001), *range(40, 60)))
    write: Callable[..., None] = layout.write

    def run(folder: Path, survive: int) -> bool:
        """Land, and die at the write after so many; whether it came to its end."""
        left = [survive]

        def counted(*args: object, **named: object) -> None:
            left[0] -= 1
            if left[0] < 0:
                raise KeyboardInterrupt
            write(*args, **named)

        with monkeypatch.context() as patch:
            patch.setattr("warehouse.store.write", counted)
            lake = lake_in(folder)
            recorded(lake, T0 * 1000 + 4500 * SECOND, T0 * 1000 + 2 * HOUR)
            try:
                land(lake, path)
            except KeyboardInterrupt:
                return False
        return True

    assert run(tmp_path / "clean", 1000)
    clean = lake_in(tmp_path / "clean")
    whole = {name: clean.read(name) for name in TABLES}
    assert whole["trades"].height == 4990
    for survive in range(1, 20):
        folder = tmp_path / str(survive)
        if run(folder, survive):
            assert survive > 5
            break
        lake = lake_in(folder)
        land(lake, path)
        assert lake.read("trades").equals(whole["trades"])
        spans = {(row["dataset"], row["start"], row["end"]) for row in lake.read("coverage").iter_rows(named=True)}
        assert spans == {(r["dataset"], r["start"], r["end"]) for r in whole["coverage"].iter_rows(named=True)}
    else:
        raise AssertionError("never came to an end")


def test_what_a_file_leaves_out_is_not_covered_and_told(tmp_path: Path) -> None:
    lake = lake_in(tmp_path)
    outcome = land(lake, packed(tmp_path, NAME, aggregates(1, 2, 3, 7, 8)))
    assert (outcome.rows, outcome.landed, outcome.sha256) == (5, 5, "5a")
    assert outcome.note == "BTCUSDT-aggTrades-2025-11-20.zip: 3 ids are missing in the file"
    day = T0 * 1000
    spans = [(row.start, row.end) for row in lake.rows("coverage") if isinstance(row, Coverage)]
    assert spans == [(day, day + 3 * SECOND), (day + 7 * SECOND + 1, day + DAY)]


def test_a_bad_row_at_a_files_end_lets_nothing_of_it_land(tmp_path: Path) -> None:
    lake = lake_in(tmp_path)
    path = packed(tmp_path, NAME, aggregates(*range(1, 100)) + f"100,90000.15,0.010,1,1,{T0},false\n")
    with pytest.raises(BadFile, match="does not lie on the instrument's grid"):
        land(lake, path)
    assert [lake.read(name).height for name in TABLES] == [0] * len(TABLES)


def test_single_fills_and_aggregates_of_one_time_are_never_mixed(tmp_path: Path) -> None:
    lake = lake_in(tmp_path)
    land(lake, packed(tmp_path, NAME, aggregates(1, 2)))
    fills = f"id,price,qty,quote_qty,time,is_buyer_maker\n1,90000.1,0.010,1,{T0},false\n"
    path = packed(tmp_path, "futures/um/BTCUSDT-trades-2025-11-20.zip", fills)
    with pytest.raises(BadFile, match="holds aggregates of this time, and these are single fills"):
        land(lake, path, kind="fills")
    other = packed(tmp_path, "futures/um/BTCUSDT-trades-2025-11-21.zip", fills.replace(str(T0), str(T0 + 86_400_000)))
    assert land(lake, other, kind="fills").landed == 1


def test_executions_without_names_that_rest_has_told_are_not_landed_again(tmp_path: Path) -> None:
    lake = lake_in(tmp_path)
    known = [
        Trade(venue="bybit", instrument="BTC-USDT", ts_event=T0 * 1000, ts_recv=1, trade_id=f"22900{n}", trade_seq=None,
              price=90_000.1, size=0.5, taker_side="buy", ticks=900_001, lots=500_000, origin="rest")
        for n in range(2)
    ]  # fmt: skip
    lake.upsert("trades", known, now=1)
    text = "id,timestamp,price,volume,side\n" + "".join(f"{n},{T0},90000.1,0.5,buy\n" for n in (1, 2, 3))
    path = packed(tmp_path, "BTCUSDT_2025-11-20.csv.gz", text)
    assert land(lake, path, BYBIT_SPOT).landed == 1  # of three equal ones two are known
    assert land(lake, path, BYBIT_SPOT).landed == 0
    assert lake.read("trades")["trade_id"].to_list() == ["229000", "229001", "2025-11-20#3"]


def test_a_hole_is_repaired_when_the_file_has_all_of_its_ids(tmp_path: Path) -> None:
    lake = lake_in(tmp_path)
    day = T0 * 1000

    def hole(first: int, last: int) -> SequenceGap:
        return SequenceGap(
            venue="binance", instrument="BTC-USDT-PERP", ts_event=day, ts_recv=day, stream="trades", from_id=first,
            to_id=last, from_ts=day + first * SECOND, to_ts=day + last * SECOND, cause="missing_ids",
            state="unrecoverable", opened_at=day + first, attempts=2,
        )  # fmt: skip

    lake.append("gaps", frame(GAPS, [hole(2, 3), hole(5, 6)], {"log_seq": [1, 2]}))
    recorded(lake, day, day + HOUR)
    land(lake, packed(tmp_path, NAME, aggregates(1, 2, 3, 4, 6, 7)))
    (row,) = [row for row in lake.rows("gaps") if isinstance(row, SequenceGap) and row.state == "repaired"]
    assert (row.from_id, row.attempts, row.reason) == (2, 3, "2 trades from BTCUSDT-aggTrades-2025-11-20.zip")


def test_old_liquidations_come_in_before_the_first_recorded_one_and_doubled_rows_once(tmp_path: Path) -> None:
    lake = lake_in(tmp_path)
    mine = Liquidation(
        venue="binance", instrument="BTC-USDT-PERP", ts_event=(T0 + 5000) * 1000, ts_recv=1, liquidated_side="long",
        price=90_000.0, size=1.0, ticks=900_000, lots=1000, price_basis="fill", sampled=True,
    )  # fmt: skip
    lake.append("liquidations", frame(LIQUIDATIONS, [mine], {"log_seq": [1]}))
    rows = [
        f"{T0 + 1},BUY,LIMIT,IOC,0.007,90010.1,90000.123,FILLED,0.006,0.007\n",
        f"{T0 + 2},SELL,LIMIT,IOC,0.007,89990.1,0,NEW,0,0\n",  # not filled yet: the order's own price and size
        f"{T0 + 6000},SELL,LIMIT,IOC,0.007,1,1,FILLED,0.007,0.007\n",
    ]
    path = packed(tmp_path, "futures/um/BTCUSDT-liquidationSnapshot-2025-11-20.zip", FORCED + "".join(rows + rows))
    outcome = land(lake, path, kind="liquidations")
    assert outcome.landed == 2
    assert str(outcome.note).endswith("1 rows of recorded time left out")
    first, second, last = (row for row in lake.rows("liquidations") if isinstance(row, Liquidation))
    assert (first.liquidated_side, first.price, first.ticks, first.size) == ("short", 90_000.123, None, 0.007)
    assert (second.liquidated_side, second.price, second.size, second.origin) == ("long", 89_990.1, 0.007, "archive")
    assert last == mine
    assert land(lake, path, kind="liquidations").landed == 0


def test_a_row_before_a_files_beginning_is_held_against_what_was_recorded_too(tmp_path: Path) -> None:
    lake, at = lake_in(tmp_path), T0 * 1000
    recorded(lake, at - HOUR, at + HOUR)
    mine = Trade(
        venue="binance", instrument="BTC-USDT-PERP", ts_event=at - SECOND, ts_recv=at, trade_id="40", trade_seq=40,
        price=90_000.1, size=0.02, taker_side="buy", ticks=900_001, lots=20,
    )  # fmt: skip
    lake.append("trades", frame(TRADES, [mine], {"log_seq": [7]}))
    stray = f"40,90000.1,0.010,40,40,{T0 - 1000},false\n"
    land(lake, packed(tmp_path, NAME, HEADER + stray + aggregates(41, 42).removeprefix(HEADER)))
    assert lake.rows("trades")[0] == mine
    assert lake.read("corrections").height == 0
    assert lake.read("mismatches")["field"].to_list() == ["size of 40"]
