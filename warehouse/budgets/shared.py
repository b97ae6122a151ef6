"""The budget in the bus, for all processes of this address: a token bucket for each limit over a minute or more, the
requests themselves for each limit over seconds.

Such a request counts from its admission until the limit's time after its reply: whenever in between it reached the
venue, however long it was held up, no window holds more. Times are the bus's own, so machines may differ.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from itertools import count
from typing import NamedTuple, cast
from uuid import uuid4

import redis.asyncio
import structlog
from redis.exceptions import RedisError

from warehouse import keys
from warehouse.budgets.limits import Limit
from warehouse.budgets.own import LONG, PATIENCE, OwnBudget, Sleep, size_and_rate
from warehouse.cancellation import heed
from warehouse.clock import SECOND, Micros, monotonic
from warehouse.errors import RateLimited

log = structlog.get_logger()

SHARE_LONG, RESERVED_LONG = 0.95, 0.3
"""Of a limit over a minute or more: what all our processes take of it together, and how much of a full bucket flows
leave to the worker.
"""

SHARE_SHORT, RESERVED_SHORT = 0.95, 0.05
"""Of a limit over seconds: what all our processes take of it together, and what of that, but at least one request of
several, flows leave to the worker.
"""

UNDER_WAY: Micros = 30 * SECOND
"""A request of which nobody says that it is over counts so long: its process has died."""

SOON_S = 0.05
"""Seconds that the word of a reply may take: it goes with the next request where one follows, and saves a call."""

AWAY_S = 5.0
"""Seconds before a bus that was out of reach is tried again."""

TAKE = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local size, per_us, cost, floor = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local kept = redis.call('HMGET', KEYS[1], 'tokens', 'at', 'born')
local tokens, at = tonumber(kept[1]) or size, tonumber(kept[2]) or now
local born = kept[3] or string.format('%d', now)
tokens = tokens - tonumber(born == ARGV[6] and ARGV[7] or ARGV[8])
if now > at then
  tokens = math.min(size, tokens + (now - at) * per_us)
  at = now
end
local gate = math.max(0, (tonumber(redis.call('GET', KEYS[2]) or 0) - now))
local wait = math.max(at - now, gate)
if wait <= 0 then
  if tokens - cost < floor then wait = (floor + cost - tokens) / per_us else tokens = tokens - cost end
end
redis.call('HSET', KEYS[1], 'tokens', string.format('%.6f', tokens), 'at', string.format('%d', at), 'born', born)
redis.call('PEXPIRE', KEYS[1], ARGV[5])
return {math.ceil(wait), born, math.ceil(gate)}
"""
"""Takes `cost` tokens unless that leaves fewer than `floor`; answers the microseconds to wait before trying again, and
how many of them because the venue said so.

A bucket is born when its key is made. It takes down what the asker has spent without it: while the bus was away, or, of
an asker who knows another bucket or none, all that was lately spent.
"""

SLOT = """
local time = redis.call('TIME')
local now, per_us = time[1] * 1000000 + time[2], tonumber(ARGV[2])
for at = 5, #ARGV do redis.call('ZADD', KEYS[1], 'XX', string.format('%d', now), ARGV[at]) end
local gate = math.max(0, tonumber(redis.call('GET', KEYS[2]) or 0) - now)
if gate > 0 then return {math.ceil(gate), '', math.ceil(gate)} end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%d', now - per_us))
if redis.call('ZCARD', KEYS[1]) < tonumber(ARGV[1]) then
  redis.call('ZADD', KEYS[1], string.format('%d', now + tonumber(ARGV[4])), ARGV[3])
  redis.call('PEXPIRE', KEYS[1], math.ceil((per_us + ARGV[4]) / 1000))
  return {0, '', 0}
end
local first = tonumber(redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')[2])
return {first > now and 50000 or math.ceil(first + per_us - now) + 1000, '', 0}
"""
"""Admits request `ARGV[3]` unless `ARGV[1]` others are under way or were over less than the window ago. The replies to
those from `ARGV[5]` on are there.
"""

OVER = """
local time = redis.call('TIME')
local now = string.format('%d', time[1] * 1000000 + time[2])
for at = 1, #ARGV do redis.call('ZADD', KEYS[1], 'XX', now, ARGV[at]) end
return {0, '', 0}
"""
"""The replies to these requests are there."""

PAUSE = """
local time = redis.call('TIME')
local till = time[1] * 1000000 + time[2] + tonumber(ARGV[1])
local most = math.ceil(tonumber(ARGV[1]) / 1000) + 600000
if till > (tonumber(redis.call('GET', KEYS[2])) or 0) then
  redis.call('SET', KEYS[2], string.format('%d', till), 'PX', most)
end
if redis.call('EXISTS', KEYS[1]) == 1 then
  redis.call('HSET', KEYS[1], 'tokens', '0', 'at', string.format('%d', till))
  redis.call('PEXPIRE', KEYS[1], most)
end
return {0, '', 0}
"""
"""Closes the gate for so many microseconds; the limit that was exceeded has nothing saved up when it opens."""


