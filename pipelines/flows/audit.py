"""Audit: the lake's promises by SQL, and each source against the others; differences are rows of `mismatches`."""

from __future__ import annotations

from collections import Counter

from prefect import flow, task
from prefect.cache_policies import NO_CACHE

from configs.load import load
from configs.settings import Settings
from pipelines import checks
from pipelines.desk import open_lake
from pipelines.flows import artifacts
from pipelines.flows.fill import results
from pipelines.flows.runner import CONFIGURED
from pipelines.progress import Report, Step, tell
from pipelines.scope import Scope
from warehouse.clock import DAY, SECOND, SystemClock
from warehouse.reading import audits, connect
from warehouse.rows import Mismatch

DAYS = 2
"""How far back a run looks that was not asked for more: two runs of a day each overlap."""

EVERYWHERE = "all"
"""The venue of a finding about a whole table."""


@task(name="cross-checks", task_run_name="cross-checks-{venue}", cache_policy=NO_CACHE, persist_result=False)
def compare(settings: Settings, venue: str, scope: Scope) -> Report:
    """Candles against longer candles and against trades, at one venue."""
    clock, lake = SystemClock(), open_lake(settings)
    began = clock.now()
    window = scope.window(began, DAYS * DAY)
    names = [listing.instrument for listing in scope.listings(settings, venue)]
    found: list[Mismatch] = []
    for done, check in enumerate((checks.roll_up, checks.counted), 1):
        found += [row for row in check(lake, venue, window, began) if row.instrument in names]
        tell(Step("cross-checks", venue, done, 2, len(found)))
    if found:
        lake.upsert("mismatches", found, now=began)
    return _report("cross-checks", venue, 2, found, (clock.now() - began) / SECOND)


@task(name="audits", cache_policy=NO_CACHE, persist_result=False)
def promises(settings: Settings) -> Report:
    """Every audit of `warehouse/sql/audits`; one that selects rows is a mismatch of the day, with their number."""
    clock, lake = SystemClock(), open_lake(settings)
    began = clock.now()
    with connect(settings.lake_root, settings.lake.storage_options) as connection:
        told = audits(connection)
    found = [
        Mismatch(
            check=name,
            venue=EVERYWHERE,
            instrument="",
            at=began - began % DAY,
            field="rows",
            left_source="the lake",
            left_value=float(count),
            right_source="the audit's promise",
            right_value=0.0,
            found_at=began,
        )
        for name, count, _ in told
        if count
    ]
    if found:
        lake.upsert("mismatches", found, now=began)
    return _report("audits", EVERYWHERE, len(told), found, (clock.now() - began) / SECOND)


@flow(name="audit", task_runner=CONFIGURED, persist_result=False)
def audit(settings: Settings | None = None, scope: Scope = Scope()) -> list[Report]:  # noqa: B008  frozen
    """All audits and cross-checks; a report's error says how much did not hold."""
    settings = settings or load()
    scope.check(settings)
    futures = [compare.submit(settings, venue, scope) for venue in scope.chosen(settings)]
    reports = results([promises.submit(settings), *futures])
    artifacts.report("audit", reports)
    return reports


def _report(dataset: str, venue: str, checked: int, found: list[Mismatch], seconds: float) -> Report:
    counts = Counter(f"{row.check} {row.field}" for row in found)
    return Report(
        dataset=dataset,
        venue=venue,
        parts=checked,
        done=checked - len({row.check for row in found}),
        rows=len(found),
        landed=len(found),
        seconds=seconds,
        notes=dict(sorted(counts.items())),
        error=f"{len(found)} differences, see the table mismatches" if found else None,
    )
