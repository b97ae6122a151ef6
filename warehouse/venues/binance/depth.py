"""One instrument's depth stream: buffered until a REST snapshot proves where it begins, resynced when it breaks."""

from __future__ import annotations

from collections import deque

import msgspec

from warehouse.clock import SECOND, Micros
from warehouse.instruments import Rules
from warehouse.records import BookInvalid, BookUpdate, SequenceGap, VenueNotice
from warehouse.venues.base import UNREADABLE, Fetch, Output
from warehouse.venues.binance import decode, requests, wire
from warehouse.venues.binance.sequence import PerpSequence, Sequence, SpotSequence

BUFFER_MAX = 4000
"""Events kept while a snapshot is under way; older ones go first, which makes that snapshot too old at worst."""

PATIENCE = 30 * SECOND
"""No answer at all for this long counts as a failed attempt."""

RENEWED = 10 * SECOND
"""No book is renewed more often: ten books of a thousand levels each ten seconds are a quarter of a venue's limit."""

SETTLED = 10 * SECOND
"""A book that breaks sooner than this after its snapshot waits before it asks for the next one, longer each time."""

_read = decode.reader(wire.Frame[wire.DepthUpdate])
_read_snapshot = decode.reader(wire.DepthSnapshot)


class Event(msgspec.Struct):
    """A buffered event and when it came."""

    ts_recv: Micros
    row: wire.DepthUpdate


class DepthState(msgspec.Struct):
    """All that a depth feed remembers; the book itself is the engine's. `asked_at` and `retry_at` are 0 for none."""

    live: bool
    last: int
    first_pending: bool
    last_ts: Micros
    joined_at: Micros
    asked_at: Micros
    retry_at: Micros
    attempts: int
    gap: SequenceGap | None
    buffer: list[Event]


