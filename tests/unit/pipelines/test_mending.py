"""Mending hole by hole: each source in its order, and a reason for whatever stays missing."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from pipelines.holes import Hole
from pipelines.load import Fetched, Lander
from pipelines.mending import PAST_BOOK, Mended, Mender
from pipelines.searching import Search
from pipelines.sources.base import Unreachable
from tests.kit.lakes import swap
from tests.unit.pipelines.made import MINUTE, RULES, T0, Scripted, candle, fetched, lake_at, recorded, trade
from warehouse.clock import HOUR, SECOND, ManualClock
from warehouse.errors import Rejected
from warehouse.frames import frame
from warehouse.reading import audits, connect
from warehouse.records import Candle, SequenceGap, Trade
from warehouse.store import Lake
from warehouse.tables import GAPS
from warehouse.venues.base import Answer, Fetch

NOW = T0 + 5 * HOUR
EMPTY = T0 + 3 * MINUTE


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """Ten minutes of bars of which the fourth is missing, and coverage that says they are all there."""
    made = lake_at(tmp_path)
    bars = [candle(T0 + n * MINUTE) for n in range(10) if n != 3]
    Lander(made, "run").land([fetched("candles", T0, T0 + 10 * MINUTE, list(bars))], T0 + HOUR)
    return made


def without_the_fourth(fetch: Fetch) -> object:
    """OKX's page of one-minute bars below `after`, new to old, as one that never had the fourth."""
    end = int(fetch.query["after"])
    times = [at for at in range(end - 60_000, end - 60_000 * 301, -60_000) if at * 1000 != EMPTY]
    return {"code": "0", "msg": "", "data": [[str(t), "2", "3", "1", "2", "1", "2", "2", "1"] for t in times]}


def search(lake: Lake) -> Search:
    return Search(lake, Lander(lake, "run"), "okx", {"BTC-USDT": RULES}, NOW, None)


async def mended(lake: Lake, source: Scripted) -> list[Mended]:
    """One repair."""
    made = search(lake)
    mender = Mender(lake, Lander(lake, "run"), source, {"BTC-USDT": RULES}, ManualClock(NOW))
    return await mender.mend(made.all())


def torn(lake: Lake) -> int:
    """What the audit of candles says."""
    return {name: count for name, count, _ in audits(connect(lake.root))}["candles_without_holes"]


async def test_a_minute_that_the_venue_has_no_bar_of_is_legitimate_and_not_asked_about_again(lake: Lake) -> None:
    source = Scripted("okx", without_the_fourth)
    assert torn(lake) == 1
    (one,) = await mended(lake, source)
    assert (one.hole.start, one.hole.end, one.state) == (EMPTY, EMPTY + MINUTE, "legitimate")
    assert torn(lake) == 0
    (row,) = lake.rows("gaps")
    assert isinstance(row, SequenceGap)
    assert (row.stream, row.cause, row.from_ts, row.to_ts) == ("candles", "missing_1m", EMPTY, EMPTY + MINUTE - 1)
    assert "has nothing there" in str(row.reason)
    asked = len(source.asked)
    assert await mended(lake, source) == []
    assert len(source.asked) == asked
    assert lake.read("gaps").height == 1


async def test_a_bar_that_the_venue_lost_is_counted_from_the_lakes_trades(lake: Lake) -> None:
    prints = [trade(1, EMPTY - SECOND), trade(2, EMPTY, 90_000.0), trade(3, EMPTY + SECOND, 90_010.0),
              trade(4, EMPTY + MINUTE, 80_000.0)]  # fmt: skip
    Lander(lake, "run").land([fetched("trades", T0, T0 + 10 * MINUTE, list(prints))], T0 + HOUR)
    (one,) = await mended(lake, Scripted("okx", without_the_fourth))
    assert (one.state, one.rows) == ("repaired", 1)
    assert one.gaps[0].reason == "1 bars from the lake's trades"
    (bar,) = [row for row in lake.rows("candles") if isinstance(row, Candle) and row.open_time == EMPTY]
    assert (bar.open, bar.high, bar.low, bar.close, bar.volume) == (90_000.0, 90_010.0, 90_000.0, 90_010.0, 1.0)
    assert bar.origin == "derived"
    assert search(lake).all() == []


async def test_a_hole_where_coverage_begins_does_not_shorten_what_is_covered(lake: Lake) -> None:
    lander = Lander(lake, "run")
    covered = lander.covered("candles", "okx")
    bars = lake.read("candles").slice(2)
    swap(lake, "candles", bars, venue="okx", instrument="BTC-USDT")
    first, _ = await mended(lake, Scripted("okx", without_the_fourth))
    assert (first.hole.start, first.rows, first.state) == (T0, 2, "repaired")
    assert lander.covered("candles", "okx") == covered


async def test_a_refusal_is_final_and_an_absence_is_not(lake: Lake) -> None:
    def gone(_: Fetch) -> object:
        raise Unreachable("okx", "connection refused")

    def refused(_: Fetch) -> object:
        raise Rejected("okx", "51001", "Instrument ID does not exist")

    (one,) = await mended(lake, Scripted("okx", gone))
    assert one.state == "open"
    (two,) = await mended(lake, Scripted("okx", refused))
    assert (two.state, two.gaps[0].attempts) == ("unrecoverable", 2)
    assert "51001" in str(two.gaps[0].reason)
    assert search(lake).all() == []


