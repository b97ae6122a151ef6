"""Faults of book streams: holes and restarts of their numbering, and snapshots that do not fit their deltas."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from realtime.emulator.faults.frames import Dropped
from realtime.emulator.faults.parts import Asked, Injector, Link, Out, Piece, Treatment, named
from warehouse.clock import SECOND, Micros
from warehouse.records import BookUpdate
from warehouse.venues.base import Reply

Json = dict[str, object]


def _int(value: object) -> int:
    assert isinstance(value, int)
    return value


def _row(frame: Json) -> Json:
    """The data of a push: an object at Bybit, the only row of a list at OKX."""
    data = frame["data"]
    row = data[0] if isinstance(data, list) else data
    assert isinstance(row, dict)
    return row


def _is_update(piece: Piece) -> bool:
    """Of a frame of a book's stream: is it no snapshot? A recorded one shows it by its words."""
    return isinstance(piece.record, BookUpdate) or (piece.record is None and b'"snapshot"' not in piece.frame[:200])


class SequenceGap(Dropped):
    """Updates of one book are lost, so that the next one does not follow."""


class SequenceReset(Injector):
    """The numbers of one book begin anew: at Bybit a snapshot with `u` 1 and deltas from 2 on, at OKX an update whose
    `seqId` is smaller than its `prevSeqId`. Lasts until the stream is subscribed to anew.
    """

    def begin(self, now: Micros) -> None:
        self._shift: dict[tuple[int, str], int] = {}
        self._left = self.fault.count or 1

    def outgoing(self, link: Link, piece: Piece, now: Micros) -> Sequence[Out]:
        if piece.stream != "depth" or not self.about(piece) or piece.name is None:
            return (piece,)
        frame = msgspec.json.decode(piece.frame)
        key = (link.number, piece.name)
        if "snapshot" in (frame.get("type"), frame.get("action")):
            self._shift.pop(key, None)
            return (piece,)
        return self._bybit(link, piece, frame, key, now) if "topic" in frame else self._okx(link, piece, frame, key)

    def _starts(self, link: Link, piece: Piece) -> bool:
        if self._left == 0:
            return False
        self._left -= 1
        self.meet(link)
        self.entry.touched.append(named(piece))
        return True

    def _bybit(self, link: Link, piece: Piece, frame: Json, key: tuple[int, str], now: Micros) -> Sequence[Out]:
        row = _row(frame)
        if key not in self._shift:
            if not self._starts(link, piece):
                return (piece,)
            fresh = next(iter(self.tools.fresh(link, key[1], now)), None)
            if fresh is None:
                return (piece,)
            snapshot = msgspec.json.decode(fresh)
            self._shift[key] = _int(_row(snapshot)["u"]) - 1
            # The fresh snapshot holds this update already.
            _row(snapshot)["u"] = 1
            return (msgspec.json.encode(snapshot),)
        row["u"] = _int(row["u"]) - self._shift[key]
        return (piece.altered(msgspec.json.encode(frame)),)

    def _okx(self, link: Link, piece: Piece, frame: Json, key: tuple[int, str]) -> Sequence[Out]:
        row = _row(frame)
        if key not in self._shift:
            if not self._starts(link, piece):
                return (piece,)
            self._shift[key] = _int(row["seqId"]) - self.random.randint(10, 1000)
        else:
            row["prevSeqId"] = _int(row["prevSeqId"]) - self._shift[key]
        row["seqId"] = _int(row["seqId"]) - self._shift[key]
        return (piece.altered(msgspec.json.encode(frame)),)


class EqualIds(Injector):
    """`count` times an update without levels comes whose `seqId` equals its `prevSeqId`, as from a quiet OKX book."""

    def begin(self, now: Micros) -> None:
        self._left = self.fault.count or 1

    def outgoing(self, link: Link, piece: Piece, now: Micros) -> Sequence[Out]:
        if piece.stream != "depth" or not self.about(piece):
            return (piece,)
        if self._left == 0:
            self.done = True
            return (piece,)
        self._left -= 1
        self.meet(link)
        self.entry.touched.append(named(piece))
        frame = msgspec.json.decode(piece.frame)
        row = _row(frame)
        row |= {"asks": [], "bids": [], "prevSeqId": row["seqId"]}
        frame["action"] = "update"
        return (piece, msgspec.json.encode(frame))


class OldSnapshot(Injector):
    """A snapshot that is older than the first delta after it, `count` times, after a lost update has made clients ask
    for one. Where the snapshot comes over REST (Binance), the page is one from before; where it comes on the
    stream, the delta after it is lost.
    """

    def begin(self, now: Micros) -> None:
        self._left = self.fault.count or 1
        self._over_rest = self.fault.venue == "binance"
        self._provoked = False
        self._after: dict[tuple[int, str], bool] = {}
        self._page = self._now(now) if self._over_rest else None

    def _asked(self) -> Asked:
        rules = self.tools.rules[self.fault.instrument or ""]
        path = "/api/v3/depth" if rules.market == "spot" else "/fapi/v1/depth"
        return Asked(base=f"rest_{rules.market}", path=path, query={"symbol": rules.symbol, "limit": "1000"})

    def _now(self, now: Micros) -> Reply:
        return self.tools.rest(self._asked(), now)

    def outgoing(self, link: Link, piece: Piece, now: Micros) -> Sequence[Out]:
        if piece.stream != "depth" or not self.about(piece):
            return (piece,)
        key = (link.number, piece.name or "")
        if not _is_update(piece):
            self._after[key] = self._provoked
            return (piece,)
        hit = not self._provoked
        if not self._over_rest and self._left and self._after.get(key):
            self._left -= 1
            hit = True
        self._after[key] = False
        if not hit:
            self.done = self._left == 0
            return (piece,)
        self._provoked = True
        self.meet(link)
        self.entry.hidden.append(named(piece))
        return ()

    def request(self, asked: Asked, now: Micros) -> Treatment | None:
        if self._page is None or not self._provoked or self._left == 0 or not self._about(asked):
            return None
        self._left -= 1
        self.done = self._left == 0
        self.entry.touched.append({"path": asked.path, "query": asked.query})
        return Treatment(reply=self._page)

    def _about(self, asked: Asked) -> bool:
        mine = self._asked()
        return (asked.base, asked.path, asked.query.get("symbol")) == (mine.base, mine.path, mine.query["symbol"])


class StaleSnapshot(OldSnapshot):
    """Binance serves every depth page of an instrument from a cache for `seconds`, after a lost update has made clients
    ask for one; elsewhere the snapshot of some time before is pushed again on the living stream.
    """

    def begin(self, now: Micros) -> None:
        super().begin(now)
        self._old: dict[tuple[int, str], bytes] = {}
        self._wait_until = now + int((self.fault.amount or 2) * SECOND)

    def outgoing(self, link: Link, piece: Piece, now: Micros) -> Sequence[Out]:
        if self._over_rest:
            return super().outgoing(link, piece, now)
        if piece.stream != "depth" or piece.name is None or not self.about(piece):
            return (piece,)
        key = (link.number, piece.name)
        if key not in self._old:
            fresh = self.tools.fresh(link, key[1], now)
            self._old[key] = fresh[0] if fresh else piece.frame
        if now < self._wait_until or self._left == 0:
            return (piece,)
        self._left -= 1
        self.done = self._left == 0
        self.meet(link)
        self.entry.touched.append(named(piece))
        return (piece, self._old[key])

    def request(self, asked: Asked, now: Micros) -> Treatment | None:
        if self._page is None or not self._about(asked):
            return None
        self.entry.touched.append({"path": asked.path, "query": asked.query})
        return Treatment(reply=self._page)
