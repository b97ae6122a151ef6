"""One connection takes over from another without a word lost or said twice.

A connection that must end (the venue cuts each after a day, or announces a shutdown) asks for a successor. Both then
run side by side: the *elder* speaks, the *heir* listens in silence, under the elder's name with `~` behind it. Once the
heir's books stand, and every trade stream that moved has shown both of them a common trade, nothing older can be
missing from either: the heir says what the elder had not said yet, shows its books whole, and carries on under the
elder's name. From its elder it knows what was said, so what comes to it later than it came there is not said again. The
elder's connection is closed and what may still come from it is not heard.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import msgspec

from warehouse.book import Book
from warehouse.clock import MINUTE, SECOND, Micros
from warehouse.instruments import Rules
from warehouse.records import BookInvalid, BookUpdate, Liquidation, Record, Trade
from warehouse.venues.base import Abandon, Fetch, Output, Reconnect, Send, Session, TakeOver

MARK = "~"
"""Behind the name of a connection: its heir."""

OVERLAP: Micros = 2 * SECOND
"""For so long at least both run side by side."""

SETTLED: Micros = SECOND
"""For so long at least the heir's books and trades are whole: what the elder said before has reached both by then."""

PATIENCE: Micros = MINUTE
"""An heir that is not ripe by then is given up."""

AGAIN: Micros = MINUTE
"""After so long the next heir is sent for."""

Lossless = Trade | Liquidation


class _Lossless(msgspec.Struct):
    trade: Trade | None = None
    liquidation: Liquidation | None = None

    @classmethod
    def of(cls, record: Lossless) -> _Lossless:
        return cls(trade=record) if isinstance(record, Trade) else cls(liquidation=record)


class Kept(msgspec.Struct):
    """A succession under way, in a checkpoint. `told`: when, 0 for trades that follow each other."""

    since: Micros
    over: bool
    heir: dict[str, Any]
    books: dict[str, Any]
    held: list[_Lossless]
    told: dict[str, Micros]
    ready_at: Micros


class Succession:
    """Elder and heir of one connection. `over`: the heir speaks, and the elder's last frames are not heard."""

    def __init__(self, elder: Session, heir: Session, rules: Mapping[str, Rules], now: Micros) -> None:
        self.elder = elder
        self.heir = heir
        self.since = now
        self.over = False
        self._rules = rules
        self._books: dict[str, Book] = {}
        self._held: list[Lossless] = []
        self._told: dict[str, Micros] = {}
        self._ready_at: Micros = 0

    @property
    def name(self) -> str:
        """The connection's name, before and after."""
        return self.elder.name

    def elder_said(self, outputs: Sequence[Output]) -> Sequence[Output]:
        """Passed on; its trades and liquidations are remembered."""
        if self.over:
            return ()
        for output in outputs:
            if isinstance(output, Trade | Liquidation):
                self._told[_key(output)] = output.ts_recv if _alone(output) else 0
        return outputs

    def heir_said(self, outputs: Sequence[Output]) -> Sequence[Output]:
        """While it listens only its requests to the venue pass; the rest is kept for the moment it takes over."""
        if self.over:
            return outputs
        passed: list[Output] = []
        for output in outputs:
            if isinstance(output, Send | Fetch):
                passed.append(output)
            elif isinstance(output, Reconnect):
                passed.append(Abandon(output.why))
            elif isinstance(output, Record):
                self._keep(output)
        return passed

    def _keep(self, record: Record) -> None:
        if isinstance(record, Trade | Liquidation):
            self._held.append(record)
        elif isinstance(record, BookUpdate):
            book = self._books.get(record.instrument)
            if book is None:
                book = self._books[record.instrument] = Book(self._rules[record.instrument].grid)
            book.apply(record)
        elif isinstance(record, BookInvalid) and record.instrument in self._books:
            self._books[record.instrument].invalidate(record.why)

    def ripe(self, now: Micros) -> bool:
        """Whether the heir knows all that it needs."""
        if not self.heir.settled or not self.elder.settled:
            return False
        if not self._ready_at:
            self._ready_at = now
        if now - self.since < OVERLAP or now - self._ready_at < SETTLED:
            return False
        held = {_key(record): None for record in self._held}
        if any(at > self._ready_at and key not in held for key, at in self._told.items()):
            return False
        common = self._common()
        return all(one.instrument in common for one in self._held if not _alone(one) and _of_stream(one))

    def take_over(self, now: Micros) -> list[Output]:
        """The heir speaks: first what the elder had not said, then its books, whole."""
        self.over = True
        out: list[Output] = [TakeOver("the successor stands")]
        out += self._untold()
        for instrument, book in self._books.items():
            if book.valid:
                bids, asks = book.levels()
                out.append(
                    BookUpdate(
                        venue=self.elder.venue,
                        instrument=instrument,
                        ts_event=book.ts_event,
                        ts_recv=now,
                        bids=bids,
                        asks=asks,
                        snapshot=True,
                        update_id=book.update_id,
                        known=book.known,
                    )
                )
        self.heir.adopt(self.elder.state())
        self._books, self._held, self._told = {}, [], {}
        return out

    def _common(self) -> dict[str, int]:
        """By instrument, the place of the newest trade that both have."""
        found = {}
        for place, record in enumerate(self._held):
            if not _alone(record) and _key(record) in self._told:
                found[record.instrument] = place
        return found

    def _untold(self) -> list[Lossless]:
        """What only the heir has: trades behind the newest common one, and what the elder did not tell of the rest."""
        common = self._common()
        return [
            record
            for place, record in enumerate(self._held)
            if (
                _key(record) not in self._told
                if _alone(record)
                else record.instrument in common and place > common[record.instrument]
            )
        ]

    def state(self) -> dict[str, object]:
        """All of it as JSON-able values."""
        kept = Kept(
            self.since,
            self.over,
            self.heir.state(),
            {name: book.state() for name, book in self._books.items()},
            [
                _Lossless(record, None) if isinstance(record, Trade) else _Lossless(None, record)
                for record in self._held
            ],
            dict(self._told),
            self._ready_at,
        )
        return cast("dict[str, object]", msgspec.to_builtins(kept))

    def restore(self, state: Mapping[str, object]) -> None:
        """The inverse of `state`."""
        kept = msgspec.convert(state, Kept)
        self.since, self.over = kept.since, kept.over
        self.heir.restore(kept.heir)
        for name, book in kept.books.items():
            self._books[name] = Book(self._rules[name].grid)
            self._books[name].restore(book)
        self._held = [cast("Lossless", one.trade or one.liquidation) for one in kept.held]
        self._told, self._ready_at = dict(kept.told), kept.ready_at


