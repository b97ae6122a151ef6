"""What a task needs from outside, opened for one venue and closed again: settings, clock, lake, source, bus.

A task opens its own desk from settings, so nothing with a socket or a file handle in it travels between processes.
"""

from __future__ import annotations

import uuid
from types import TracebackType
from typing import TYPE_CHECKING

import redis
import structlog
from redis.backoff import NoBackoff
from redis.retry import Retry

from pipelines.load import Lander
from pipelines.sources.base import Source
from pipelines.sources.ccxt import CcxtSource
from warehouse import keys
from warehouse.budgets.own import Budget, of_process
from warehouse.budgets.shared import SharedBudget
from warehouse.clock import SystemClock
from warehouse.errors import ConfigError

if TYPE_CHECKING:
    from configs.settings import Settings
    from warehouse.store import Lake

log = structlog.get_logger()


def open_lake(settings: Settings) -> Lake:
    """The installation's lake. Raises ConfigError when it is of the other realm."""
    from warehouse.store import Lake

    return Lake(settings.lake_root, settings.lake.storage_options, settings.realm)


def open_bus(settings: Settings) -> redis.Redis | None:
    """The bus, or None when nobody answers there: flows work without it. Raises ConfigError for the other realm."""
    bus = redis.Redis.from_url(
        settings.bus_url, retry=Retry(NoBackoff(), 0), socket_connect_timeout=1, socket_timeout=5
    )
    try:
        found = bus.get(keys.REALM)
    except (redis.RedisError, OSError) as error:
        bus.close()
        if settings.bus.url is not None:
            log.warning("bus_unreachable", url=settings.bus_url, error=str(error))
        return None
    if isinstance(found, bytes) and found.decode() != settings.realm:
        raise ConfigError(f"the bus at {settings.bus_url} is marked {found.decode()!r}, not {settings.realm!r}")
    return bus


class Desk:
    """An async context manager around everything a task of one venue touches."""

    def __init__(self, settings: Settings, venue: str, source: Source | None = None) -> None:
        self.settings = settings
        self.venue = venue
        self.clock = SystemClock()
        self.run_id = uuid.uuid4().hex[:12]
        self.lake = open_lake(settings)
        self.lander = Lander(self.lake, self.run_id)
        self.bus = open_bus(settings)
        self.budget: Budget = of_process(venue)
        if self.bus is not None:
            self.budget = SharedBudget(of_process(venue), settings.bus_url)
        self.source: Source = source or CcxtSource(
            venue, lambda key: settings.endpoint(venue, key), settings.realm, self.budget
        )

    async def __aenter__(self) -> Desk:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.source.close()
        await self.budget.close()
        if self.bus is not None:
            self.bus.close()
