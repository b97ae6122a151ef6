"""The watch over seams: each join by itself, at bounded cost, and none forgotten that was not good."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import msgspec
import pytest

from realtime.recording.seams import LONGEST, REACH, Seams, certify
from tests.kit.journals import BEGIN, STEP, trade
from warehouse.clock import HOUR, MINUTE, SECOND, ManualClock, Micros
from warehouse.frames import frame
from warehouse.records import GapState, SequenceGap
from warehouse.seam import Certificate, join
from warehouse.store import Lake
from warehouse.tables import TRADES, Coverage

LATER = 2 * HOUR // STEP
"""A trade of two hours later."""


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path / "lake", realm="emulated")


def tape(lake: Lake, numbers: Iterable[int]) -> None:
    known = list(numbers)
    lake.append("trades", frame(TRADES, [trade(number) for number in known], {"log_seq": known}))


def landed(lake: Lake, table: str, numbers: Iterable[int]) -> None:
    lake.upsert(table, [trade(number, origin="rest") for number in numbers], now=BEGIN)


def overlap(lake: Lake, first: int, without: int = -1) -> None:
    """History up to the trade after `first` by 300, tape from the one after it by 100 on, both but for one trade."""
    landed(lake, "trades", range(first, first + 100))
    landed(lake, "overlaps", range(first + 100, first + 300))
    tape(lake, [number for number in range(first + 100, first + 500) if number != without])


def gap(number: int, state: GapState) -> SequenceGap:
    at = trade(number).ts_event
    return SequenceGap(
        venue="okx", instrument="BTC-USDT", ts_event=at, ts_recv=at, stream="trades", from_id=number, to_id=number,
        from_ts=at, to_ts=at, cause="ids", state=state, opened_at=at,
    )  # fmt: skip


def watching(lake: Lake) -> Seams:
    """A recorder's watch that has just begun."""
    seams = Seams(lake, ManualClock(BEGIN + 9 * HOUR + SECOND * (lake.version("overlaps") + lake.version("seams"))))
    seams.watch("okx", "BTC-USDT", trade(100).ts_event)
    seams.remember()
    return seams


def at(certificate: Certificate, first: int) -> bool:
    """Whether it speaks of the overlap that begins behind this trade."""
    return certificate.overlap_from == trade(first + 100).ts_event