def _of_stream(record: Lossless) -> bool:
    return isinstance(record, Liquidation) or record.origin == "stream"


def _alone(record: Lossless) -> bool:
    """Whether a record is known by itself: blocks and liquidations have no place among the trades."""
    return isinstance(record, Liquidation) or (record.kind == "block" and _of_stream(record))


def _key(record: Lossless) -> str:
    """What two connections call alike: a trade's id, a liquidation's content."""
    if isinstance(record, Trade):
        return f"{record.instrument}|{record.kind == 'block'}|{record.trade_id}"
    facts = (record.ts_event, record.liquidated_side, record.price, record.size, record.nth)
    return f"{record.instrument}|" + "|".join(map(str, facts))


class _Side:
    """One end of a succession in the place of a session."""

    def __init__(self, both: Succession) -> None:
        self.both = both
        self.name = both.name
        self.venue = both.elder.venue
        self.base = both.elder.base
        self.path = both.elder.path
        self.needed = both.elder.needed

    ready = True
    """Which does not hold others up."""

    settled = False

    def resync(self, instrument: str, why: str, now: Micros) -> Sequence[Output]:
        """The elder's book is the one that is shown."""
        both = self.both
        if both.over:
            return both.heir.resync(instrument, why, now)
        return both.elder_said(both.elder.resync(instrument, why, now))

    def renew(self, instrument: str, now: Micros) -> Sequence[Output]:
        """The elder's too."""
        both = self.both
        return both.heir.renew(instrument, now) if both.over else both.elder_said(both.elder.renew(instrument, now))

    def state(self) -> dict[str, object]:
        return {}

    def restore(self, state: dict[str, object]) -> None:
        """A succession's state is kept by itself."""

    def adopt(self, state: dict[str, object]) -> None:
        """Nothing to take over: the session behind it does that."""


class ElderSide(_Side):
    """The elder's connection."""

    def connected(self, now: Micros) -> Sequence[Output]:
        return self.both.elder_said(self.both.elder.connected(now))

    def disconnected(self, now: Micros, why: str) -> Sequence[Output]:
        """After the change it is the close that was asked for; before, the heir has come too late."""
        if self.both.over:
            return ()
        return [*self.both.elder.disconnected(now, why), Abandon(why)]

    def receive(self, frame: bytes, ts_recv: Micros) -> Sequence[Output]:
        return () if self.both.over else self.both.elder_said(self.both.elder.receive(frame, ts_recv))

    def answer(self, fetch: Fetch, status: int, body: bytes, ts_recv: Micros) -> Sequence[Output]:
        return () if self.both.over else self.both.elder_said(self.both.elder.answer(fetch, status, body, ts_recv))

    def tick(self, now: Micros) -> Sequence[Output]:
        return () if self.both.over else self.both.elder_said(self.both.elder.tick(now))


class HeirSide(_Side):
    """The heir's connection. Its time decides when it takes over."""

    def connected(self, now: Micros) -> Sequence[Output]:
        return self.both.heir_said(self.both.heir.connected(now))

    def disconnected(self, now: Micros, why: str) -> Sequence[Output]:
        """Lost before it spoke: given up. Afterwards it is the connection, and its loss is told."""
        return self.both.heir.disconnected(now, why) if self.both.over else [Abandon(why)]

    def receive(self, frame: bytes, ts_recv: Micros) -> Sequence[Output]:
        return self.both.heir_said(self.both.heir.receive(frame, ts_recv))

    def answer(self, fetch: Fetch, status: int, body: bytes, ts_recv: Micros) -> Sequence[Output]:
        return self.both.heir_said(self.both.heir.answer(fetch, status, body, ts_recv))

    def tick(self, now: Micros) -> Sequence[Output]:
        both = self.both
        out = list(both.heir_said(both.heir.tick(now)))
        if both.over:
            return out
        if both.ripe(now):
            return [*out, *both.take_over(now)]
        if now - both.since > PATIENCE:
            out.append(Abandon("the successor was not ready in time"))
        return out
