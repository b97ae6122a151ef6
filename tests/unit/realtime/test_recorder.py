"""The recorder: rows exactly once, gaps at once, recorded intervals its own, old segments sealed."""

from __future__ import annotations

from pathlib import Path

import msgspec
import polars as pl
import pytest

from realtime.recorder import SEAL_AGAIN_S, Recorder, RecorderOptions
from realtime.recording.segments import opening_of, tidy
from realtime.tape import read_segments, segments
from tests.kit.journals import BEGIN, STEP, Plain, frame, header, trade, trades_entry, write
from warehouse.clock import DAY, HOUR, SECOND, ManualClock, monotonic
from warehouse.errors import ConfigError
from warehouse.journal import Entry, Kind
from warehouse.seam import Certificate
from warehouse.store import Lake
from warehouse.tables import Coverage


def recorder(tmp_path: Path, *venues: str, lake: Lake | None = None) -> Recorder:
    options = RecorderOptions(journals={venue: tmp_path / "journal" / venue for venue in venues or ("okx",)})
    lake = lake or Lake(tmp_path / "lake", realm="emulated")
    now = BEGIN + HOUR + SECOND * sum(lake.version(name) for name in ("trades", "coverage", "seams", "overlaps"))
    return Recorder(lake, options, ManualClock(now), Plain.of)


def drain(one: Recorder) -> None:
    assert isinstance(one.clock, ManualClock)
    one.clock.advance(SECOND)
    while one.step():
        pass
    one.finish()


def ids(one: Recorder, venue: str = "okx") -> list[int]:
    return one.lake.read("trades", venue=venue).sort("trade_seq")["trade_seq"].to_list()


