"""Which flows run when: one declaration, served here (`p9 flows serve`) or registered at a work pool."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, cast

import msgspec

if TYPE_CHECKING:
    from prefect import Flow
    from prefect.deployments.runner import RunnerDeployment


class Deployment(msgspec.Struct, frozen=True):
    """One flow. `flow` is its module path; a scheduled run that would overlap its predecessor is left out.

    `every_s` None: no schedule, somebody asks for it.
    `parameters` are the flow's own (empty: its defaults, which are the installation's settings and everything).
    """

    name: str
    flow: str
    every_s: int | None
    tags: tuple[str, ...]
    about: str
    parameters: dict[str, object] = {}


DEPLOYMENTS: tuple[Deployment, ...] = (
    Deployment("context", "pipelines.flows.structure.refresh_context", 300, ("structure", "candles", "price_candles"),
               "New candles of trades, mark and index, then every context document."),
    Deployment("books", "pipelines.flows.books.snapshot_books", 300, ("books",),
               "A snapshot of every order book, up to 1000 levels."),
    Deployment("repair", "pipelines.flows.repair.repair", 300, ("repair",),
               "Holes of the gap ledger and of history: closed, explained or given up."),
    Deployment("trades", "pipelines.flows.trades.backfill_trades", 900, ("trades",),
               "Trades missing from the last hours, and the overlap after every restart."),
    Deployment("open-interest", "pipelines.flows.open_interest.backfill_open_interest", 900, ("open_interest",),
               "Open interest by five minutes, as far back as the venues keep it."),
    Deployment("funding", "pipelines.flows.funding.backfill_funding", 3600, ("funding",),
               "Settled funding rates."),
    Deployment("insurance", "pipelines.flows.insurance.refresh_insurance", 3600, ("insurance",),
               "Balances of the insurance funds."),
    Deployment("reference", "pipelines.flows.reference.refresh_reference", 3600, ("reference",),
               "Trading rules."),
    Deployment("upkeep", "pipelines.flows.upkeep.upkeep", 3600, ("upkeep",),
               "Small files compacted, expired rows dropped."),
    Deployment("calendar", "pipelines.flows.calendar.refresh_calendar", 86_400, ("reference", "calendar"),
               "States of trading, announced listings and delistings."),
    Deployment("reconcile", "pipelines.flows.archives.reconcile", 86_400, ("archives", "trades"),
               "Recorded trades of the last days held against the venues' own files, as these come out."),
    Deployment("audit", "pipelines.flows.audit.audit", 86_400, ("audit",),
               "The lake's promises, and every source against the others."),
    Deployment("backfill", "pipelines.flows.backfill.backfill", None, ("backfill",),
               "Any datasets of any range, venues and instruments that are asked for."),
    Deployment("archives", "pipelines.flows.archives.archives", None, ("archives",),
               "The venues' bulk files of a range that is asked for."),
)  # fmt: skip
"""All flows, the most frequent first."""

AT_ONCE = 2
"""Flow runs of one serving process at the same time."""


def flow_of(deployment: Deployment) -> Flow[..., object]:
    """The flow that a deployment names."""
    module, _, name = deployment.flow.rpartition(".")
    return cast("Flow[..., object]", getattr(import_module(module), name))


def declared() -> list[RunnerDeployment]:
    """The deployments as Prefect's own objects."""
    from prefect.client.schemas.objects import ConcurrencyLimitConfig, ConcurrencyLimitStrategy
    from prefect.types.entrypoint import EntrypointType

    once = ConcurrencyLimitConfig(limit=1, collision_strategy=ConcurrencyLimitStrategy.CANCEL_NEW)
    return [
        cast(  # called from plain code it is no coroutine, whatever its type says
            "RunnerDeployment",
            flow_of(each).to_deployment(
                each.name,
                interval=each.every_s,
                parameters=each.parameters,
                tags=["p9", *each.tags],
                description=each.about,
                concurrency_limit=None if each.every_s is None else once,
                entrypoint_type=EntrypointType.MODULE_PATH,
            ),
        )
        for each in DEPLOYMENTS
    ]


def serve() -> None:
    """Run the schedule in this process until interrupted."""
    import prefect

    prefect.serve(*declared(), limit=AT_ONCE, print_starting_message=False)


def deploy(work_pool: str) -> list[str]:
    """Register the schedule at a work pool of the configured Prefect server; returns the deployments' names.

    Workers of the pool need this package installed, and P9_CONFIG or P9_HOME as here.
    """
    names = []
    for each in declared():
        each.apply(work_pool_name=work_pool)
        names.append(f"{each.flow_name}/{each.name}")
    return names
