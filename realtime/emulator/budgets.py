"""Who goes on asking after a 429 is banned, as the venue would ban this address; who connects too often is refused."""

from __future__ import annotations

from collections import deque

from realtime.emulator.faults import wording
from warehouse.budgets.limits import CONNECTS
from warehouse.clock import SECOND, Micros
from warehouse.venues.base import Reply

BANNING = ("binance",)
"""Venues that follow up a 429 with a ban of another status. Bybit bans at once (its emulated side does), OKX never."""

PATIENCE = 5
"""Requests after a 429, before its Retry-After has passed, that lead to a ban."""

FIRST, MOST = 120, 3 * 86_400
"""Seconds of the first ban of an address, which doubles each time, and of the longest."""


class Budget:
    """One address at one venue: the venue's own side counts weights, this remembers what it has refused.

    `before` tells whether a request is refused unseen, `after` what became of it, `connect` whether one more WebSocket
    may be opened.
    """

    def __init__(self, venue: str) -> None:
        self._venue = venue
        self._bans = venue in BANNING
        self._wait_until: Micros = 0
        self._ignored = 0
        self._banned_until: Micros = 0
        self._next = FIRST
        self._attempts: deque[Micros] = deque()

    def before(self, now: Micros) -> Reply | None:
        """The reply to a banned address; None: let the request through."""
        if now >= self._banned_until:
            return None
        return wording.banned(self._venue, (self._banned_until - now) // SECOND + 1, now)

    def after(self, reply: Reply, now: Micros) -> Reply:
        """The reply that goes out."""
        if not self._bans or reply.status != 429:
            return reply
        if now >= self._wait_until:
            self._ignored = 0
            self._wait_until = now + int(reply.headers.get("Retry-After", "1")) * SECOND
            return reply
        self._ignored += 1
        if self._ignored < PATIENCE:
            return reply
        self._banned_until = now + self._next * SECOND
        self._next = min(MOST, 2 * self._next)
        self._ignored, self._wait_until = 0, 0
        return wording.banned(self._venue, (self._banned_until - now) // SECOND, now)

    def connect(self, now: Micros) -> bool:
        """Count an attempt; False when there were too many."""
        limit = CONNECTS[self._venue]
        while self._attempts and self._attempts[0] <= now - limit.per_us:
            self._attempts.popleft()
        self._attempts.append(now)
        return len(self._attempts) <= limit.amount
