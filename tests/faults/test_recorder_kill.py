"""A recorder killed at any moment loses no row and doubles none, while the journal goes on being written."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from realtime.tape import Writer
from tests.kit.journals import header, trade, trades_entry
from warehouse.clock import SystemClock
from warehouse.store import Lake

ROOT = Path(__file__).parents[2]


@contextmanager
def recording(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A recorder of its own process, which does not outlive the block: killed, if it has not ended by itself."""
    (tmp_path / "up").unlink(missing_ok=True)
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        [sys.executable, __file__, str(tmp_path)], cwd=ROOT, env=environment, stderr=subprocess.DEVNULL
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def record(tmp_path: Path) -> None:
    """What the killed process does."""
    from realtime.recorder import Recorder, RecorderOptions
    from tests.kit.journals import Plain

    options = RecorderOptions(
        journals={venue: tmp_path / "journal" / venue for venue in ("okx", "bybit")}, commit_us=20_000, poll_s=0.01,
        upkeep_us=300_000, coverage_us=100_000,
    )  # fmt: skip
    one = Recorder(Lake(tmp_path / "lake", realm="emulated"), options, SystemClock(), Plain.of)
    signal.signal(signal.SIGTERM, lambda *_: one.stop.set())
    (tmp_path / "up").touch()
    one.run()


def _run(tmp_path: Path, kills: int, seed: int) -> None:
    chance = random.Random(seed)
    writers = {venue: Writer(tmp_path / "journal" / venue, header(venue), b"{}") for venue in ("okx", "bybit")}
    number = 0

    def feed() -> None:
        nonlocal number
        count = chance.randint(1, 6)
        for venue, writer in writers.items():
            writer.append([trades_entry(range(number, number + count))])
            if chance.random() < 0.02:
                writer.rotate(header(venue, writer.next_seq), b"{}")
        number += count

    for _ in range(kills):
        with recording(tmp_path) as process:
            wait = chance.uniform(0.0, 0.6)
            left: float | None = None
            while left is None or left > 0:
                feed()
                _pause(process, 0.01)
                if (tmp_path / "up").exists():
                    left = wait if left is None else left - 0.01
    with recording(tmp_path) as process:
        while not (tmp_path / "up").exists():
            _pause(process, 0.05)
        feed()
        lake = Lake(tmp_path / "lake", realm="emulated")
        while any(
            (lake.position("trades", f"{venue}-1/trades") or 0) < one.next_seq - 1 for venue, one in writers.items()
        ):
            _pause(process, 0.1)
        process.send_signal(signal.SIGTERM)
        assert process.wait(5.0) == 0, "a recorder ends within five seconds, with its last commit made"

    for venue in writers:
        rows = lake.read("trades", venue=venue).sort("trade_seq")
        assert rows["trade_seq"].to_list() == list(range(number))
        stored = sorted(lake.rows("trades", venue=venue), key=lambda row: int(row.trade_id))  # type: ignore[attr-defined]
        wanted = [trade(n, venue=venue) for n in range(number)]
        assert [msgspec.structs.replace(row, ts_recv=0) for row in stored] == [
            msgspec.structs.replace(row, ts_recv=0) for row in wanted
        ]


def _pause(process: subprocess.Popen[bytes], seconds: float) -> None:
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return
    raise AssertionError("the recorder ended by itself")


@pytest.mark.timeout(110)
def test_killed_recorders_store_every_row_exactly_once(tmp_path: Path) -> None:
    _run(tmp_path, kills=3, seed=1)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_many_kills(tmp_path: Path) -> None:
    _run(tmp_path, kills=40, seed=2)


if __name__ == "__main__":
    record(Path(sys.argv[1]))
