"""Reference data: the instruments' trading rules, kept with the time from which they hold."""

from __future__ import annotations

from prefect import flow, task
from prefect.cache_policies import NO_CACHE

from configs.load import load
from configs.settings import Settings
from pipelines.desk import Desk
from pipelines.flows.fill import at_all_venues
from pipelines.flows.rules import refresh
from pipelines.flows.runner import CONFIGURED
from pipelines.progress import Report, Step, tell
from pipelines.scope import Scope
from warehouse.clock import SECOND
from warehouse.errors import ConfigError, VenueError


@task(name="reference", task_run_name="reference-{venue}", cache_policy=NO_CACHE, persist_result=False)
async def load_reference(settings: Settings, venue: str, scope: Scope) -> Report:
    """The rules of all instruments of one venue. Its report says whether the venue can be reached at all."""
    instruments = [listing.instrument for listing in settings.listings(venue)]
    tell(Step("reference", venue, 0, 1, 0))
    async with Desk(settings, venue) as desk:
        began = desk.clock.now()
        try:
            rules = await refresh(desk, instruments)
        except (VenueError, ConfigError) as error:
            return Report(dataset="reference", venue=venue, parts=1, error=str(error), reachable=False)
        seconds = (desk.clock.now() - began) / SECOND
    tell(Step("reference", venue, 1, 1, len(rules)))
    notes = {f"{venue} does not list {name}": 1 for name in instruments if name not in rules}
    return Report(
        dataset="reference", venue=venue, parts=1, done=1, rows=len(rules), landed=len(rules), seconds=seconds,
        notes=notes,
    )  # fmt: skip


@flow(name="refresh-reference", task_runner=CONFIGURED, persist_result=False)
def refresh_reference(settings: Settings | None = None, scope: Scope = Scope()) -> list[Report]:  # noqa: B008  frozen
    """Ask every venue for its trading rules."""
    return at_all_venues(load_reference, settings or load(), scope, "refresh-reference")
