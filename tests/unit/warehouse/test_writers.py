"""Two writers that meet between reading and committing, with no lock between them: each row stands once."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError

from tests.kit.journals import BEGIN
from warehouse import store
from warehouse.clock import HOUR, Micros
from warehouse.layout import write
from warehouse.records import FundingRate
from warehouse.store import Lake

FILES = 4


def rate(at: Micros, value: float = 1e-4) -> FundingRate:
    return FundingRate(
        venue="okx", instrument="BTC-USDT-PERP", ts_event=at, ts_recv=1, funding_rate=value, settled=True
    )


@pytest.fixture
def root(tmp_path: object) -> str:
    """A lake where no file can be locked, with a table that no lease guards: as many files as rows."""
    where = f"file://{tmp_path}/lake"
    for hour in range(FILES):
        Lake(where).append("funding", [rate(BEGIN + hour * HOUR)])
    return where


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store._pause, "wait", lambda _: None)


def overtaken(monkeypatch: pytest.MonkeyPatch, root: str, other: Callable[[Lake], object], times: int = 1) -> Lake:
    """A lake that reads the table, whereupon `other` does its work, and then goes on with what it has read."""
    slow, read, left = Lake(root), Lake.handle, [times]

    def handle(self: Lake, name: str) -> DeltaTable:
        held = read(self, name)
        if self is slow and name == "funding" and left[0]:
            left[0] -= 1
            other(Lake(root))
        return held

    monkeypatch.setattr(Lake, "handle", handle)
    return slow


def compact(lake: Lake) -> object:
    return lake.upkeep("funding")


def land(*rates: FundingRate) -> Callable[[Lake], object]:
    return lambda lake: lake.upsert("funding", list(rates), now=BEGIN)


HELD = [rate(BEGIN + hour * HOUR) for hour in range(FILES)]
SOON = [rate(BEGIN + 300), rate(BEGIN + 700)]
"""Within the millisecond of the first row: file statistics cannot tell these times."""


@pytest.mark.parametrize("slower", [compact, land(*HELD), land(HELD[0]), land(*SOON), land(SOON[1])])
@pytest.mark.parametrize("faster", [compact, land(*HELD), land(HELD[0]), land(*SOON), land(SOON[1])])
def test_whoever_meets_whom_each_row_stands_once(
    root: str, slower: Callable[[Lake], object], faster: Callable[[Lake], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    slower(overtaken(monkeypatch, root, faster))
    found = [row.ts_event for row in Lake(root).rows("funding") if isinstance(row, FundingRate)]
    assert len(set(found)) == len(found)
    assert set(found) >= {row.ts_event for row in HELD}


def test_a_compaction_that_others_overtake_each_time_leaves_it(root: str, monkeypatch: pytest.MonkeyPatch) -> None:
    values = iter(range(2, 100))

    def correct(lake: Lake) -> None:
        lake.upsert("funding", [rate(BEGIN, next(values) * 1e-4)], now=BEGIN)

    slow = overtaken(monkeypatch, root, correct, times=store.TRIES)
    assert not slow.upkeep("funding")
    assert Lake(root).upkeep("funding")
    assert [row.funding_rate for row in Lake(root).rows("funding")] == [(store.TRIES + 1) * 1e-4, *[1e-4] * (FILES - 1)]  # type: ignore[attr-defined]


@pytest.mark.parametrize("way", ["append", "rewrite"])
def test_a_commit_that_stands_although_the_store_said_no_is_not_made_again(
    root: str, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As of an object store that answers an error after it has written: the client tries again, and meets itself."""
    calls: list[object] = []

    def unanswered(*arguments: object, **named: object) -> None:
        write(*arguments, **named)  # type: ignore[arg-type]
        calls.append(arguments)
        if len(calls) == 1:
            raise CommitFailedError("a concurrent transaction")

    monkeypatch.setattr(store, "write", unanswered)
    lake, new = Lake(root), rate(BEGIN + FILES * HOUR)
    if way == "append":
        lake.append("funding", [new], {"journal": 7})
    else:
        data = lake.read("funding")
        assert lake.rewrite("funding", data, lambda known: known.head(1), {"journal": 7})
    assert len(calls) == 1
    assert lake.position("funding", "journal") == 7
    assert lake.read("funding").height == (FILES + 1 if way == "append" else 1)
