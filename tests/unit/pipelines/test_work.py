"""One venue's parts: all done, or ended early and told."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from pipelines.load import Lander
from pipelines.plan import Part
from pipelines.progress import Step, listener
from pipelines.sources.base import Unreachable, follow
from pipelines.work import Work
from tests.unit.pipelines.made import MINUTE, RULES, T0, Scripted, lake_at
from warehouse.clock import HOUR, ManualClock
from warehouse.errors import LakeError, Rejected
from warehouse.store import Lake
from warehouse.venues.base import Fetch

PARTS = [Part("candles", "okx", "BTC-USDT", "1m", T0 + i * 5 * MINUTE, T0 + (i + 1) * 5 * MINUTE) for i in range(20)]


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return lake_at(tmp_path)


def bars(fetch: Fetch) -> object:
    """OKX's page of one-minute bars below `after`, new to old."""
    end = int(fetch.query["after"])
    times = range(end - 60_000, end - 60_000 * 301, -60_000)
    return {"code": "0", "msg": "", "data": [[str(t), "2", "3", "1", "2", "1", "2", "2", "1"] for t in times]}


def work(source: Scripted, lake: Lake) -> Work:
    return Work("candles", source, {"BTC-USDT": RULES}, Lander(lake, "run"), ManualClock(T0 + 5 * HOUR))


async def test_every_part_is_fetched_landed_and_told(lake: Lake) -> None:
    steps: list[Step] = []
    token = listener.set(steps.append)
    report = await work(Scripted("okx", bars), lake).run(PARTS)
    listener.reset(token)
    assert (report.parts, report.done, report.rows, report.error) == (20, 20, 100, None)
    assert lake.read("candles").height == 100
    assert steps[0] == Step("candles", "okx", 0, 20, 0)
    assert steps[-1].done == 20


async def test_a_venue_out_of_reach_ends_the_work_and_is_not_hammered(lake: Lake) -> None:
    def gone(_: Fetch) -> object:
        raise Unreachable("okx", "connection refused")

    source = Scripted("okx", gone)
    report = await work(source, lake).run(PARTS)
    assert report.error == "okx: connection refused"
    assert not report.reachable
    assert len(source.asked) <= 8
    assert {row["error"] for row in lake.read("outcomes").to_dicts()} == {"okx: connection refused"}


async def test_one_refused_part_does_not_stop_the_others(lake: Lake) -> None:
    asked: list[Fetch] = []

    def first_refused(fetch: Fetch) -> object:
        asked.append(fetch)
        if len(asked) == 1:
            raise Rejected("okx", "51001", "Instrument ID does not exist")
        return bars(fetch)

    report = await work(Scripted("okx", first_refused), lake).run(PARTS)
    assert (report.done, report.parts, report.reachable) == (19, 20, True)
    assert "51001" in str(report.error)


async def test_a_row_that_its_table_refuses_costs_its_own_part_alone(lake: Lake) -> None:
    def first_wrong(fetch: Fetch) -> object:
        answer: Any = bars(fetch)
        if int(fetch.query["after"]) * 1000 == PARTS[0].end:
            answer["data"] = [[*row[:3], "9", *row[4:]] for row in answer["data"]]  # a low above its high
        return answer

    report = await work(Scripted("okx", first_wrong), lake).run(PARTS)
    assert (report.done, report.landed) == (19, 95)
    assert "low" in str(report.error)
    wrong = lake.read("outcomes").filter(pl.col("error").is_not_null())
    assert wrong["landed"].to_list() == [0]
    assert lake.read("candles")["open_time"].cast(pl.Int64).min() == PARTS[1].start


async def test_a_lake_that_refuses_ends_the_work_in_words(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> None:
        raise LakeError(lake.uri("candles"), "no space left on device")

    monkeypatch.setattr("pipelines.work.FRESH_ROWS", 1)
    monkeypatch.setattr(Lake, "upsert", refused)
    with pytest.raises(LakeError, match="no space left"):
        await work(Scripted("okx", bars), lake).run(PARTS)


async def test_an_instrument_without_rules_is_told_not_guessed(lake: Lake) -> None:
    made = Work("candles", Scripted("okx", bars), {}, Lander(lake, "run"), ManualClock(T0 + 5 * HOUR))
    report = await made.run(PARTS[:1])
    assert report.error == "okx lists no BTC-USDT"


async def test_a_walk_gets_its_answers_and_returns_its_value() -> None:
    def walk() -> Generator[Fetch, object, tuple[object, object]]:
        one = yield Fetch(purpose="time", base="rest", path="/a", query={}, ccxt="")
        two = yield Fetch(purpose="time", base="rest", path="/b", query={}, ccxt="")
        return one, two

    source = Scripted("okx", lambda fetch: fetch.path)
    assert await follow(walk(), source) == ("/a", "/b")
