"""The fault lab keeps its promises, tells the same twice, and would notice a broken one."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from p9.main import cli
from realtime.emulator.faults.kinds import KINDS
from realtime.lab import sheet
from realtime.lab.scenes import SCENES, Scene
from realtime.lab.stage import Stage, compared, perform, planned
from warehouse.clock import SECOND
from warehouse.records import BookUpdate, SequenceGap
from warehouse.venues import VENUES

PERP = "BTC-USDT-PERP"


def scene(name: str) -> Scene:
    """The first scene of a name."""
    return next(one for one in SCENES if one.name == name)


def test_every_kind_of_fault_has_a_scene_at_every_venue_where_it_can_happen() -> None:
    among = {(one.scene.kind, one.venue) for one in planned([1], VENUES)}
    possible = {(name, venue) for name, kind in KINDS.items() for venue in kind.venues}
    assert sorted(among) == sorted(possible)


def test_a_few_faults_at_one_venue() -> None:
    for name in ("dropped trades", "sequence_gap depth", "duplicated trades"):
        row = perform(scene(name), "binance", PERP, 1, minutes=0.07)
        assert row.broken == [], row
        assert row.met
        assert row.lost == row.doubled == row.wrong_ms == 0


def test_the_same_seed_gives_the_same_row() -> None:
    once, again = (perform(scene("socket_reset"), "okx", PERP, 1, minutes=0.05) for _ in range(2))
    assert once == again
    assert once.detected_s is not None


def test_a_lost_trade_and_a_wrong_book_would_be_noticed() -> None:
    stage = Stage("binance", PERP, [], 1)
    stage.run(stage.clock.now() + 4 * SECOND)
    one = stage.engine.instruments[PERP]
    assert stage.witness.missing == []
    one.book.apply(
        BookUpdate(
            venue="binance", instrument=PERP, ts_event=one.book.ts_event, ts_recv=stage.clock.now(), snapshot=False,
            update_id=one.book.update_id, previous_id=None, bids=[(next(iter(one.book.levels()[0]))[0], 0.0)], asks=[],
        )
    )  # fmt: skip
    before = dict(stage.witness.wrong_us)
    stage.run(stage.clock.now() + 8 * SECOND)
    ids = stage.witness.ids
    assert compared(stage)[:3] == ([], [], 0)
    gone = ids.pop(1)
    ids.append(ids[1])
    assert compared(stage)[:3] == ([gone], [gone], 1)
    assert before["depth"] == 0
    assert stage.witness.wrong_us["depth"] > 0


def test_an_engine_that_raises_is_a_broken_promise(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: object, gap: SequenceGap) -> None:
        raise RuntimeError("broken for this test")

    monkeypatch.setattr("realtime.instrument.Instrument.gap", fail)
    row = perform(scene("dropped trades"), "binance", PERP, 1, minutes=0.05)
    assert not row.alive
    assert "not alive" in row.broken
    assert "broken for this test" in row.error
    asked = ["lab", "run", "--kind", "sequence_gap", "--venue", "binance", "--minutes", "0.05"]
    done = CliRunner().invoke(cli, asked)
    assert done.exit_code == 1
    assert "FAIL" in done.output


def test_what_nobody_can_know_is_shown_as_a_limit_and_not_as_kept() -> None:
    row = perform(scene("silent_stream trades"), "bybit", "BTC-USDT", 1)
    assert row.limit
    assert 0 < row.unsaid < row.lost
    assert sheet.summary([row]) == "1 faults: all promises kept, 1 within known limits"
    assert "*known limit*" in sheet.markdown([row])


def test_a_trade_that_bybit_does_not_send_is_found_by_its_bar_and_put_back() -> None:
    row = perform(scene("dropped trades"), "bybit", PERP, 1)
    assert row.broken == []
    assert row.by == "gap trades: missing_volume: open"
    assert row.lost == row.doubled == 0


def test_the_command_prints_the_table_and_ends_with_what_it_says(tmp_path: Path) -> None:
    run, out = CliRunner(), tmp_path / "lab.md"
    done = run.invoke(cli, ["lab", "run", "--kind", "equal_ids", "--seed", "2", "--out", str(out)])
    assert done.exit_code == 0, done.output
    assert "1 faults: all promises kept" in done.output
    assert "| equal_ids depth | okx |" in out.read_text()
    assert run.invoke(cli, ["lab", "run", "--kind", "day_cut", "--venue", "okx"]).exit_code == 2
    assert "half_open" in run.invoke(cli, ["lab", "list"]).output


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("venue", VENUES)
def test_every_fault_at_a_venue(venue: str) -> None:
    rows = [perform(one.scene, one.venue, one.instrument, one.seed) for one in planned([4], [venue])]
    assert [row for row in rows if row.broken] == []
    assert any(row.lost == 0 and row.by.startswith("gap trades") for row in rows)
