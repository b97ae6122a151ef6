"""The venues, by name. A venue is a folder with the same names everywhere: wire, decode, sequence, session,
history, emulate.
"""

from __future__ import annotations

from importlib import import_module
from typing import cast

from warehouse.venues.archives import ArchiveModule
from warehouse.venues.base import HistoryModule, VenueModule

VENUES: tuple[str, ...] = ("binance", "bybit", "okx")


def venue(name: str) -> VenueModule:
    """The venue package called `name`. Raises KeyError for an unknown one."""
    if name not in VENUES:
        raise KeyError(f"unknown venue {name!r}; known: {', '.join(VENUES)}")
    return cast(VenueModule, import_module(f"warehouse.venues.{name}"))


def history(name: str) -> HistoryModule:
    """The REST walks of the venue called `name`."""
    venue(name)
    return cast(HistoryModule, import_module(f"warehouse.venues.{name}.history"))


def archive(name: str) -> ArchiveModule:
    """The bulk files of the venue called `name`."""
    venue(name)
    return cast(ArchiveModule, import_module(f"warehouse.venues.{name}.archive"))
