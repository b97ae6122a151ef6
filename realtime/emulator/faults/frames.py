"""Faults of single frames: lost, doubled, out of order, late, cut off, meaningless, far too large; and silence."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from realtime.emulator.faults.parts import Injector, Link, Out, Piece, named
from warehouse.clock import SECOND, Micros

MEBIBYTE = 1 << 20


class Chosen(Injector, ABC):
    """Base of faults that meet `count` market events, the same ones on every connection."""

    hides = True
    """Is what is met lost to the client?"""

    def begin(self, now: Micros) -> None:
        self._left = self.fault.count or 1
        self._met = -1

    def outgoing(self, link: Link, piece: Piece, now: Micros) -> Sequence[Out]:
        if not self.about(piece):
            return (piece,)
        if piece.event != self._met:
            if self._left == 0:
                return (piece,)
            self._left -= 1
            self.done = self._left == 0
            self._met = piece.event
            (self.entry.hidden if self.hides else self.entry.touched).append(named(piece))
        self.meet(link)
        return self.treat(link, piece, now)

    @abstractmethod
    def treat(self, link: Link, piece: Piece, now: Micros) -> Sequence[Out]:
        """What becomes of a frame that is met."""


class Dropped(Chosen):
    """The frame is never sent."""

    def treat(self, link: Link, piece: Piece, now: Micros) -> Sequence[Out]:
        return ()


class Duplicated(Chosen):
    """The frame is sent twice."""

    hides = False

    def treat(self, link: Link, piece: Piece, now: Micros) -> Sequence[Out]:
        return (piece, piece.frame)


class Truncated(Chosen):
    """The frame ends in the middle."""

    def treat(self, link: Link, piece: Piece, now: Micros) -> Sequence[Out]:
        return (piece.frame[: max(1, len(piece.frame) // 2)],)


class Garbage(Chosen):
    """A frame of no meaning comes before the real one."""

    hides = False

    def treat(self, link: Link, piece: Piece, now: Micros) -> Sequence[Out]:
        letters = "".join(
            self.random.choice('{}[]":,0123456789abcdefE+-. ') for _ in range(self.random.randint(1, 400))
        )
        meaning = self.random.choice([letters, "null", "[]", "{}", '"pong"', '{"data":null}', "<html></html>", "NaN"])
        return (meaning.encode(), piece)


class Oversized(Chosen):
    """A frame of `amount` MiB comes before the real one: valid JSON, far larger than anything a venue sends."""

    hides = False

    def treat(self, link: Link, piece: Piece, now: Micros) -> Sequence[Out]:
        size = int((self.fault.amount or 64) * MEBIBYTE)
        self.entry.said["bytes"] = size
        return (b'{"padding":"' + b"x" * (size - 14) + b'"}', piece)


class Reordered(Chosen):
    """The frame comes after the next one of its stream."""

    hides = False

    def begin(self, now: Micros) -> None:
        super().begin(now)
        self._waiting: dict[tuple[int, str], Piece] = {}

    def end(self, now: Micros) -> None:
        self._waiting.clear()

    def outgoing(self, link: Link, piece: Piece, now: Micros) -> Sequence[Out]:
        key = (link.number, piece.name or "")
        before = self._waiting.get(key)
        if before is not None and before.event != piece.event:
            del self._waiting[key]
            return (piece, before)
        return super().outgoing(link, piece, now)

    def treat(self, link: Link, piece: Piece, now: Micros) -> Sequence[Out]:
        self.done = False
        self._waiting[link.number, piece.name or ""] = piece
        return ()

    def due(self, now: Micros) -> Sequence[tuple[int, Out]]:
        gone = {link.number for link in self.tools.links()}
        for key in [key for key in self._waiting if key[0] not in gone]:
            del self._waiting[key]
        self.done = self._left == 0 and not self._waiting
        return ()


class Delayed(Injector):
    """A stream is late: for `seconds` its frames are held back `amount` seconds, then come in order."""

    lingers = True

    def begin(self, now: Micros) -> None:
        self._end = now + int((self.fault.seconds or 1) * SECOND)
        self._late = int((self.fault.amount or 1) * SECOND)
        self._held: list[tuple[Micros, int, Piece]] = []

    def outgoing(self, link: Link, piece: Piece, now: Micros) -> Sequence[Out]:
        if not self.about(piece):
            return (piece,)
        waiting = any(number == link.number and held.name == piece.name for _, number, held in self._held)
        if now >= self._end and not waiting:
            return (piece,)
        # What comes while others wait must not overtake them.
        self._held.append((now + self._late if now < self._end else self._held[-1][0], link.number, piece))
        self.meet(link)
        self.entry.touched.append(named(piece))
        return ()

    def due(self, now: Micros) -> Sequence[tuple[int, Out]]:
        ready = [(number, piece) for at, number, piece in self._held if at <= now]
        self._held = [one for one in self._held if one[0] > now]
        self.done = now >= self._end and not self._held
        return ready


class SilentStream(Injector):
    """One stream says nothing for `seconds` while all others on its connections live."""

    def outgoing(self, link: Link, piece: Piece, now: Micros) -> Sequence[Out]:
        if not self.about(piece):
            return (piece,)
        self.meet(link)
        self.entry.hidden.append(named(piece))
        return ()


class SilentConnection(Injector):
    """Nothing comes on the connections of one base for `seconds`, not even an answer; their sockets stay open."""

    def outgoing(self, link: Link, piece: Piece, now: Micros) -> Sequence[Out]:
        if self.fault.base not in (None, piece.base):
            return (piece,)
        self.meet(link)
        self.entry.hidden.append(named(piece))
        return ()
