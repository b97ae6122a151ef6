"""The order of a Bybit depth topic, as a machine of one integer.

https://bybit-exchange.github.io/docs/v5/websocket/public/orderbook : the first message is a snapshot; a later snapshot
replaces the book; `u` = 1 is a snapshot after a restart of the service; every other message counts `u` one up.
"""

from __future__ import annotations

from enum import Enum


class Step(Enum):
    """What a message is to the book."""

    REPLACE = "replace"
    """A snapshot: the whole book."""
    APPLY = "apply"
    """The next delta."""
    REPEAT = "repeat"
    """The last delta again: already in the book."""
    WAIT = "wait"
    """A delta without a snapshot before it."""
    BREAK = "break"
    """A delta that does not follow: messages are missing."""


class Sequencer:
    """Judges messages by `u`. `last` is the newest `u` in the book, 0 while there is no book."""

    __slots__ = ("last",)

    def __init__(self) -> None:
        self.last = 0

    def snapshot(self, u: int) -> Step:
        """First message, any later snapshot, or `u` = 1: overwrite the local book."""
        self.last = u
        return Step.REPLACE

    def delta(self, u: int) -> Step:
        """A delta: apply it only when it is the next one. After BREAK the book is gone until a snapshot."""
        last = self.last
        if u == last + 1 and last:
            self.last = u
            return Step.APPLY
        if not last:
            return Step.WAIT
        if u == last:
            return Step.REPEAT
        self.last = 0
        return Step.BREAK

    def lost(self) -> None:
        """The connection is gone: what follows begins with a snapshot."""
        self.last = 0
