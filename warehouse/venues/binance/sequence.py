"""The published procedures that keep a local order book true, as machines of two fields.

Spot and USD-M futures number their updates differently, and the rule of one breaks the book of the other:
spot ids are contiguous (`U` = previous `u` + 1); futures ids jump and each event names its predecessor in `pu`.
https://developers.binance.com/docs/binance-spot-api-docs/web-socket-streams#how-to-manage-a-local-order-book-correctly
"""

from __future__ import annotations

from typing import Literal, Protocol

Step = Literal["apply", "ignore", "gap"]


class Sequence(Protocol):
    """What both machines offer.

    `last` is the id of the newest update in the book, `first_pending` whether the first event after the snapshot is
    still to come.
    """

    last: int
    first_pending: bool

    def start(self, snapshot_id: int, /) -> None: ...
    def step(self, first: int, final: int, previous: int | None, /) -> Step: ...
    def missing(self, first: int, previous: int | None, /) -> tuple[int, int]: ...


class SpotSequence:
    """Spot: `U` must not lie beyond the last id plus one.

    >>> book = SpotSequence(); book.start(100)
    >>> [book.step(95, 100, None), book.step(99, 104, None), book.step(105, 107, None), book.step(109, 110, None)]
    ['ignore', 'apply', 'apply', 'gap']
    """

    __slots__ = ("first_pending", "last")

    def __init__(self) -> None:
        self.last = -1
        self.first_pending = True

    def start(self, snapshot_id: int) -> None:
        """Step 5: the local id is the snapshot's `lastUpdateId`."""
        self.last = snapshot_id
        self.first_pending = True

    def step(self, first: int, final: int, previous: int | None) -> Step:
        """Steps 4 and 6: drop `u` <= local id; `U` > local id + 1 is a gap; otherwise apply and move to `u`.

        The first event straddles the snapshot (`U` <= lastUpdateId + 1 <= `u`), which is the same test.
        """
        last = self.last
        if final <= last:
            return "ignore"
        if first > last + 1:
            return "gap"
        self.last = final
        self.first_pending = False
        return "apply"

    def missing(self, first: int, previous: int | None) -> tuple[int, int]:
        """The ids between the book and an event that does not follow, inclusive."""
        return self.last + 1, first - 1


class PerpSequence:
    """USD-M futures: each `pu` must equal the previous `u`.

    The first event after the snapshot must satisfy `U` <= lastUpdateId <= `u`, or `pu` == lastUpdateId (accepted by
    live clients). Both say that the event covers the ids after `pu` up to `u` and the snapshot lies among them, so the
    test is `pu` <= lastUpdateId <= `u`.

    >>> book = PerpSequence(); book.start(100)
    >>> [book.step(90, 99, 80), book.step(101, 104, 99), book.step(110, 117, 104), book.step(120, 130, 118)]
    ['ignore', 'apply', 'apply', 'gap']
    """

    __slots__ = ("first_pending", "last")

    def __init__(self) -> None:
        self.last = -1
        self.first_pending = True

    def start(self, snapshot_id: int) -> None:
        """The local id is the snapshot's `lastUpdateId`."""
        self.last = snapshot_id
        self.first_pending = True

    def step(self, first: int, final: int, previous: int | None) -> Step:
        """Drop what the book already holds, prove the first event, then chain by `pu`."""
        last = self.last
        if final <= last:
            return "ignore"
        if previous is None:
            return "gap"
        if previous != last and not (self.first_pending and previous < last):
            return "gap"
        self.last = final
        self.first_pending = False
        return "apply"

    def missing(self, first: int, previous: int | None) -> tuple[int, int]:
        """The ids between the book and an event that does not follow, inclusive."""
        return self.last + 1, first - 1 if previous is None else max(previous, self.last + 1)
