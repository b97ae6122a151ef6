"""Recorded sessions with faults injected into them: real frames are promised the same as emulated ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from p9.imports import convert
from realtime.emulator.tape import Tape
from realtime.lab.scenes import SCENES, Scene
from realtime.lab.stage import Row, perform
from tests.kit.recordings import recordings
from tests.kit.session import INSTRUMENTS, journal

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
    tape: Tape, instrument: str, among: Callable[[Scene], bool] = lambda scene: True, minutes: float | None = None
) -> list[Row]:
    """Each of these scenes that can happen on the tape, once."""
    venue = tape.venues[0]
    scenes = [one for one in SCENES if one.possible(venue) and one.on_tape and among(one)]
    return [perform(one, venue, instrument, 1, minutes, tape) for one in scenes]


def broken(rows: list[Row]) -> list[Row]:
    """Those that did not keep their promises, but for what is known."""
    return [row for row in rows if row.broken and not (known(row) and row.broken == ["lost"] and not row.unsaid)]


def known(row: Row) -> bool:
    """Is it the hole that nobody repairs live?"""
    return (row.fault, row.instrument) == TOO_MANY


def test_a_few_faults_in_a_recorded_session(tmp_path: Path) -> None:
    names = ("dropped trades", "sequence_gap depth", "socket_reset")
    rows = performed(binance("spot", tmp_path), INSTRUMENTS["spot"], lambda scene: scene.name in names, 0.1)
    assert len(rows) == 3
    assert broken(rows) == []
    assert [row.lost + row.doubled + row.wrong_ms for row in rows] == [0, 0, 0]
    assert all(row.detected_s is not None and row.repaired_s is not None for row in rows)


def test_a_lost_update_of_a_recorded_book_without_numbers_is_seen_by_its_checksum(tmp_path: Path) -> None:
    (row,) = performed(okx(tmp_path), "BTC-USDT", lambda scene: scene.name == "dropped depth", BRIEF)
    assert broken([row]) == []
    assert row.by.startswith("gap depth: checksum")


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("market", ["spot", "perp"])
def test_every_fault_in_a_recorded_session_of_binance(tmp_path: Path, market: str) -> None:
    rows = performed(binance(market, tmp_path), INSTRUMENTS[market])
    assert len(rows) > 50
    assert broken(rows) == []
    assert all(row.met for row in rows)


@pytest.mark.slow
def test_every_brief_fault_in_a_recorded_session_of_okx(tmp_path: Path) -> None:
    rows = performed(okx(tmp_path), "BTC-USDT", fits, BRIEF)
    assert len(rows) > 12
    assert broken(rows) == []


def fits(scene: Scene) -> bool:
    """Needs no more than eleven seconds, no best quotes, and no numbers of books: of 2022 there are none."""
    return scene.seconds <= 30 and scene.stream != "bbo" and scene.kind not in ("sequence_reset", "equal_ids")
