"""Upkeep: few large files instead of many small ones, sorted days, no expired rows, a ledger without repetitions.

The recorder keeps the tables that it writes every few seconds; this flow keeps the others, and those too while nothing
is being recorded. Days that are over it sorts in all tables.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl
from prefect import flow, task
from prefect.cache_policies import NO_CACHE

from configs.load import load
from configs.settings import Settings
from pipelines.desk import open_lake
from pipelines.flows import artifacts
from pipelines.flows.fill import results
from pipelines.flows.runner import CONFIGURED
from pipelines.load import Lander
from pipelines.progress import Report, Step, tell
from pipelines.scope import Scope
from pipelines.tidying import shorter
from warehouse.clock import DAY, SECOND, Micros, SystemClock
from warehouse.frames import frame, records
from warehouse.tables import COVERAGE, TABLES, Coverage

if TYPE_CHECKING:
    from warehouse.store import Lake


@task(name="upkeep", cache_policy=NO_CACHE, persist_result=False)
def keep(settings: Settings) -> Report:
    """Retention, the coverage ledger, days that are over, then every table's files.

    `landed` counts the rows that are gone.
    """
    clock, lake = SystemClock(), open_lake(settings)
    began = clock.now()
    notes = {f"{name}: {count} rows expired": 1 for name, count in expire(lake, settings, began).items() if count}
    gone = sum(int(note.split()[1]) for note in notes)
    for venue in settings.enabled():
        if shortened := shorten(lake, venue):
            notes[f"coverage of {venue}: {shortened} rows that others repeat"] = 1
            gone += shortened
    for one in TABLES:
        if sealed := lake.seal(one.name, began):
            notes[f"{one.name}: {sealed} days sorted by instrument"] = 1
    names = [one.name for one in TABLES if lake.exists(one.name) and (not one.live or not recording(lake, settings))]
    for done, name in enumerate(names, 1):
        if not lake.upkeep(name):
            notes[f"{name}: small files left for the next time, others wrote all the while"] = 1
        tell(Step("upkeep", "all", done, len(names), gone))
    seconds = (clock.now() - began) / SECOND
    return Report(
        dataset="upkeep", venue="all", parts=len(names), done=len(names), rows=gone, landed=gone, seconds=seconds,
        notes=notes,
    )  # fmt: skip


@flow(name="upkeep", task_runner=CONFIGURED, persist_result=False)
def upkeep(settings: Settings | None = None, scope: Scope = Scope()) -> list[Report]:  # noqa: B008  frozen
    """Keep the lake small and quick to read. Loses nothing that has not expired."""
    settings = settings or load()
    scope.check(settings)
    reports = results([keep.submit(settings)])
    artifacts.report("upkeep", reports)
    return reports


def expire(lake: Lake, settings: Settings, now: Micros) -> dict[str, int]:
    """Drop what the settings keep no longer, of the tables that flows own; rows dropped by table."""
    kept = settings.flows
    told = lake.scan("contexts").select("venue", "instrument", "created", "digest").sort("created").collect()
    newest = told.group_by("venue", "instrument", maintain_order=True).last()
    return {
        "contexts": lake.expire("contexts", now - kept.contexts_days * DAY, {"digest": sorted(newest["digest"])}),
        "outcomes": lake.expire("outcomes", now - kept.outcomes_days * DAY),
        "mismatches": lake.expire("mismatches", now - kept.mismatches_days * DAY),
    }


def shorten(lake: Lake, venue: str) -> int:
    """Rewrite a venue's coverage so that it says the same in fewer rows; returns how many fewer."""
    before = lake.read("coverage", venue=venue)
    if not before.height:
        return 0
    fewer = 0

    def change(known: pl.DataFrame) -> pl.DataFrame | None:
        nonlocal fewer
        rows = shorter(row for row in records(COVERAGE, known) if isinstance(row, Coverage))
        fewer = known.height - len(rows)
        return frame(COVERAGE, rows) if fewer else None

    lake.rewrite("coverage", before, change)
    return fewer


def recording(lake: Lake, settings: Settings) -> bool:
    """Whether some recorder is at work on this lake: an interval of trades goes on growing."""
    now = SystemClock().now()
    lander = Lander(lake, "")
    return any(
        intervals.growing(now) for venue in settings.enabled() for intervals in lander.recorded(venue, now).values()
    )
