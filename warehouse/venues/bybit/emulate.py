"""Bybit's own side of the protocol over a market: pure, no socket. See `warehouse.venues.base.EmulatedVenue`."""

from __future__ import annotations

from warehouse.clock import Micros
from warehouse.venues.base import EmulatedConnection, MarketView, Reply
from warehouse.venues.bybit.decode import VENUE
from warehouse.venues.bybit.emulate_archive import Archive
from warehouse.venues.bybit.emulate_feeds import Feeds
from warehouse.venues.bybit.emulate_frames import Floor
from warehouse.venues.bybit.emulate_rest import RestSide
from warehouse.venues.bybit.emulate_socket import Connection


class EmulatedBybit:
    """The venue: REST and any number of connections over one `MarketView`."""

    def __init__(self, view: MarketView) -> None:
        self._feeds = Feeds(view)
        rules = [rule for rule in view.rules() if rule.venue == VENUE]
        self._rest = RestSide(view, rules, self._feeds)
        self._archive = Archive(view, rules)
        self._floor = Floor(view)
        self._connections = 0

    def rest(self, base: str, path: str, query: dict[str, str], now: Micros) -> Reply:
        """Answer a GET, of the archive or of the one other base."""
        if base == "rest_archive":
            return self._archive.reply(path, now)
        return self._rest.reply(path, query, now)

    def connect(self, base: str, path: str, query: dict[str, str], now: Micros) -> EmulatedConnection:
        """A new connection to `/v5/public/spot`, `/v5/public/linear` or `/v5/public/misc/status`."""
        self._connections += 1
        last = path.rstrip("/").rpartition("/")[2]
        return Connection(self._floor, self._feeds, last if last in ("spot", "status") else "perp", self._connections)
