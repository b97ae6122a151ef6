"""What the lake says of recorded ids: holes that nothing explains, and trades that came out of order."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.kit.journals import BEGIN, STEP, trade
from warehouse.clock import HOUR, SECOND
from warehouse.frames import frame
from warehouse.reading import audits, connect
from warehouse.records import SequenceGap
from warehouse.store import Lake
from warehouse.tables import TRADES, Coverage


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path / "lake")


def record(lake: Lake, numbers: list[int], journal: str) -> None:
    """These trades from a journal of their own, whose interval reaches a little past them."""
    rows = [trade(number) for number in numbers]
    lake.append("trades", frame(TRADES, rows, {"log_seq": list(range(1, len(rows) + 1))}))
    word = Coverage(
        dataset="trades", venue="okx", instrument="BTC-USDT", start=rows[0].ts_event, end=rows[-1].ts_event + SECOND,
        origin="stream", source=journal, first_seq=numbers[0], ts_recv=BEGIN,
    )  # fmt: skip
    lake.append("coverage", [word])


def unexplained(lake: Lake) -> int:
    with connect(lake.root) as ask:
        return {name: count for name, count, _ in audits(ask)}["trades_contiguous"]


def disorder(lake: Lake) -> list[tuple[object, ...]]:
    with connect(lake.root) as ask:
        return ask.execute("SELECT trade_id, kind, behind FROM order_violations ORDER BY ALL").fetchall()


def test_a_hole_that_no_gap_explains_is_found_and_an_explained_one_is_not(lake: Lake) -> None:
    record(lake, [*range(10), *range(15, 20)], "one")
    assert unexplained(lake) == 1
    gap = SequenceGap(
        venue="okx", instrument="BTC-USDT", ts_event=BEGIN, ts_recv=BEGIN, stream="trades", from_id=10, to_id=14,
        from_ts=trade(9).ts_event, to_ts=trade(15).ts_event, cause="missing_ids", state="open", opened_at=BEGIN,
    )  # fmt: skip
    lake.append("gaps", [gap])
    assert unexplained(lake) == 0


@pytest.mark.parametrize("fetched", [[], [*range(10, 2000)]])
def test_between_two_recordings_nothing_is_promised_and_nothing_is_late(lake: Lake, fetched: list[int]) -> None:
    record(lake, [*range(10)], "one")
    record(lake, [*range(2000, 2010)], "two")
    lake.append("trades", [trade(number, origin="rest") for number in fetched] or [trade(5000 + HOUR // STEP)])
    assert unexplained(lake) == 0
    assert disorder(lake) == []


def test_a_trade_that_was_journaled_after_its_successor_is_told(lake: Lake) -> None:
    record(lake, [*range(10)], "one")
    late = [trade(number) for number in (11, 13, 12)]
    lake.append("trades", frame(TRADES, late, {"log_seq": [11, 12, 13]}))
    assert disorder(lake) == [("12", "delivery", 1)]
