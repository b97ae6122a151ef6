"""Following the bus: what is known, then what comes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import redis


def published(bus: redis.Redis, patterns: Sequence[str], wait_s: float = 1.0) -> Iterator[bytes | None]:
    """Every body published on channels that match a pattern, after what `last:` holds; None when `wait_s` were quiet.

    Subscribes before it reads, so that nothing falls in between. Raises redis.ConnectionError when the bus goes away.
    """
    hub = bus.pubsub(ignore_subscribe_messages=True)  # type: ignore[no-untyped-call]
    try:
        hub.psubscribe(*patterns)
        hub.get_message(timeout=1.0)
        for pattern in patterns:
            for key in sorted(bus.scan_iter(match=f"last:{pattern}", count=1000)):
                body = bus.get(key)
                if isinstance(body, bytes):
                    yield body
        while True:
            found = hub.get_message(timeout=wait_s)
            if found is None:
                yield None
            elif isinstance(found["data"], bytes):
                yield found["data"]
    finally:
        hub.close()


def latest(bus: redis.Redis, pattern: str) -> Iterator[bytes]:
    """Messages of matching channels, each newer than the one before on its channel.

    A closed connection is opened again, and what `last:` holds by then is passed again. Raises redis.ConnectionError
    when the bus stays away.
    """
    import redis

    while True:
        seen: dict[str, tuple[int, int]] = {}
        try:
            for body in published(bus, [pattern]):
                if body is not None and _newer(body, seen):
                    yield body
        except redis.ConnectionError:
            bus.ping()


def _newer(body: bytes, seen: dict[str, tuple[int, int]]) -> bool:
    """Remember and pass a message newer than the last of its channel; what is no message of ours passes unseen."""
    import msgspec

    try:
        message = msgspec.json.decode(body)
        channel, at = message["channel"], (message["epoch"], message["seq"])
    except (msgspec.DecodeError, KeyError, TypeError):
        return False
    if at <= seen.get(channel, (0, 0)):
        return False
    seen[channel] = at
    return True
