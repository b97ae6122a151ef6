"""The flows one after another in this process: what `p9 backfill` and `p9 structure` call."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import cast

from configs.settings import Settings
from pipelines.progress import Report, Step, listener
from pipelines.scope import Scope
from pipelines.server import server_for_here
from pipelines.sources.archive import local


def run(
    datasets: Sequence[str],
    settings: Settings,
    scope: Scope = Scope(),  # noqa: B008  frozen
    progress: Callable[[Step], None] | None = None,
) -> list[Report]:
    """Backfill `datasets` and return one report per dataset and venue; `progress` hears of every part done.

    Raises ConfigError for a choice that the settings do not know. What a venue refuses is in the reports.
    """
    scope.check(settings)
    local.check(settings, scope)
    answering = server_for_here(settings.home)
    from pipelines.flows.backfill import backfill

    _import_heavy()
    answering()
    token = listener.set(progress)
    try:
        return backfill(datasets, settings, scope)
    finally:
        listener.reset(token)


def _import_heavy() -> None:
    """What the tasks import, while Prefect's server starts: two seconds less to wait."""
    import ccxt.async_support  # noqa: F401
    import deltalake  # noqa: F401


def restructure(
    settings: Settings,
    scope: Scope = Scope(),  # noqa: B008  frozen
    progress: Callable[[Step], None] | None = None,
) -> list[Report]:
    """Recompute structure and contexts from the lake: one report per venue. Raises ConfigError for a wrong choice."""
    return _listened("structure", "structure", settings, scope, progress)


def mend(
    settings: Settings,
    scope: Scope = Scope(),  # noqa: B008  frozen
    progress: Callable[[Step], None] | None = None,
) -> list[Report]:
    """Repair the lake: one report per venue, then those of the structure made again. Raises ConfigError as above,
    Unreachable when no venue answers.
    """
    return _listened("repair", "repair", settings, scope, progress)


def check(
    settings: Settings,
    scope: Scope = Scope(),  # noqa: B008  frozen
    progress: Callable[[Step], None] | None = None,
) -> list[Report]:
    """Audits and cross-checks: one report for the audits, one per venue. Raises ConfigError for a wrong choice."""
    return _listened("audit", "audit", settings, scope, progress)


def tidy(
    settings: Settings,
    scope: Scope = Scope(),  # noqa: B008  frozen
    progress: Callable[[Step], None] | None = None,
) -> list[Report]:
    """Upkeep of the lake: one report. Raises ConfigError for a wrong choice."""
    return _listened("upkeep", "upkeep", settings, scope, progress)


def _listened(
    module: str, name: str, settings: Settings, scope: Scope, progress: Callable[[Step], None] | None
) -> list[Report]:
    """Run a flow of `pipelines.flows` while `progress` hears of its steps."""
    scope.check(settings)
    os.environ.setdefault("PREFECT_LOGGING_LOGGERS_PREFECT_FLOW_RUNS_LEVEL", "CRITICAL")  # who calls hears of failures
    answering = server_for_here(settings.home)
    flow = getattr(import_module(f"pipelines.flows.{module}"), name)
    answering()
    token = listener.set(progress)
    try:
        return cast("list[Report]", flow(settings, scope))
    finally:
        listener.reset(token)
