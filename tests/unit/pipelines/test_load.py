"""Landing twice is landing once; the recorder's trades are never history."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from pipelines.load import Fetched, Lander, digest
from pipelines.ownership import FOREVER, PROOF, Recorded
from pipelines.plan import PICTURE_EVERY, Part, Series
from tests.unit.pipelines.made import MINUTE, T0, candle, fetched, lake_at, recorded, trade
from warehouse.clock import HOUR, SECOND
from warehouse.errors import DataError
from warehouse.rows import BookPicture
from warehouse.store import Lake
from warehouse.tables import Outcome

NOW = T0 + HOUR


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return lake_at(tmp_path)


def ids(lake: Lake, table: str) -> list[str]:
    return [str(name) for name in lake.read(table).sort("trade_seq")["trade_id"]]


def test_landing_again_changes_no_row_and_no_version(lake: Lake) -> None:
    batch = [fetched("candles", T0, T0 + 5 * MINUTE, [candle(T0 + i * MINUTE) for i in range(5)])]
    Lander(lake, "one").land(batch, NOW)
    rows, version = lake.read("candles"), lake.version("candles")
    later = [fetched("candles", T0, T0 + 5 * MINUTE, [candle(T0 + i * MINUTE, ts_recv=NOW) for i in range(5)])]
    Lander(lake, "two").land(later, NOW + HOUR)
    assert lake.read("candles").equals(rows)
    assert lake.version("candles") == version


def test_what_landed_is_covered_and_told(lake: Lake) -> None:
    lander = Lander(lake, "one")
    (outcome,) = lander.land([fetched("candles", T0, T0 + 2 * MINUTE, [candle(T0)], "one bar is missing")], NOW)
    assert lander.covered("candles", "okx") == {Series("candles", "okx", "BTC-USDT", "1m"): [(T0, T0 + 2 * MINUTE)]}
    assert (outcome.rows, outcome.landed, outcome.first_ts, outcome.note) == (1, 1, T0, "one bar is missing")
    assert lake.rows("outcomes") == [outcome]


def test_a_changed_value_replaces_the_row_and_keeps_the_old_one(lake: Lake) -> None:
    lander = Lander(lake, "one")
    lander.land([fetched("candles", T0, T0 + MINUTE, [candle(T0)])], NOW)
    lander.land([fetched("candles", T0, T0 + MINUTE, [candle(T0, close=90_050.0)])], NOW + HOUR)
    assert lake.read("candles")["close"].to_list() == [90_050.0]
    assert lake.read("corrections").height == 1


def test_two_that_ask_for_one_book_at_once_leave_one_picture(lake: Lake) -> None:
    def picture(at: int) -> Fetched:
        book = BookPicture(
            venue="okx", instrument="BTC-USDT", ts_event=at, ts_recv=at, update_id=at, origin="rest",
            bid_prices=[1.0], bid_sizes=[1.0], ask_prices=[2.0], ask_sizes=[1.0],
        )  # fmt: skip
        return fetched("books", T0, T0 + PICTURE_EVERY, [book])

    landed = [
        outcome.landed
        for run, at in (("one", T0), ("two", T0 + SECOND), ("three", T0 + PICTURE_EVERY))
        for outcome in Lander(lake, run).land([picture(at)], NOW)
    ]
    assert landed == [1, 0, 1]
    assert lake.read("books")["update_id"].to_list() == [T0, T0 + PICTURE_EVERY]


def test_an_open_bar_and_a_row_outside_the_part_are_not_history(lake: Lake) -> None:
    rows = [candle(T0), candle(T0 + MINUTE, closed=False), candle(T0 + 9 * MINUTE)]
    (outcome,) = Lander(lake, "one").land([fetched("candles", T0, T0 + 2 * MINUTE, list(rows))], NOW)
    assert outcome.rows == 1
    assert lake.read("candles").height == 1


def test_a_failed_part_leaves_an_outcome_and_no_coverage(lake: Lake) -> None:
    part = Part("candles", "okx", "BTC-USDT", "1m", T0, T0 + MINUTE)
    failed = msgspec.structs.replace(fetched("candles", T0, T0 + MINUTE, []), part=part, answer=None, error="down")
    lander = Lander(lake, "one")
    (outcome,) = lander.land([failed], NOW)
    assert outcome.error == "down"
    assert lander.covered("candles", "okx") == {}


def test_rows_that_break_a_check_are_refused_whole(lake: Lake) -> None:
    bad = msgspec.structs.replace(candle(T0), high=1.0)
    with pytest.raises(DataError):
        Lander(lake, "one").land([fetched("candles", T0, T0 + MINUTE, [bad])], NOW)
    assert lake.read("candles").height == 0


def test_without_a_recording_all_fetched_trades_are_history(lake: Lake) -> None:
    rows = [trade(i, T0 + i * SECOND) for i in range(1, 10)]
    Lander(lake, "one").land([fetched("trades", T0, T0 + MINUTE, list(rows))], NOW)
    assert len(ids(lake, "trades")) == 9
    assert ids(lake, "overlaps") == []


def test_trades_from_the_first_journaled_id_on_prove_the_seam_and_are_no_history(lake: Lake) -> None:
    lake.append("coverage", [recorded(T0 + 5 * SECOND, NOW, first_seq=6)])
    rows = [trade(i, T0 + min(i, 6) * SECOND - (i == 6) * SECOND) for i in range(1, 10)]
    assert rows[4].ts_event == rows[5].ts_event  # 5 and 6 share an instant; only 6 was journaled
    lander = Lander(lake, "one")
    (outcome,) = lander.land([fetched("trades", T0, T0 + MINUTE, list(rows))], NOW)
    assert ids(lake, "trades") == ["1", "2", "3", "4", "5"]
    assert ids(lake, "overlaps") == ["6", "7", "8", "9"]
    assert (outcome.rows, outcome.landed) == (9, 5)
    series = Series("trades", "okx", "BTC-USDT")
    assert lander.covered("trades", "okx") == {series: [(T0, T0 + 5 * SECOND)]}
    overlaps = lander.covered("overlaps", "okx")
    assert overlaps == {Series("overlaps", "okx", "BTC-USDT"): [(T0 + 5 * SECOND, T0 + MINUTE)]}


def test_without_ids_that_count_the_instant_decides(lake: Lake) -> None:
    lake.append("coverage", [recorded(T0 + 5 * SECOND, NOW, first_seq=None)])
    rows = [msgspec.structs.replace(trade(i, T0 + i * SECOND), trade_seq=None) for i in range(1, 10)]
    Lander(lake, "one").land([fetched("trades", T0, T0 + MINUTE, list(rows))], NOW)
    assert sorted(lake.read("trades")["trade_id"]) == ["1", "2", "3", "4"]


def test_a_recording_that_ended_owns_nothing_after_its_end(lake: Lake) -> None:
    lake.append("coverage", [recorded(T0 + 2 * SECOND, T0 + 4 * SECOND, first_seq=2)])
    rows = [trade(i, T0 + i * SECOND) for i in range(1, 8)]
    Lander(lake, "one").land([fetched("trades", T0, T0 + MINUTE, list(rows))], NOW)
    assert ids(lake, "trades") == ["1", "4", "5", "6", "7"]
    assert ids(lake, "overlaps") == ["2", "3"]


def test_a_recording_that_still_grows_owns_all_that_follows() -> None:
    growing = Recorded.of([recorded(T0, NOW - MINUTE, 1)], NOW)
    assert growing.outside((T0 - MINUTE, NOW)) == [(T0 - MINUTE, T0)]
    assert growing.inside((T0 - MINUTE, NOW)) == [(T0, NOW)]
    assert growing.settled() == [(T0 + PROOF, FOREVER)]


def test_a_recording_that_another_one_follows_grows_no_more() -> None:
    two = Recorded.of([recorded(NOW - 30 * SECOND, NOW - SECOND, 9), recorded(T0, NOW - MINUTE, 1)], NOW)
    assert two.outside((T0, NOW)) == [(NOW - MINUTE, NOW - 30 * SECOND)]
    assert two.growing(NOW)
    assert not two.growing(NOW - 40 * SECOND)


def test_a_digest_is_of_values_not_of_receipt() -> None:
    one = [candle(T0), candle(T0 + MINUTE)]
    later = [msgspec.structs.replace(row, ts_recv=NOW) for row in one]
    other = [candle(T0), candle(T0 + MINUTE, close=90_001.0)]
    assert digest(one) == digest(later) != digest(other)


@pytest.mark.parametrize("broken", ["trades", "overlaps", "coverage", "outcomes"])
def test_a_landing_cut_short_anywhere_and_repeated_leaves_what_one_clean_landing_leaves(
    tmp_path: Path, broken: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def batch() -> list[object]:
        return [fetched("trades", T0, T0 + MINUTE, [trade(i, T0 + i * SECOND) for i in range(1, 30)])]

    def rows(lake: Lake) -> dict[str, object]:
        return {name: lake.read(name).sort("trade_seq").to_dicts() for name in ("trades", "overlaps")}

    clean, torn = lake_at(tmp_path / "a"), lake_at(tmp_path / "b")
    for lake in (clean, torn):
        lake.append("coverage", [recorded(T0 + 20 * SECOND, NOW, first_seq=20)])
    Lander(clean, "one").land(batch(), NOW)  # type: ignore[arg-type]

    def dying(method: str) -> None:
        real = getattr(torn, method)

        def die(name: str, *args: object, **kwargs: object) -> object:
            if name == broken:
                raise KeyboardInterrupt
            return real(name, *args, **kwargs)

        monkeypatch.setattr(torn, method, die)

    dying("append")
    dying("upsert")
    with pytest.raises(KeyboardInterrupt):
        Lander(torn, "one").land(batch(), NOW)  # type: ignore[arg-type]
    monkeypatch.undo()
    Lander(torn, "two").land(batch(), NOW)  # type: ignore[arg-type]
    assert rows(torn) == rows(clean)
    assert Lander(torn, "x").covered("trades", "okx") == Lander(clean, "x").covered("trades", "okx")
    assert all(isinstance(row, Outcome) for row in torn.rows("outcomes"))
