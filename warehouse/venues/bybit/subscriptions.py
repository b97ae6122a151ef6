"""What was asked of the venue on one connection: subscriptions under way, refused ones, and the numbers of requests.

https://bybit-exchange.github.io/docs/v5/ws/connect
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from warehouse.clock import SECOND, Micros
from warehouse.venues.base import Send

ARGS = 10
"""Topics per subscribe request: the limit on spot, kept on linear so that one refused topic costs few others."""

ACK = 10 * SECOND

AGAIN = 60 * SECOND
"""Pause before a refused topic is asked for again."""


class Request(msgspec.Struct, frozen=True):
    """A subscription that waits for its acknowledgement. `first` requests make the connection ready."""

    topics: tuple[str, ...]
    sent_at: Micros
    first: bool


class SubscriptionsState(msgspec.Struct):
    """Requests that wait, refused topics with the time to ask again, and the number of the last request."""

    requests: int
    pending: dict[str, Request]
    refused: dict[str, Micros]


class Subscriptions:
    """Requests of one connection, from the first to the last acknowledgement."""

    def __init__(self) -> None:
        self._requests = 0
        self.pending: dict[str, Request] = {}
        self._refused: dict[str, Micros] = {}

    @property
    def complete(self) -> bool:
        """Every topic that was asked for at first has been acknowledged."""
        return not self._refused and not any(request.first for request in self.pending.values())

    def begin(self, topics: Sequence[str], now: Micros, needed: bool) -> list[Send]:
        """A connection came up: everything anew, at most ten topics in a request.

        Unless `needed`, nobody waits for the acknowledgements.
        """
        self.pending.clear()
        self._refused.clear()
        chunks = [tuple(topics[at : at + ARGS]) for at in range(0, len(topics), ARGS)]
        return [self.subscribe(chunk, now, first=needed) for chunk in chunks]

    def subscribe(self, topics: tuple[str, ...], now: Micros, first: bool) -> Send:
        """Ask for topics."""
        self._requests += 1
        self.pending[str(self._requests)] = Request(topics, now, first)
        return self._operation("subscribe", topics)

    def resubscribe(self, topic: str, now: Micros) -> list[Send]:
        """Leave one topic and ask for it again: a book begins with a snapshot then."""
        self._requests += 1
        return [self._operation("unsubscribe", (topic,)), self.subscribe((topic,), now, first=False)]

    def ping(self) -> Send:
        """The keep-alive."""
        self._requests += 1
        return Send(b'{"req_id":"%d","op":"ping"}' % self._requests)

    def overdue(self, now: Micros) -> str | None:
        """A topic that was asked for at first and is not acknowledged in time."""
        for request in self.pending.values():
            if request.first and now - request.sent_at > ACK:
                return request.topics[0]
        return None

    def again(self, now: Micros) -> list[Send]:
        """Refused topics whose pause is over."""
        due = [topic for topic, at in self._refused.items() if now >= at]
        for topic in due:
            del self._refused[topic]
        return [self.subscribe((topic,), now, first=True) for topic in due]

    def acknowledged(self, req_id: str) -> Request | None:
        """The request that an acknowledgement answers: the oldest one where it names none."""
        return self.pending.pop(req_id or next(iter(self.pending), ""), None)

    def refuse(self, request: Request, now: Micros) -> list[Send]:
        """A request was refused: its topics one by one, and a single one again later."""
        if len(request.topics) > 1:
            return [self.subscribe((topic,), now, first=request.first) for topic in request.topics]
        if request.first:
            self._refused[request.topics[0]] = now + AGAIN
        return []

    def _operation(self, op: str, topics: tuple[str, ...]) -> Send:
        return Send(msgspec.json.encode({"req_id": str(self._requests), "op": op, "args": topics}))

    def state(self) -> dict[str, object]:
        """Everything, as JSON-able values."""
        pending = {key: msgspec.to_builtins(request) for key, request in self.pending.items()}
        return {"requests": self._requests, "pending": pending, "refused": dict(self._refused)}

    def restore(self, state: SubscriptionsState) -> None:
        """The inverse of `state`."""
        self._requests, self.pending, self._refused = state.requests, state.pending, state.refused
