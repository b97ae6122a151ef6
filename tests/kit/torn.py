"""Flows' work in processes that can be killed at any moment, without Prefect's server: each run is forked from a
process that has imported everything, and lives as long as its work.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import sys
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import NamedTuple

from configs.settings import Settings
from pipelines.progress import Report
from pipelines.scope import Scope
from warehouse.clock import monotonic

CHORES = ("repair", "upkeep")
"""Jobs that ask for no range; others are `LOADS`, archives, structure, and tidy, which is the recorder's upkeep."""

FORKS = multiprocessing.get_context("forkserver")
"""Where processes come from that start in a tenth of a second."""

FORKS.set_forkserver_preload([__name__, "ccxt.async_support", "warehouse.store", *(
    f"pipelines.flows.{name}" for name in ("archives", "backfill", "repair", "structure", "upkeep")
)])  # fmt: skip

LOOK_S = 0.002
"""Seconds between looks at a process that is to be killed."""


class Errand(NamedTuple):
    """One process: its jobs, and the range that each of them is asked for, in the same order."""

    jobs: tuple[str, ...]
    scopes: tuple[Scope, ...]


class Blow(NamedTuple):
    """Errands that run at the same time. Each is killed after so many seconds, or, where the number is negative, once
    so many files were written to the lake since; None: it may end.
    """

    errands: tuple[Errand, ...]
    ends: tuple[float | None, ...]


async def strike(settings: Settings, blow: Blow, log: Path) -> int:
    """Run and kill; returns how many were still at work when they were killed.

    Raises AssertionError when one that was left in peace failed.
    """
    running = [FORKS.Process(target=_run, args=(settings, errand, log)) for errand in blow.errands]
    for process in running:
        process.start()
    kills = await asyncio.gather(
        *[_kill(settings, process, end) for process, end in zip(running, blow.ends, strict=True)]
    )
    failed = [
        process.exitcode for process, killed in zip(running, kills, strict=True) if not killed and process.exitcode
    ]
    words = await asyncio.to_thread(log.read_text)
    assert not failed, f"ended with {failed}: {words[-4000:]}"
    return sum(kills)


async def _kill(settings: Settings, process: ForkServerProcess, end: float | None) -> bool:
    """Wait for the end that is meant for a process; whether it had to be killed."""
    start, before = monotonic(), _files(settings) if end is not None and end < 0 else 0
    while process.is_alive():
        if end is not None and (monotonic() - start >= end if end >= 0 else _files(settings) - before >= -end):
            process.kill()
            await asyncio.to_thread(process.join)
            return process.exitcode == -9
        await asyncio.sleep(LOOK_S)
    process.join()
    return False


def _files(settings: Settings) -> int:
    """Files in the lake, those of killed writers too."""
    return sum(len(names) for _, _, names in os.walk(settings.lake_root))


def _run(settings: Settings, errand: Errand, log: Path) -> None:
    """In the forked process: do the jobs at the same time; what goes wrong ends it with a code other than 0."""
    words = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(words, 1)
    os.dup2(words, 2)
    reports = asyncio.run(_work(settings, errand))
    if wrong := [report for report in reports if report.error is not None]:
        sys.exit("\n".join(f"{report.dataset} of {report.venue}: {report.error}" for report in wrong))


async def _work(settings: Settings, errand: Errand) -> list[Report]:
    from pipelines.desk import open_lake
    from pipelines.flows.archives import load_archives
    from pipelines.flows.backfill import LOADS
    from pipelines.flows.reference import load_reference
    from pipelines.flows.repair import mend_venue
    from pipelines.flows.structure import judge_structure
    from pipelines.flows.upkeep import keep
    from realtime.recorder import LIVE

    venues = settings.enabled()
    reports: list[Report] = []
    for job, scope in zip(errand.jobs, errand.scopes, strict=True):
        if job == "upkeep":
            reports.append(await asyncio.to_thread(keep.fn, settings))
        elif job == "tidy":
            for name in LIVE:
                await asyncio.to_thread(open_lake(settings).upkeep, name)
        elif job == "repair":
            mended = await asyncio.gather(*[mend_venue.fn(settings, venue, scope) for venue in venues])
            reports += [one.report for one in mended]
    known = await asyncio.gather(*[load_reference.fn(settings, venue, Scope()) for venue in venues])
    loads = [
        LOADS[job].fn(settings, venue, scope)
        for job, scope in zip(errand.jobs, errand.scopes, strict=True)
        if job in LOADS
        for venue in venues
    ]
    reports += [*known, *await asyncio.gather(*loads)]
    for job, scope in zip(errand.jobs, errand.scopes, strict=True):
        if job == "archives":
            reports += [await load_archives.fn(settings, venue, scope) for venue in venues]
        elif job == "structure":
            reports += [await asyncio.to_thread(judge_structure.fn, settings, venue, scope) for venue in venues]
    return reports
