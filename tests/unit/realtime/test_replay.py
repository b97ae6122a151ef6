"""A journal on disk gives the bytes that the engine gave live, whole or from any of its segments."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from p9.commands.replay import replay as command
from p9.commands.watch import watch
from realtime.message import Message
from realtime.replay import replay, ticked, turns
from realtime.sinks.memory import MemorySink
from realtime.tape import segments
from tests.kit.bus import Bus, bus
from tests.kit.produced import journaled
from tests.kit.tapes import tape
from warehouse.errors import JournalError
from warehouse.journal import Entry, Kind

__all__ = ["bus"]

CUTS = (2000, 4000)


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Message]]:
    """Three segments of one run, and what was produced live."""
    folder = tmp_path_factory.mktemp("journal")
    return folder, journaled(folder, CUTS, epoch=4)


def produced(path: Path, block: int = 256) -> list[bytes]:
    return [one.produced for turn in turns(path, block) for one in turn.produced.messages]


def test_replay_gives_the_live_bytes(journal: tuple[Path, list[Message]]) -> None:
    folder, live = journal
    assert produced(folder) == [one.produced for one in live]
    assert produced(folder, 7) == [one.produced for one in live]


def test_replay_begins_at_any_segment(journal: tuple[Path, list[Message]]) -> None:
    folder, live = journal
    last = produced(segments(folder)[-1])
    assert last == [one.produced for one in live][-len(last) :]
    assert len(last) > 100


async def test_a_sink_gets_the_journals_own_time(journal: tuple[Path, list[Message]]) -> None:
    folder, live = journal
    memory = MemorySink("emulated")
    summary = await replay(folder, memory)
    assert (summary.segments, summary.epochs, summary.messages) == (3, 1, len(live))
    message = msgspec.json.decode(memory.sent[-1][1])
    assert message["ts_pub"] == message["ts_recv"]
    assert message["epoch"] == 4


async def test_a_pace_waits_for_the_recorded_time(journal: tuple[Path, list[Message]]) -> None:
    folder, _ = journal
    summary = await replay(segments(folder)[-1], MemorySink(), speed=1000.0)
    assert summary.entries == len(tape()[1]) - CUTS[-1]


def test_the_command_prints_lines(journal: tuple[Path, list[Message]], tmp_path: Path) -> None:
    folder, live = journal
    out = tmp_path / "out.jsonl"
    result = CliRunner().invoke(command, [str(folder), "--out", str(out)])
    assert result.exit_code == 0, result.output
    lines = [msgspec.json.decode(line) for line in out.read_bytes().splitlines()]
    assert len(lines) == len(live)
    assert {line["source"] for line in lines} == {"emulated"}
    assert all(line["record"] == line["channel"].partition(":")[0] for line in lines)


def test_the_command_fills_a_bus_and_watch_reads_it(journal: tuple[Path, list[Message]], bus: Bus) -> None:
    folder, _ = journal
    result = CliRunner().invoke(command, [str(folder), "--to", "redis", "--bus", bus.url, "--prefix", ""])
    assert result.exit_code == 0, result.output
    found = CliRunner().invoke(watch, ["fusion_data:*", "--json", "--bus", bus.url, "--count", "5"])
    assert found.exit_code == 0, found.output
    channels = [msgspec.json.decode(line)["channel"] for line in found.output.splitlines()]
    assert len(channels) == len(set(channels)) == 5


def test_speeds_that_are_none_are_refused(journal: tuple[Path, list[Message]]) -> None:
    result = CliRunner().invoke(command, [str(journal[0]), "--speed", "warp"])
    assert result.exit_code == 2
    assert "write max, 1x or 10x" in result.output


def test_a_folder_without_segments_is_no_journal(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="no journal segments"):
        list(turns(tmp_path))


def test_recordings_without_a_timer_get_one() -> None:
    entries = [Entry(at, "a", int(Kind.FRAME), b"") for at in (1_000_050, 1_000_060, 1_250_000)]
    found = [(entry.ts_recv, entry.kind) for entry in ticked(entries)]
    assert found == [(1_000_050, 1), (1_000_060, 1), (1_100_000, 5), (1_200_000, 5), (1_250_000, 1)]
