"""A rail watches and judges; it does not act. The engine asks all rails before it publishes."""

from __future__ import annotations

from typing import Literal, Protocol, TypeVar

import msgspec

from warehouse.clock import Micros

RailLevel = Literal["ok", "degraded"]


class Verdict(msgspec.Struct, frozen=True, gc=False):
    """What a rail thinks now. `reason` is in words a person and a machine can read; empty while `ok`."""

    level: RailLevel
    reason: str = ""

    @property
    def ok(self) -> bool:
        return self.level == "ok"


FINE = Verdict("ok")

Event = TypeVar("Event", contravariant=True)


class Rail(Protocol[Event]):
    """Watches one kind of event: of a stream of an instrument, or of the worker."""

    def observe(self, event: Event, now: Micros, /) -> None:
        """`event` came at `now`."""

    def verdict(self, now: Micros, /) -> Verdict:
        """May what is made of these events be called complete at `now`?"""
