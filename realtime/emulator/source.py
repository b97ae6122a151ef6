"""What stands behind the servers: a seeded market or a tape, as one face."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

import msgspec

from realtime.emulator.changes import Change
from warehouse.clock import Clock, Micros
from warehouse.records import Record
from warehouse.venues.base import Dialect, MarketView


class Played(msgspec.Struct, frozen=True, gc=False):
    """A recorded frame, to go as it is to the connections on `base` that hold `stream` (two markets may name a stream
    alike).
    """

    base: str
    stream: str
    frame: bytes


class About(msgspec.Struct, frozen=True, kw_only=True):
    """What an emulated venue says of itself at `/p9/emulator`.

    `streams` are the venue's stream names that a tape holds, None for all of today's; `dialect_at` dates its format.
    Trades are served from `trades_from` on. `seed` is None for a tape, `tape` empty for a seed.
    """

    realm: str = "emulated"
    venue: str
    clock_offset_us: Micros
    streams: tuple[str, ...] | None = None
    dialect_at: Micros | None = None
    trades_from: Micros | None = None
    seed: int | None = None
    tape: tuple[str, ...] = ()

    @property
    def dialect(self) -> Dialect:
        """The dialect that sessions need for this venue."""
        return Dialect(streams=self.streams, at=self.dialect_at)


class Source(Protocol):
    """A market for some venues. `open` may be slow and runs in a thread; all else is called from one event loop."""

    @property
    def venues(self) -> Sequence[str]: ...
    @property
    def clock_offset_us(self) -> Micros: ...
    def open(self) -> None:
        """Get ready to serve: load, draw, relive."""
        ...

    @property
    def begun(self) -> Micros:
        """When the emulation of this market first began: faults count from here."""
        ...

    def clock(self, venue: str) -> Clock:
        """What a venue takes the time to be."""
        ...

    def view(self, venue: str) -> MarketView: ...
    def change(self, changes: Sequence[Change]) -> None:
        """Change the market from now on; a restart does not repeat it. Raises ConfigError for a tape."""
        ...

    def about(self, venue: str) -> About: ...
    def subscribed(self, venue: str, streams: Sequence[tuple[str, str]]) -> None:
        """What the connections of a venue now hold, as (base, stream)."""
        ...

    def cold(self) -> Callable[[], None] | None:
        """Slow work that somebody waits for, to be done in a thread; None: there is none."""
        ...

    def advance(self, now: Micros) -> Iterable[tuple[str, Record | Played]]:
        """What happened since the last call, with its venue, in order."""
        ...
