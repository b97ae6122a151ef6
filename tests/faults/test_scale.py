"""More than one machine: the same code with other URLs, an object store, PostgreSQL under Prefect, a Dask cluster."""

from __future__ import annotations

import asyncio
import os
import sys
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import polars as pl
import pytest

from configs.load import dump
from configs.settings import BusSettings, FlowSettings, LakeSettings, Settings
from pipelines.deploy import DEPLOYMENTS
from pipelines.prefect_env import answers
from realtime.emulator.emulator import Options
from tests.kit import processes
from tests.kit.installation import Bench, bench
from tests.kit.scale import cluster, free_ports, object_store, postgres, ray, running, transitions
from warehouse.clock import MINUTE, Micros, SystemClock, iso
from warehouse.store import Lake
from warehouse.venues import VENUES

SOME = ["BTC-USDT", "BTC-USDT-PERP"]
RECORDING = (("worker", "--venue", "okx"), ("recorder",))
DATASETS = ("candles", "price_candles", "open_interest", "trades", "structure")
COMPARED = ("candles", "price_candles", "open_interest", "trades", "instruments")


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """An S3 server; what a process needs in its environment to use it, which this one has."""
    folder = tmp_path / "s3"
    folder.mkdir()
    with object_store(folder) as environment:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        yield environment


@asynccontextmanager
async def venues(folder: Path, **overrides: object) -> AsyncIterator[Bench]:
    """Three emulated venues and a bus."""
    options = Options(seed=11, venues=VENUES, lookback_us=16 * MINUTE)
    small = {"instruments": SOME, "timeframes": ["1m", "15m", "1h"], "candles_depth": 100}
    async with bench(folder, options, **small, **overrides) as here:
        yield here


def machine(here: Bench, name: str, settings: Settings) -> tuple[Path, dict[str, str]]:
    """A home of its own with this configuration."""
    home = here.settings.home / name
    home.mkdir()
    dump(settings, home / "config.yaml")
    return home, {"P9_CONFIG": str(home / "config.yaml")}


def together(here: Bench, root: str, **flows: str) -> Settings:
    """The configuration that all machines share: nothing but URLs."""
    changed = {"bus": BusSettings(url=here.settings.bus_url), "lake": LakeSettings(root=root)}
    return here.settings.model_copy(update={**changed, "flows": FlowSettings.model_validate(flows)})


def contents(lake: Lake, name: str) -> pl.DataFrame:
    """A table's rows but for when they were received. Bybit serves only its newest trades, which change meanwhile."""
    rows = lake.read(name).drop("ts_recv", strict=False)
    return rows.filter((pl.col("venue") != "bybit") | (name != "trades")).sort(pl.all())


def span() -> tuple[Micros, Micros]:
    """A quarter of an hour that is over."""
    now = SystemClock().now() // MINUTE * MINUTE
    return now - 15 * MINUTE, now - MINUTE


def equal(far: Lake, near: Lake) -> None:
    """Assert that two lakes hold the same history."""
    for name in COMPARED:
        assert contents(near, name).height, name
        assert contents(far, name).equals(contents(near, name)), name


async def p9(at: tuple[Path, dict[str, str]], *words: str) -> str:
    """Run a command on a machine; it must succeed."""
    code, said = await processes.run(at[0], *words, environment=at[1], seconds=150)
    assert code == 0, said
    return said


@pytest.mark.slow
@pytest.mark.timeout(239)
async def test_two_machines_fill_one_lake_in_an_object_store_as_one_fills_a_folder(
    tmp_path: Path, store: dict[str, str]
) -> None:
    root = "s3://p9-lake/one"
    async with venues(tmp_path) as here:
        one, two = (machine(here, name, together(here, root)) for name in ("one", "two"))
        clean = machine(here, "clean", together(here, ""))
        start, end = span()
        wanted = [*DATASETS, "--since", iso(start), "--until", iso(end)]
        await asyncio.gather(*(p9(each, "backfill", *wanted) for each in (one, two, clean)))
        far, near = Lake(root, realm="emulated"), Lake(clean[0] / "lake", realm="emulated")
        equal(far, near)

        await p9(two, "upkeep")
        await p9(one, "verify", "lake")
        kept = contents(near, "trades").height
        asked = "SELECT (SELECT count(*) FROM trades WHERE venue <> 'bybit'), count(DISTINCT venue) FROM contexts"
        assert f"{kept},3" in await p9(two, "sql", asked)

        live = [await processes.start(one[0], *words, environment=one[1]) for words in RECORDING]
        assert await processes.wait_for(lambda: far.read("trades")["log_seq"].count() > 0, 60)
        for process in reversed(live):
            process.terminate()
        assert [await process.wait() for process in live] == [0, 0]
        assert contents(far, "trades").select("venue", "instrument", "trade_id").is_duplicated().sum() == 0


