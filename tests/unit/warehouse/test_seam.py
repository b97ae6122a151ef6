"""The join proves exactly what it compared."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests.kit.journals import BEGIN, STEP, trade
from warehouse.clock import SECOND
from warehouse.records import SequenceGap
from warehouse.seam import Certificate, Print, join


def prints(numbers: Sequence[int]) -> list[Print]:
    """Trades a hundredth of a second apart."""
    return [Print.of(trade(number)) for number in numbers]


def executions(numbers: Sequence[int]) -> list[Print]:
    return [row._replace(trade_id=f"x{number * 7919 % 10007:05d}", trade_seq=None) for number, row in
            zip(numbers, prints(numbers), strict=True)]  # fmt: skip


def joined(
    history: list[Print], tape: list[Print], gaps: Sequence[SequenceGap] = (), contiguous: bool = True
) -> Certificate:
    return join("okx", "BTC-USDT", history, tape, gaps, contiguous=contiguous, created=5)


def gap(state: str, number: int) -> SequenceGap:
    return SequenceGap(
        venue="okx", instrument="BTC-USDT", ts_event=0, ts_recv=0, stream="trades", from_id=number, to_id=number,
        from_ts=BEGIN + number * STEP, to_ts=BEGIN + number * STEP, cause="ids", state=state, opened_at=0,  # type: ignore[arg-type]
    )  # fmt: skip


def test_an_overlap_without_a_flaw_is_proven() -> None:
    found = joined(prints(range(0, 300)), prints(range(100, 500)))
    assert found.state == "proven"
    assert (found.common, found.compared, found.missing, found.differing) == (200, 200, 0, 0)
    assert found.reason is None
    assert found.cut is not None
    assert found.cut % SECOND == 0
    assert found.overlap_from is not None
    assert found.overlap_to is not None
    assert found.overlap_from <= found.cut <= found.overlap_to
    before, after = int(found.first_id or ""), int(found.last_id or "")
    assert trade(before).ts_event < found.cut <= trade(before + 1).ts_event
    assert after == 499


def test_every_trade_is_on_exactly_one_side_of_the_cut() -> None:
    history, tape = prints(range(0, 320)), prints(range(90, 500))
    cut = joined(history, tape).cut
    assert cut is not None
    used = [row.trade_id for row in history if row.ts_event < cut] + [
        row.trade_id for row in tape if row.ts_event >= cut
    ]
    assert sorted(map(int, used)) == list(range(500))


def test_the_order_of_rows_does_not_matter() -> None:
    assert joined(prints(range(299, -1, -1)), prints(range(499, 99, -1))) == joined(
        prints(range(300)), prints(range(100, 500))
    )


def test_a_differing_trade_breaks_the_seam() -> None:
    tape = prints(range(100, 500))
    tape[20] = tape[20]._replace(lots=tape[20].lots + 1)
    found = joined(prints(range(300)), tape)
    assert (found.state, found.differing, found.cut) == ("broken", 1, None)
    assert "120" in (found.reason or "")


@pytest.mark.parametrize("hole", [250, 300, 420])
def test_a_hole_in_the_tape_breaks_the_seam(hole: int) -> None:
    found = joined(prints(range(300)), prints([n for n in range(100, 500) if n != hole]))
    assert (found.state, found.missing) == ("broken", 1)
    assert str(hole) in (found.reason or "")


def test_a_hole_in_history_before_the_cut_breaks_the_seam() -> None:
    found = joined(prints([n for n in range(300) if n != 105]), prints(range(100, 500)))
    assert (found.state, found.missing) == ("broken", 1)


def test_an_older_hole_in_history_is_not_the_seams() -> None:
    assert joined(prints([n for n in range(300) if n != 50]), prints(range(100, 500))).state == "proven"


def test_gaps_that_remain_in_the_overlap_break_it_and_repaired_ones_do_not() -> None:
    sides = prints(range(300)), prints(range(100, 500))
    assert joined(*sides, [gap("repaired", 250), gap("legitimate", 260)]).state == "proven"
    assert joined(*sides, [gap("open", 250)]).state == "broken"
    assert joined(*sides, [gap("unrecoverable", 250)]).state == "broken"
    assert joined(*sides, [gap("unrecoverable", 20)]).state == "proven", "before the cut history counts"


@pytest.mark.parametrize("state", ["open", "unrecoverable"])
def test_a_hole_behind_the_overlap_that_the_ledger_knows_ends_what_is_covered(state: str) -> None:
    tape = [number for number in range(100, 500) if not 450 <= number < 460]
    found = joined(prints(range(300)), prints(tape), [gap(state, 450), gap(state, 9000)])
    assert (found.state, found.missing, found.last_id) == ("proven", 0, "449")
    assert joined(prints(range(300)), prints(tape)).state == "broken", "a hole that nobody knows of"
    found = joined(executions(range(300)), executions(tape), [gap(state, 450)], contiguous=False)
    assert found.state == "supported"


@pytest.mark.parametrize("kind", ["ids", "executions"])
def test_what_was_landed_outside_of_the_overlap_is_as_good_as_the_tape(kind: str) -> None:
    made = prints if kind == "ids" else executions
    outage = made(range(420, 450))
    tape = made([*range(100, 420), *range(450, 500)])

    def state(more: list[Print], gaps: Sequence[SequenceGap] = ()) -> str:
        return joined(made(range(300)) + more, tape, gaps, contiguous=kind == "ids").state

    good = "proven" if kind == "ids" else "supported"
    assert state([row._replace(landed=True) for row in outage]) == good
    assert state(outage) == "broken", "what only stands by to prove the seam is not in the record"
    if kind == "ids":
        assert state([row._replace(landed=True) for row in outage[:-1]]) == "broken", "one is still missing"
        assert state([row._replace(landed=True) for row in outage], [gap("open", 420)]) == good


@pytest.mark.parametrize("kind", ["ids", "executions"])
def test_a_hole_inside_the_overlap_is_closed_when_its_trade_is_there_and_the_ledger_says_so(kind: str) -> None:
    made = prints if kind == "ids" else executions
    tape = made([number for number in range(100, 500) if number != 280])
    history = [row._replace(landed=row.ts_event == trade(280).ts_event) for row in made(range(300))]

    def state(*gaps: SequenceGap, past: list[Print] = history) -> str:
        return joined(past, tape, gaps, contiguous=kind == "ids").state

    assert state(gap("repaired", 280)) == ("proven" if kind == "ids" else "supported")
    assert state() == state(gap("repaired", 260)) == "broken", "a hole that nobody knows of"
    assert state(gap("unrecoverable", 280)) == "broken"
    assert state(gap("repaired", 280), past=made(range(300))) == "broken", "the ledger alone brings no trade"


def test_without_overlap_nothing_is_claimed() -> None:
    assert joined([], prints(range(5))).state == "unprovable"
    assert joined(prints(range(5)), []).state == "unprovable"
    apart = joined(prints(range(5)), prints(range(7, 9)))
    assert apart.state == "unprovable"
    assert "history ends at 4, the tape begins at 7" in (apart.reason or "")


def test_an_overlap_shorter_than_a_second_waits() -> None:
    found = joined(prints(range(0, 130)), prints(range(110, 500)))
    assert found.state == "unprovable"
    assert found.common == 20
    assert "whole second" in (found.reason or "")


def test_executions_without_contiguous_ids_support_the_seam() -> None:
    found = joined(executions(range(300)), executions(range(100, 500)), contiguous=False)
    assert found.state == "supported"
    assert found.common == 200
    assert found.cut is not None
    assert "not contiguous" in (found.reason or "")


def test_an_execution_of_history_that_the_tape_lacks_breaks_it() -> None:
    tape = executions([n for n in range(100, 500) if n != 180])
    found = joined(executions(range(300)), tape, contiguous=False)
    assert (found.state, found.missing) == ("broken", 1)


def test_executions_newer_than_the_tape_are_not_missing() -> None:
    found = joined(executions(range(400)), executions(range(100, 350)), contiguous=False)
    assert found.state == "supported", found.reason


def test_pages_in_the_tape_prove_nothing_about_the_stream() -> None:
    tape = [row._replace(live=row.ts_event >= trade(310).ts_event) for row in executions(range(100, 500))]
    assert joined(executions(range(300)), tape, contiguous=False).state == "unprovable"
    assert joined(executions(range(450)), tape, contiguous=False).state == "supported"
