"""Asking no more often than a venue allows, together with every other process of this address.

A token bucket per venue and limit. Its size and its refill are chosen so that no window of the limit's length can hold
more than the share: size + refill over one window = share. In the bus the bucket is common and flows leave its bottom
30 % to the worker; without a bus each process keeps its own, and flows take 60 % of what the venue allows.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from threading import Lock
from typing import Protocol, cast

import redis.asyncio
from redis.exceptions import RedisError

from pipelines.sources.limits import Limit
from warehouse import keys
from warehouse.clock import SECOND, Micros, monotonic

SHARE_ALONE = 0.6
"""Of a venue's limit, for the flows of one process that has no bus."""

SHARE_COMMON = 0.9
"""Of a venue's limit, for all our processes together; the rest is for clocks that differ."""

RESERVED = 0.3
"""Of the common bucket, what flows leave to the worker."""

LONG: Micros = 30 * SECOND
"""Limits over less than this hardly gain by bursts; over more, waiting for a whole window is what hurts."""


def size_and_rate(limit: Limit, share: float) -> tuple[float, float]:
    """A bucket's size, and its refill per microsecond: together never more than the share in one window."""
    allowed = limit.amount * share
    size = max(1.0, allowed * (0.5 if limit.per_us >= LONG else 0.1))
    return size, max(allowed - size, allowed * 0.1) / limit.per_us


Sleep = Callable[[float], Awaitable[None]]


class Throttle(Protocol):
    """Waits until a request may be sent."""

    async def admit(self, limit: Limit, cost: int) -> None: ...
    async def pause(self, limit: Limit, us: Micros) -> None:
        """The venue said so: nobody asks for `us` microseconds."""
        ...


class Bucket:
    """Tokens of one limit in this process. Time is a parameter; tokens below zero are reservations, served in order."""

    def __init__(self, limit: Limit, share: float, now: Micros) -> None:
        self.size, self.per_us = size_and_rate(limit, share)
        self._tokens = self.size
        self._at = now
        self._lock = Lock()

    def take(self, cost: int, now: Micros) -> Micros:
        """Take `cost` tokens; how many microseconds to wait before they are ours."""
        with self._lock:
            if now > self._at:
                self._tokens = min(self.size, self._tokens + (now - self._at) * self.per_us)
                self._at = now
            self._tokens -= cost
            start = max(self._at - now, 0)  # a pause moved `_at` into the future
            return start + (0 if self._tokens >= 0 else int(-self._tokens / self.per_us) + 1)

    def pause(self, us: Micros, now: Micros) -> None:
        """No token before `now + us`, and none saved up until then."""
        with self._lock:
            self._tokens = min(self._tokens, 0.0)
            self._at = max(self._at, now + us)


def _mono_us() -> Micros:
    return int(monotonic() * SECOND)


class OwnThrottle:
    """The buckets of one process, for any number of threads and event loops."""

    def __init__(
        self,
        venue: str,
        share: float = SHARE_ALONE,
        clock: Callable[[], Micros] = _mono_us,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self.venue, self.share = venue, share
        self._clock, self._sleep = clock, sleep
        self._buckets: dict[str, Bucket] = {}
        self._lock = Lock()

    def _bucket(self, limit: Limit) -> Bucket:
        with self._lock:
            found = self._buckets.get(limit.name)
            if found is None:
                found = self._buckets[limit.name] = Bucket(limit, self.share, self._clock())
            return found

    async def admit(self, limit: Limit, cost: int) -> None:
        """Return when `cost` units of `limit` are ours."""
        wait = self._bucket(limit).take(cost, self._clock())
        if wait > 0:
            await self._sleep(wait / SECOND)

    async def pause(self, limit: Limit, us: Micros) -> None:
        """Nobody in this process asks for `us` microseconds."""
        self._bucket(limit).pause(us, self._clock())


_OWN: dict[str, OwnThrottle] = {}
_OWN_LOCK = Lock()


def of_process(venue: str) -> OwnThrottle:
    """The throttle that all tasks of this process share for one venue."""
    with _OWN_LOCK:
        return _OWN.setdefault(venue, OwnThrottle(venue))


TAKE = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local size, per_us, cost, floor = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local kept = redis.call('HMGET', KEYS[1], 'tokens', 'at')
local tokens, at = tonumber(kept[1]) or size, tonumber(kept[2]) or now
if now > at then
  tokens = math.min(size, tokens + (now - at) * per_us)
  at = now
end
local wait = 0
if at > now then wait = at - now
elseif tokens - cost < floor then wait = (floor + cost - tokens) / per_us
else tokens = tokens - cost end
redis.call('HSET', KEYS[1], 'tokens', string.format('%.6f', tokens), 'at', string.format('%d', at))
redis.call('PEXPIRE', KEYS[1], ARGV[5])
return math.ceil(wait)
"""
"""Takes `cost` tokens unless that leaves fewer than `floor`; answers the microseconds to wait before trying again."""

PAUSE = """
local time = redis.call('TIME')
local till = time[1] * 1000000 + time[2] + tonumber(ARGV[1])
local at = tonumber(redis.call('HGET', KEYS[1], 'at')) or 0
redis.call('HSET', KEYS[1], 'tokens', '0', 'at', string.format('%d', math.max(at, till)))
redis.call('PEXPIRE', KEYS[1], math.ceil(tonumber(ARGV[1]) / 1000) + 600000)
return 0
"""


class CommonThrottle:
    """The buckets in the bus, common to all processes of this address; without the bus, those of this process."""

    def __init__(self, venue: str, bus_url: str, own: Throttle | None = None, sleep: Sleep = asyncio.sleep) -> None:
        self.venue = venue
        self._own = own or of_process(venue)
        self._sleep = sleep
        self._redis: redis.asyncio.Redis | None = redis.asyncio.Redis.from_url(
            bus_url, socket_connect_timeout=1, socket_timeout=2
        )

    async def admit(self, limit: Limit, cost: int) -> None:
        """Return when `cost` units of `limit` are ours."""
        size, per_us = size_and_rate(limit, SHARE_COMMON)
        floor = min(size * RESERVED, size - cost)
        while True:
            wait = await self._call(TAKE, limit, size, f"{per_us:.12f}", cost, floor, limit.per_us // 1000 + 600_000)
            if wait is None:
                return await self._own.admit(limit, cost)
            if wait <= 0:
                return None
            await self._sleep(wait / SECOND)

    async def pause(self, limit: Limit, us: Micros) -> None:
        """Nobody at this address asks for `us` microseconds."""
        if await self._call(PAUSE, limit, us) is None:
            await self._own.pause(limit, us)

    async def close(self) -> None:
        """Give the connection back."""
        if self._redis is not None:
            await self._redis.aclose()

    async def _call(self, script: str, limit: Limit, *args: float | str) -> int | None:
        """The script's answer; None once the bus is out of reach, and from then on."""
        if self._redis is None:
            return None
        try:
            reply = self._redis.eval(script, 1, keys.bucket(self.venue, limit.name), *[str(arg) for arg in args])
            return int(await cast("Awaitable[int]", reply))
        except (RedisError, OSError):
            lost, self._redis = self._redis, None
            await lost.aclose()
            return None
