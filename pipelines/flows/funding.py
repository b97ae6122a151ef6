"""Settled funding rates of perpetuals, over the last ninety days or a range that was asked for."""

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
from warehouse.instruments import Listing


def wanted(desk: Desk, scope: Scope, listings: Sequence[Listing]) -> list[plan.Part]:
    """The settlements that this desk's lake lacks."""
    now = desk.clock.now()
    covered = desk.lander.covered("funding", desk.venue)
    return plan.funding(listings, desk.settings.funding_days, now, covered, scope.asked(now))


@task(name="funding", task_run_name="funding-{venue}", cache_policy=NO_CACHE, persist_result=False)
async def load_funding(settings: Settings, venue: str, scope: Scope) -> Report:
    """All missing settled funding rates of one venue."""
    return await fill("funding", wanted, settings, venue, scope)


@flow(name="backfill-funding", task_runner=CONFIGURED, persist_result=False)
def backfill_funding(settings: Settings | None = None, scope: Scope = Scope()) -> list[Report]:  # noqa: B008  frozen
    """Bring the funding history of every venue up to date."""
    return at_all_venues(load_funding, settings or load(), scope, "backfill-funding")
