"""States of trading, listings and delistings: what changed, and what the venues announce."""

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
from warehouse.clock import DAY
from warehouse.instruments import Listing


def wanted(desk: Desk, scope: Scope, listings: Sequence[Listing]) -> list[plan.Part]:
    """One question: which states hold, and what is announced."""
    return plan.present("calendar", desk.venue, [""], DAY, desk.clock.now())


@task(name="calendar", task_run_name="calendar-{venue}", cache_policy=NO_CACHE, persist_result=False)
async def load_calendar(settings: Settings, venue: str, scope: Scope) -> Report:
    """The calendar of one venue."""
    return await fill("calendar", wanted, settings, venue, scope)


@flow(name="refresh-calendar", task_runner=CONFIGURED, persist_result=False)
def refresh_calendar(settings: Settings | None = None, scope: Scope = Scope()) -> list[Report]:  # noqa: B008  frozen
    """Ask every venue for states, listings and delistings."""
    return at_all_venues(load_calendar, settings or load(), scope, "refresh-calendar")
