"""What all backfilling flows share: open the desk, know the rules, plan, do each part, report."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, cast

from prefect import Task
from prefect.futures import PrefectFuture

from configs.settings import Settings
from pipelines.desk import Desk
from pipelines.flows import artifacts
from pipelines.flows.rules import known_rules
from pipelines.plan import Dataset, Part
from pipelines.progress import Report
from pipelines.scope import Scope
from pipelines.sources.base import Unreachable
from pipelines.work import Work
from warehouse.errors import ConfigError, VenueError
from warehouse.instruments import Listing

Plan = Callable[[Desk, Scope, Sequence[Listing]], list[Part]]
"""What is missing at a desk, of a scope and its listings."""


async def fill(dataset: Dataset, plan: Plan, settings: Settings, venue: str, scope: Scope) -> Report:
    """One dataset of one venue: what is missing, do each part, report. A venue out of reach is a report too."""
    listings = scope.listings(settings, venue)
    async with Desk(settings, venue) as desk:
        try:
            rules = await known_rules(desk, [listing.instrument for listing in listings])
        except (VenueError, ConfigError) as error:
            return Report(dataset=dataset, venue=venue, error=str(error), reachable=False)
        work = Work(dataset, desk.source, rules, desk.lander, desk.clock)
        async with artifacts.following(dataset, venue):
            return await work.run(plan(desk, scope, listings))


def results(futures: Iterable[PrefectFuture[Any]]) -> list[Report]:
    """What submitted tasks returned, in order (a future of an async task gives its value, whatever its type says)."""
    return [cast(Report, future.result()) for future in futures]


def at_all_venues(load: Task[Any, Any], settings: Settings, scope: Scope, key: str) -> list[Report]:
    """One task per chosen venue, all at the same time; their reports, also as the run's artifact `key`.

    Raises VenueError when no venue at all could be reached, so that a scheduled run fails visibly.
    """
    reports = results([load.submit(settings, venue, scope) for venue in scope.chosen(settings)])
    artifacts.report(key, reports)
    refuse_silence(reports)
    return reports


def refuse_silence(reports: Sequence[Report]) -> None:
    """Raises VenueError when no venue at all could be reached, so that a scheduled run fails visibly."""
    if reports and not any(report.reachable for report in reports):
        raise Unreachable("all venues", "; ".join(str(report.error) for report in reports))