async def test_an_open_hole_that_somebody_else_filled_is_closed_without_asking(lake: Lake) -> None:
    def gone(_: Fetch) -> object:
        raise Unreachable("okx", "connection refused")

    await mended(lake, Scripted("okx", gone))
    lake.upsert("candles", [candle(EMPTY)], now=NOW)
    made = search(lake)
    (gap,) = made.closed(made.all())
    mender = Mender(lake, Lander(lake, "run"), Scripted("okx", gone), {"BTC-USDT": RULES}, ManualClock(NOW + SECOND))
    await mender.close([gap])
    newest = lake.rows("gaps")[-1]
    assert isinstance(newest, SequenceGap)
    assert (newest.state, newest.opened_at) == ("repaired", gap.opened_at)
    assert search(lake).closed([]) == []


def lost(stream: str, **fields: object) -> SequenceGap:
    """A hole as the live side left it when it gave up."""
    gap = SequenceGap(
        venue="okx", instrument="BTC-USDT", ts_event=T0, ts_recv=T0, stream=stream, from_id=2, to_id=3, from_ts=T0,
        to_ts=T0 + MINUTE, cause="ids", state="unrecoverable", opened_at=T0, reason="the venue did not answer",
    )  # fmt: skip
    return msgspec.structs.replace(gap, **fields)


def left_behind(lake: Lake, gap: SequenceGap) -> None:
    lake.append("gaps", frame(GAPS, [gap], {"log_seq": [7]}))


async def test_trades_that_stand_by_to_prove_the_seam_are_taken_before_the_venue_is_asked(tmp_path: Path) -> None:
    lake = lake_at(tmp_path)
    left_behind(lake, lost("trades"))
    lake.append("coverage", [recorded(T0, T0 + HOUR, 1)])
    lake.append("trades", [trade(1, T0), trade(4, T0 + MINUTE)])
    lake.append("overlaps", [trade(2, T0 + SECOND), trade(3, T0 + 2 * SECOND)])
    source = Scripted("okx", without_the_fourth)
    (one,) = await mended(lake, source)
    assert (one.state, one.rows, source.asked) == ("repaired", 2, [])
    assert sorted(lake.read("trades")["trade_id"]) == ["1", "2", "3", "4"]
    (first, second) = lake.rows("gaps")
    assert isinstance(first, SequenceGap)
    assert isinstance(second, SequenceGap)
    assert (second.state, second.attempts, second.opened_at) == ("repaired", 1, first.opened_at)
    assert await mended(lake, source) == []


async def test_a_past_book_is_given_up_at_once_with_the_reason(tmp_path: Path) -> None:
    lake = lake_at(tmp_path)
    left_behind(lake, lost("depth", state="open"))
    source = Scripted("okx", without_the_fourth)
    (one,) = await mended(lake, source)
    assert (one.state, one.gaps[0].reason, source.asked) == ("unrecoverable", PAST_BOOK, [])
    assert await mended(lake, source) == []


def test_the_worst_of_its_rows_tells_how_a_hole_stands() -> None:
    hole = Hole(stream="trades", venue="okx", instrument="X", start=0, end=1)
    rows = [lost("trades", state=state) for state in ("repaired", "legitimate", "unrecoverable")]
    assert Mended(hole=hole, gaps=rows).state == "unrecoverable"
    assert Mended(hole=hole, gaps=rows[:2]).state == "legitimate"


class Beside:
    """Another source of a hole's rows that remembers being asked."""

    def __init__(self, name: str, asked: list[str], rows: list[Trade], whole: bool = True) -> None:
        self._name, self._asked, self._rows, self._whole = name, asked, rows, whole

    async def ask(self, hole: Hole, first: Fetched) -> Fetched | None:
        self._asked.append(self._name)
        if not self._whole:
            return msgspec.structs.replace(first, answer=None, error=f"{self._name} has nothing")
        answer = Answer(records=list(self._rows), complete_from=hole.start, complete_to=hole.end)
        return msgspec.structs.replace(first, error=None, answer=answer)

    def expects(self, hole: Hole) -> str | None:
        return None if self._whole else f"{self._name} may have it tomorrow"


@pytest.mark.parametrize("answered", [0, 1, 2])
async def test_sources_are_asked_in_turn_until_one_has_the_rows_and_each_attempt_is_told(
    tmp_path: Path, answered: int
) -> None:
    lake = lake_at(tmp_path)
    left_behind(lake, lost("trades", state="unrecoverable"))

    def refused(_: Fetch) -> object:
        raise Rejected("okx", "50000", "no more")

    asked: list[str] = []
    rows = [trade(2, T0 + SECOND), trade(3, T0 + 2 * SECOND)]
    names = ("archive", "second host")
    others = [Beside(name, asked, rows, place == answered) for place, name in enumerate(names)]
    made = Mender(lake, Lander(lake, "run"), Scripted("okx", refused), {"BTC-USDT": RULES}, ManualClock(NOW), others)
    (one,) = await made.mend(search(lake).all())
    assert asked == ["archive", "second host"][: answered + 1]
    assert lake.read("outcomes")["error"].null_count() == (answered < 2)
    assert lake.read("outcomes").height == [2, 3, 3][answered]
    if answered < 2:
        assert (one.state, one.rows) == ("repaired", 2)
        assert lake.read("trades")["trade_id"].to_list() == ["2", "3"]
    else:
        assert (one.state, one.rows) == ("open", 0)
        assert "archive may have it tomorrow" in str(one.gaps[0].reason)
        again = search(lake)
        assert [hole.gap for hole in again.all()] == one.gaps  # though nothing says that this time was covered
        assert again.closed(again.all()) == []
