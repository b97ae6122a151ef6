"""What every way out has in common, and the account it keeps.

A sink takes messages in order and answers for each of them: **produced = delivered + superseded + lost**, and what is
neither yet is outstanding.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from realtime.message import Message


class Account(msgspec.Struct, gc=False):
    """Counts of one channel. `outstanding` messages are waiting or sent without an answer yet."""

    produced: int = 0
    delivered: int = 0
    superseded: int = 0
    lost: int = 0

    @property
    def outstanding(self) -> int:
        return self.produced - self.delivered - self.superseded - self.lost


class Receipt(msgspec.Struct, frozen=True):
    """What became of all messages a sink was given up to now, over all channels."""

    produced: int
    delivered: int
    superseded: int
    lost: int

    @property
    def outstanding(self) -> int:
        return self.produced - self.delivered - self.superseded - self.lost


class Sink(Protocol):
    """A way out. `put` never waits (the worker calls it once per turn); `write` also waits for the other side."""

    def put(self, batch: Sequence[Message]) -> None: ...

    async def write(self, batch: Sequence[Message]) -> Receipt: ...

    @property
    def congested(self) -> bool:
        """Too much is unanswered: stop reading from venues until this is False again."""
        ...

    @property
    def accounts(self) -> dict[str, Account]: ...

    async def close(self) -> None:
        """Wait for what is outstanding, within the sink's patience, and count the rest as lost."""
        ...


def receipt(accounts: dict[str, Account]) -> Receipt:
    """The sum of all channels' accounts."""
    rows = accounts.values()
    return Receipt(
        produced=sum(row.produced for row in rows),
        delivered=sum(row.delivered for row in rows),
        superseded=sum(row.superseded for row in rows),
        lost=sum(row.lost for row in rows),
    )


class Stamp:
    """Gives each channel's messages their `prev`: the `seq` sent before.

    The first message a sink is offered on a channel counts as following the one before: whoever received something
    older sees the hole.
    """

    __slots__ = ("_sent",)

    def __init__(self) -> None:
        self._sent: dict[str, tuple[int, int]] = {}

    def begin(self, message: Message) -> None:
        """The first message offered on its channel."""
        self._sent[message.channel] = (message.epoch, message.seq - 1)

    def prev(self, message: Message) -> int:
        """`prev` of this message, which is now the last one sent."""
        channel = message.channel
        epoch, seq = self._sent.get(channel, (0, 0))
        self._sent[channel] = (message.epoch, message.seq)
        return seq if epoch == message.epoch else message.seq - 1
