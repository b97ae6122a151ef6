"""Which single streams of a connection have gone quiet while the connection itself lives.

A venue may acknowledge a subscription and never send, or lose one stream of many. So every stream that ought to speak
has a limit: quiet for longer, it is subscribed to anew, twice; still quiet, the connection is given up. After that its
patience doubles, up to sixty-four times, so that an instrument nobody trades does not keep tearing down its neighbours.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from typing import Generic, Literal, TypeVar

import msgspec

from warehouse.clock import SECOND, Micros

Kind = Literal["trades", "depth", "bbo", "mark", "candles", "ticker", "funding", "open_interest"]

LIMITS: dict[Kind, Micros] = {
    "trades": 60 * SECOND,
    "depth": 5 * SECOND,
    "bbo": 10 * SECOND,
    "mark": 5 * SECOND,
    "candles": 70 * SECOND,
    "ticker": 10 * SECOND,
    "funding": 180 * SECOND,
    "open_interest": 30 * SECOND,
}
"""How long a stream of each kind may be quiet, where a venue does not push more rarely by design.

What speaks only when something happens (liquidations, states, block trades) has no limit.
"""

BUSY = ("BTC-USDT-PERP", "ETH-USDT-PERP")
BUSY_TRADES: Micros = 30 * SECOND

TRIES = 2
"""Subscribed to anew this often before the connection is given up."""

DOUBLINGS = 6
"""Of a stream's patience, one for each time that the connection was given up in vain."""

LOOK: Micros = SECOND // 2
"""Between two looks at all streams."""

Stream = TypeVar("Stream", bound=Hashable)


def limit(kind: Kind, instrument: str) -> Micros:
    """How long this instrument's stream of a kind may be quiet: trades of the busiest perpetuals half as long."""
    return BUSY_TRADES if kind == "trades" and instrument in BUSY else LIMITS[kind]


class Quiet(msgspec.Struct, Generic[Stream], frozen=True):
    """A stream that is quiet for too long: `quiet_us` since its last frame or subscription.

    `hopeless`: new subscriptions did not help; reconnect.
    """

    stream: Stream
    quiet_us: Micros
    hopeless: bool

    @property
    def words(self) -> str:
        """For how long, for a `VenueNotice`."""
        return f"nothing for {self.quiet_us // SECOND} s"


class SilenceState(msgspec.Struct):
    """Per stream, in order: last frame, since when a frame is expected (0: it is not), when it was found quiet last,
    and how often in a row.
    """

    heard: list[Micros]
    expected: list[Micros]
    found: list[Micros]
    times: list[int]
    look_at: Micros


class Heard:
    """When a stream spoke last, 0 for never."""

    __slots__ = ("at",)

    def __init__(self) -> None:
        self.at: Micros = 0


class Silence(Generic[Stream]):
    """A timer per stream. `limits` holds every stream of the connection, by whatever key is at hand per frame; None is
    for those that speak only when something happens.

    Each frame of one of these streams stores its time in the stream's `heard`, and no others do.
    """

    def __init__(self, limits: Mapping[Stream, Micros | None]) -> None:
        self._limits = tuple(limits.items())
        self._at = {stream: position for position, stream in enumerate(limits)}
        self.heard = {stream: Heard() for stream in limits}
        count = len(self._limits)
        self._expected: list[Micros] = [0] * count
        self._found: list[Micros] = [0] * count
        self._times = [0] * count
        self._look_at: Micros = 0

    def expect(self, streams: Iterable[Stream], now: Micros) -> None:
        """These were subscribed to: from now on they ought to speak. Raises KeyError for one that is not of these."""
        for stream in streams:
            self._expected[self._at[stream]] = now

    def forget(self) -> None:
        """The connection went away: nothing is expected until it is subscribed to again."""
        self._expected = [0] * len(self._limits)

    def quiet(self, now: Micros) -> list[Quiet[Stream]]:
        """Streams whose patience has run out, each told once and again after its patience has passed again."""
        if now < self._look_at:
            return []
        self._look_at = now + LOOK
        found: list[Quiet[Stream]] = []
        heard = self.heard
        for position, (stream, patience) in enumerate(self._limits):
            expected = self._expected[position]
            if not expected or patience is None:
                continue
            spoke = heard[stream].at
            last = max(spoke, expected)
            if now - last <= patience:
                continue
            times = self._times[position]
            if spoke > self._found[position]:
                times = 0
            else:
                last = max(last, self._found[position])
            if now - last <= patience << min(DOUBLINGS, times // (TRIES + 1)):
                continue
            self._found[position], self._times[position] = now, times + 1
            since = spoke or expected
            found.append(Quiet(stream, now - since, times % (TRIES + 1) == TRIES))
        return found

    def state(self) -> SilenceState:
        """The memory of it."""
        heard = [one.at for one in self.heard.values()]
        return SilenceState(heard, list(self._expected), list(self._found), list(self._times), self._look_at)

    def restore(self, state: SilenceState) -> None:
        """The inverse of `state`; another number of streams begins anew."""
        if len(state.heard) != len(self._limits):
            return
        for (stream, _), heard in zip(self._limits, state.heard, strict=True):
            self.heard[stream].at = heard
        self._expected, self._found, self._times = list(state.expected), list(state.found), list(state.times)
        self._look_at = state.look_at
