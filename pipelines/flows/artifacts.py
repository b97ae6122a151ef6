"""Progress and results as Prefect artifacts: what the terminal shows, kept with the run. Silent outside a run."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import msgspec
from prefect.artifacts import acreate_progress_artifact, aupdate_progress_artifact, create_table_artifact
from prefect.context import FlowRunContext, TaskRunContext
from prefect.events import emit_event

from pipelines.progress import Report, Step, listener
from warehouse.records import SequenceGap
from warehouse.tables import ContextDocument

EVERY_S = 3.0
"""Seconds between updates of a progress artifact; a shorter run has none."""


EVENTS = 100
"""Most events of one task."""


@asynccontextmanager
async def following(dataset: str, venue: str) -> AsyncIterator[None]:
    """While inside: keep a progress artifact of this task's steps, and hand them on to the listener."""
    if TaskRunContext.get() is None:
        yield
        return
    before = listener.get()
    last = Step(dataset, venue, 0, 0, 0)

    def hear(step: Step) -> None:
        nonlocal last
        last = step
        if before is not None:
            before(step)

    async def show() -> None:
        shown = None
        while True:
            await asyncio.sleep(EVERY_S)
            percent = 100.0 * last.done / max(last.total, 1)
            if shown is None:
                shown = await acreate_progress_artifact(percent, description=f"{dataset} of {venue}")
            else:
                await aupdate_progress_artifact(shown, progress=percent)

    token = listener.set(hear)
    shower = asyncio.create_task(show())
    try:
        yield
    finally:
        listener.reset(token)
        shower.cancel()
        await asyncio.gather(shower, return_exceptions=True)


def tell_gaps(gaps: Sequence[SequenceGap]) -> None:
    """One event per state of a gap, so that automations can act on them; the first hundred of a run."""
    if TaskRunContext.get() is None:
        return
    for gap in gaps[:EVENTS]:
        emit_event(
            event=f"p9.gap.{gap.state}",
            resource={
                "prefect.resource.id": f"p9.gap.{gap.venue}.{gap.instrument}.{gap.stream}",
                "prefect.resource.name": f"{gap.stream} of {gap.instrument} at {gap.venue}",
            },
            payload=msgspec.to_builtins(gap),
        )


def tell_restated(restated: Sequence[tuple[str, ContextDocument]]) -> None:
    """One event per context that repaired history has changed: the digest it had, and the document that holds now."""
    if TaskRunContext.get() is None:
        return
    for before, row in restated:
        emit_event(
            event="p9.context.restated",
            resource={
                "prefect.resource.id": f"p9.context.{row.venue}.{row.instrument}",
                "prefect.resource.name": f"context of {row.instrument} at {row.venue}",
            },
            payload={"before": before, "digest": row.digest, "created": row.created},
        )


def report(key: str, reports: Sequence[Report]) -> None:
    """A table of what a flow run did, under the run's artifacts. `key` is lower case and dashes."""
    if FlowRunContext.get() is None or not reports:
        return
    create_table_artifact(
        key=key,
        table=[
            {
                "dataset": each.dataset,
                "venue": each.venue,
                "parts": f"{each.done}/{each.parts}",
                "rows": each.rows,
                "landed": each.landed,
                "seconds": round(each.seconds, 1),
                "error": each.error or "",
                "notes": "; ".join(f"{note} ({count})" for note, count in each.notes.items()),
            }
            for each in reports
        ],
    )