def test_days_between_two_joins_cost_nothing(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    overlap(lake, 0)
    assert [one.state for one in watching(lake).look()] == ["proven"]
    overlap(lake, LATER)
    spans: list[tuple[Micros, Micros]] = []
    read = Lake.read

    def spied(self: Lake, name: str, **where: object) -> object:
        if name == "trades":
            spans.append((where["start"], where["end"]))  # type: ignore[arg-type]
        return read(self, name, **where)  # type: ignore[arg-type]

    monkeypatch.setattr(Lake, "read", spied)
    (certificate,) = watching(lake).look()
    assert certificate.state == "proven", certificate.reason
    assert at(certificate, LATER)
    assert certificate.common == 200
    assert len(spans) == 2, "the join judged last, and the new one"
    assert all(end - start <= MINUTE + REACH + 200 * STEP for start, end in spans)
    spans.clear()
    assert watching(lake).look() == [], "it says nothing new"
    assert len(spans) == 1, "a join whose certificate was given is not looked at for ever"
    assert [at(one, LATER) for one in certify_one(lake)] == [True]


def test_an_overlap_of_hours_is_looked_at_in_pieces_and_whole(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = range(100, 100 + 2 * HOUR // SECOND)
    rows = {n: msgspec.structs.replace(trade(n), ts_event=BEGIN + n * SECOND) for n in seconds}
    lake.append("trades", frame(TRADES, list(rows.values()), {"log_seq": list(rows)}))
    wrong = msgspec.structs.replace(rows[3000], lots=rows[3000].lots + 1, size=rows[3000].size + 0.001)
    lake.upsert("overlaps", [*[rows[n] for n in rows if n != 3000], wrong], now=BEGIN)
    sizes = []

    def spied(*given: object, **more: object) -> Certificate:
        sizes.append(len(given[3]))  # type: ignore[arg-type]
        return join(*given, **more)  # type: ignore[arg-type]

    monkeypatch.setattr("realtime.recording.seams.join", spied)
    (certificate,) = watching(lake).look()
    assert (certificate.state, certificate.differing) == ("broken", 1), "every piece is compared"
    assert len(sizes) == 4
    assert max(sizes) <= (MINUTE + LONGEST + REACH) // SECOND
    lake.upsert("overlaps", [rows[3000]], now=BEGIN)
    (certificate,) = watching(lake).look()
    assert (certificate.state, certificate.overlap_to) == ("proven", rows[max(rows)].ts_event), certificate.reason
    sizes.clear()
    assert watching(lake).look() == []
    assert len(sizes) == 1


def certify_one(lake: Lake) -> list[Certificate]:
    row = recording("j", trade(100).ts_event, trade(100).ts_event)
    lake.append("coverage", [row])
    return certify(lake, ManualClock(BEGIN + 9 * HOUR))


def recording(source: str, start: Micros, live_from: Micros | None) -> Coverage:
    return Coverage(
        dataset="trades", venue="okx", instrument="BTC-USDT", start=start, end=start + HOUR, origin="stream",
        source=source, live_from=live_from, ts_recv=start,
    )  # fmt: skip


@pytest.mark.parametrize("ledger", [(), ("unrecoverable", "repaired")])
def test_trades_of_an_outage_that_were_landed_behind_the_overlap_are_not_missing(
    lake: Lake, ledger: tuple[GapState, ...]
) -> None:
    overlap(lake, 0)
    tape(lake, range(560, 700))
    landed(lake, "trades", range(500, 560))
    lake.append("gaps", [gap(500, state) for state in ledger])
    (certificate,) = watching(lake).look()
    assert (certificate.state, certificate.last_id) == ("proven", "699"), certificate.reason


def test_a_join_that_says_nothing_yet_leaves_the_certificate_of_the_one_before(lake: Lake) -> None:
    overlap(lake, 0)
    assert len(watching(lake).look()) == 1
    landed(lake, "overlaps", [LATER])
    assert watching(lake).look() == []
    tape(lake, range(LATER, LATER + 500))
    assert watching(lake).look() == [], "less than a whole second"
    landed(lake, "overlaps", range(LATER, LATER + 200))
    (certificate,) = watching(lake).look()
    assert (certificate.state, certificate.overlap_from) == ("proven", trade(LATER).ts_event)


def test_a_broken_join_is_not_forgotten_for_a_good_one_and_heals_by_itself(lake: Lake) -> None:
    overlap(lake, 0, without=220)
    assert [one.state for one in watching(lake).look()] == ["broken"]
    overlap(lake, LATER)
    overlap(lake, 2 * LATER)
    assert watching(lake).look() == [], "still broken"
    assert [one.state for one in certify_one(lake)] == ["broken"]
    landed(lake, "trades", [220])
    lake.append("gaps", [gap(220, "repaired")])
    (certificate,) = watching(lake).look()
    assert certificate.state == "proven", certificate.reason
    assert at(certificate, 2 * LATER)


def test_several_new_joins_at_once_are_all_looked_at(lake: Lake) -> None:
    overlap(lake, 0)
    watching(lake).look()
    overlap(lake, LATER, without=LATER + 220)
    overlap(lake, 2 * LATER)
    (certificate,) = watching(lake).look()
    assert certificate.state == "broken"
    assert at(certificate, LATER)


def test_the_stored_seam_is_that_of_the_newest_recording_from_its_beginning_on(lake: Lake) -> None:
    overlap(lake, 0, without=220)
    overlap(lake, LATER)
    live = trade(LATER + 150).ts_event
    first = recording("j/1", trade(100).ts_event, trade(100).ts_event)
    rows = [recording("j/2", live, live), recording("j/2", trade(LATER + 100).ts_event, live), first]
    lake.append("coverage", rows)
    (certificate,) = certify(lake, ManualClock(BEGIN + 9 * HOUR))
    assert certificate.state == "proven", certificate.reason
    assert at(certificate, LATER)
    assert certificate.common == 200
