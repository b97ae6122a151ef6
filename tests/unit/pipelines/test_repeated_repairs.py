"""The word of the ledger over several repairs: what waits stays the same row, and only what is there is closed."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from pipelines.holes import Hole
from pipelines.load import Fetched, Lander
from pipelines.mending import Mended, Mender
from pipelines.plan import Dataset, Part, Span
from pipelines.searching import Search
from tests.kit.lakes import swap
from tests.unit.pipelines.made import MINUTE, RULES, T0, Scripted, candle, lake_at, trade
from warehouse.clock import HOUR, SECOND, ManualClock, Micros
from warehouse.frames import frame, integers
from warehouse.records import Record, SequenceGap, Trade
from warehouse.store import Lake
from warehouse.tables import GAPS, table
from warehouse.venues.base import Answer, Fetch

NOW = T0 + 3 * HOUR
END = T0 + 30 * MINUTE
BYBIT = msgspec.structs.replace(RULES, venue="bybit", symbol="BTCUSDT")
TRADED = [
    msgspec.structs.replace(trade(n, T0 + n * 20 * SECOND), venue="bybit", trade_id=f"id-{n}", trade_seq=None)
    for n in range(90)
]
"""Half an hour, half a coin every 20 seconds; ids do not count."""


def during(start: int, end: int) -> list[Trade]:
    """The trades from minute `start` up to minute `end`."""
    return [one for one in TRADED if T0 + start * MINUTE <= one.ts_event < T0 + end * MINUTE]


def newest_page(_: Fetch) -> object:
    """Bybit's answer: the 60 newest executions, which begin with the tenth minute."""
    rows = [
        {"execId": one.trade_id, "symbol": "BTCUSDT", "price": str(one.price), "size": str(one.size), "side": "Buy",
         "time": str(one.ts_event // 1000)}
        for one in reversed(TRADED[-60:])
    ]  # fmt: skip
    return {"retCode": 0, "retMsg": "OK", "result": {"list": rows}, "time": NOW // 1000}


class File:
    """The day's bulk file: None while it is not out yet."""

    def __init__(self, rows: list[Trade] | None) -> None:
        self._rows = rows

    async def ask(self, hole: Hole, first: Fetched) -> Fetched | None:
        if self._rows is None:
            return None
        answer = Answer(records=list(self._rows), complete_from=hole.start, complete_to=hole.end)
        return msgspec.structs.replace(first, error=None, answer=answer)

    def expects(self, hole: Hole) -> str | None:
        return "the file is not out yet" if self._rows is None else None


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """The half hour's bars and trades, all of it covered."""
    made = lake_at(tmp_path)
    bars = [msgspec.structs.replace(candle(T0 + n * MINUTE), venue="bybit", volume=1.5) for n in range(30)]
    datasets: list[tuple[Dataset, str, list[Record]]] = [("candles", "1m", [*bars]), ("trades", "", [*TRADED])]
    for dataset, timeframe, rows in datasets:
        part = Part(dataset, "bybit", "BTC-USDT", timeframe, T0, END)
        answer = Answer(records=rows, complete_from=T0, complete_to=END)
        Lander(made, "run").land([Fetched(part=part, started_at=T0, answer=answer)], T0 + HOUR)
    return made


def lose(lake: Lake, gone: list[Trade]) -> None:
    left = [one for one in TRADED if one not in gone]
    swap(lake, "trades", frame(table("trades"), left), venue="bybit", instrument="BTC-USDT")


async def repaired(lake: Lake, after: Micros, file: File, window: Span | None = None) -> list[Mended]:
    """One repair, so long after the first."""
    rules = {"BTC-USDT": BYBIT}
    found = Search(lake, Lander(lake, "run"), "bybit", rules, NOW + after, window)
    source, clock = Scripted("bybit", newest_page), ManualClock(NOW + after)
    mender = Mender(lake, Lander(lake, "run"), source, rules, clock, [file])
    holes = found.all()
    await mender.close(found.closed(holes))
    return await mender.mend(holes)


def ledger(lake: Lake) -> list[tuple[float, float, str]]:
    """The newest state of each hole: from and to in minutes, and how it stands."""
    rows = integers(lake.read("gaps")).sort("ts_recv", maintain_order=True)
    newest = rows.unique(["opened_at", "from_id"], keep="last", maintain_order=True).sort("from_ts")
    return [
        ((start - T0) / MINUTE, (end + 1 - T0) / MINUTE, state)
        for start, end, state in newest.select("from_ts", "to_ts", "state").iter_rows()
    ]


async def test_a_page_that_reaches_a_part_of_a_hole_closes_that_part_and_the_rest_waits_as_one_row(lake: Lake) -> None:
    lose(lake, during(8, 13))
    (one,) = await repaired(lake, 0, File(None))
    assert (one.state, one.rows) == ("open", len(during(10, 13)))
    waiting = [(8, 11, "open"), (11, 13, "repaired")]  # the page may have been cut within its first millisecond
    assert ledger(lake) == waiting
    for again in (1, 2):
        await repaired(lake, again * HOUR, File(None))
        assert ledger(lake) == waiting
    await repaired(lake, 3 * HOUR, File(TRADED))
    assert [state for *_, state in ledger(lake)] == ["repaired", "repaired"]
    assert lake.read("trades").height == len(TRADED)
    assert await repaired(lake, 4 * HOUR, File(TRADED)) == []


async def test_a_hole_of_seconds_that_the_live_side_gave_up_waits_with_its_own_times(lake: Lake) -> None:
    lost = during(3, 4)[1:2]
    lose(lake, lost)
    gap = SequenceGap(
        venue="bybit", instrument="BTC-USDT", ts_event=T0, ts_recv=T0, stream="trades", from_id=None, to_id=None,
        from_ts=T0 + 190 * SECOND, to_ts=T0 + 210 * SECOND - 1, cause="disconnect", state="unrecoverable",
        opened_at=T0, reason="no answer",
    )  # fmt: skip
    lake.append("gaps", frame(GAPS, [gap], {"log_seq": [7]}))
    for again in (0, 1, 2):
        await repaired(lake, again * HOUR, File(None))
        assert ledger(lake) == [(190 / 60, 3.5, "open")]
    (one,) = await repaired(lake, 3 * HOUR, File(lost))
    assert (one.state, one.rows) == ("repaired", 1)
    assert ledger(lake) == [(190 / 60, 3.5, "repaired")]


async def test_a_repair_of_another_time_closes_nothing_that_waits(lake: Lake) -> None:
    lose(lake, during(8, 9))
    await repaired(lake, 0, File(None))
    await repaired(lake, HOUR, File(None), (T0, T0 + 5 * MINUTE))
    assert ledger(lake) == [(8, 9, "open")]


async def test_what_somebody_else_brought_is_closed_without_asking(lake: Lake) -> None:
    lose(lake, during(8, 9))
    await repaired(lake, 0, File(None))
    lake.upsert("trades", during(8, 9), now=NOW)
    assert await repaired(lake, HOUR, File(None)) == []
    assert ledger(lake) == [(8, 9, "repaired")]