class Reply(NamedTuple):
    """What the bus says: microseconds to wait, the bucket's birth, and how long of it the venue asked for."""

    wait: Micros
    born: str
    told: Micros


class SharedBudget:
    """The buckets in the bus, common to all processes of this address; while it is away, those of this process.

    A `worker` may take what flows leave to it.
    """

    def __init__(self, own: OwnBudget, bus_url: str, worker: bool = False, sleep: Sleep = asyncio.sleep) -> None:
        self.venue = own.venue
        self._own = own
        self._worker = worker
        self._sleep = sleep
        self._bus = redis.asyncio.Redis.from_url(bus_url, socket_connect_timeout=1, socket_timeout=2)
        self._away_since: float | None = None
        self._name, self._asked = uuid4().hex, count()
        self._over: dict[Limit, list[str]] = {}
        self._telling: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def spend(self, limit: Limit, cost: int) -> AsyncIterator[None]:
        """Enter when `cost` units of `limit` are ours, leave when the reply is there.

        Raises RateLimited for a wait beyond `PATIENCE`.
        """
        if limit.per_us >= LONG:
            await self._tokens(limit, cost)
            yield
            return
        request = await self._slot(limit)
        try:
            yield
        finally:
            if request is not None:
                self._over.setdefault(limit, []).append(request)
                if self._telling is None or self._telling.done():
                    self._telling = asyncio.create_task(self._tell())

    async def _tokens(self, limit: Limit, cost: int) -> None:
        """Take tokens of the bucket."""
        size, per_us = size_and_rate(limit, SHARE_LONG)
        floor = 0.0 if self._worker else min(size * RESERVED_LONG, size - cost)
        key, lasts = keys.bucket(self.venue, limit.name), limit.per_us // 1000 + 600_000
        while True:
            known = self._own.owed(limit)
            reply = await self._call(TAKE, key, limit, size, f"{per_us:.12f}", cost, floor, lasts, *known)
            heed()
            if reply is None:
                return await self._own.admit(limit, cost)
            self._own.settle(limit, reply.born)
            if reply.wait <= 0:
                return self._own.note(limit, cost, reply.born)
            await self._patiently(reply)

    async def _slot(self, limit: Limit) -> str | None:
        """Take a place among the requests of a window: its name; None without the bus."""
        most = max(1, int(limit.amount * SHARE_SHORT))
        if not self._worker:
            most -= min(most - 1, max(1, int(most * RESERVED_SHORT)))
        key, request = keys.asked(self.venue, limit.name), f"{self._name}-{next(self._asked)}"
        while True:
            if self._own.owed(limit)[2]:
                await self._sleep(limit.per_us / SECOND)  # so that what was spent while the bus was away is over
                continue
            over = self._over.pop(limit, ())
            reply = await self._call(SLOT, key, limit, most, limit.per_us, request, UNDER_WAY, *over)
            heed()
            if reply is None:
                await self._own.admit(limit, 1)
                return None
            if reply.wait <= 0:
                return request
            await self._patiently(reply)

    async def _tell(self) -> None:
        """Of the replies that no next request told of."""
        while self._over:
            await asyncio.sleep(SOON_S)
            await self._tell_now()
            heed()

    async def _tell_now(self) -> None:
        while self._over:
            limit, over = self._over.popitem()
            await self._call(OVER, keys.asked(self.venue, limit.name), limit, *over)

    async def _patiently(self, reply: Reply) -> None:
        if reply.told > PATIENCE:
            raise RateLimited(self.venue, reply.told)
        await self._sleep(reply.wait / SECOND)

    async def pause(self, limit: Limit, us: Micros) -> None:
        """Nobody at this address asks for `us` microseconds."""
        await self._own.pause(limit, us)
        await self._call(PAUSE, keys.bucket(self.venue, limit.name), limit, us)

    async def close(self) -> None:
        """Tell of the last replies, and give the connection back."""
        if self._telling is not None:
            self._telling.cancel()
        await self._tell_now()
        await self._bus.aclose()

    async def _call(self, script: str, key: str, limit: Limit, *args: float | str) -> Reply | None:
        """The script's answer; None while the bus is out of reach."""
        if self._away_since is not None and monotonic() - self._away_since < AWAY_S:
            return None
        try:
            gate = keys.gate(self.venue, limit.gate)
            reply = self._bus.eval(script, 2, key, gate, *[str(arg) for arg in args])
            wait, born, told = await cast("Awaitable[tuple[int, bytes, int]]", reply)
        except (RedisError, OSError) as error:
            if self._away_since is None:
                log.warning("budget_without_bus", venue=self.venue, share=self._own.share, error=str(error))
                self._own.empty()
            self._away_since = monotonic()
            return None
        if self._away_since is not None:
            log.info("budget_in_bus_again", venue=self.venue)
            self._away_since = None
        return Reply(wait, born.decode(), told)
