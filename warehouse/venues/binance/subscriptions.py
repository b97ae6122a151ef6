"""SUBSCRIBE and UNSUBSCRIBE of one connection: in portions, at the venue's pace, each until it is acknowledged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from warehouse.clock import SECOND, Micros
from warehouse.venues.base import Send

CHUNK = 200
"""Streams in one SUBSCRIBE, and the number a futures connection is trusted with."""

PAUSE = SECOND // 2
"""Between two messages to the venue, which allows 5 a second on spot and 10 on futures."""

ACK_PATIENCE = 15 * SECOND
RETRY_REFUSED = 30 * SECOND

Method = Literal["SUBSCRIBE", "UNSUBSCRIBE"]


class Request(msgspec.Struct):
    """A message under way. `sent_at` is None while it waits for its turn, `due_at` the earliest time to send it.

    `again`: of a stream that was acknowledged before.
    """

    id: int
    method: Method
    params: list[str]
    due_at: Micros
    again: bool
    sent_at: Micros | None = None


class SubscriptionsState(msgspec.Struct):
    """What is under way."""

    next_id: int
    sent_at: Micros
    requests: list[Request]


class Subscriptions:
    """The requests of one connection."""

    def __init__(self) -> None:
        self._next_id = 1
        self._sent_at: Micros = 0
        self._requests: list[Request] = []

    def start(self, streams: Sequence[str], now: Micros) -> None:
        """A new connection: whatever was under way begins anew."""
        self._requests, self._sent_at = [], 0
        for first in range(0, len(streams), CHUNK):
            self._add("SUBSCRIBE", list(streams[first : first + CHUNK]), now, again=False)

    def stop(self) -> None:
        """The connection went away."""
        self._requests = []

    def renew(self, streams: Sequence[str], now: Micros) -> None:
        """These have gone quiet: leave them and come back."""
        for first in range(0, len(streams), CHUNK):
            chunk = list(streams[first : first + CHUNK])
            self._add("UNSUBSCRIBE", chunk, now, again=True)
            self._add("SUBSCRIBE", chunk, now, again=True)

    def due(self, now: Micros) -> list[Send]:
        """The next message, if one is due and the venue's message rate allows it."""
        if not self._requests or now - self._sent_at < PAUSE:
            return []
        for request in self._requests:
            if request.sent_at is None and now >= request.due_at:
                request.sent_at = self._sent_at = now
                message = {"method": request.method, "params": request.params, "id": request.id}
                return [Send(msgspec.json.encode(message))]
        return []

    def acknowledged(self, number: int | str) -> list[str]:
        """The streams that are subscribed to by the request of this id."""
        done = [request for request in self._requests if request.id == number]
        self._requests = [request for request in self._requests if request.id != number]
        return [stream for request in done if request.method == "SUBSCRIBE" for stream in request.params]

    def refused(self, number: int | str | None, now: Micros) -> None:
        """The refused SUBSCRIBE is sent again later; without an id the oldest request under way is meant."""
        sent = [r for r in self._requests if r.sent_at is not None and number in (None, r.id)]
        if sent and sent[0].method == "UNSUBSCRIBE":
            self._requests.remove(sent[0])  # to subscribe twice does no harm
        elif sent:
            sent[0].sent_at, sent[0].due_at = None, now + RETRY_REFUSED

    def overdue(self, now: Micros) -> bool:
        """Is a message without an answer for too long?"""
        return any(r.sent_at is not None and now - r.sent_at > ACK_PATIENCE for r in self._requests)

    @property
    def complete(self) -> bool:
        """Every stream has been acknowledged once."""
        return all(request.again for request in self._requests)

    def state(self) -> SubscriptionsState:
        """The memory of it."""
        return SubscriptionsState(self._next_id, self._sent_at, self._requests)

    def restore(self, state: SubscriptionsState) -> None:
        """The inverse of `state`."""
        self._next_id, self._sent_at, self._requests = state.next_id, state.sent_at, state.requests

    def _add(self, method: Method, params: list[str], now: Micros, again: bool) -> None:
        self._requests.append(Request(self._next_id, method, params, now, again))
        self._next_id += 1
