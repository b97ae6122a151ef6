"""Every kind of fault that the emulated venues know: what it does, where it can happen, its parameters."""

from __future__ import annotations

import msgspec

from realtime.emulator.faults import books, connections, frames, markets, replies
from realtime.emulator.faults.parts import Injector

ALL = ("binance", "bybit", "okx")
STREAMS = ("trades", "depth", "bbo", "candles", "ticker")


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """A kind of fault. `defaults` are the parameters it uses and their values where a plan gives none.

    `streams`: one of these is drawn where a fault is drawn; `of_instrument`: so is an instrument. `changes_market`:
    it needs a seeded market and a time. `needs_plan`: it is made before the market begins. `signed`: `amount` may be
    negative. `at_random`: chaos may draw it unasked.
    """

    name: str
    make: type[Injector]
    venues: tuple[str, ...] = ALL
    defaults: dict[str, float] = {}
    streams: tuple[str, ...] = ()
    of_instrument: bool = False
    needs_instrument: bool = False
    changes_market: bool = False
    needs_plan: bool = False
    signed: bool = False
    at_random: bool = True

    @property
    def doc(self) -> str:
        """What happens, in a sentence or two."""
        return " ".join((self.make.__doc__ or "").split())


def _frame(name: str, make: type[Injector], **defaults: float) -> Kind:
    return Kind(name=name, make=make, defaults=defaults, streams=STREAMS, of_instrument=True)


def _book(name: str, make: type[Injector], venues: tuple[str, ...] = ALL, **defaults: float) -> Kind:
    return Kind(
        name=name,
        make=make,
        venues=venues,
        defaults=defaults,
        streams=("depth",),
        of_instrument=True,
        needs_instrument=True,
    )


_EVERY: tuple[Kind, ...] = (
    _frame("dropped", frames.Dropped, count=3),
    _frame("duplicated", frames.Duplicated, count=3),
    _frame("reordered", frames.Reordered, count=2),
    _frame("delayed", frames.Delayed, seconds=2, amount=1.5),
    _frame("truncated", frames.Truncated, count=2),
    _frame("garbage", frames.Garbage, count=3),
    _frame("oversized", frames.Oversized, count=1, amount=64),
    _frame("silent_stream", frames.SilentStream, seconds=10),
    Kind(name="silent_connection", make=frames.SilentConnection, defaults={"seconds": 10}),
    _book("sequence_gap", books.SequenceGap, count=2),
    _book("sequence_reset", books.SequenceReset, ("bybit", "okx"), count=1),
    _book("equal_ids", books.EqualIds, ("okx",), count=2),
    _book("old_snapshot", books.OldSnapshot, count=2),
    _book("stale_snapshot", books.StaleSnapshot, count=1, amount=2, seconds=10),
    Kind(name="socket_reset", make=connections.SocketReset, defaults={"count": 1}),
    Kind(name="closed", make=connections.Closed, defaults={"count": 1}),
    Kind(name="day_cut", make=connections.DayCut, venues=("binance",), defaults={"count": 1}),
    Kind(name="shutdown_notice", make=connections.ShutdownNotice, venues=("binance", "okx"), defaults={"amount": 5}),
    Kind(name="half_open", make=connections.HalfOpen, defaults={"count": 1}),
    Kind(name="refused_handshake", make=connections.RefusedHandshake, defaults={"count": 2}),
    Kind(name="ignored_subscription", make=connections.IgnoredSubscription, defaults={"count": 1}),
    Kind(name="rejected_subscription", make=connections.RejectedSubscription, defaults={"count": 1}),
    Kind(name="silent_acknowledgement", make=connections.SilentAcknowledgement, defaults={"count": 1}),
    Kind(name="too_many_requests", make=replies.TooManyRequests, defaults={"count": 2, "amount": 2}),
    Kind(name="banned", make=replies.Banned, venues=("binance", "bybit"), defaults={"count": 2, "amount": 10}),
    Kind(name="server_error", make=replies.ServerError, defaults={"count": 3}),
    Kind(name="timed_out", make=replies.TimedOut, defaults={"count": 1, "amount": 15}),
    Kind(name="empty_page", make=replies.EmptyPage, defaults={"count": 1}),
    Kind(name="holed_page", make=replies.HoledPage, defaults={"count": 1}),
    Kind(name="geo_blocked", make=replies.GeoBlocked, venues=("binance", "bybit"), defaults={"count": 3}),
    Kind(
        name="skewed_clock",
        make=markets.SkewedClock,
        defaults={"amount": 3},
        signed=True,
        changes_market=True,
        needs_plan=True,
        at_random=False,
    ),
    Kind(
        name="stepping_clock",
        make=markets.SteppingClock,
        defaults={"amount": 4, "seconds": 10},
        signed=True,
        changes_market=True,
    ),
    Kind(name="maintenance", make=markets.Maintenance, defaults={"amount": 5, "seconds": 15}),
    Kind(
        name="burst",
        make=markets.Burst,
        defaults={"amount": 20, "seconds": 5},
        of_instrument=True,
        changes_market=True,
    ),
    Kind(
        name="delisted",
        make=markets.Delisted,
        defaults={"seconds": 20},
        of_instrument=True,
        needs_instrument=True,
        changes_market=True,
        at_random=False,
    ),
    Kind(
        name="tick_changed",
        make=markets.TickChanged,
        defaults={"amount": 10, "seconds": 1},
        of_instrument=True,
        needs_instrument=True,
        changes_market=True,
        at_random=False,
    ),
)

KINDS: dict[str, Kind] = {kind.name: kind for kind in _EVERY}
"""All kinds by name."""
