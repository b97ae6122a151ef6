"""Frames in Binance's shape and what they mean, side by side."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from tests.unit.venues.binance_market import PERP, SPOT
from warehouse.records import Undecodable
from warehouse.venues.base import Dialect, Fetch, Output, Send
from warehouse.venues.binance.session import BinanceSession, sessions

GOLDEN = Path(__file__).parents[2] / "golden" / "binance"
RECEIVED = 1_763_733_700_000_000


def session(name: str, *streams: str) -> BinanceSession:
    """A connected session of today's streams, or of these."""
    found = {s.name: s for s in sessions([SPOT, PERP], Dialect(streams=streams or None))}
    found[name].connected(RECEIVED)
    return found[name]


def plain(output: Output) -> dict[str, object]:
    """An output as JSON-able values, led by its type in snake case; frames as text."""
    name = re.sub(r"(?<!^)(?=[A-Z])", "_", type(output).__name__).lower()
    if isinstance(output, Send):
        return {"record": name, "frame": output.frame.decode()}
    return {"record": name, **msgspec.to_builtins(output)}


def frames(name: str) -> list[bytes]:
    return (GOLDEN / f"{name}.jsonl").read_bytes().splitlines()


def played(one: BinanceSession, lines: list[bytes]) -> list[list[dict[str, object]]]:
    """The outputs of each line; snapshots answer the book that was asked for last."""
    asked: list[Fetch] = []
    given = []
    for line in lines:
        if line.startswith(b'{"lastUpdateId"'):
            outputs = one.answer(asked.pop(), 200, line, RECEIVED)
        else:
            outputs = list(one.receive(line, RECEIVED))
        asked += [output for output in outputs if isinstance(output, Fetch) and output.purpose == "book"]
        given.append([plain(output) for output in outputs])
    return given


@pytest.mark.parametrize(
    ("name", "connection", "streams"),
    [
        ("spot", "binance.spot", ()),
        ("public", "binance.perp.public", ()),
        ("market", "binance.perp.market", ()),
        ("fills", "binance.perp.public", ("trade",)),
        ("feeds_spot", "binance.spot", ()),
        ("feeds_perp", "binance.perp.market", ()),
    ],
)
def test_frames_still_mean_what_they_meant(name: str, connection: str, streams: tuple[str, ...]) -> None:
    outputs = played(session(connection, *streams), frames(name))
    expected = [msgspec.json.decode(line) for line in (GOLDEN / f"{name}.records.jsonl").read_bytes().splitlines()]
    assert msgspec.json.decode(msgspec.json.encode(outputs)) == expected


@pytest.mark.parametrize(
    ("name", "connection"), [("refused", "binance.spot"), ("feeds_refused", "binance.perp.market")]
)
def test_refused_frames_are_each_one_undecodable_and_change_nothing(name: str, connection: str) -> None:
    one = session(connection)
    before = one.state()
    for frame in frames(name):
        assert [type(output) for output in one.receive(frame, RECEIVED)] == [Undecodable], frame
    assert {**one.state(), "silence": None} == {**before, "silence": None}, "they were heard, that is all"


def test_silent_frames_give_nothing() -> None:
    one = session("binance.spot")
    assert [list(one.receive(frame, RECEIVED)) for frame in frames("silent")] == [[]] * 3
