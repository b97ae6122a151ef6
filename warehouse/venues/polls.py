"""What a session asks again and again because the venue has no stream for it, or to check the stream it has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from warehouse.clock import MINUTE, SECOND, Micros
from warehouse.venues.base import Fetch, Purpose

EVERY: dict[Purpose, Micros] = {
    "mark_price": 10 * SECOND,
    "open_interest": 15 * SECOND,
    "funding": 30 * SECOND,
    "insurance": 60 * SECOND,
    "status": 60 * SECOND,
}
"""How often each kind of thing is asked for."""

PATIENCE: Micros = 10 * SECOND
"""An answer later than this is no longer waited for."""


class PollState(msgspec.Struct):
    """Per poll, in order: when it is due next, when it was asked (0: no answer is outstanding), failures in a row."""

    due: list[Micros]
    asked: list[Micros]
    failures: list[int]


class Polls:
    """Requests of one session, each every `EVERY` of its purpose, evenly spread so that they never come in a burst.

    A failed one waits twice as long each time, up to sixteen periods. Every request needs a `tag` of its own. `periods`
    are those of tags that are asked for more rarely, because the answer is long and changes little.
    """

    def __init__(self, fetches: Sequence[Fetch], periods: Mapping[str, Micros] | None = None) -> None:
        self._fetches = tuple(fetches)
        self._periods = tuple((periods or {}).get(fetch.tag, EVERY[fetch.purpose]) for fetch in self._fetches)
        self._at = {fetch.tag: position for position, fetch in enumerate(self._fetches)}
        if len(self._at) != len(self._fetches):
            raise ValueError("two polls of a session have the same tag")
        self._due: list[Micros] = [0] * len(self._fetches)
        self._asked: list[Micros] = [0] * len(self._fetches)
        self._failures = [0] * len(self._fetches)

    def start(self, now: Micros) -> None:
        """The connection is up: begin, each poll at its place within its period, or within the first minute."""
        count = max(1, len(self._fetches))
        for position, period in enumerate(self._periods):
            self._due[position] = now + min(period, MINUTE) * position // count
            self._asked[position] = 0

    def due(self, now: Micros) -> list[Fetch]:
        """Requests whose time has come; one whose answer never came counts as failed."""
        found: list[Fetch] = []
        for position, fetch in enumerate(self._fetches):
            if self._asked[position]:
                if now - self._asked[position] < PATIENCE:
                    continue
                self._settle(position, False, now)
            if now >= self._due[position]:
                self._asked[position] = now
                found.append(fetch)
        return found

    def answered(self, fetch: Fetch, ok: bool, now: Micros) -> bool:
        """An answer came; False when it answers none of these polls. `ok`: it could be read."""
        position = self._at.get(fetch.tag)
        if position is None:
            return False
        self._settle(position, ok, now)
        return True

    def _settle(self, position: int, ok: bool, now: Micros) -> None:
        period = self._periods[position]
        self._asked[position] = 0
        self._failures[position] = 0 if ok else self._failures[position] + 1
        self._due[position] = max(self._due[position], now - period) + period * 2 ** min(4, self._failures[position])

    def state(self) -> PollState:
        """The memory of it."""
        return PollState(list(self._due), list(self._asked), list(self._failures))

    def restore(self, state: PollState) -> None:
        """The inverse of `state`; another number of polls begins anew."""
        if len(state.due) == len(self._fetches):
            self._due, self._asked, self._failures = list(state.due), list(state.asked), list(state.failures)
