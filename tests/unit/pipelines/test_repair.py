"""Repair: rows that are cut out come back as they were, and a second run changes nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import polars as pl
import pytest

from configs.settings import Settings
from pipelines.desk import open_lake
from pipelines.flows import artifacts
from pipelines.flows.candles import load_candles
from pipelines.flows.funding import load_funding
from pipelines.flows.open_interest import load_open_interest
from pipelines.flows.price_candles import load_price_candles
from pipelines.flows.reference import load_reference
from pipelines.flows.repair import mend_venue, repair
from pipelines.flows.structure import judge_structure
from pipelines.flows.trades import load_trades
from pipelines.scope import Scope
from realtime.emulator.emulator import Options
from tests.kit.installation import Bench, bench
from tests.kit.lakes import swap
from warehouse.clock import MINUTE, SystemClock
from warehouse.store import Lake

ALL = Scope(timeframes=("1h", "1m"))
SERIES = {
    "candles": ("instrument", "timeframe", "open_time"),
    "price_candles": ("instrument", "kind", "timeframe", "open_time"),
    "open_interest": ("instrument", "ts_event"),
    "funding": ("instrument", "ts_event"),
    "trades": ("instrument", "trade_id"),
}


@pytest.fixture
async def here(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Bench]:
    options = Options(seed=3, venues=(request.param,), lookback_us=10 * MINUTE)
    async with bench(
        tmp_path, options, candles_depth=40, trades_lookback_minutes=10, open_interest_days=1, funding_days=5,
        instruments=["BTC-USDT", "BTC-USDT-PERP"],
    ) as made:  # fmt: skip
        for load in (load_reference, load_candles, load_price_candles, load_open_interest, load_funding, load_trades):
            report = await load.fn(made.settings, request.param, ALL)
            assert report.error is None
        yield made


def rows(lake: Lake, name: str) -> pl.DataFrame:
    """A table without receipt times, in one order."""
    return lake.read(name).drop("ts_recv").sort(SERIES[name])


def cut(lake: Lake, name: str, keep: pl.Expr) -> int:
    """Take rows out of the lake; returns how many. Coverage goes on saying that they are there."""
    data = lake.read(name)
    left = data.filter(keep)
    for (instrument,), part in data.group_by("instrument"):
        swap(
            lake,
            name,
            left.filter(pl.col("instrument") == instrument),
            venue=part["venue"][0],
            instrument=str(instrument),
        )
    return data.height - left.height


def newest(lake: Lake) -> list[dict[str, object]]:
    """The ledger's newest states."""
    key = ["venue", "instrument", "stream", "opened_at", "from_id"]
    return lake.read("gaps").sort("ts_recv").unique(key, keep="last", maintain_order=True).to_dicts()


@pytest.mark.parametrize("here", ["binance", "okx"], indirect=True)
async def test_what_was_cut_out_comes_back_row_for_row(here: Bench) -> None:
    settings, lake = here.settings, open_lake(here.settings)
    (venue,) = settings.enabled()
    whole = {name: rows(lake, name) for name in SERIES}
    number = pl.int_range(pl.len()).over("instrument")
    old = pl.col("ts_event") < SystemClock().now() - 6 * MINUTE
    lost = {
        "candles": cut(lake, "candles", ~number.is_between(20, 33)),
        "price_candles": cut(lake, "price_candles", ~number.is_between(3, 9)),
        "open_interest": cut(lake, "open_interest", ~number.is_between(100, 140)),
        "funding": cut(lake, "funding", ~number.is_between(4, 6)),
        "trades": cut(lake, "trades", ~(number.is_between(20, 45) & old.cast(pl.Boolean))),
    }
    assert all(lost.values()), lost
    done = await mend_venue.fn(settings, venue, ALL)
    assert done.report.error is None
    assert done.report.landed == sum(lost.values())
    assert set(done.dirty) == {"BTC-USDT", "BTC-USDT-PERP"}
    after = open_lake(settings)
    for name, before in whole.items():
        assert rows(after, name).equals(before), name
    states = newest(after)
    assert {row["stream"] for row in states} == set(SERIES)
    assert {row["state"] for row in states} == {"repaired"}
    version = after.version("gaps")
    again = await mend_venue.fn(settings, venue, ALL)
    assert (again.report.parts, again.report.landed, again.dirty) == (0, 0, ())
    assert open_lake(settings).version("gaps") == version


async def out_of_reach(settings: Settings, venue: str) -> Settings:
    """The same installation, whose venue answers no more."""
    dead = settings.venues[venue].model_copy(update={"endpoints": {"rest": "http://127.0.0.1:9"}})
    return settings.model_copy(update={"venues": {**settings.venues, venue: dead}})


@pytest.mark.parametrize("here", ["okx"], indirect=True)
async def test_an_attempt_that_reached_nobody_stays_open_and_the_next_one_closes_it(here: Bench) -> None:
    settings, lake = here.settings, open_lake(here.settings)
    whole = rows(lake, "candles")
    number = pl.int_range(pl.len()).over("instrument", "timeframe")
    cut(lake, "candles", ~((pl.col("timeframe") == "1h") & (number == 7)))
    dead = await out_of_reach(settings, "okx")
    for attempt in (1, 2):
        failed = await mend_venue.fn(dead, "okx", ALL)
        assert failed.report.error is not None
        assert not failed.report.reachable
        first, *_ = newest(open_lake(settings))
        assert (first["state"], first["attempts"]) == ("open", attempt)
    done = await mend_venue.fn(settings, "okx", ALL)
    assert done.report.error is None
    assert rows(open_lake(settings), "candles").equals(whole)
    assert {row["state"] for row in newest(open_lake(settings))} == {"repaired"}


@pytest.mark.parametrize("here", ["bybit"], indirect=True)
async def test_the_flow_restates_the_structure_of_what_it_repaired_and_tells_of_every_gap(
    here: Bench, prefect_server: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    monkeypatch.setattr(artifacts, "emit_event", lambda event, **_: told.append(event))
    lake = open_lake(here.settings)
    judge_structure.fn(here.settings, "bybit", ALL)
    contexts = lake.read("contexts")
    assert contexts.height == 2
    perp = pl.col("instrument") == "BTC-USDT-PERP"
    whole = rows(lake, "candles")
    cut(lake, "candles", ~(perp & (pl.int_range(pl.len()).over("instrument") == 30)))
    judge_structure.fn(here.settings, "bybit", ALL)
    torn = open_lake(here.settings).read("contexts")
    assert torn.height == 3
    reports = await asyncio.to_thread(repair, here.settings, ALL)
    assert [(one.dataset, one.landed, one.error) for one in reports] == [("repair", 1, None), ("structure", 1, None)]
    assert told == ["p9.gap.repaired", "p9.context.restated"]
    after = open_lake(here.settings)
    assert rows(after, "candles").equals(whole)
    newest = after.read("contexts", instrument="BTC-USDT-PERP")
    assert newest.height == torn.filter(perp).height + 1
    assert newest["digest"][-1] != torn.filter(perp)["digest"][-1]
    (again,) = await asyncio.to_thread(repair, here.settings, ALL)
    assert (again.parts, again.landed) == (0, 0)
