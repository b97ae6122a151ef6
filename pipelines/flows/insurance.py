"""Balances of the insurance funds: every pool of every venue, each change once."""

from __future__ import annotations

from collections.abc import Sequence

from prefect import flow, task
from prefect.cache_policies import NO_CACHE

from configs.load import load
from configs.settings import Settings
from pipelines import plan
from pipelines.desk import Desk
from pipelines.flows.fill import at_all_venues, fill
from pipelines.flows.runner import CONFIGURED
from pipelines.progress import Report
from pipelines.scope import Scope
from warehouse.clock import HOUR
from warehouse.instruments import Listing


def wanted(desk: Desk, scope: Scope, listings: Sequence[Listing]) -> list[plan.Part]:
    """One question: how the funds stand now."""
    return plan.present("insurance", desk.venue, [""], HOUR, desk.clock.now())


@task(name="insurance", task_run_name="insurance-{venue}", cache_policy=NO_CACHE, persist_result=False)
async def load_insurance(settings: Settings, venue: str, scope: Scope) -> Report:
    """The funds of one venue."""
    return await fill("insurance", wanted, settings, venue, scope)


@flow(name="refresh-insurance", task_runner=CONFIGURED, persist_result=False)
def refresh_insurance(settings: Settings | None = None, scope: Scope = Scope()) -> list[Report]:  # noqa: B008  frozen
    """Ask every venue about its insurance funds."""
    return at_all_venues(load_insurance, settings or load(), scope, "refresh-insurance")
