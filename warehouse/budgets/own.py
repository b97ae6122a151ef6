"""Asking no more often than a venue allows: token buckets of one process.

A bucket's size and its refill are chosen so that no window of the limit's length can hold more than the share: size +
refill over one window = share. Where there is a bus, all processes share one there (`shared.py`); without it each keeps
its own: flows take 60 % of what the venue allows, the worker 30 %. When a venue says "wait", all who share wait.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from threading import Lock
from typing import NamedTuple, Protocol

from warehouse.budgets.limits import Limit
from warehouse.clock import SECOND, Micros, monotonic
from warehouse.errors import RateLimited

FLOWS_ALONE, WORKER_ALONE = 0.6, 0.3
"""Of a venue's limit, for the flows of one process and for the worker where there is no bus."""

LONG: Micros = 30 * SECOND
"""Limits over more than this are worth a small burst: what is saved up for one is taken from the steady pace."""

PATIENCE: Micros = 120 * SECOND
"""A venue that wants a longer pause than this is left alone: who asks is told so."""

Sleep = Callable[[float], Awaitable[None]]


def size_and_rate(limit: Limit, share: float) -> tuple[float, float]:
    """A bucket's size, and its refill per microsecond: together never more than the share in one window.

    Of less than one unit a window, one in two windows.
    """
    allowed = limit.amount * share
    size = max(1.0, allowed * (0.15 if limit.per_us >= LONG else 0.1))
    return size, max(allowed - size, allowed * (0.1 if allowed > size else 0.5)) / limit.per_us


class Budget(Protocol):
    """Waits until a request may be sent to the venue."""

    @property
    def venue(self) -> str: ...
    def spend(self, limit: Limit, cost: int) -> AbstractAsyncContextManager[None]:
        """Around one request: enter when `cost` units of `limit` are ours, leave when the reply is there.

        Raises RateLimited for a wait beyond `PATIENCE`.
        """
        ...

    async def pause(self, limit: Limit, us: Micros) -> None:
        """The venue said so: nobody asks for `us` microseconds."""
        ...

    async def close(self) -> None: ...


class Bucket:
    """Tokens of one limit in this process. Time is a parameter; tokens below zero are reservations, served in order."""

    def __init__(self, limit: Limit, share: float, now: Micros) -> None:
        self.size, self.per_us = size_and_rate(limit, share)
        self._tokens = self.size
        self._at = now

    def take(self, cost: int, now: Micros) -> Micros:
        """Take `cost` tokens; how many microseconds to wait before they are ours."""
        if now > self._at:
            self._tokens = min(self.size, self._tokens + (now - self._at) * self.per_us)
            self._at = now
        self._tokens -= cost
        start = max(self._at - now, 0)  # a pause moved `_at` into the future
        return start + (0 if self._tokens >= 0 else int(-self._tokens / self.per_us) + 1)

    def empty(self, until: Micros) -> None:
        """No token before `until`, and none saved up until then."""
        self._tokens = min(self._tokens, 0.0)
        self._at = max(self._at, until)


class Spent(NamedTuple):
    """Units that were spent, and which bucket in the bus has counted them."""

    at: Micros
    cost: int
    born: str


def _mono_us() -> Micros:
    return int(monotonic() * SECOND)


class OwnBudget:
    """The buckets of one process, for any number of threads and event loops, and what it has lately spent."""

    def __init__(
        self,
        venue: str,
        share: float = FLOWS_ALONE,
        clock: Callable[[], Micros] = _mono_us,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self.venue, self.share = venue, share
        self._clock, self._sleep = clock, sleep
        self._buckets: dict[str, Bucket] = {}
        self._gates: dict[str, Micros] = {}
        self._born: dict[str, str] = {}
        self._spent: dict[str, deque[Spent]] = {}
        self._emptied: Micros | None = None
        self._lock = Lock()

    def _bucket(self, limit: Limit, now: Micros) -> Bucket:
        found = self._buckets.get(limit.name)
        if found is None:
            found = self._buckets[limit.name] = Bucket(limit, self.share, now)
            if self._emptied is not None and now - self._emptied < limit.per_us:
                found.empty(now)
        return found

    @asynccontextmanager
    async def spend(self, limit: Limit, cost: int) -> AsyncIterator[None]:
        """Enter when `cost` units of `limit` are ours."""
        await self.admit(limit, cost)
        yield

    async def admit(self, limit: Limit, cost: int) -> None:
        """Return when `cost` units of `limit` are ours. Raises RateLimited for a wait beyond `PATIENCE`."""
        self._patient(limit)
        with self._lock:
            now = self._clock()
            wait = self._bucket(limit, now).take(cost, now)
        wait = max(wait, self._gate(limit))
        while wait > 0:
            await self._sleep(wait / SECOND)
            wait = self._patient(limit)  # somebody may have been told to wait meanwhile
        self.note(limit, cost)

    async def pause(self, limit: Limit, us: Micros) -> None:
        """Nobody in this process asks for `us` microseconds."""
        with self._lock:
            now = self._clock()
            self._bucket(limit, now).empty(now + us)
            self._gates[limit.gate] = max(self._gates.get(limit.gate, 0), now + us)

    async def close(self) -> None:
        """Nothing to give back: the buckets are the process's."""

    def note(self, limit: Limit, cost: int, born: str = "") -> None:
        """Remember what was spent, and which bucket in the bus has counted it (none: only ours)."""
        with self._lock:
            self._spent.setdefault(limit.name, deque()).append(Spent(self._clock(), cost, born))

    def owed(self, limit: Limit) -> tuple[str, int, int]:
        """The bucket in the bus that we know, what it has not counted of the last window, and all spent in it."""
        with self._lock:
            known, since = self._born.get(limit.name, ""), self._clock() - limit.per_us
            spent = self._spent.setdefault(limit.name, deque())
            while spent and spent[0].at <= since:
                spent.popleft()
            return known, sum(one.cost for one in spent if one.born != known), sum(one.cost for one in spent)

    def settle(self, limit: Limit, born: str) -> None:
        """The bucket `born` has counted all of it."""
        with self._lock:
            self._born[limit.name] = born
            spent = self._spent.get(limit.name, deque())
            self._spent[limit.name] = deque(one._replace(born=born) for one in spent)

    def empty(self) -> None:
        """Begin with nothing saved up: others have spent of the same limits until now."""
        with self._lock:
            self._emptied = self._clock()
            for bucket in self._buckets.values():
                bucket.empty(self._emptied)

    def _gate(self, limit: Limit) -> Micros:
        return max(self._gates.get(limit.gate, 0) - self._clock(), 0)

    def _patient(self, limit: Limit) -> Micros:
        wait = self._gate(limit)
        if wait > PATIENCE:
            raise RateLimited(self.venue, wait)
        return wait


_OWN: dict[str, OwnBudget] = {}
_OWN_LOCK = Lock()


def of_process(venue: str) -> OwnBudget:
    """The budget that all flows of this process share for one venue."""
    with _OWN_LOCK:
        return _OWN.setdefault(venue, OwnBudget(venue))
