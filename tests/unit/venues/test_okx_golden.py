"""Frames in OKX's shape and what they mean, side by side."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from tests.unit.venues.okx_market import session
from warehouse.records import Undecodable
from warehouse.venues.base import Output, Send

GOLDEN = Path(__file__).parents[2] / "golden" / "okx"
RECEIVED = 1_763_733_700_000_000


def plain(output: Output) -> dict[str, object]:
    """An output as JSON-able values, led by its type in snake case; frames as text."""
    name = re.sub(r"(?<!^)(?=[A-Z])", "_", type(output).__name__).lower()
    if isinstance(output, Send):
        return {"record": name, "frame": output.frame.decode()}
    return {"record": name, **msgspec.to_builtins(output)}


def frames(name: str) -> list[bytes]:
    return (GOLDEN / f"{name}.jsonl").read_bytes().splitlines()


@pytest.mark.parametrize(
    ("name", "source", "streams"),
    [
        ("public", "okx.public", ()),
        ("business", "okx.business", ()),
        ("feeds", "okx.public", ()),
        ("aggregated", "okx.public", ("trades",)),
    ],
)
def test_frames_still_mean_what_they_meant(name: str, source: str, streams: tuple[str, ...]) -> None:
    one = session(source, *streams)
    one.connected(RECEIVED)
    outputs = [[plain(output) for output in one.receive(frame, RECEIVED)] for frame in frames(name)]
    expected = [msgspec.json.decode(line) for line in (GOLDEN / f"{name}.records.jsonl").read_bytes().splitlines()]
    assert msgspec.json.decode(msgspec.json.encode(outputs)) == expected


def test_refused_frames_are_each_one_undecodable_and_change_nothing() -> None:
    one = session("okx.business")
    before = one.state()
    for frame in frames("refused"):
        outputs = one.receive(frame, RECEIVED)
        assert [type(output) for output in outputs] == [Undecodable], frame
    assert one.state() == {**before, "heard": RECEIVED, "silence": one.state()["silence"]}


def test_silent_frames_give_nothing() -> None:
    one = session("okx.business")
    assert [list(one.receive(frame, RECEIVED)) for frame in frames("silent")] == [[]] * 6
