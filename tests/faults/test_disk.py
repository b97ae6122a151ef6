"""A disk that is full, or may not be written: said in words, and nothing that is stored is lost."""

from __future__ import annotations

import asyncio
import errno
import os
import re
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from realtime.emulator.emulator import Options
from realtime.recording.segments import seal, tidy
from realtime.tape import Writer, end_of, leave_word, read_segments, segments, taken
from tests.kit.installation import bench
from tests.kit.journals import BEGIN, header, trades_entry
from tests.kit.storm import RECORDER, Storm
from tests.kit.truth import compare, happened
from warehouse.clock import DAY, MINUTE, SECOND
from warehouse.errors import JournalError
from warehouse.store import Lake


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """No file of this process may grow beyond so many bytes: what a full disk looks like from inside."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def stored(folder: Path) -> list[int]:
    return [seq for _, part in read_segments(folder) for seq, _ in part]


@pytest.mark.parametrize("room", [0, 1, 40])
def test_a_block_that_does_not_fit_is_no_block_and_the_next_process_goes_on_behind_the_last_whole_one(
    tmp_path: Path, room: int
) -> None:
    writer = Writer(tmp_path, header(), b"{}")
    writer.append([trades_entry([1])])
    with files_of_at_most(writer.size + room), pytest.raises(JournalError) as refused:
        writer.append([trades_entry([2])])
    words = str(refused.value)
    assert words.startswith(f"{writer.path}: cannot write the journal: ")
    assert "free space there, then start again" in words
    writer.close()
    assert stored(tmp_path) == [1]
    _, follows, _ = end_of(segments(tmp_path)[-1])
    successor = Writer(tmp_path, header(first_seq=follows), b"{}")
    assert successor.append([trades_entry([3])]) == 2
    assert stored(tmp_path) == [1, 2]


def test_a_segment_that_cannot_begin_leaves_the_one_before_it(tmp_path: Path) -> None:
    writer = Writer(tmp_path, header(), b"{}")
    writer.append([trades_entry([1])])
    with files_of_at_most(200), pytest.raises(JournalError, match="cannot write the journal"):
        writer.rotate(header(first_seq=2), b'{"long":"%s"}' % (b"x" * 1000))
    assert [path.name for path in tmp_path.iterdir()] == [writer.path.name]
    assert writer.append([trades_entry([2])]) == 2
    assert stored(tmp_path) == [1, 2]


@pytest.mark.parametrize("code", [errno.EROFS, errno.EACCES])
def test_a_journal_that_may_not_be_written_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def refuse(path: Path, *_: object) -> int:
        raise OSError(code, os.strerror(code), str(path))

    monkeypatch.setattr("realtime.tape.os.open", refuse)
    with pytest.raises(JournalError) as refused:
        Writer(tmp_path / "journal", header(), b"{}")
    assert os.strerror(code) in str(refused.value)
    assert "make it writable, or choose another home folder" in str(refused.value)


def test_the_recorders_word_that_does_not_fit_leaves_the_one_before(tmp_path: Path) -> None:
    leave_word(tmp_path, "okx-1", 7)
    with files_of_at_most(3), pytest.raises(JournalError, match=r"taken\.json: cannot write the journal: File too"):
        leave_word(tmp_path, "okx-1", 8)
    assert taken(tmp_path, "okx-1") == 7


def test_a_segment_that_cannot_be_sealed_stays_as_it_is_and_old_ones_are_dropped(tmp_path: Path) -> None:
    for number in range(1, 6):
        writer = Writer(tmp_path, header(first_seq=number), b'{"long":"%s"}' % os.urandom(300).hex().encode())
        writer.append([trades_entry([number])])
        writer.close()
    seal(segments(tmp_path)[0])
    with files_of_at_most(200):
        tidied = tidy(tmp_path, 5, now=BEGIN, retention_us=DAY, retention_bytes=0)
    assert (tidied.sealed, tidied.dropped) == (0, 1)
    assert [path.name[-3:] for path in sorted(tmp_path.iterdir())] == ["2.j", "3.j", "4.j", "5.j"]
    assert stored(tmp_path) == [2, 3, 4, 5]


def test_a_file_where_the_journal_should_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "journal").touch()
    with pytest.raises(JournalError, match=f"{tmp_path}/journal/okx: cannot write the journal"):
        Writer(tmp_path / "journal" / "okx", header(), b"{}")


@pytest.mark.slow
async def test_without_disk_space_worker_and_recorder_say_so_and_their_successors_lose_nothing(tmp_path: Path) -> None:
    truth = tmp_path / "truth.jsonl"
    options = Options(seed=9, venues=("okx",), lookback_us=MINUTE, rate=100.0, truth=truth)
    async with bench(tmp_path, options, instruments=["BTC-USDT", "BTC-USDT-PERP"], recorder={"commit_s": 0.5}) as small:
        one = Storm(small)
        await one.start(*one.names)
        await one.ready()
        journal = segments(small.settings.journal_root / "okx")[-1]
        full(one.running["worker-okx"], journal.stat().st_size + 100)
        full(one.running[RECORDER], 3_000)
        assert await asyncio.wait_for(one.running["worker-okx"].wait(), 60) == 1
        assert await asyncio.wait_for(one.running[RECORDER].wait(), 60) == 1
        log = (tmp_path / "worker.log").read_text()
        assert re.search(rf"error: {journal}: cannot write the journal: .*\. Nothing more is published; ", log)
        assert "what is missed meanwhile is fetched; free space there, then start again." in log
        assert "Traceback" not in log
        log = (tmp_path / "recorder.log").read_text()
        assert re.search(rf"error: {small.settings.lake_root}/\w+: cannot write the lake: .*File too large", log)
        assert "Nothing of this commit is stored, and nothing before is lost" in log
        assert "Traceback" not in log
        await one.start(*one.names)
        await one.settle()
        stopped = await one.stop()
        found = compare(Lake(small.settings.lake_root, realm="emulated"), happened(truth), stopped - SECOND, {})
    found = [row for row in found if row.instrument in small.settings.instruments]
    assert [row.faults for row in found] == [[], []]
    assert all(row.lost == 0 and row.states == {"repaired": 1} for row in found)


def full(process: asyncio.subprocess.Process, size: int) -> None:
    """From now on no file of this process may grow beyond so many bytes."""
    psutil.Process(process.pid).rlimit(psutil.RLIMIT_FSIZE, (size, size))