def test_every_trade_of_every_venue_lands_once_with_its_position(tmp_path: Path) -> None:
    for venue in ("okx", "bybit"):
        write(tmp_path / "journal" / venue, [[trades_entry([n, n + 1])] for n in range(0, 40, 2)], venue, rotate=7)
    one = recorder(tmp_path, "okx", "bybit")
    drain(one)
    assert ids(one) == ids(one, "bybit") == list(range(40))
    rows = one.lake.read("trades", venue="okx").sort("trade_seq")
    assert rows["log_seq"].to_list() == [n // 2 + 1 for n in range(40)]
    assert one.lake.position("trades", "okx-1/trades") == 20
    kept = one.lake.rows("trades", venue="okx")
    assert kept[5] == msgspec.structs.replace(trade(5), ts_recv=BEGIN + 5 * STEP + 1_500)


def test_a_second_recorder_adds_nothing(tmp_path: Path) -> None:
    writer = write(tmp_path / "journal" / "okx", [[trades_entry([n])] for n in range(10)])
    drain(recorder(tmp_path))
    writer.append([trades_entry([10])])
    one = recorder(tmp_path)
    drain(one)
    assert ids(one) == list(range(11))


def test_two_records_with_an_equal_key_are_one_row(tmp_path: Path) -> None:
    writer = write(tmp_path / "journal" / "okx", [[trades_entry([1, 1, 2])], [trades_entry([2, 3])]])
    drain(recorder(tmp_path))
    writer.append([trades_entry([3, 2, 4])])
    one = recorder(tmp_path)
    drain(one)
    assert ids(one) == [1, 2, 3, 4]


def test_a_gap_is_in_the_ledger_before_the_trades_are(tmp_path: Path) -> None:
    blocks = [[trades_entry([1])], [frame(BEGIN + SECOND, ["gap", "BTC-USDT", 2, 5, "open"])]]
    writer = write(tmp_path / "journal" / "okx", blocks)
    one = recorder(tmp_path)
    one._due["commit"] = float("inf")
    one.step()
    assert one.lake.read("gaps")["state"].to_list() == ["open"]
    assert one.lake.read("trades").is_empty()
    writer.append([frame(BEGIN + 2 * SECOND, ["gap", "BTC-USDT", 2, 5, "repaired"])])
    drain(one)
    assert one.lake.read("gaps")["state"].to_list() == ["open", "repaired"]
    assert ids(one) == [1]


def test_the_recorded_interval_is_declared_with_the_first_trade_and_grows(tmp_path: Path) -> None:
    writer = write(tmp_path / "journal" / "okx", [[trades_entry([7, 8])]])
    one = recorder(tmp_path)
    one._due["commit"] = one._due["coverage"] = float("inf")
    one.step()
    (row,) = one.lake.rows("coverage")
    assert isinstance(row, Coverage)
    assert (row.origin, row.source, row.start, row.live_from, row.first_id, row.first_seq) == (
        "stream", "okx-1", trade(7).ts_event, trade(7).ts_event, "7", 7,
    )  # fmt: skip
    writer.append([trades_entry([9])])
    drain(one)
    newest = [row for row in one.lake.rows("coverage") if isinstance(row, Coverage)][-1]
    assert (newest.start, newest.end) == (row.start, BEGIN + 9 * STEP + 1_500)
    again = recorder(tmp_path)
    drain(again)
    assert len(again.lake.rows("coverage")) == 2, "a restart declares nothing twice"


def test_a_page_from_before_the_stream_moves_the_beginning_and_not_the_proof(tmp_path: Path) -> None:
    blocks = [[trades_entry([20])], [frame(BEGIN + SECOND, ["page", "BTC-USDT", 5], ["page", "BTC-USDT", 6])]]
    write(tmp_path / "journal" / "okx", blocks)
    one = recorder(tmp_path)
    drain(one)
    rows = [row for row in one.lake.rows("coverage") if isinstance(row, Coverage)]
    assert {row.start: row.live_from for row in rows} == {trade(5).ts_event: trade(20).ts_event} | {
        trade(20).ts_event: trade(20).ts_event
    }
    again = recorder(tmp_path)
    drain(again)
    assert len(again.lake.rows("coverage")) == len(rows)


def test_a_trade_after_its_second_was_closed_is_late(tmp_path: Path) -> None:
    tick = Entry(BEGIN + 100 * SECOND, "", Kind.TICK, b"")
    late = frame(BEGIN + 101 * SECOND, ["trade", "BTC-USDT", 2])
    write(tmp_path / "journal" / "okx", [[trades_entry([1]), tick, late]])
    one = recorder(tmp_path)
    drain(one)
    assert one.lake.read("trades").sort("trade_seq")["late"].to_list() == [False, True]


def test_a_trade_that_came_in_time_and_was_held_behind_a_hole_is_not_late(tmp_path: Path) -> None:
    tick = Entry(BEGIN + 6 * SECOND, "", Kind.TICK, b"")
    answer = frame(BEGIN + 6 * SECOND, ["page", "BTC-USDT", 2], ["held", "BTC-USDT", 3])
    write(tmp_path / "journal" / "okx", [[trades_entry([1]), tick, answer]])
    one = recorder(tmp_path)
    drain(one)
    assert one.lake.read("trades").sort("trade_seq")["late"].to_list() == [False, False, False]


def test_rows_a_flow_landed_inside_the_recorded_interval_become_proof(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake", realm="emulated")
    lake.upsert("trades", [trade(n, origin="rest") for n in range(0, 300)], now=BEGIN)
    write(tmp_path / "journal" / "okx", [[trades_entry(range(100, 400))]])
    one = recorder(tmp_path, lake=lake)
    drain(one)
    assert ids(one) == list(range(400))
    rows = lake.read("trades").sort("trade_seq")
    assert rows.filter(pl.col("log_seq").is_null())["trade_seq"].to_list() == list(range(100))
    assert lake.read("overlaps").sort("trade_seq")["trade_seq"].to_list() == list(range(100, 300))
    (certificate,) = lake.rows("seams")
    assert isinstance(certificate, Certificate)
    assert certificate.state == "proven", certificate.reason
    assert certificate.common == 200
    assert certificate.cut is not None
    assert certificate.cut % SECOND == 0


@pytest.mark.parametrize("first", [400, 90_000])
def test_a_hole_behind_the_overlap_is_a_matter_of_the_ledger(tmp_path: Path, first: int) -> None:
    lake = Lake(tmp_path / "lake", realm="emulated")
    lake.upsert("trades", [trade(n, origin="rest") for n in range(0, 300)], now=BEGIN)
    hole = frame(BEGIN + HOUR, ["gap", "BTC-USDT", first, first + 9, "unrecoverable"])
    later = [trades_entry(range(100, 400)), hole, trades_entry(range(first + 10, first + 20))]
    write(tmp_path / "journal" / "okx", [later])
    drain(recorder(tmp_path, lake=lake))
    (certificate,) = lake.rows("seams")
    assert isinstance(certificate, Certificate)
    assert (certificate.state, certificate.last_id) == ("proven", "399")


def test_a_block_told_late_is_stored_and_neither_begins_a_recording_nor_breaks_a_seam(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake", realm="emulated")
    lake.upsert("trades", [trade(n, origin="rest") for n in range(0, 300)], now=BEGIN)
    told = [frame(BEGIN + 5 * SECOND, ["block", "BTC-USDT", 50], ["block", "BTC-USDT", 250])]
    write(tmp_path / "journal" / "okx", [[trades_entry(range(100, 400))], told])
    one = recorder(tmp_path, lake=lake)
    drain(one)
    assert {row.start for row in lake.rows("coverage") if isinstance(row, Coverage)} == {trade(100).ts_event}
    blocks = lake.read("trades").filter(pl.col("kind") == "block")
    assert sorted(blocks["trade_id"].to_list()) == ["block-250", "block-50"]
    (certificate,) = lake.rows("seams")
    assert isinstance(certificate, Certificate)
    assert certificate.state == "proven", certificate.reason


def test_a_certificate_is_written_again_only_when_it_says_something_new(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake", realm="emulated")
    write(tmp_path / "journal" / "okx", [[trades_entry(range(100, 400))]])
    drain(recorder(tmp_path, lake=lake))

    def states() -> list[str]:
        return [row.state for row in lake.rows("seams") if isinstance(row, Certificate)]

    assert states() == ["unprovable"]
    drain(recorder(tmp_path, lake=lake))
    assert states() == ["unprovable"]
    lake.upsert("trades", [trade(n, origin="rest") for n in range(100)], now=BEGIN)
    lake.upsert("overlaps", [trade(n, origin="rest") for n in range(100, 300)], now=BEGIN)
    drain(recorder(tmp_path, lake=lake))
    assert states() == ["unprovable", "proven"]


def test_the_other_realms_journal_and_a_second_recorder_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "journal" / "okx", [[trades_entry([1])]])
    one = recorder(tmp_path, lake=Lake(tmp_path / "live"))
    with pytest.raises(ConfigError, match="emulated and the lake live"):
        one.step()
    first, second = recorder(tmp_path), recorder(tmp_path)
    lock = first._lock()
    with pytest.raises(ConfigError, match="another recorder"):
        second.run()
    lock.close()


def test_a_warm_restart_of_the_worker_and_a_new_journal_are_followed(tmp_path: Path) -> None:
    folder = tmp_path / "journal" / "okx"
    writer = write(folder, [[trades_entry([1, 2])]])
    writer.rotate(header(first_seq=writer.next_seq, run_id="r2"), b'{"sessions":{}}')
    writer.append([trades_entry([3])])
    writer.rotate(header(first_seq=writer.next_seq, journal_id="j2", run_id="r3"), b'{"sessions":{}}')
    writer.append([trades_entry([4])])
    one = recorder(tmp_path)
    drain(one)
    drain(one)
    assert ids(one) == [1, 2, 3, 4]
    assert one.lake.position("trades", "j2/trades") == 3


def test_old_segments_are_sealed_and_dropped_only_when_the_lake_has_them(tmp_path: Path) -> None:
    folder = tmp_path / "journal" / "okx"
    write(folder, [[trades_entry([n])] for n in range(6)], rotate=1)
    before = [seq for _, entries in read_segments(folder) for seq, _ in entries]
    assert tidy(folder, 2, BEGIN, DAY, 1 << 40).sealed == 2
    assert tidy(folder, 2, BEGIN, DAY, 1 << 40).sealed == 0, "the third is not in the lake yet"
    assert [path.suffix for path in segments(folder)[:3]] == [".jz", ".jz", ".j"]
    assert [seq for _, entries in read_segments(folder) for seq, _ in entries] == before
    assert opening_of(segments(folder)[0]).header.first_seq == 1
    assert tidy(folder, 2, BEGIN + 2 * DAY, DAY, 1 << 40).dropped == 2
    for _ in range(6):
        tidy(folder, 99, BEGIN, DAY, 1)
    assert len(segments(folder)) == 2, "where a restarting recorder begins is never dropped"


def test_a_segment_that_is_read_again_after_a_restart_is_left_alone_however_old(tmp_path: Path) -> None:
    folder = tmp_path / "journal" / "okx"
    writer = write(folder, [[trades_entry([n])] for n in range(3)], rotate=1)
    first = recorder(tmp_path)
    drain(first)
    first.keep_house()  # the lake has all three
    for n in range(3, 8):
        writer.append([trades_entry([n])])
        writer.rotate(header("okx", writer.next_seq), b'{"sessions":{}}')
    again = recorder(tmp_path)
    again.options = msgspec.structs.replace(again.options, retention_us=0)
    again.readers["okx"].read(1)
    again.keep_house()
    drain(again)
    assert again.lake.read("trades")["trade_seq"].to_list() == list(range(8))


def test_a_backlog_of_segments_is_sealed_a_while_at_a_time_and_others_have_their_turn_between(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "journal" / "okx"

    def sealed() -> int:
        return sum(path.suffix == ".jz" for path in segments(folder))

    write(folder, [[trades_entry([n])] for n in range(8)], rotate=1)
    first = tidy(folder, 3, BEGIN, DAY, 1 << 40, seconds=0)
    assert (first.sealed, first.more) == (1, True)
    assert not tidy(folder, 1, BEGIN, DAY, 1 << 40, seconds=0).more, "what the lake does not have is no backlog"
    monkeypatch.setattr("realtime.recorder.SEALING_S", 0.0)
    one = recorder(tmp_path)
    drain(one)
    one.keep_house()
    assert sealed() == 2
    one.step()
    assert sealed() == 2
    for expected in range(3, 8):
        assert one._due["seal"] <= monotonic() + SEAL_AGAIN_S
        one._due["seal"] = 0.0
        one.step()
        assert sealed() == expected
    assert one._due["seal"] == float("inf")
