"""What the recorder says on the bus: certificates for the workers, its health for the board.

Recording never waits for either: without a bus, or with one that refuses, what is to be said is said later.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from realtime.bus import UNUSABLE, Trouble
from warehouse import keys
from warehouse.seam import Certificate

HEALTH_TTL_S = 5


class Voice:
    """One connection to the bus at `url`; None: nobody listens."""

    def __init__(self, url: str | None) -> None:
        quick = Retry(NoBackoff(), 0)
        self._bus = redis.Redis.from_url(url, socket_timeout=2, retry=quick) if url else None
        self._trouble = Trouble()
        self._said: dict[str, bytes] = {}

    def certificates(self, certificates: Sequence[Certificate], *, again: bool = False) -> None:
        """Set each certificate that changed since it was last set; all of them with `again`."""
        for one in certificates:
            key, payload = keys.seam(one.venue, one.instrument), msgspec.msgpack.encode(one)
            if (again or self._said.get(key) != payload) and self._set(key, payload):
                self._said[key] = payload

    def health(self, process: str, report: dict[str, object]) -> None:
        """Leave a report that expires when it is not renewed."""
        self._set(keys.health(process), msgspec.json.encode(report), HEALTH_TTL_S)

    def _set(self, key: str, payload: bytes, ttl_s: int | None = None) -> bool:
        if self._bus is None:
            return False
        try:
            self._bus.set(key, payload, ex=ttl_s)
        except UNUSABLE as error:
            self._trouble.met(error)
            return False
        self._trouble.over()
        return True
