"""The book of one instrument: a sequencer, and what to do when it says that messages are missing.

Bybit sends a snapshot only in reply to a subscription, so a broken book is unsubscribed and subscribed again, alone;
the first time at once, then with growing pauses.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from warehouse.clock import MINUTE, SECOND, Micros
from warehouse.instruments import Rules
from warehouse.records import BookInvalid, BookUpdate, GapState, SequenceGap
from warehouse.venues.base import Output
from warehouse.venues.bybit import decode
from warehouse.venues.bybit.sequence import Sequencer, Step

PATIENCE = 5 * SECOND
"""How long a snapshot may take after a subscription."""

CALM = MINUTE
"""A break this long after the last one is healed without a pause."""

Resubscribe = Callable[[str, Micros], Sequence[Output]]
"""Commands that unsubscribe and subscribe one topic."""


class Depth:
    """Updates of one depth topic, each proven to follow the one before."""

    def __init__(self, rules: Rules, topic: str, resubscribe: Resubscribe) -> None:
        self.rules = rules
        self.grid = rules.grid
        self.topic = topic
        self.sequencer = Sequencer()
        self._resubscribe = resubscribe
        self.last_id = 0
        self.last_ts: Micros = 0
        self.broke_at: Micros = 0
        self.opened_at: Micros = 0
        self.to_id: int | None = None
        self.cause = ""
        self.attempts = 0
        self.breaks = 0
        self.renewed = False
        self.asked = False
        self.due: Micros = 0

    def receive(self, frame: bytes, ts_recv: Micros) -> list[Output]:
        """A message of the topic. Raises ValueError when it cannot be read; nothing has changed then."""
        update = decode.book(frame, self.rules.instrument, self.grid, ts_recv, self.last_id)
        u = update.update_id
        if update.snapshot:
            return self._replace(update, ts_recv)
        step = self.sequencer.delta(u)
        if step is Step.APPLY:
            self.last_id, self.last_ts = u, update.ts_event
            return [update]
        if step is Step.BREAK:
            why = f"update {u} came where {self.last_id + 1} was due"
            rows = self._open(ts_recv, "sequence", u - 1 if u > self.last_id + 1 else None, update.ts_event)
            return [*rows, self._invalid(update.ts_event, ts_recv, why), *self._schedule(ts_recv)]
        return []

    def connected(self, now: Micros) -> list[Output]:
        """A connection came up: the topic begins with a snapshot."""
        rows = self._open(now, "restart", None, now)
        self.sequencer.lost()
        self.asked, self.due = False, 0
        return rows

    def acknowledged(self, now: Micros) -> None:
        """The subscription stands: its snapshot is due."""
        if not self.sequencer.last:
            self.asked, self.due = True, now + PATIENCE

    def disconnected(self, now: Micros) -> list[Output]:
        """The connection went down, and the book with it."""
        self.asked, self.due = False, 0
        rows = self._open(now, "disconnected", None, now)
        self.sequencer.lost()
        return rows

    def distrust(self, why: str, now: Micros) -> list[Output]:
        """The book that these updates make cannot be right: take a new snapshot."""
        if not self.sequencer.last:
            return []
        rows = self._open(now, "distrust", None, now)
        self.sequencer.lost()
        return [*rows, self._invalid(now, now, why), *self._schedule(now)]

    def renew(self) -> bool:
        """The topic is quiet and will be subscribed to anew, unless that is under way already (False)."""
        self.renewed = not self.due
        return self.renewed

    def tick(self, now: Micros) -> list[Output]:
        """Subscribe again when the pause is over, or when no snapshot came."""
        if not self.due or now < self.due:
            return []
        if self.asked:
            self.breaks += 1
            self.asked, self.due = False, now + self._pause()
            return []
        return self._ask(now)

    def _replace(self, update: BookUpdate, now: Micros) -> list[Output]:
        rows: list[Output] = []
        u, last = update.update_id, self.sequencer.last
        to_id = u - 1 if u > last + 1 else None
        if last and self.renewed:  # where it is the same book again, nothing was missed
            if u not in (last, last + 1):
                self._open(now, "silent", to_id, update.ts_event)
                rows += self._close("repaired", update, "resynced from snapshot")
        elif last and u != last + 1:
            self._open(now, "service_restart" if u == 1 else "snapshot", to_id, update.ts_event)
            rows += self._close("legitimate", update, "the venue replaced the book by itself")
        elif self.opened_at:
            rows += self._close("repaired", update, "resynced from snapshot")
        self.sequencer.snapshot(u)
        self.last_id, self.last_ts = u, update.ts_event
        self.asked, self.due, self.attempts, self.renewed = False, 0, 0, False
        return [*rows, update]

    def _schedule(self, now: Micros) -> list[Output]:
        self.breaks = 0 if now - self.broke_at > CALM else self.breaks + 1
        self.broke_at = now
        if self.breaks:
            self.asked, self.due = False, now + self._pause()
            return []
        return self._ask(now)

    def _pause(self) -> Micros:
        return min(MINUTE, (SECOND // 2) << min(self.breaks, 8))

    def _ask(self, now: Micros) -> list[Output]:
        self.attempts += 1
        self.asked, self.due = True, now + PATIENCE
        return list(self._resubscribe(self.topic, now))

    def _invalid(self, ts_event: Micros, now: Micros, why: str) -> BookInvalid:
        return BookInvalid(
            venue=decode.VENUE, instrument=self.rules.instrument, ts_event=ts_event, ts_recv=now, why=why
        )

    def _open(self, now: Micros, cause: str, to_id: int | None, to_ts: Micros) -> list[Output]:
        if not self.last_id or self.opened_at:
            return []
        self.opened_at, self.cause, self.to_id = now, cause, to_id
        return [self._gap("open", to_ts, to_ts, now, None)]

    def _close(self, state: GapState, update: BookUpdate, reason: str) -> list[Output]:
        if self.to_id is None and update.update_id > self.last_id + 1:
            self.to_id = update.update_id - 1
        row = self._gap(state, update.ts_event, update.ts_event, update.ts_recv, reason)
        self.opened_at, self.cause, self.to_id = 0, "", None
        return [row]

    def _gap(self, state: GapState, ts_event: Micros, to_ts: Micros, now: Micros, reason: str | None) -> SequenceGap:
        return SequenceGap(
            venue=decode.VENUE,
            instrument=self.rules.instrument,
            ts_event=ts_event,
            ts_recv=now,
            stream="depth",
            from_id=self.last_id + 1,
            to_id=self.to_id,
            from_ts=self.last_ts,
            to_ts=max(self.last_ts, to_ts),
            cause=self.cause,
            state=state,
            opened_at=self.opened_at,
            attempts=self.attempts,
            reason=reason,
        )

    def state(self) -> dict[str, object]:
        """Everything, as JSON-able values."""
        kept = _Kept(
            sequence=self.sequencer.last,
            last_id=self.last_id,
            last_ts=self.last_ts,
            broke_at=self.broke_at,
            opened_at=self.opened_at,
            to_id=self.to_id,
            cause=self.cause,
            attempts=self.attempts,
            breaks=self.breaks,
            asked=self.asked,
            due=self.due,
            renewed=self.renewed,
        )
        return msgspec.structs.asdict(kept)

    def restore(self, state: dict[str, object]) -> None:
        kept = msgspec.convert(state, _Kept)
        self.sequencer.last = kept.sequence
        self.last_id, self.last_ts, self.broke_at = kept.last_id, kept.last_ts, kept.broke_at
        self.opened_at, self.to_id, self.cause = kept.opened_at, kept.to_id, kept.cause
        self.attempts, self.breaks, self.asked, self.due = kept.attempts, kept.breaks, kept.asked, kept.due
        self.renewed = kept.renewed


class _Kept(msgspec.Struct, kw_only=True):
    sequence: int
    last_id: int
    last_ts: Micros
    broke_at: Micros
    opened_at: Micros
    to_id: int | None
    cause: str
    attempts: int
    breaks: int
    asked: bool
    due: Micros
    renewed: bool = False
