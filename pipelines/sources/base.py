"""Between a walk and a client: what a source is, and how a venue's failures are told apart.

A walk (`warehouse/venues/*/history.py`) says what to ask and understands the answers; a source does the asking: it
waits for the budget, retries what may succeed later, and raises what may not.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Generator
from typing import Protocol, TypeVar

from warehouse.clock import SECOND, Micros
from warehouse.errors import RateLimited, Rejected, VenueError
from warehouse.venues.base import Fetch

T = TypeVar("T")

ATTEMPTS = 6
LONGEST_WAIT: Micros = 120 * SECOND
"""A venue that wants a longer pause than this is left alone: the run ends there and says so."""


class Unreachable(VenueError):
    """No reply came, or one that says "later": the same request may succeed in a while."""

    transient = True


class Blocked(VenueError):
    """The venue does not serve this address (HTTP 403 or 451). Retrying makes it worse."""

    def __init__(self, venue: str, status: int, words: str) -> None:
        super().__init__(
            venue,
            f"refuses this address with HTTP {status}: {words[:200]!r}. Usually this is a block by country, not a "
            f"fault: run from another network, point venues.{venue}.endpoints at a host that serves you, or set "
            f"venues.{venue}.enabled to false.",
        )
        self.status = status


class Source(Protocol):
    """Something that can answer a venue's requests."""

    @property
    def venue(self) -> str: ...
    async def ask(self, fetch: Fetch) -> object:
        """The answer, for `answers.read`. Raises VenueError; what is transient has already been retried."""
        ...

    async def close(self) -> None: ...


async def follow(walk: Generator[Fetch, object, T], source: Source) -> T:
    """Run a walk to its end against a source and return what it returns. A walk may know what to do about a refusal."""
    try:
        fetch = next(walk)
        while True:
            try:
                answer = await source.ask(fetch)
            except Rejected as refusal:
                fetch = walk.throw(refusal)
            else:
                fetch = walk.send(answer)
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]  # the generator's declared return type
    finally:
        walk.close()


def backoff(attempt: int, error: VenueError, chance: random.Random) -> float:
    """Seconds before attempt `attempt + 1`: what the venue asked for, else doubling from half a second; with jitter."""
    if isinstance(error, RateLimited):
        return error.retry_after_us / SECOND + chance.uniform(0.05, 0.5)
    return min(0.5 * 2.0**attempt, 20.0) * chance.uniform(0.5, 1.0)


async def patiently(ask: Asking, attempts: int = ATTEMPTS, chance: random.Random | None = None) -> object:
    """Call `ask` until it answers, fails for good, or `attempts` have failed."""
    chance = chance or random.Random()
    for attempt in range(attempts):
        try:
            return await ask()
        except VenueError as error:
            banned = isinstance(error, RateLimited) and error.retry_after_us > LONGEST_WAIT
            if not error.transient or banned or attempt == attempts - 1:
                raise
            await asyncio.sleep(backoff(attempt, error, chance))
    raise AssertionError("at least one attempt")


class Asking(Protocol):
    """One request, sent anew at each call."""

    async def __call__(self) -> object: ...
