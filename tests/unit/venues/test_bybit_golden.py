"""Frames in Bybit's shape and what they mean, side by side."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from tests.unit.venues.bybit_market import session
from warehouse.clock import SECOND
from warehouse.records import Undecodable
from warehouse.venues.base import Fetch, Output, Send
from warehouse.venues.bybit.session import BybitSession

GOLDEN = Path(__file__).parents[2] / "golden" / "bybit"
RECEIVED = 1_763_733_700_000_000
NOTHING = b'{"retCode":0,"retMsg":"OK","result":{"category":"","list":[]},"time":1763733700000}'


def plain(output: Output) -> dict[str, object]:
    """An output as JSON-able values, led by its type in snake case; frames as text."""
    name = re.sub(r"(?<!^)(?=[A-Z])", "_", type(output).__name__).lower()
    if isinstance(output, Send):
        return {"record": name, "frame": output.frame.decode()}
    return {"record": name, **msgspec.to_builtins(output)}


def frames(name: str) -> list[bytes]:
    return (GOLDEN / f"{name}.jsonl").read_bytes().splitlines()


def joined(market: str, at: int | None = None) -> BybitSession:
    """A session whose recent-trade pages have come back empty, so that nothing is held."""
    one = session(market, at=at)
    one.connected(RECEIVED)
    for request in (b"1", b"2"):
        one.receive(b'{"success":true,"ret_msg":"","req_id":"' + request + b'","op":"subscribe"}', RECEIVED)
    for output in one.tick(RECEIVED + 3_000_000):
        if isinstance(output, Fetch):
            one.answer(output, 200, NOTHING, RECEIVED)
    return one


def remembered(one: BybitSession) -> dict[str, object]:
    """A session's memory without its timers: any frame shows that a topic is alive."""
    return {name: kept for name, kept in one.state().items() if name not in ("heard_at", "silence")}


@pytest.mark.parametrize(
    ("name", "market", "at"),
    [
        ("spot", "spot", None),
        ("linear", "perp", None),
        ("before_20250320", "spot", 1_700_000_000_000_000),
        ("spot_feeds", "spot", None),
        ("linear_feeds", "perp", None),
        ("status", "status", None),
    ],
)
def test_frames_still_mean_what_they_meant(name: str, market: str, at: int | None) -> None:
    one = joined(market, at)
    step = SECOND if name.endswith("_feeds") else 0
    outputs = [
        [plain(output) for output in one.receive(frame, RECEIVED + number * step)]
        for number, frame in enumerate(frames(name))
    ]
    expected = [msgspec.json.decode(line) for line in (GOLDEN / f"{name}.records.jsonl").read_bytes().splitlines()]
    assert msgspec.json.decode(msgspec.json.encode(outputs)) == expected


def test_refused_frames_are_each_one_undecodable_and_change_nothing() -> None:
    one = joined("perp")
    before = remembered(one)
    for frame in frames("refused"):
        outputs = one.receive(frame, RECEIVED)
        assert [type(output) for output in outputs] == [Undecodable], frame
    assert remembered(one) == before


def test_silent_frames_give_nothing() -> None:
    one = joined("perp")
    for frame in frames("silent"):
        assert list(one.receive(frame, RECEIVED)) == [], frame
