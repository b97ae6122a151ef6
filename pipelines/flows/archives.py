"""The venues' bulk files: what REST does not reach any more, and whatever else is asked for; on request only.

`reconcile` is the same for the trades of the last days, once their files are out: recorded ones are held against them.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence

import structlog
from prefect import flow, task
from prefect.cache_policies import NO_CACHE

from configs.load import load
from configs.settings import Settings
from pipelines.bulk import RECONCILED, Bulk
from pipelines.desk import Desk
from pipelines.flows.fill import at_all_venues
from pipelines.flows.rules import known_rules
from pipelines.flows.runner import CONFIGURED
from pipelines.plan import Series, Span, missing
from pipelines.progress import Report, Step, tell
from pipelines.scope import Scope
from pipelines.sources.archive import local
from pipelines.sources.archive.hauling import Brought, Haul, hauling
from pipelines.sources.base import follow
from warehouse.clock import DAY, SECOND, Micros
from warehouse.errors import BadFile, ConfigError, DataError, VenueError
from warehouse.instruments import Rules
from warehouse.tables import Outcome
from warehouse.venues import archive
from warehouse.venues.archives import TABLE_OF, ArchiveFile, ArchiveKind

log = structlog.get_logger()

USUAL: tuple[ArchiveKind, ...] = ("trades", "funding", "open_interest")
"""What REST serves for a while only, and what is fetched when nothing else is asked for."""

DAYS = 7
"""How far back a run goes that was not asked for more."""

RECONCILED_DAYS = 5
"""How far back recorded trades wait for their file: the slowest venue needs four days."""

NOT_YET = "not published yet"
NOWHERE = "not in the venue's archive"


@task(name="archives", task_run_name="archives-{venue}", cache_policy=NO_CACHE, persist_result=False)
async def load_archives(settings: Settings, venue: str, scope: Scope) -> Report:
    """All wanted bulk files of one venue: those of this machine that the scope names, else the venue's own."""
    async with Desk(settings, venue) as desk:
        names = [listing.instrument for listing in scope.listings(settings, venue)]
        try:
            rules = await known_rules(desk, names)
            rules = {name: rules[name] for name in names if name in rules}
            files = local.named(settings, venue, scope) if scope.files else await _published(desk, scope, rules)
        except (VenueError, ConfigError) as error:
            return Report(dataset="archives", venue=venue, error=str(error), reachable=False)
        return await _land("archives", desk, rules, files)


@task(name="reconcile", task_run_name="reconcile-{venue}", cache_policy=NO_CACHE, persist_result=False)
async def reconcile_venue(settings: Settings, venue: str, scope: Scope) -> Report:
    """The trades' files of the last days that hold recorded time which no file has been held against yet."""
    async with Desk(settings, venue) as desk:
        names = [listing.instrument for listing in scope.listings(settings, venue)]
        now = desk.clock.now()
        recorded = desk.lander.recorded(venue, now)
        done = desk.lander.covered(RECONCILED, venue)
        try:
            known = await known_rules(desk, names)
            start, end = scope.window(now, RECONCILED_DAYS * DAY)
            files = []
            for name in names:
                if name in known and name in recorded:
                    walk = archive(venue).files(known[name], "trades", "", start, end)
                    settled = done.get(Series(RECONCILED, venue, name), ())
                    for file in await follow(walk, desk.source):
                        spans = recorded[name].inside((file.start, file.end))
                        if file.end <= now and any(missing(span, settled) for span in spans):
                            files.append(file)
        except (VenueError, ConfigError) as error:
            return Report(dataset="reconcile", venue=venue, error=str(error), reachable=False)
        return await _land("reconcile", desk, known, files)


@flow(name="archives", task_runner=CONFIGURED, persist_result=False)
def archives(settings: Settings | None = None, scope: Scope = Scope()) -> list[Report]:  # noqa: B008  frozen
    """Fetch and land bulk files of every venue. Raises ConfigError for a file of this machine that nobody knows."""
    settings = settings or load()
    local.check(settings, scope)
    return at_all_venues(load_archives, settings, scope, "archives")


@flow(name="reconcile", task_runner=CONFIGURED, persist_result=False)
def reconcile(settings: Settings | None = None, scope: Scope = Scope()) -> list[Report]:  # noqa: B008  frozen
    """Hold the recorded trades of the last days against the venues' files, as these come out."""
    return at_all_venues(reconcile_venue, settings or load(), scope, "reconcile")


