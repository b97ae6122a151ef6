"""The budget in the bus: one token bucket per venue and limit for all processes of this address.

Flows leave the bottom 30 % of a bucket to the worker. Times are the bus's own, so machines may differ.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import NamedTuple, cast

import redis.asyncio
import structlog
from redis.exceptions import RedisError

from warehouse import keys
from warehouse.budgets.limits import Limit
from warehouse.budgets.own import LONG, PATIENCE, OwnBudget, Sleep, size_and_rate
from warehouse.clock import SECOND, Micros, monotonic
from warehouse.errors import RateLimited

log = structlog.get_logger()

SHARE_LONG, SHARE_SHORT = 0.9, 0.7
"""Of a venue's limit, for all our processes together. What is admitted evenly may arrive in a bunch, by as much as the
slower requests are under way for longer: more of a window of two seconds than of one of a minute.
"""

RESERVED = 0.3
"""Of the common bucket, what flows leave to the worker."""

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

    `reserve` is the part of the common bucket that is left to others.
    """

    def __init__(self, own: OwnBudget, bus_url: str, reserve: float = RESERVED, sleep: Sleep = asyncio.sleep) -> None:
        self.venue = own.venue
        self._own = own
        self._reserve = reserve
        self._sleep = sleep
        self._bus = redis.asyncio.Redis.from_url(bus_url, socket_connect_timeout=1, socket_timeout=2)
        self._away_since: float | None = None

    async def admit(self, limit: Limit, cost: int) -> None:
        """Return when `cost` units of `limit` are ours. Raises RateLimited for a wait beyond `PATIENCE`."""
        share = SHARE_LONG if limit.per_us >= LONG else SHARE_SHORT
        size, per_us = size_and_rate(limit, share)
        stale = limit.per_us * (1 - share) / 2
        floor = min(size * self._reserve, size - cost)
        lasts = limit.per_us // 1000 + 600_000
        while True:
            asked = monotonic()
            reply = await self._call(TAKE, limit, size, f"{per_us:.12f}", cost, floor, lasts, *self._own.owed(limit))
            if reply is None:
                return await self._own.admit(limit, cost)
            self._own.settle(limit, reply.born)
            if reply.wait <= 0:
                self._own.note(limit, cost, reply.born)
                if (monotonic() - asked) * SECOND < stale:
                    return None
                continue  # this process was held up so long that others have been admitted meanwhile: leave it unused
            if reply.told > PATIENCE:
                raise RateLimited(self.venue, reply.told)
            await self._sleep(reply.wait / SECOND)

    async def pause(self, limit: Limit, us: Micros) -> None:
        """Nobody at this address asks for `us` microseconds."""
        await self._own.pause(limit, us)
        await self._call(PAUSE, limit, us)

    async def close(self) -> None:
        """Give the connection back."""
        await self._bus.aclose()

    async def _call(self, script: str, limit: Limit, *args: float | str) -> Reply | None:
        """The script's answer; None while the bus is out of reach."""
        if self._away_since is not None and monotonic() - self._away_since < AWAY_S:
            return None
        names = keys.bucket(self.venue, limit.name), keys.gate(self.venue, limit.gate)
        try:
            reply = self._bus.eval(script, 2, *names, *[str(arg) for arg in args])
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