class DepthFeed:
    """Depth events in, proven `BookUpdate` out. `connection` names the session in notices."""

    def __init__(self, rules: Rules, connection: str) -> None:
        self._rules = rules
        self._instrument = rules.instrument
        self._connection = connection
        self._sequence: Sequence = SpotSequence() if rules.market == "spot" else PerpSequence()
        self._live = False
        self._last_ts = 0
        self._joined_at = 0
        self._buffer: deque[Event] = deque(maxlen=BUFFER_MAX)
        self._asked_at = 0
        self._retry_at = 0
        self._attempts = 0
        self._gap: SequenceGap | None = None

    @property
    def live(self) -> bool:
        """The book follows its snapshot."""
        return self._live

    def receive(self, frame: bytes, ts_recv: Micros) -> list[Output]:
        """One live frame. Raises msgspec's errors for one that cannot be read."""
        row = _read(frame).data
        if not self._live:
            self._buffer.append(Event(ts_recv, row))
            if self._asked_at or self._retry_at:
                return []
            return [self._ask(ts_recv)]
        sequence = self._sequence
        previous = sequence.last
        step = sequence.step(row.U, row.u, row.pu)
        if step == "apply":
            update = decode.book_update(row, self._instrument, previous, ts_recv)
            self._last_ts = update.ts_event
            if self._asked_at:  # for a renewal: the snapshot under way may not hold it
                self._buffer.append(Event(ts_recv, row))
            return [update]
        if step == "ignore":
            return []
        first, last = sequence.missing(row.U, row.pu)
        at = (row.T or row.E) * 1000
        broken = self._break("missing_ids", first, last, at, ts_recv)
        self._buffer.append(Event(ts_recv, row))
        if ts_recv - self._joined_at < SETTLED:
            return broken + self._later(ts_recv)
        self._attempts = 0
        return [*broken, self._ask(ts_recv)]

    def lost(self, cause: str, now: Micros) -> list[Output]:
        """The stream ended: what follows is another one, and the book must be proven anew."""
        out = self._break(cause, self._sequence.last + 1, None, now, now) if self._live else []
        self._buffer.clear()
        self._asked_at = self._retry_at = self._attempts = 0
        return out

    def distrust(self, now: Micros) -> list[Output]:
        """The book that these updates make cannot be right: take a new snapshot."""
        if not self._live:
            return []
        return [*self._break("distrust", self._sequence.last + 1, None, now, now), self._ask(now)]

    def renew(self, now: Micros) -> list[Output]:
        """Take another snapshot beside the live book, which goes on until the two are joined."""
        if not self._live or self._asked_at or self._retry_at or now - self._joined_at < RENEWED:
            return []
        self._attempts = 0
        return [self._ask(now)]

    def answer(self, fetch: Fetch, status: int, body: bytes, ts_recv: Micros) -> list[Output]:
        """The snapshot: join it with the buffer, or try again later."""
        if not self._asked_at or fetch.tag != str(self._asked_at):
            return []
        if status != 200:
            return self._failed(status, body, ts_recv)
        try:
            snapshot = _read_snapshot(body)
        except UNREADABLE as error:
            return [self._notice("snapshot", f"unreadable: {error}", ts_recv), *self._later(ts_recv)]
        return self._join(snapshot, ts_recv)

    def tick(self, now: Micros) -> list[Output]:
        """Ask again when it is time."""
        if self._retry_at:
            return [self._ask(now)] if now >= self._retry_at else []
        if self._asked_at and now - self._asked_at > PATIENCE:
            return self._later(now)
        return []

    def state(self) -> DepthState:
        """A copy of the memory."""
        return DepthState(
            self._live,
            self._sequence.last,
            self._sequence.first_pending,
            self._last_ts,
            self._joined_at,
            self._asked_at,
            self._retry_at,
            self._attempts,
            self._gap,
            list(self._buffer),
        )

    def restore(self, state: DepthState) -> None:
        """The inverse of `state`."""
        self._live, self._last_ts, self._joined_at, self._gap = state.live, state.last_ts, state.joined_at, state.gap
        self._sequence.last, self._sequence.first_pending = state.last, state.first_pending
        self._asked_at, self._retry_at, self._attempts = state.asked_at, state.retry_at, state.attempts
        self._buffer = deque(state.buffer, maxlen=BUFFER_MAX)

    def _ask(self, now: Micros) -> Fetch:
        self._asked_at, self._retry_at = now, 0
        if self._live:
            self._buffer.clear()
        return requests.book(self._rules, str(now))

    def _later(self, now: Micros) -> list[Output]:
        self._asked_at = 0
        self._retry_at = now + min(SECOND // 4 << self._attempts, 30 * SECOND)
        self._attempts = min(self._attempts + 1, 10)
        return []

    def _failed(self, status: int, body: bytes, now: Micros) -> list[Output]:
        transient = status in (0, 408, 418, 429) or status >= 500
        out: list[Output] = []
        if not transient and not self._attempts:
            out.append(self._notice(f"HTTP {status}", decode.head(body), now))
        return out + self._later(now)

    def _join(self, snapshot: wire.DepthSnapshot, now: Micros) -> list[Output]:
        """Snapshot, then each buffered event that it does not hold yet; all of them must chain."""
        sequence = self._sequence
        before = sequence.last, sequence.first_pending
        sequence.start(snapshot.lastUpdateId)
        updates: list[BookUpdate] = []
        for position, event in enumerate(self._buffer):
            row, previous = event.row, sequence.last
            step = sequence.step(row.U, row.u, row.pu)
            if step == "apply":
                updates.append(decode.book_update(row, self._instrument, previous, event.ts_recv))
            elif step == "gap":
                if updates:  # the buffer itself has a hole: what lies before it is of no use
                    for _ in range(position):
                        self._buffer.popleft()
                if self._live:
                    sequence.last, sequence.first_pending = before
                return self._later(now)
        self._buffer.clear()
        self._live = True
        self._joined_at = now
        self._asked_at = self._retry_at = 0
        book = decode.book_snapshot(snapshot, self._instrument, now)
        self._last_ts = updates[-1].ts_event if updates else book.ts_event
        out: list[Output] = [book, *updates]
        if self._gap is not None:
            gap, self._gap = self._gap, None
            out.insert(
                0,
                msgspec.structs.replace(
                    gap, ts_recv=now, to_ts=max(now, gap.to_ts), state="repaired", reason="resynced from snapshot"
                ),
            )
        return out

    def _break(self, cause: str, first: int, last: int | None, at: Micros, now: Micros) -> list[Output]:
        self._live = False
        self._buffer.clear()
        self._gap = SequenceGap(
            venue=decode.VENUE,
            instrument=self._instrument,
            ts_event=at,
            ts_recv=now,
            stream="depth",
            from_id=first,
            to_id=last,
            from_ts=self._last_ts,
            to_ts=at,
            cause=cause,
            state="open",
            opened_at=now,
        )
        why = f"depth stream broken ({cause}) after update {self._sequence.last}"
        invalid = BookInvalid(venue=decode.VENUE, instrument=self._instrument, ts_event=at, ts_recv=now, why=why)
        return [self._gap, invalid]

    def _notice(self, code: str, words: str, now: Micros) -> VenueNotice:
        return VenueNotice(
            venue=decode.VENUE,
            instrument=self._instrument,
            ts_event=now,
            ts_recv=now,
            connection=self._connection,
            code=code,
            words=f"order book snapshot refused: {words}",
        )