async def _published(desk: Desk, scope: Scope, rules: Mapping[str, Rules]) -> list[ArchiveFile]:
    """The venue's files of the asked time that hold something which the lake lacks."""
    now, module = desk.clock.now(), archive(desk.venue)
    start, end = scope.window(now, DAYS * DAY)
    frames = scope.frames(desk.settings)
    files: list[ArchiveFile] = []
    for kind in scope.archives or USUAL:
        if kind not in module.KINDS:
            continue
        done = _covered(desk, kind)
        for name, rule in rules.items():
            for timeframe in _series(kind, frames):
                series = Series(TABLE_OF[kind], desk.venue, name, timeframe)
                walk = module.files(rule, kind, timeframe, start, end)
                files += [
                    file
                    for file in await follow(walk, desk.source)
                    if missing((file.start, file.end), done.get(series, ()))
                ]
    return files


def _covered(desk: Desk, kind: ArchiveKind) -> dict[Series, list[Span]]:
    """What of a kind needs no file: what landed, and trades that are recorded (`reconcile` looks after these)."""
    done = desk.lander.covered(TABLE_OF[kind], desk.venue)
    if TABLE_OF[kind] == "trades":
        for name, recorded in desk.lander.recorded(desk.venue, desk.clock.now()).items():
            spans = [(one.start, one.end) for one in recorded.intervals]
            done.setdefault(Series("trades", desk.venue, name), []).extend(spans)
    return done


def _series(kind: ArchiveKind, frames: Sequence[str]) -> list[str]:
    if kind == "candles":
        return list(frames)
    return [f"{price}:{frame}" for price in ("mark", "index") for frame in frames] if kind == "price_candles" else [""]


async def _land(dataset: str, desk: Desk, rules: Mapping[str, Rules], files: Sequence[ArchiveFile]) -> Report:
    """Fetch, read and land files one after the other; what fails is told in the report and in `outcomes`."""
    began = desk.clock.now()
    bulk = Bulk(desk.lake, desk.lander, desk.run_id)
    outcomes: list[Outcome] = []
    notes: Counter[str] = Counter()
    stop: Exception | None = None
    settings = desk.settings
    tell(Step(dataset, desk.venue, 0, len(files), 0))
    async with hauling(
        desk.venue,
        lambda: settings.endpoint(desk.venue, "rest_archive"),
        settings.realm,
        rules,
        settings.home,
        desk.clock,
    ) as haul:
        done = 0
        async for one in haul.bring(files):
            done += 1
            if one.path is None and one.error is None:
                notes[absent(one.file, desk.clock.now())] += 1
            else:
                outcomes.append(await asyncio.to_thread(_one, haul, bulk, one, rules, desk))
            tell(Step(dataset, desk.venue, min(done, len(files)), len(files), sum(row.rows for row in outcomes)))
            if one.final:
                stop = one.error
                break
    failed = [row for row in outcomes if row.error is not None]
    for row in outcomes:
        if row.note is not None and ": " in row.note:
            notes[row.note] += 1
    return Report(
        dataset=dataset,
        venue=desk.venue,
        parts=len(files),
        done=len(files) - len(failed) if stop is None else len(outcomes) - len(failed),
        rows=sum(row.rows for row in outcomes),
        landed=sum(row.landed for row in outcomes),
        seconds=(desk.clock.now() - began) / SECOND,
        notes=dict(notes),
        error=failed[0].error if failed else None,
        reachable=stop is None or len(outcomes) > len(failed),
    )


def _one(haul: Haul, bulk: Bulk, brought: Brought, rules: Mapping[str, Rules], desk: Desk) -> Outcome:
    """Land one file that came, or write down why it did not."""
    file = brought.file
    error: Exception | None = brought.error
    if error is None:
        try:
            with haul.opened(brought) as rows:
                return bulk.land(
                    file, rules[file.instrument], rows, brought.sha256, brought.started_at, desk.clock.now()
                )
        except (BadFile, DataError) as failure:
            error = failure
    log.warning("file_failed", venue=file.venue, kind=file.kind, instrument=file.instrument, error=str(error))
    return bulk.tell(file, brought.started_at, desk.clock.now(), error=str(error))


def absent(file: ArchiveFile, now: Micros) -> str:
    """Why a file is not there: it may still come, or it never will."""
    return NOT_YET if now < file.end + archive(file.venue).LATE else NOWHERE
