"""Can each venue be reached, and if not, why and what to do."""

from __future__ import annotations

import asyncio

import aiohttp

from configs.settings import Settings
from realtime.feed import explain
from warehouse.venues import history


async def probe(settings: Settings) -> dict[str, str]:
    """Each venue in use, with an empty text when it answers, else why it does not."""
    timeout = aiohttp.ClientTimeout(total=10)
    async with aiohttp.ClientSession(timeout=timeout) as http:

        async def one(venue: str) -> str:
            fetch = next(history(venue).server_time("spot"))
            base = settings.endpoint(venue, fetch.base)
            try:
                async with http.get(base + fetch.path, params=fetch.query) as reply:
                    if reply.status in (403, 451):
                        return f"{base}: HTTP {reply.status}: geo-blocked or banned here; use another network"
                    return "" if reply.status == 200 else f"{base}: HTTP {reply.status}"
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                return f"{base}: {explain(error)}"

        names = settings.enabled()
        return dict(zip(names, await asyncio.gather(*(one(name) for name in names)), strict=True))
