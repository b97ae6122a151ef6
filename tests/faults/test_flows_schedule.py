"""The schedule really runs: a served deployment has runs scheduled, and one of them completes and lands its rows."""

from __future__ import annotations

import asyncio
import urllib.request
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from pipelines.deploy import DEPLOYMENTS, flow_of
from pipelines.desk import open_lake
from pipelines.prefect_env import running
from realtime.emulator.emulator import Options
from tests.kit.installation import Bench, bench
from warehouse.clock import MINUTE, monotonic


def test_every_deployment_names_a_flow_and_how_often_it_runs() -> None:
    assert [flow_of(each).name for each in DEPLOYMENTS] == [
        "refresh-context", "snapshot-books", "repair", "backfill-trades", "backfill-open-interest", "backfill-funding",
        "refresh-insurance", "refresh-reference", "upkeep", "refresh-calendar", "reconcile", "audit",
        "backfill", "archives",
    ]  # fmt: skip
    assert len({each.name for each in DEPLOYMENTS}) == len(DEPLOYMENTS)
    scheduled = [each.every_s for each in DEPLOYMENTS if each.every_s is not None]
    assert scheduled == sorted(scheduled)
    assert all(60 <= every_s <= 86_400 for every_s in scheduled)
    assert [each.name for each in DEPLOYMENTS if each.every_s is None] == ["backfill", "archives"]


def post(url: str, body: object) -> list[dict[str, object]]:
    request = urllib.request.Request(url, msgspec.json.encode(body), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as reply:
        found = msgspec.json.decode(reply.read())
    return found if isinstance(found, list) else [found]


async def until(seconds: float, look: Callable[[], list[dict[str, object]]]) -> list[dict[str, object]]:
    """Look again each second until there is something to see."""
    end = monotonic() + seconds
    while monotonic() < end:
        try:
            if found := await asyncio.to_thread(look):
                return found
        except OSError:
            pass  # not up yet, or busy
        await asyncio.sleep(1)
    raise AssertionError("nothing to see in time")


async def served(here: Bench) -> str:
    """Start `p9 flows serve`; the API's URL once all deployments stand there."""
    await here.p9("flows", "serve")
    (where,) = await until(60, lambda: [{"url": url}] if (url := running(here.settings.home)) else [])
    api = str(where["url"])

    def standing() -> list[dict[str, object]]:
        found = post(f"{api}/deployments/filter", {})
        return found if len(found) == len(DEPLOYMENTS) else []

    await until(60, standing)
    return api


@pytest.mark.slow
@pytest.mark.timeout(240)
async def test_the_scheduler_inserts_runs_and_a_due_run_completes(tmp_path: Path) -> None:
    async with bench(tmp_path, Options(seed=3, venues=("okx",), lookback_us=MINUTE)) as here:
        api = await served(here)
        scheduled = {"flow_runs": {"state": {"type": {"any_": ["SCHEDULED"]}}, "deployment_id": {"is_null_": False}}}
        assert await until(60, lambda: post(f"{api}/flow_runs/filter", scheduled))
        (reference,) = (each for each in post(f"{api}/deployments/filter", {}) if each["name"] == "reference")
        (run,) = await until(60, lambda: post(f"{api}/deployments/{reference['id']}/create_flow_run", {}))
        done = {
            "flow_runs": {"id": {"any_": [run["id"]]}, "state": {"type": {"any_": ["COMPLETED", "FAILED", "CRASHED"]}}}
        }
        (ended,) = await until(90, lambda: post(f"{api}/flow_runs/filter", done))
        assert ended["state_type"] == "COMPLETED"
        assert open_lake(here.settings).read("instruments").height == 10
        await here.end(here.processes[0])
        assert running(here.settings.home) is None
