"""Recorded sessions with faults injected into them: real frames are promised the same as emulated ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from p9.imports import convert
from p9.main import cli
from realtime.emulator.tape import Tape
from realtime.lab.scenes import Scene
from realtime.lab.stage import Row, perform, planned
from tests.kit.recordings import recordings
from tests.kit.session import journal

TOO_MANY = ("silent_stream trades", "BTC-USDT-PERP")
"""Of a recorded perpetual's single fills, 75 s are too many to repair beside the stream: a gap row says so."""

BRIEF = 0.08
"""So many minutes after a fault the short session ends."""


def binance(market: str, folder: Path) -> Tape:
    """Six minutes of BTCUSDT, 2024."""
    return Tape.read([journal(market, folder)], ["binance"], ())


def okx(folder: Path) -> Tape:
    """Eleven seconds of BTC-USDT, 2022: books without numbers, held together by checksums."""
    frames = recordings("okx", "mixed", "cryptofeed_20220513", "OKX.ws.1.0.gz")
    convert("okx", "spot", ["BTC-USDT"], None, [frames], folder / "tape")
    return Tape.read([folder / "tape"], ["okx"], ())


def performed(
    tape: Tape, among: Callable[[Scene], bool] = lambda scene: True, minutes: float | None = None
) -> list[Row]:
    """Each of these scenes that can happen on the tape, once."""
    chosen = [one for one in planned([1], tape.venues, tape) if among(one.scene)]
    return [perform(one.scene, one.venue, one.instrument, one.seed, minutes, tape) for one in chosen]


def broken(rows: list[Row]) -> list[Row]:
    """Those that did not keep their promises, but for what is known."""
    return [row for row in rows if row.broken and not (known(row) and row.broken == ["lost"] and not row.unsaid)]


def known(row: Row) -> bool:
    """Is it the hole that nobody repairs live?"""
    return (row.fault, row.instrument) == TOO_MANY


def test_a_few_faults_in_a_recorded_session(tmp_path: Path) -> None:
    names = ("dropped trades", "sequence_gap depth", "socket_reset")
    rows = performed(binance("spot", tmp_path), lambda scene: scene.name in names, 0.1)
    assert len(rows) == 3
    assert broken(rows) == []
    assert [row.lost + row.doubled + row.wrong_ms for row in rows] == [0, 0, 0]
    assert all(row.detected_s is not None and row.repaired_s is not None for row in rows)


def test_a_lost_update_of_a_recorded_book_without_numbers_is_seen_by_its_checksum(tmp_path: Path) -> None:
    (row,) = performed(okx(tmp_path), lambda scene: scene.name == "dropped depth", BRIEF)
    assert broken([row]) == []
    assert row.by.startswith("gap depth: checksum")


def test_the_command_takes_a_journal(tmp_path: Path) -> None:
    tape = str(journal("spot", tmp_path))
    asked = ["lab", "run", "--tape", tape, "--kind", "duplicated", "--minutes", "0.05"]
    done = CliRunner().invoke(cli, asked)
    assert done.exit_code == 0, done.output
    assert "3 faults: all promises kept" in done.output


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("market", ["spot", "perp"])
def test_every_fault_in_a_recorded_session_of_binance(tmp_path: Path, market: str) -> None:
    rows = performed(binance(market, tmp_path))
    assert len(rows) > 50
    assert broken(rows) == []
    assert all(row.met for row in rows)


@pytest.mark.slow
def test_every_brief_fault_in_a_recorded_session_of_okx(tmp_path: Path) -> None:
    rows = performed(okx(tmp_path), fits, BRIEF)
    assert len(rows) > 12
    assert broken(rows) == []


def fits(scene: Scene) -> bool:
    """Needs no more than eleven seconds, no best quotes, and no numbers of books: of 2022 there are none."""
    return scene.seconds <= 30 and scene.stream != "bbo" and scene.kind not in ("sequence_reset", "equal_ids")
