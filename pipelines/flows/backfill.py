"""Several datasets in one flow: rules first, then everything else at all reachable venues at the same time.

`structure` may be named too; it is judged from what is in the lake once trades and candles have arrived.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from prefect import Task, flow

from configs.load import load
from configs.settings import Settings
from pipelines.flows import artifacts
from pipelines.flows.archives import load_archives
from pipelines.flows.books import load_books
from pipelines.flows.calendar import load_calendar
from pipelines.flows.candles import load_candles
from pipelines.flows.fill import results
from pipelines.flows.funding import load_funding
from pipelines.flows.insurance import load_insurance
from pipelines.flows.open_interest import load_open_interest
from pipelines.flows.price_candles import load_price_candles
from pipelines.flows.reference import load_reference
from pipelines.flows.runner import CONFIGURED
from pipelines.flows.structure import judge_structure
from pipelines.flows.trades import load_trades
from pipelines.progress import Report
from pipelines.scope import Scope
from pipelines.sources.archive import local
from warehouse.errors import ConfigError

LOADS: dict[str, Task[Any, Any]] = {
    "trades": load_trades,
    "funding": load_funding,
    "candles": load_candles,
    "price_candles": load_price_candles,
    "open_interest": load_open_interest,
    "books": load_books,
    "insurance": load_insurance,
    "calendar": load_calendar,
}
"""What can be backfilled, first what the seam and the context wait for."""

JUDGED = ("trades", "funding", "candles")
"""What structure waits for."""

ALL: tuple[str, ...] = ("reference", *LOADS, "structure")

ON_REQUEST = ("archives",)
"""What is fetched when it is named, and not because everything is."""


@flow(name="backfill", task_runner=CONFIGURED, persist_result=False)
def backfill(
    datasets: Sequence[str] = ALL,
    settings: Settings | None = None,
    scope: Scope = Scope(),  # noqa: B008  frozen
) -> list[Report]:
    """Bring `datasets` up to date. A venue that cannot be asked for its rules is left out, the others go on.

    Raises ConfigError for an unknown dataset, venue or symbol before anything is asked.
    """
    settings = settings or load()
    if unknown := [name for name in datasets if name not in (*ALL, *ON_REQUEST)]:
        raise ConfigError(f"unknown dataset {', '.join(unknown)}; known: {', '.join((*ALL, *ON_REQUEST))}, all")
    venues = scope.chosen(settings)
    scope.check(settings)
    local.check(settings, scope)
    reports = results([load_reference.submit(settings, venue, scope) for venue in venues])
    reachable = [report.venue for report in reports if report.reachable]
    futures = {
        name: [load.submit(settings, venue, scope) for venue in reachable]
        for name, load in LOADS.items()
        if name in datasets
    }
    for name in JUDGED:
        reports += results(futures.pop(name, ()))
    if "archives" in datasets:
        reports += results([load_archives.submit(settings, venue, scope) for venue in reachable])
    if "structure" in datasets:
        reports += results([judge_structure.submit(settings, venue, scope) for venue in venues])
    for others in futures.values():
        reports += results(others)
    artifacts.report("backfill", reports)
    return reports
