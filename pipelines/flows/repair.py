"""Repair: look for holes, try every source, write each attempt into the gap ledger, and restate what rested on them."""

from __future__ import annotations

from collections import Counter
from typing import cast

import msgspec
from prefect import flow, task
from prefect.cache_policies import NO_CACHE

from configs.load import load
from configs.settings import Settings
from pipelines.backups import backups
from pipelines.desk import Desk
from pipelines.flows import artifacts
from pipelines.flows.fill import refuse_silence, results
from pipelines.flows.rules import known_rules
from pipelines.flows.runner import CONFIGURED
from pipelines.flows.structure import judge_structure
from pipelines.mending import Mended, Mender
from pipelines.progress import Report, Step, tell
from pipelines.scope import Scope
from pipelines.searching import Search
from warehouse.clock import SECOND
from warehouse.errors import ConfigError, VenueError

RESTATED = ("candles", "trades")
"""Streams that structure is made of."""


class Repaired(msgspec.Struct, frozen=True, kw_only=True):
    """One venue's repair: its report, and the instruments whose structure has to be made again."""

    report: Report
    dirty: tuple[str, ...] = ()


@task(name="repair", task_run_name="repair-{venue}", cache_policy=NO_CACHE, persist_result=False)
async def mend_venue(settings: Settings, venue: str, scope: Scope) -> Repaired:
    """Every hole of one venue. The report counts holes as parts; `landed` are the rows that fill them."""
    names = [listing.instrument for listing in scope.listings(settings, venue)]
    async with Desk(settings, venue) as desk:
        began = desk.clock.now()
        try:
            known = await known_rules(desk, names)
        except (VenueError, ConfigError) as error:
            return Repaired(report=Report(dataset="repair", venue=venue, error=str(error), reachable=False))
        rules = {name: known[name] for name in names if name in known}
        search = Search(desk.lake, desk.lander, venue, rules, began, scope.asked(began))
        holes = search.all()
        tell(Step("repair", venue, 0, len(holes), 0))
        async with backups(desk, rules) as others:
            mender = Mender(desk.lake, desk.lander, desk.source, rules, desk.clock, others)
            await mender.close(search.closed(holes))
            done = await mender.mend(holes)
        seconds = (desk.clock.now() - began) / SECOND
    artifacts.tell_gaps([gap for one in done for gap in one.gaps])
    report = _report(venue, len(holes), done, mender.stopped, seconds)
    tell(Step("repair", venue, report.done, len(holes), report.landed))
    dirty = dict.fromkeys(one.hole.instrument for one in done if one.rows and one.hole.stream in RESTATED)
    return Repaired(report=report, dirty=tuple(dirty))


@flow(name="repair", task_runner=CONFIGURED, persist_result=False)
def repair(settings: Settings | None = None, scope: Scope = Scope()) -> list[Report]:  # noqa: B008  frozen
    """Close what can be closed at all venues, and judge again the structure of repaired instruments.

    Safe to repeat: a second run finds no hole that the first has closed, explained or given up.
    """
    settings = settings or load()
    scope.check(settings)
    venues = scope.chosen(settings)
    futures = [mend_venue.submit(settings, venue, scope) for venue in venues]
    found = [cast(Repaired, future.result()) for future in futures]  # an async task's future gives its value
    reports = [one.report for one in found]
    reports += results(
        judge_structure.submit(settings, one.report.venue, Scope(venues=(one.report.venue,), symbols=one.dirty), True)
        for one in found
        if one.dirty
    )
    artifacts.report("repair", reports)
    refuse_silence(reports)
    return reports


def _report(venue: str, holes: int, done: list[Mended], stopped: str | None, seconds: float) -> Report:
    states = Counter(f"{_name(one)} {one.state}" for one in done)
    closed = sum(one.state != "open" for one in done)
    return Report(
        dataset="repair",
        venue=venue,
        parts=holes,
        done=closed,
        rows=sum(one.rows for one in done),
        landed=sum(one.rows for one in done),
        seconds=seconds,
        notes=dict(sorted(states.items())),
        error=stopped,
        reachable=stopped is None or closed > 0,
    )


def _name(one: Mended) -> str:
    return f"{one.hole.stream} {one.hole.timeframe}".rstrip()
