"""Doing the parts of a plan at one venue: a few at a time, landed in batches, ended when the venue is out of reach."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec
import structlog

from pipelines.load import FRESH_ROWS, Fetched, Lander
from pipelines.plan import Part
from pipelines.progress import Report, Step, tell
from pipelines.sources.base import Blocked, Source, Unreachable, follow
from pipelines.walks import walk
from warehouse.clock import SECOND, Clock
from warehouse.errors import ConfigError, DataError, FusionError, RateLimited, VenueError
from warehouse.instruments import Rules
from warehouse.tables import Outcome

log = structlog.get_logger()

AT_ONCE = 8
"""Parts of one venue in the air at the same time."""

MOST_ROWS = 4 * FRESH_ROWS
"""With so many rows waiting to be landed nobody asks for more."""


class Work:
    """One dataset of one venue in one run."""

    def __init__(self, dataset: str, source: Source, rules: dict[str, Rules], lander: Lander, clock: Clock) -> None:
        self._dataset, self._source, self._rules = dataset, source, rules
        self._lander, self._clock = lander, clock
        self._waiting: list[Fetched] = []
        self._landing = asyncio.Lock()
        self._outcomes: list[Outcome] = []
        self._done = self._rows = 0
        self._stop: VenueError | ConfigError | None = None

    async def run(self, parts: Sequence[Part]) -> Report:
        """Fetch and land all parts; what fails to be fetched is told in the report and in `outcomes`, never raised.

        Cancelling lands nothing more; what has landed stays and is not asked for again. Raises LakeError where the lake
        refuses to take it.
        """
        began = self._clock.now()
        queue = iter(parts)
        tell(Step(self._dataset, self._source.venue, 0, len(parts), 0))

        async def hand(group: asyncio.TaskGroup) -> None:
            for part in queue:
                if self._stop is not None:
                    return
                await self._one(part, len(parts))
                if self._fresh() >= FRESH_ROWS and not self._landing.locked():
                    group.create_task(self._land())
                if self._fresh() >= MOST_ROWS:
                    await self._land()

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(AT_ONCE, len(parts))):
                    group.create_task(hand(group))
        except* FusionError as found:
            raise found.exceptions[0] from None
        await self._land()
        return self._report(len(parts), (self._clock.now() - began) / SECOND)

    async def _one(self, part: Part, total: int) -> None:
        began = self._clock.now()
        answer, error = None, None
        try:
            if part.instrument and part.instrument not in self._rules:
                error = f"{part.venue} lists no {part.instrument}"
            else:
                answer = await follow(walk(part, self._rules, began), self._source)
        except (VenueError, ConfigError) as failure:
            error = str(failure)
            log.warning("part_failed", venue=part.venue, dataset=part.dataset, instrument=part.instrument, error=error)
            if isinstance(failure, Unreachable | Blocked | RateLimited | ConfigError):
                self._stop = failure
        self._waiting.append(Fetched(part=part, started_at=began, answer=answer, error=error))
        self._done += error is None
        self._rows += len(answer.records) if answer else 0
        tell(Step(self._dataset, self._source.venue, self._done, total, self._rows))

    def _fresh(self) -> int:
        """Rows that wait to be landed."""
        return sum(len(item.answer.records) for item in self._waiting if item.answer)

    async def _land(self) -> None:
        """All that is waiting, beside further fetching."""
        async with self._landing:
            batch, self._waiting = self._waiting, []
            self._outcomes += await asyncio.to_thread(self._landed, batch)

    def _landed(self, batch: Sequence[Fetched]) -> list[Outcome]:
        """A row that its table refuses costs its own part, and no other."""
        try:
            return self._lander.land(batch, self._clock.now())
        except DataError as refused:
            if len(batch) > 1:
                return [outcome for item in batch for outcome in self._landed([item])]
            part = batch[0].part
            log.error(
                "part_refused", venue=part.venue, dataset=part.dataset, instrument=part.instrument, why=str(refused)
            )
            failed = msgspec.structs.replace(batch[0], answer=None, error=str(refused))
            return self._lander.land([failed], self._clock.now())

    def _report(self, parts: int, seconds: float) -> Report:
        failed = [row for row in self._outcomes if row.error is not None]
        notes: dict[str, int] = {}
        for row in self._outcomes:
            if row.note is not None:
                notes[row.note] = notes.get(row.note, 0) + 1
        error = None
        if failed:
            error = str(self._stop or failed[0].error)
        return Report(
            dataset=self._dataset,
            venue=self._source.venue,
            parts=parts,
            done=len(self._outcomes) - len(failed),
            rows=sum(row.rows for row in self._outcomes),
            landed=sum(row.landed for row in self._outcomes),
            seconds=seconds,
            notes=notes,
            error=error,
            reachable=self._stop is None or self._done > 0,
        )
