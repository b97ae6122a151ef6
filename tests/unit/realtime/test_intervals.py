"""Recorded intervals: a worker that started cold records anew, and the time between is nobody's until it is fetched."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest

from pipelines.load import Lander
from pipelines.ownership import PROOF
from realtime.decoding import Decoding
from realtime.recorder import Recorder, RecorderOptions
from realtime.tape import Writer
from tests.kit.journals import BEGIN, STEP, Plain, frame, header, trade, trades_entry
from warehouse.clock import HOUR, SECOND, ManualClock, Micros
from warehouse.journal import Entry, Header, Kind
from warehouse.seam import Certificate
from warehouse.store import Lake
from warehouse.tables import Coverage

MORNING = 8 * HOUR // STEP
"""The first trade after the night."""

ENDED: Micros = BEGIN + HOUR
"""When the last entry before the night came."""

NOW: Micros = BEGIN + 9 * HOUR


class Counted(Plain):
    """Sessions that are counted when they are made."""

    made = 0

    def __init__(self, head: Header) -> None:
        super().__init__(head)
        Counted.made += 1

    @classmethod
    def of(cls, head: Header) -> Decoding:
        return cast(Decoding, cls(head))


def recorder(tmp_path: Path) -> Recorder:
    options = RecorderOptions(journals={"okx": tmp_path / "journal" / "okx"})
    return Recorder(Lake(tmp_path / "lake", realm="emulated"), options, ManualClock(NOW), Counted.of)


def drain(one: Recorder) -> Recorder:
    assert isinstance(one.clock, ManualClock)
    one.clock.advance(SECOND * (1 + one.lake.version("coverage")))
    while one.step():
        pass
    one.finish()
    return one


def checkpoint(epoch: int) -> bytes:
    return b'{"version":3,"epoch":%d,"sessions":{}}' % epoch


def evening(tmp_path: Path) -> Writer:
    """The first run of a worker."""
    writer = Writer(tmp_path / "journal" / "okx", header(), checkpoint(1))
    writer.append([trades_entry([7, 8]), Entry(ENDED, "", Kind.TICK, b"")])
    return writer


def morning(writer: Writer, epoch: int) -> None:
    """The next run: with the same rules and streams, warm (the same epoch) or cold."""
    writer.rotate(header(first_seq=writer.next_seq, run_id="r2"), checkpoint(epoch))
    writer.append([trades_entry([MORNING, MORNING + 1])])
    writer.rotate(header(first_seq=writer.next_seq, run_id="r2"), checkpoint(epoch))
    writer.append([trades_entry([MORNING + 2])])


def told(lake: Lake) -> dict[tuple[str, Micros], Micros]:
    """The newest word on each interval: its end by recording and start."""
    rows = [row for row in lake.rows("coverage") if isinstance(row, Coverage)]
    return {(row.source, row.start): row.end for row in sorted(rows, key=lambda row: (row.ts_recv, row.end))}


NIGHT_LEFT_OUT = {
    ("okx-1/1", trade(7).ts_event): ENDED,
    ("okx-1/2", trade(MORNING).ts_event): BEGIN + (MORNING + 2) * STEP + 1_500,
}


def test_a_cold_start_begins_an_interval_and_flows_fetch_the_night(tmp_path: Path) -> None:
    writer = evening(tmp_path)
    drain(recorder(tmp_path))
    morning(writer, 2)
    lake = drain(recorder(tmp_path)).lake
    assert told(lake) == NIGHT_LEFT_OUT
    recorded = Lander(lake, "run").recorded("okx", NOW)["BTC-USDT"]
    night = (ENDED, trade(MORNING).ts_event)
    assert recorded.outside((BEGIN + STEP * 7, NOW))[0] == night
    first, second = recorded.settled()
    assert (first[1], second[0]) == (night[0], night[1] + PROOF)


def test_a_warm_start_goes_on(tmp_path: Path) -> None:
    writer = evening(tmp_path)
    drain(recorder(tmp_path))
    morning(writer, 1)
    lake = drain(recorder(tmp_path)).lake
    assert list(told(lake)) == [("okx-1/1", trade(7).ts_event)]
    assert max(told(lake).values()) == BEGIN + (MORNING + 2) * STEP + 1_500


def test_a_recorder_that_comes_late_or_dies_in_between_says_the_same(tmp_path: Path) -> None:
    morning(evening(tmp_path), 2)
    killed = recorder(tmp_path)
    killed._due["commit"] = killed._due["coverage"] = float("inf")
    while killed.step():
        pass
    assert killed.lake.read("trades").is_empty(), "both intervals are declared, no trade is committed"
    lake = drain(recorder(tmp_path)).lake
    assert told(lake) == NIGHT_LEFT_OUT
    count = lake.read("coverage").height
    assert drain(recorder(tmp_path)).lake.read("coverage").height == count, "a restart declares nothing twice"


def test_one_that_followed_all_along_says_up_to_where_each_was_read(tmp_path: Path) -> None:
    writer = evening(tmp_path)
    one = recorder(tmp_path)
    one._due["coverage"] = float("inf")
    one.step()
    morning(writer, 2)
    assert told(drain(one).lake) == NIGHT_LEFT_OUT


@pytest.mark.parametrize(("epoch", "made"), [(1, 1), (2, 2)])
def test_sessions_are_made_anew_where_the_worker_did_so(tmp_path: Path, epoch: int, made: int) -> None:
    morning(evening(tmp_path), epoch)
    before = Counted.made
    drain(recorder(tmp_path))
    assert Counted.made - before == made


def test_the_seam_of_a_cold_start_is_its_own(tmp_path: Path) -> None:
    writer = evening(tmp_path)
    writer.append([trades_entry(range(100, 400))])
    lake = Lake(tmp_path / "lake", realm="emulated")
    lake.upsert("trades", [trade(number, origin="rest") for number in range(7, 300)], now=BEGIN)
    drain(recorder(tmp_path))
    morning(writer, 2)
    drain(recorder(tmp_path))
    states = [(row.state, row.cut) for row in lake.rows("seams") if isinstance(row, Certificate)]
    assert [state for state, _ in states] == ["proven", "unprovable"]
    lake.upsert("overlaps", [trade(MORNING + n, origin="rest") for n in range(200)], now=NOW)
    writer.append([trades_entry(range(MORNING + 3, MORNING + 300)), frame(NOW, ["gap", "ETH-USDT", 1, 1, "open"])])
    (last,) = drain(recorder(tmp_path)).seams.certificates
    assert (last.state, last.overlap_from) == ("proven", trade(MORNING).ts_event), last.reason
