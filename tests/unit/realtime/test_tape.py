"""The journal's files: what was appended is read back, torn tails are cut, followers keep up."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from realtime.tape import Tail, Writer, end_of, leave_word, read_segments, segments, taken
from warehouse.errors import JournalError
from warehouse.journal import Entry, Header, Kind


def header(first_seq: int = 1) -> Header:
    return Header(
        journal_id="j1",
        run_id="r1",
        realm="emulated",
        venue="binance",
        first_seq=first_seq,
        created=0,
        rules=[],
        config="{}",
        config_digest="",
    )


def entries(count: int, start: int = 0) -> list[Entry]:
    return [Entry(start + i, "s", Kind.FRAME, b"x" * (i % 50)) for i in range(count)]


def test_entries_come_back_in_order_over_segments(tmp_path: Path) -> None:
    writer = Writer(tmp_path, header(), b"{}")
    assert writer.append(entries(3)) == 1
    writer.rotate(msgspec.structs.replace(header(), first_seq=4), b'{"a":1}')
    writer.append(entries(2, 10))
    writer.close()
    found = [(seq, entry) for _, part in read_segments(tmp_path) for seq, entry in part]
    assert [seq for seq, _ in found] == [1, 2, 3, 4, 5]
    assert [entry for _, entry in found] == entries(3) + entries(2, 10)


def test_a_file_cut_anywhere_gives_exactly_its_whole_blocks(tmp_path: Path) -> None:
    writer = Writer(tmp_path, header(), b"{}")
    ends = [writer.size]
    for turn in range(4):
        writer.append(entries(3, turn))
        ends.append(writer.size)
    writer.close()
    path = segments(tmp_path)[0]
    data = path.read_bytes()
    for cut in range(ends[0], len(data) + 1):
        path.write_bytes(data[:cut])
        whole = sum(1 for end in ends[1:] if end <= cut)
        assert end_of(path)[1] == 1 + 3 * whole


def test_a_flipped_bit_ends_the_segment_there(tmp_path: Path) -> None:
    writer = Writer(tmp_path, header(), b"{}")
    start = writer.size
    writer.append(entries(5))
    writer.append(entries(5))
    writer.close()
    path = segments(tmp_path)[0]
    data = bytearray(path.read_bytes())
    for at in range(start, len(data), 7):
        broken = bytearray(data)
        broken[at] ^= 0x10
        path.write_bytes(bytes(broken))
        assert end_of(path)[1] < 11


def test_a_follower_sees_all_and_waits_on_a_torn_tail(tmp_path: Path) -> None:
    tail = Tail(tmp_path)
    assert tail.read() == []
    writer = Writer(tmp_path, header(), b"{}")
    writer.append(entries(3))
    assert [seq for seq, _ in tail.read()] == [1, 2, 3]
    with writer.path.open("ab") as file:
        file.write(b"P9J1 torn")
    assert tail.read() == []
    after = Writer(tmp_path, header(4), b"{}")
    after.append(entries(2))
    assert [seq for seq, _ in tail.read()] == [4, 5]
    after.close()


def test_a_follower_starts_in_the_middle(tmp_path: Path) -> None:
    writer = Writer(tmp_path, header(), b"{}")
    writer.append(entries(10))
    writer.close()
    assert [seq for seq, _ in Tail(tmp_path, from_seq=8).read()] == [8, 9, 10]


def test_something_else_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "00000000000000000001.j").write_bytes(b"hello")
    with pytest.raises(JournalError, match=r"00000000000000000001\.j: not a journal segment"):
        list(read_segments(tmp_path))


def test_a_follower_goes_on_where_a_writer_found_less_than_was_written(tmp_path: Path) -> None:
    writer = Writer(tmp_path, header(), b"{}")
    writer.append(entries(3))
    whole = writer.size
    writer.append(entries(2))
    writer.close()
    writer.path.write_bytes(writer.path.read_bytes()[:whole])  # a power failure: the lake has 4 and 5
    tail = Tail(tmp_path)
    assert [seq for seq, _ in tail.read()] == [1, 2, 3]
    after = Writer(tmp_path, msgspec.structs.replace(header(6), run_id="r2", follows=4), b"{}")
    after.append(entries(1))
    assert [seq for seq, _ in tail.read()] == [6]
    assert tail.segment is not None
    assert tail.segment.header.jumps


def test_a_follower_waits_for_a_segment_that_is_missing(tmp_path: Path) -> None:
    Writer(tmp_path, header(), b"{}").append(entries(3))
    tail = Tail(tmp_path)
    assert len(tail.read()) == 3
    later = Writer(tmp_path, msgspec.structs.replace(header(9), follows=9), b"{}")
    later.append(entries(1))
    assert tail.read() == []


@pytest.mark.parametrize("first_seq", [1, 3])
def test_a_follower_refuses_numbers_given_twice(tmp_path: Path, first_seq: int) -> None:
    writer = Writer(tmp_path, header(), b"{}")
    writer.append(entries(2))
    whole = writer.size
    writer.append(entries(3))
    tail = Tail(tmp_path)
    assert len(tail.read()) == 5
    writer.path.write_bytes(writer.path.read_bytes()[:whole])
    again = msgspec.structs.replace(header(first_seq), run_id="r2", follows=first_seq)
    Writer(tmp_path, again, b"{}").append(entries(1))
    with pytest.raises(JournalError, match="gives numbers again below 6"):
        tail.read()


def test_a_follower_takes_an_empty_segment_that_is_begun_again(tmp_path: Path) -> None:
    Writer(tmp_path, header(), b"{}")
    tail = Tail(tmp_path)
    assert tail.read() == []
    after = Writer(tmp_path, msgspec.structs.replace(header(), run_id="r2"), b'{"another":"checkpoint"}')
    after.append(entries(2))
    assert [seq for seq, _ in tail.read()] == [1, 2]
    assert tail.segment is not None
    assert tail.segment.header.run_id == "r2"


def test_the_recorders_word_is_about_one_journal(tmp_path: Path) -> None:
    assert taken(tmp_path, "j1") == 0
    leave_word(tmp_path, "j1", 7)
    assert taken(tmp_path, "j1") == 7
    assert taken(tmp_path, "j2") == 0
    leave_word(tmp_path, "j1", 9)
    assert taken(tmp_path, "j1") == 9
    assert segments(tmp_path) == []
    (tmp_path / "taken.json").write_bytes(b"")
    assert taken(tmp_path, "j1") == 0


def test_reading_begins_at_the_segment_that_holds_a_number(tmp_path: Path) -> None:
    writer = Writer(tmp_path, header(), b"{}")
    writer.append(entries(3))
    writer.rotate(header(4), b"{}")
    writer.append(entries(2))
    for from_seq, wanted in ((0, [1, 4]), (3, [1, 4]), (4, [4]), (99, [4])):
        assert [segment.header.first_seq for segment, _ in read_segments(tmp_path, from_seq)] == wanted
