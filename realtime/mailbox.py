"""What other processes leave for a worker on the bus: context documents, seam certificates, rules.

Each change becomes an entry.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec
import redis.asyncio as redis

from realtime.bus import REFUSED, UNUSABLE, Trouble, refused
from realtime.feed import Accept, Backoff
from warehouse import keys
from warehouse.cancellation import heed
from warehouse.errors import ConfigError, PublishError
from warehouse.journal import Kind

HEALTH_TTL_S = 5


class Mailbox:
    """Reads one venue's keys, and leaves the worker's health report in return."""

    def __init__(self, url: str, venue: str, instruments: list[str], accept: Accept) -> None:
        self._bus = redis.Redis.from_url(url, socket_timeout=5)
        self._url = url
        self._venue = venue
        self._instruments = instruments
        self._accept = accept
        self._seen: dict[str, bytes] = {}
        self._trouble = Trouble()

    async def epoch(self, least: int, fresh: bool) -> int:
        """The epoch to begin with, at least `least`, remembered on the bus: greater than any before when `fresh`.

        So a worker whose journal was lost does not give numbers that consumers and streams have seen already. Raises
        PublishError when the bus does not answer, ConfigError when it refuses.
        """
        key = keys.epoch(self._venue)
        try:
            known = int(await self._bus.get(key) or 0)
            chosen = max(least, known + 1) if fresh else least
            await self._bus.set(key, max(known, chosen))
        except REFUSED as error:
            raise ConfigError(refused(self._url, error)) from None
        except UNUSABLE as error:
            raise PublishError(f"no bus to ask for the epoch: {error}") from None
        return chosen

    async def run(self, report: Callable[[], dict[str, object]]) -> None:
        """Until cancelled: documents when announced (and all at start and after a lost bus), certificates each
        second.
        """
        backoff = Backoff(most=2.0)
        while True:
            try:
                async with self._bus.pubsub() as news:
                    await news.subscribe(keys.CONTEXT_NEWS)
                    await self._contexts(self._instruments)
                    while True:
                        await self._certificates()
                        left = await self._report(report())
                        heed()
                        await self._announced(news)
                        backoff.reset()
                        if left:
                            self._trouble.over()
            except UNUSABLE as error:
                self._trouble.met(error)
                await asyncio.sleep(backoff.next())

    async def _announced(self, news: redis.client.PubSub) -> None:
        """Follow announcements for one second."""
        end = asyncio.get_running_loop().time() + 1.0
        while (left := end - asyncio.get_running_loop().time()) > 0:
            message = await news.get_message(ignore_subscribe_messages=True, timeout=left)
            heed()
            if message is None:
                continue
            venue, _, rest = message["data"].decode().partition(":")
            instrument = rest.partition(":")[0]
            if venue == self._venue and instrument in self._instruments:
                await self._contexts([instrument])

    async def _contexts(self, instruments: list[str]) -> None:
        found = await self._bus.mget([keys.context(self._venue, name) for name in instruments])
        for name, document in zip(instruments, found, strict=True):
            self._take(f"context:{name}", name, Kind.CONTEXT, document)

    async def _certificates(self) -> None:
        wanted = [keys.seam(self._venue, name) for name in self._instruments]
        *seams, rules = await self._bus.mget([*wanted, keys.rules(self._venue)])
        for name, certificate in zip(self._instruments, seams, strict=True):
            self._take(f"seam:{name}", name, Kind.SEAM, certificate)
        self._take("rules", "", Kind.RULES, rules)

    def _take(self, slot: str, source: str, kind: Kind, payload: bytes | str | None) -> None:
        if isinstance(payload, bytes) and self._seen.get(slot) != payload:
            self._seen[slot] = payload
            self._accept(source, kind, payload)

    async def _report(self, report: dict[str, object]) -> bool:
        """False when the bus refuses it: one that is full or a replica can be read all the same."""
        name = keys.health(str(report["process"]))
        try:
            await self._bus.set(name, msgspec.json.encode(report), ex=HEALTH_TTL_S)
        except redis.ResponseError as error:
            self._trouble.met(error)
            return False
        return True
