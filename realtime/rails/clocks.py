"""Our clock beside the venue's, and our own speed: what the worker measures and journals each second."""

from __future__ import annotations

import msgspec

from realtime.rails.base import FINE, Verdict
from realtime.rails.latency import LatencyRail
from warehouse.clock import SECOND, Micros


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """Payload of `Kind.HEALTH`, microseconds.

    `offset_us` is how far the venue's clock is ahead of ours, known to `uncertainty_us` (half the least round trip);
    None before the first measurement. `ntp_offset_us` is the same of a time server, None where none is reachable.
    `lag_us` is the longest time an input waited for its messages to be made.
    """

    offset_us: Micros | None = None
    uncertainty_us: Micros = 0
    ntp_offset_us: Micros | None = None
    lag_us: Micros = 0


class ClockRail:
    """Degraded while our clock is further from the venue's than `limit_us` beyond what is uncertain."""

    __slots__ = ("health", "limit_us")

    def __init__(self, limit_us: Micros) -> None:
        self.limit_us = limit_us
        self.health = Health()

    @property
    def offset_us(self) -> Micros:
        """Ahead of ours, 0 while unknown: what is taken off an event's age."""
        return self.health.offset_us or 0

    def observe(self, health: Health, now: Micros, /) -> None:
        self.health = health

    def verdict(self, now: Micros, /) -> Verdict:
        health = self.health
        if health.offset_us is None or abs(health.offset_us) - health.uncertainty_us <= self.limit_us:
            return FINE
        side = "behind" if health.offset_us > 0 else "ahead of"
        words = f"our clock is {abs(health.offset_us) / SECOND:.2f} s {side} the venue's"
        if health.ntp_offset_us is not None:
            words += f" ({health.ntp_offset_us / SECOND:+.2f} s by NTP)"
        return Verdict("degraded", words)


class Vitals:
    """The rails of a whole worker: clock and own speed."""

    __slots__ = ("clock", "lag")

    def __init__(self, clock_limit_us: Micros, lag_limit_us: Micros) -> None:
        self.clock = ClockRail(clock_limit_us)
        self.lag = LatencyRail("this worker", lag_limit_us, lag_limit_us // 4, 2 * SECOND)

    def observe(self, health: Health, now: Micros) -> None:
        """A measurement."""
        self.clock.observe(health, now)
        self.lag.observe(health.lag_us, now)

    def complaints(self, now: Micros) -> list[str]:
        """Why nothing of this worker is complete."""
        return [found.reason for found in (self.clock.verdict(now), self.lag.verdict(now)) if not found.ok]

    def state(self) -> dict[str, object]:
        """As JSON-able values."""
        return {"health": msgspec.to_builtins(self.clock.health), "lag": self.lag.state()}

    def restore(self, state: dict[str, object]) -> None:
        """The inverse of `state`."""
        self.clock.health = msgspec.convert(state["health"], Health)
        self.lag.restore(msgspec.convert(state["lag"], list[int]))
