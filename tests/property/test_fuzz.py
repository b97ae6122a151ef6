"""Millions of bent frames: every one is either read or reported, none is raised, hung on or hoarded.

`P9_FUZZ` says how many (`make fuzz`: ten million); `P9_FUZZ_SEED` repeats a run that failed. Frames are those of the
golden tests, bent by a fast generator: hypothesis would take hours for as many.
"""

from __future__ import annotations

import os
from pathlib import Path
from random import Random

import msgspec
import psutil
import pytest

from realtime.emulator.listings import listings, rules
from warehouse.clock import SECOND
from warehouse.records import Record, Undecodable
from warehouse.venues import VENUES, venue
from warehouse.venues.base import Command

COUNT = int(os.environ.get("P9_FUZZ", "200000"))
SEED = int(os.environ.get("P9_FUZZ_SEED", "1"))
NOW = 1_795_000_000 * SECOND
GOLDEN = Path(__file__).parents[1] / "golden"

TOKENS = (
    *(b"null", b"true", b"-1", b"0", b"1e999", b"NaN", b'""', b"[]", b"{}", b"[[", b"}}", b'"', b"\\", b",", b":"),
    *(b"99999999999999999999", b"1e-400", b'"-0.0"', b'"Infinity"', b"\x00", b"\xff\xfe", b"[" * 2000),
)


def known(name: str) -> list[bytes]:
    """All frames of the golden tests of one venue."""
    files = sorted(GOLDEN.joinpath(name).glob("*.jsonl"))
    return [line for file in files if ".records." not in file.name for line in file.read_bytes().splitlines() if line]


def bent(random: Random, frames: list[bytes]) -> bytes:
    """A known frame with bytes changed, cut out, repeated, swapped with another's, or replaced by a token."""
    frame = bytearray(frames[random.randrange(len(frames))])
    for _ in range(random.choice((0, 1, 1, 1, 2, 5))):
        at = random.randrange(len(frame) + 1)
        match random.randrange(7):
            case 0:
                frame[at : at + 1] = bytes((random.randrange(256),))
            case 1:
                del frame[at : at + random.randrange(40)]
            case 2:
                frame[at:at] = frame[at : at + random.randrange(60)]
            case 3:
                other = frames[random.randrange(len(frames))]
                frame[at:] = other[random.randrange(len(other)) :]
            case 4:
                frame[at:at] = TOKENS[random.randrange(len(TOKENS))]
            case 5:
                digits = [place for place, byte in enumerate(frame) if 48 <= byte < 58]
                for place in random.sample(digits, min(3, len(digits))):
                    frame[place] = 48 + random.randrange(10)
            case _:
                del frame[at:]
    return bytes(frame)


@pytest.mark.timeout(24 * 3600)
@pytest.mark.parametrize("name", VENUES)
def test_no_bent_frame_gets_the_better_of_a_session(name: str) -> None:
    random, frames = Random(f"{name}:{SEED}"), known(name)
    assert frames
    sessions = venue(name).sessions([rules(listing) for listing in listings(name)])
    for session in sessions:
        session.connected(NOW)
    read = refused = 0
    before = psutil.Process().memory_info().rss
    for number in range(COUNT // len(VENUES)):
        session = sessions[number % len(sessions)]
        frame = bent(random, frames)
        for output in session.receive(frame, NOW + number):
            assert isinstance(output, Record | Command), (SEED, number, frame)
            if isinstance(output, Undecodable):
                refused += 1
                assert len(output.head) <= 400
            else:
                read += 1
        if number % 1000 == 0:
            session.tick(NOW + number)
    kept = psutil.Process().memory_info().rss - before
    assert read
    assert refused
    assert kept < 256 << 20, "what was refused is not hoarded"
    for session in sessions:
        assert len(msgspec.json.encode(session.state())) < 64 << 20
