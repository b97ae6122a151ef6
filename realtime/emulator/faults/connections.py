"""Faults of connections and subscriptions: cut, closed, refused, half open, unheard."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from realtime.emulator.faults import wording
from realtime.emulator.faults.parts import Abort, Close, Freeze, Injector, Link, Out, Piece, Refusal, named
from warehouse.clock import SECOND, Micros


class Ended(Injector, ABC):
    """Base of faults that end every open connection of the base at once; without any they wait for the first."""

    def begin(self, now: Micros) -> None:
        self._left = self.fault.count or 1
        self._ended: list[int] = []

    def due(self, now: Micros) -> Sequence[tuple[int, Out]]:
        links = [link for link in self.tools.links() if self.fault.base in (None, link.base)]
        met = [link for link in links if link.number not in self._ended]
        if not met or self.done:
            return ()
        self._left -= 1
        self.done = self._left == 0
        for link in met:
            self._ended.append(link.number)
            self.meet(link)
        return [(link.number, out) for link in met for out in self.last(link, now)]

    @abstractmethod
    def last(self, link: Link, now: Micros) -> Sequence[Out]:
        """What a connection is sent at last."""


class SocketReset(Ended):
    """The TCP connection is reset."""

    def last(self, link: Link, now: Micros) -> Sequence[Out]:
        return (Abort(),)


class Closed(Ended):
    """The venue closes with a code of its own."""

    def last(self, link: Link, now: Micros) -> Sequence[Out]:
        among = wording.CLOSES[self.fault.venue]
        code, words = self.random.choice(among)
        if self.fault.code is not None:
            code, words = self.fault.code, dict(among).get(self.fault.code, "")
        self.entry.said = {"code": code, "words": words}
        return (Close(code, words),)


class DayCut(Ended):
    """The cut after 24 hours, early: closed with 1001, without a word before."""

    def last(self, link: Link, now: Micros) -> Sequence[Out]:
        return (Close(1001, ""),)


class ShutdownNotice(Injector):
    """The venue says that it will shut connections down, and does so `amount` seconds later."""

    def begin(self, now: Micros) -> None:
        self._at = now + int((self.fault.amount or 5) * SECOND)
        self._told: list[int] = []

    def due(self, now: Micros) -> Sequence[tuple[int, Out]]:
        links = [link for link in self.tools.links() if self.fault.base in (None, link.base)]
        if now < self._at:
            new = [link for link in links if link.number not in self._told] if not self._told else []
            for link in new:
                self._told.append(link.number)
                self.meet(link)
            return [(link.number, wording.shutdown(self.fault.venue, link.path, now)) for link in new]
        self.done = True
        return [(link.number, Close(1001, "")) for link in links if link.number in self._told]


class HalfOpen(Injector):
    """The next `count` connections are accepted and never hear anything, not even a pong."""

    def begin(self, now: Micros) -> None:
        self._left = self.fault.count or 1

    def opened(self, link: Link, now: Micros) -> Sequence[Out]:
        if self._left == 0 or self.fault.base not in (None, link.base):
            return ()
        self._left -= 1
        self.done = self._left == 0
        self.meet(link)
        return (Freeze(),)


class RefusedHandshake(Injector):
    """The next `count` handshakes are refused with an HTTP status; with `code` 0 they are never answered."""

    def begin(self, now: Micros) -> None:
        self._left = self.fault.count or 1

    def handshake(self, base: str, now: Micros) -> Refusal | None:
        if self._left == 0 or self.fault.base not in (None, base):
            return None
        self._left -= 1
        self.done = self._left == 0
        status = self.random.choice(wording.REFUSALS[self.fault.venue]) if self.fault.code is None else self.fault.code
        self.entry.hidden.append({"handshake": base, "status": status})
        return Refusal(status=status, words="refused")


class Unheard(Injector, ABC):
    """Base of faults that meet the next `count` subscriptions to what the fault is about."""

    def begin(self, now: Micros) -> None:
        self._left = self.fault.count or 1

    def incoming(self, link: Link, frame: bytes, now: Micros) -> Sequence[Out] | None:
        head = wording.subscription(frame)
        if head is None or self._left == 0 or self.fault.base not in (None, link.base):
            return None
        names = [name for name in wording.streams(head) if self.meant(name, link.base)]
        if not names:
            return None
        self._left -= 1
        self.meet(link)
        self.entry.hidden.append({"subscription": names})
        return self.treat(link, head, names)

    @abstractmethod
    def treat(self, link: Link, head: wording.Head, names: list[str]) -> Sequence[Out] | None:
        """What a subscription is answered with; None: what the venue answers."""


class IgnoredSubscription(Unheard):
    """The subscription is not acknowledged and brings nothing."""

    def treat(self, link: Link, head: wording.Head, names: list[str]) -> Sequence[Out] | None:
        self.done = self._left == 0
        return ()


class RejectedSubscription(Unheard):
    """The subscription is refused in the venue's words."""

    def treat(self, link: Link, head: wording.Head, names: list[str]) -> Sequence[Out] | None:
        self.done = self._left == 0
        return wording.rejection(self.fault.venue, head)


class SilentAcknowledgement(Unheard):
    """The subscription is acknowledged and its streams never speak, until they are subscribed to once more."""

    def begin(self, now: Micros) -> None:
        super().begin(now)
        self._mute: list[tuple[int, str]] = []

    def incoming(self, link: Link, frame: bytes, now: Micros) -> Sequence[Out] | None:
        head = wording.subscription(frame)
        again = [] if head is None else [(link.number, name) for name in wording.streams(head)]
        self._mute = [one for one in self._mute if one not in again]
        return super().incoming(link, frame, now)

    def treat(self, link: Link, head: wording.Head, names: list[str]) -> Sequence[Out] | None:
        self._mute += [(link.number, name) for name in names]
        return None

    def outgoing(self, link: Link, piece: Piece, now: Micros) -> Sequence[Out]:
        if piece.name is None or (link.number, piece.name) not in self._mute:
            return (piece,)
        self.entry.hidden.append(named(piece))
        return ()

    def due(self, now: Micros) -> Sequence[tuple[int, Out]]:
        open_ = [link.number for link in self.tools.links()]
        self._mute = [one for one in self._mute if one[0] in open_]
        self.done = self._left == 0 and not self._mute
        return ()
