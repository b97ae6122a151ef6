"""Open interest by five minutes, in base units and one side everywhere, as far back as the venues keep it."""

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
    """The readings that this desk's lake lacks."""
    now = desk.clock.now()
    covered = desk.lander.covered("open_interest", desk.venue)
    return plan.open_interest(listings, desk.settings.open_interest_days, now, covered, scope.asked(now))


@task(name="open_interest", task_run_name="open_interest-{venue}", cache_policy=NO_CACHE, persist_result=False)
async def load_open_interest(settings: Settings, venue: str, scope: Scope) -> Report:
    """All missing readings of one venue."""
    return await fill("open_interest", wanted, settings, venue, scope)


@flow(name="backfill-open-interest", task_runner=CONFIGURED, persist_result=False)
def backfill_open_interest(settings: Settings | None = None, scope: Scope = Scope()) -> list[Report]:  # noqa: B008  frozen
    """Bring the open interest of every venue up to date."""
    return at_all_venues(load_open_interest, settings or load(), scope, "backfill-open-interest")