def ask(url: str, body: object = None, method: str | None = None) -> Any:
    """What Prefect's pages for people ask of its API."""
    data = None if body is None else msgspec.json.encode(body)
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"}, method=method)
    with urllib.request.urlopen(request, timeout=30) as reply:
        return msgspec.json.decode(reply.read() or b"null")


@pytest.mark.slow
@pytest.mark.timeout(239)
async def test_two_runs_of_a_work_pool_on_two_machines_leave_one_clean_lake(
    tmp_path: Path, store: dict[str, str]
) -> None:
    root, (port,) = "s3://p9-lake/pool", free_ports(1)
    api = f"http://127.0.0.1:{port}/api"
    async with venues(tmp_path) as here, AsyncExitStack() as stack:
        both = {"PREFECT_API_URL": api, "PREFECT_HOME": str(tmp_path / "prefect")}
        address = stack.enter_context(cluster(tmp_path, both))
        settings = together(here, root, runner="dask", cluster=address)
        server, one, two = (machine(here, name, settings) for name in ("server", "one", "two"))
        clean = machine(here, "clean", together(here, ""))

        database = {"PREFECT_SERVER_DATABASE_CONNECTION_URL": stack.enter_context(postgres())}
        words = [sys.executable, "-m", "p9", "flows", "server", "--port", str(port)]
        told = {**os.environ, **server[1], "P9_HOME": str(server[0]), **database}
        stack.enter_context(running(words, tmp_path / "server.log", told))
        assert await processes.wait_for(lambda: answers(api), 100)
        assert ask(api.replace("/api", "/ui-settings"))["api_url"] == api
        for home, config in (one, two):
            words = [sys.executable, "-m", "prefect", "worker", "start", "--pool", "machines", "--type", "process"]
            told = {**os.environ, **config, "P9_HOME": str(home), **both, "PREFECT_WORKER_QUERY_SECONDS": "1"}
            stack.enter_context(running([*words, "--limit", "1"], home / "worker.log", told))
        assert await processes.wait_for(lambda: bool(ask(f"{api}/work_pools/filter", {})), 60)
        await p9((one[0], {**one[1], **both}), "flows", "deploy", "--pool", "machines")

        deployed = {each["name"]: each["id"] for each in ask(f"{api}/deployments/filter", {})}
        assert sorted(deployed) == sorted(each.name for each in DEPLOYMENTS)
        for name in deployed:
            ask(f"{api}/deployments/{deployed[name]}", {"paused": name != "backfill"}, "PATCH")
        start, end = span()
        wanted = {"parameters": {"datasets": DATASETS, "scope": {"since": start, "until": end}}}
        runs = [ask(f"{api}/deployments/{deployed['backfill']}/create_flow_run", wanted)["id"] for _ in range(2)]
        await p9(clean, "backfill", *DATASETS, "--since", iso(start), "--until", iso(end))

        def over() -> bool:
            found = [ask(f"{api}/flow_runs/{run}")["state_type"] for run in runs]
            assert not {"FAILED", "CRASHED", "CANCELLED"} & set(found), found
            return found == ["COMPLETED"] * 2

        assert await processes.wait_for(over, 150)
        equal(Lake(root, realm="emulated"), Lake(clean[0] / "lake", realm="emulated"))
        assert all("ubmitting flow run" in (home / "worker.log").read_text() for home, _ in (one, two))
        tables = ask(f"{api}/artifacts/filter", {"artifacts": {"key": {"any_": ["backfill"]}}})
        assert sorted(each["flow_run_id"] for each in tables) == sorted(runs)
        assert transitions(address) > 0


@pytest.mark.slow
@pytest.mark.timeout(239)
async def test_tasks_on_a_ray_cluster_fill_a_lake_as_threads_do(tmp_path: Path) -> None:
    async with venues(tmp_path) as here:
        with ray(tmp_path) as (address, done):
            settings = here.settings.model_copy(update={"flows": FlowSettings(runner="ray", cluster=address)})
            far, near = machine(here, "far", settings), machine(here, "near", here.settings)
            start, end = span()
            wanted = ["candles", "trades", "--since", iso(start), "--until", iso(end)]
            before = done()
            await asyncio.gather(*(p9(each, "backfill", *wanted) for each in (far, near)))
            assert done() > before
        for name in ("candles", "trades", "instruments"):
            one, other = (contents(Lake(home / "lake", realm="emulated"), name) for home, _ in (far, near))
            assert one.height, name
            assert one.equals(other), name
