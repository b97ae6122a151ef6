"""The flows over real ccxt against emulated venues: everything planned arrives, and a second run changes nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from configs.settings import Settings
from pipelines import past
from pipelines.desk import open_lake
from pipelines.flows.backfill import backfill
from pipelines.flows.candles import load_candles
from pipelines.flows.funding import load_funding
from pipelines.flows.reference import load_reference
from pipelines.flows.structure import judge_structure
from pipelines.flows.trades import load_trades
from pipelines.progress import Step, listener
from pipelines.scope import Scope
from realtime.emulator.emulator import Options
from tests.kit.installation import Bench, bench
from warehouse import keys
from warehouse.clock import HOUR, MINUTE, SystemClock
from warehouse.context import decode
from warehouse.errors import ConfigError
from warehouse.instruments import Rules
from warehouse.tables import Coverage
from warehouse.venues import VENUES

BTC = Scope(symbols=("BTC",), timeframes=("1h", "1m"))


@pytest.fixture
async def here(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Bench]:
    venues = getattr(request, "param", VENUES)
    options = Options(seed=3, venues=venues, lookback_us=3 * MINUTE)
    async with bench(tmp_path, options, candles_depth=200, trades_lookback_minutes=3) as made:
        yield made


async def fill(settings: Settings, venue: str) -> None:
    for load in (load_reference, load_candles, load_funding, load_trades):
        report = await load.fn(settings, venue, BTC)
        assert report.error is None
        assert report.done == report.parts


@pytest.mark.parametrize("venue", VENUES)
async def test_a_backfill_brings_what_was_planned_and_a_second_one_nothing_new(here: Bench, venue: str) -> None:
    await fill(here.settings, venue)
    lake = open_lake(here.settings)
    candles = lake.read("candles", venue=venue)
    assert candles.height == 2 * 2 * 200
    assert candles["close"].min() > 0  # type: ignore[operator]
    assert lake.read("funding", venue=venue)["settled"].all()
    assert lake.read("trades", venue=venue).height > 50
    end = SystemClock().now() // HOUR * HOUR
    window = Scope(symbols=("BTC",), timeframes=("1h", "1m"), since=end - 3 * HOUR, until=end)
    before = {name: lake.read(name) for name in ("candles", "funding", "instruments", "corrections")}
    assert (await load_candles.fn(here.settings, venue, window)).parts <= 2  # the hours of 1m bars beyond 200
    assert (await load_funding.fn(here.settings, venue, BTC)).landed == 0
    report = await load_reference.fn(here.settings, venue, BTC)
    assert report.done == 1
    again = {name: open_lake(here.settings).read(name) for name in before}
    for name in ("funding", "instruments", "corrections"):
        assert again[name].equals(before[name])
    assert not again["candles"].select("instrument", "timeframe", "open_time").is_duplicated().any()


@pytest.mark.parametrize("here", [("okx",)], indirect=True)
async def test_trades_reach_up_to_now_and_fill_only_what_is_missing(here: Bench) -> None:
    await load_reference.fn(here.settings, "okx", BTC)
    first = await load_trades.fn(here.settings, "okx", BTC)
    lake = open_lake(here.settings)
    rows = lake.read("trades")
    second = await load_trades.fn(here.settings, "okx", BTC)
    assert second.rows < first.rows
    grown = open_lake(here.settings).read("trades")
    assert rows.height <= grown.height <= rows.height + second.rows
    for instrument in ("BTC-USDT", "BTC-USDT-PERP"):
        ids = sorted(grown.filter(grown["instrument"] == instrument)["trade_seq"])
        assert ids == list(range(ids[0], ids[-1] + 1))


@pytest.mark.parametrize("here", [("binance",)], indirect=True)
async def test_trades_past_the_first_journaled_one_prove_the_seam(here: Bench) -> None:
    await load_reference.fn(here.settings, "binance", BTC)
    now = SystemClock().now()
    lake = open_lake(here.settings)
    lake.append(
        "coverage",
        [
            Coverage(
                dataset="trades", venue="binance", instrument="BTC-USDT", start=now - MINUTE, end=now, origin="stream",
                source="journal", live_from=now - MINUTE, ts_recv=now,
            )
        ],
    )  # fmt: skip
    await load_trades.fn(here.settings, "binance", BTC)
    spot = lake.read("trades", instrument="BTC-USDT")
    proof = lake.read("overlaps", instrument="BTC-USDT")
    assert spot.height
    assert proof.height
    assert spot["ts_event"].max() < proof["ts_event"].min()  # type: ignore[operator]
    assert not lake.read("overlaps", instrument="BTC-USDT-PERP").height


@pytest.mark.parametrize("here", [("bybit",)], indirect=True)
async def test_structure_sets_every_context_in_lake_and_bus_and_tells(here: Bench) -> None:
    await fill(here.settings, "bybit")
    news = here.bus.pubsub()  # type: ignore[no-untyped-call]
    news.subscribe(keys.CONTEXT_NEWS)
    report = judge_structure.fn(here.settings, "bybit", BTC)
    assert (report.parts, report.done, report.landed) == (2, 2, 2)
    rules = msgspec.msgpack.decode(here.bus.get(keys.rules("bybit")), type=list[Rules])  # type: ignore[arg-type]
    assert "BTC-USDT" in [each.instrument for each in rules]
    document = decode(here.bus.get(keys.context("bybit", "BTC-USDT")))  # type: ignore[arg-type]
    stored = open_lake(here.settings).read("contexts", instrument="BTC-USDT")
    assert stored["digest"].to_list() == [document.digest]
    assert document.timeframes["1m"].count == 200
    told = [message["data"].decode() for _ in range(6) if (message := news.get_message(timeout=1)) and
            message["type"] == "message"]  # fmt: skip
    assert f"bybit:BTC-USDT:{document.digest}" in told
    here.bus.delete(keys.context("bybit", "BTC-USDT"))
    judge_structure.fn(here.settings, "bybit", BTC)
    assert here.bus.exists(keys.context("bybit", "BTC-USDT"))


@pytest.mark.parametrize("here", [("okx",)], indirect=True)
async def test_past_trades_of_a_context_are_complete_and_in_order(here: Bench) -> None:
    await load_reference.fn(here.settings, "okx", BTC)
    await load_trades.fn(here.settings, "okx", BTC)
    lake = open_lake(here.settings)
    span = past.complete(lake, "okx")["BTC-USDT"]
    assert span[1] - span[0] > 2 * MINUTE
    (rules,) = [row for row in lake.rows("instruments") if isinstance(row, Rules) and row.instrument == "BTC-USDT"]
    history = past.trades(lake, rules, span, span[1])
    assert history is not None
    prints = list(history.trades)
    assert prints == sorted(prints, key=lambda one: one[0])
    assert all(history.complete_from <= one[0] < history.complete_to for one in prints)
    assert past.trades(lake, rules, (0, 0), span[1]) is None


@pytest.mark.parametrize("here", [("okx",)], indirect=True)
async def test_a_venue_out_of_reach_is_reported_and_the_others_go_on(here: Bench, prefect_server: None) -> None:
    dead = here.settings.venues["bybit"].model_copy(
        update={"enabled": True, "endpoints": {"rest": "http://127.0.0.1:9"}}
    )
    settings = here.settings.model_copy(update={"venues": {**here.settings.venues, "bybit": dead}})
    steps: list[Step] = []
    token = listener.set(steps.append)
    reports = await asyncio.to_thread(backfill, ["funding"], settings, BTC)
    listener.reset(token)
    by_venue = {(report.dataset, report.venue): report for report in reports}
    assert by_venue["funding", "okx"].landed > 0
    assert not by_venue["reference", "bybit"].reachable
    assert "cannot connect" in str(by_venue["reference", "bybit"].error)
    assert ("funding", "bybit") not in by_venue
    assert Step("funding", "okx", 1, 1, by_venue["funding", "okx"].rows) in steps


@pytest.mark.parametrize("here", [("okx",)], indirect=True)
async def test_a_lake_of_the_other_realm_is_refused(here: Bench) -> None:
    await load_reference.fn(here.settings, "okx", BTC)
    with pytest.raises(ConfigError, match="live"):
        await load_reference.fn(here.settings.model_copy(update={"realm": "live"}), "okx", BTC)


def test_a_scope_refuses_what_the_settings_do_not_name() -> None:
    from configs.load import load

    settings = load()
    with pytest.raises(ConfigError, match="kraken"):
        Scope(venues=("kraken",)).chosen(settings)
    with pytest.raises(ConfigError, match="DOGE"):
        Scope(symbols=("DOGE",)).listings(settings, "okx")
    with pytest.raises(ConfigError, match="7m"):
        Scope(timeframes=("7m",)).frames(settings)
    assert [one.instrument for one in Scope(symbols=("eth",)).listings(settings, "okx")] == [
        "ETH-USDT",
        "ETH-USDT-PERP",
    ]
