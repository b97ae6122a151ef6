"""Can each venue be reached, and if not, why and what to do."""

from __future__ import annotations

import asyncio

import aiohttp

from configs.settings import Settings
from realtime.feed import explain
from warehouse.instruments import Market
from warehouse.venues import history

TIMEOUT_S = 10


async def probe(settings: Settings) -> dict[str, str]:
    """Each venue in use, with an empty text when it answers for all markets in use, else why it does not."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT_S)) as http:
        names = settings.enabled()
        found = await asyncio.gather(*(_venue(settings, name, http) for name in names))
        return dict(zip(names, found, strict=True))


async def _venue(settings: Settings, venue: str, http: aiohttp.ClientSession) -> str:
    """The clocks of the venue's markets, each base once; the first base that does not answer."""
    markets: dict[Market, None] = {listing.market: None for listing in settings.listings(venue)}
    asked: dict[str, None] = {}
    for market in markets:
        fetch = next(history(venue).server_time(market))
        base = settings.endpoint(venue, fetch.base)
        if base in asked:
            continue
        asked[base] = None
        try:
            async with http.get(base + fetch.path, params=fetch.query) as reply:
                reply.raise_for_status()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            return f"{base}: {explain(error)}"
    return ""
