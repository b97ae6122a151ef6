"""The books of one connection: each follows its sequence, and heals without touching another.

A book begins with a pushed snapshot. Should none come within `SNAPSHOT_WAIT` it is seeded from REST, whose `seqId`
joins it to the buffered pushes. When the chain breaks the book is invalid at once, and is unsubscribed and subscribed
again: one book at a time, later each time, because OKX allows 480 such operations an hour.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, cast

import msgspec

from warehouse.clock import SECOND, Micros
from warehouse.instruments import Rules
from warehouse.records import BookInvalid, SequenceGap
from warehouse.venues.base import UNREADABLE, Fetch, Output
from warehouse.venues.okx import dated, requests, wire
from warehouse.venues.okx.channels import Controls, control
from warehouse.venues.okx.decode import book_update
from warehouse.venues.okx.sequence import BookSequence
from warehouse.venues.okx.wire import BookRow

SNAPSHOT_WAIT: Micros = 4 * SECOND
SLOT: Micros = 15 * SECOND
STABLE: Micros = 60 * SECOND
BACKOFF_LIMIT: Micros = 60 * SECOND
BUFFER = 2000

Phase = Literal["waiting", "live", "broken"]


class OpenGap(msgspec.Struct, gc=False):
    """What the ledger knows of a break that is not mended yet."""

    opened_at: Micros
    from_ts: Micros
    cause: str
    from_id: int | None = None
    to_id: int | None = None


class BookState(msgspec.Struct, gc=False):
    """Everything a book's stream remembers, as plain values."""

    phase: Phase = "waiting"
    last: int | None = None
    straddling: bool = False
    last_ts: Micros = 0
    live_since: Micros = 0
    attempts: int = 0
    retry_at: Micros = 0
    resubscribed_at: Micros = 0
    seed_at: Micros = 0
    seeding: bool = False
    gap: OpenGap | None = None
    buffer: list[BookRow] = []
    texts: dated.TextBook = msgspec.field(default_factory=dated.TextBook)


class BookStream:
    """The `books` channel of one instrument."""

    def __init__(self, rules: Rules, books: Books, *, checked: bool) -> None:
        self.rules = rules
        self.books = books
        self.checked = checked
        self.sequence = BookSequence()
        self.now = BookState()

    def push(self, frame: bytes, ts_recv: Micros) -> Sequence[Output]:
        """A frame of this channel. Raises msgspec.DecodeError or ValueError when it cannot be read."""
        if self.checked:
            return self._dated(frame, ts_recv)
        push = wire.books_push.decode(frame)
        if len(push.data) == 1 and push.action == "update" and self.now.phase == "live":
            row = push.data[0]
            seq_id, previous = row.seqId, row.prevSeqId
            if previous == self.sequence.last and seq_id is not None:
                self.sequence.last = seq_id
                self.sequence.straddling = False
                self.now.last_ts = row.ts * 1000
                return (book_update(row, self.rules.instrument, ts_recv, seq_id, previous),)
        if push.action is msgspec.UNSET:
            raise ValueError("a books push says whether it is a snapshot")
        if any(row.seqId is None or row.prevSeqId is None for row in push.data):
            raise ValueError("a books push carries seqId and prevSeqId")
        out: list[Output] = []
        for row in push.data:
            out += self._row(row, push.action == "snapshot", ts_recv)
        return out

    def _row(self, row: BookRow, snapshot: bool, ts_recv: Micros) -> list[Output]:
        now, seq_id = self.now, cast("int", row.seqId)
        if snapshot:
            self.sequence.pushed_snapshot(seq_id)
            return self._begin(row, seq_id, ts_recv)
        if now.phase == "waiting":
            self._keep(row)
            return []
        if now.phase == "broken":
            return []
        last, previous = self.sequence.last, cast("int", row.prevSeqId)
        step = self.sequence.update(previous, seq_id)
        if step == "apply":
            now.last_ts = row.ts * 1000
            return [book_update(row, self.rules.instrument, ts_recv, seq_id, last)]
        if step == "stale":
            return []
        first = None if last is None else last + 1
        bounds = (first, previous) if first is not None and previous >= first else (None, None)
        return self._break("sequence", f"prevSeqId {previous} does not follow seqId {last}", row.ts, bounds, ts_recv)

    def _begin(self, row: BookRow, seq_id: int, ts_recv: Micros) -> list[Output]:
        """A snapshot is in: the book is valid, an open gap is closed."""
        now = self.now
        out: list[Output] = [book_update(row, self.rules.instrument, ts_recv, seq_id, None)]
        gap, now.gap = now.gap, None
        if gap is not None:
            out.append(self._gap(gap, "repaired", "resynced from snapshot", row.ts * 1000, ts_recv))
        now.phase, now.live_since, now.last_ts = "live", ts_recv, row.ts * 1000
        now.buffer, now.seeding, now.resubscribed_at = [], False, 0
        return out

    def _keep(self, row: BookRow) -> None:
        """Hold a push until the snapshot; one that does not continue those before it makes them worthless."""
        buffer = self.now.buffer
        if buffer and buffer[-1].seqId != row.prevSeqId:
            buffer.clear()
        if len(buffer) == BUFFER:
            del buffer[0]
        buffer.append(row)

    def _break(
        self, cause: str, why: str, ts_ms: int, bounds: tuple[int | None, int | None], ts_recv: Micros
    ) -> list[Output]:
        out = self.fail(cause, why, ts_ms * 1000, bounds, ts_recv)
        now = self.now
        if ts_recv - now.live_since > STABLE:
            now.attempts = 0
        now.retry_at = ts_recv + (min(SECOND << min(now.attempts, 10), BACKOFF_LIMIT) if now.attempts else 0)
        return [*out, *self.books.resubscribe(ts_recv)]

    def distrust(self, why: str, at: Micros) -> list[Output]:
        """The book that these updates make cannot be right: take a new snapshot."""
        return self._break("distrust", why, at // 1000, (None, None), at) if self.now.phase == "live" else []

    def silent(self, why: str, at: Micros) -> list[Output]:
        """A live book has lost even its heartbeat, which is a break too; one that waits has retries of its own."""
        return self._break("silent", why, at // 1000, (None, None), at) if self.now.phase == "live" else []

    def fail(
        self, cause: str, why: str, ts_event: Micros, bounds: tuple[int | None, int | None], ts_recv: Micros
    ) -> list[Output]:
        """The book is not to be read from here on; rows for the ledger, once per break."""
        now = self.now
        was_live = now.phase == "live"
        now.phase, now.buffer, now.seeding, now.resubscribed_at = "broken", [], False, 0
        self.sequence.lost()
        if not was_live or now.gap is not None:
            return []
        now.gap = OpenGap(ts_recv, now.last_ts, cause, *bounds)
        return [
            self._gap(now.gap, "open", why, ts_event, ts_recv),
            BookInvalid(
                venue="okx", instrument=self.rules.instrument, ts_event=ts_event, ts_recv=ts_recv, why=f"{cause}: {why}"
            ),
        ]

    def _gap(
        self, gap: OpenGap, state: Literal["open", "repaired"], reason: str, ts_event: Micros, ts_recv: Micros
    ) -> SequenceGap:
        return SequenceGap(
            venue="okx",
            instrument=self.rules.instrument,
            ts_event=ts_event,
            ts_recv=ts_recv,
            stream="depth",
            from_id=gap.from_id,
            to_id=gap.to_id,
            from_ts=gap.from_ts,
            to_ts=ts_event,
            cause=gap.cause,
            state=state,
            opened_at=gap.opened_at,
            attempts=self.now.attempts,
            reason=reason,
        )

    def subscribed(self, at: Micros) -> None:
        """A subscription went out: expect its snapshot."""
        now = self.now
        now.phase, now.buffer, now.seeding = "waiting", [], False
        now.seed_at = at + SNAPSHOT_WAIT

    def resubscribe(self, at: Micros) -> list[Output]:
        """Drop the channel and ask for it anew, which brings a snapshot."""
        self.subscribed(at)
        self.now.attempts += 1
        self.now.resubscribed_at = at
        arg = ("books", self.rules.symbol)
        return [control("unsubscribe", [arg]), control("subscribe", [arg])]

    def tick(self, at: Micros) -> list[Output]:
        """Seed from REST when no snapshot was pushed; without luck there either, subscribe again later."""
        now = self.now
        if now.phase != "waiting" or not now.seed_at or at < now.seed_at:
            return []
        if now.seeding or self.checked:
            return self._give_up_waiting(at)
        now.seeding, now.seed_at = True, at + 2 * SNAPSHOT_WAIT
        return [requests.book(self.rules.symbol, self.rules.instrument, f"book:{now.attempts}")]

    def _give_up_waiting(self, at: Micros) -> list[Output]:
        now = self.now
        now.phase, now.seeding, now.resubscribed_at, now.buffer = "broken", False, 0, []
        now.retry_at = at + min(SECOND << min(now.attempts, 10), BACKOFF_LIMIT)
        return []

    def answer(self, fetch: Fetch, status: int, body: bytes, ts_recv: Micros) -> list[Output]:
        """The REST book: the start, if the buffered pushes reach back to it."""
        now = self.now
        if not now.seeding or now.phase != "waiting" or fetch.tag != f"book:{now.attempts}":
            return []
        now.seeding = False
        try:
            page = wire.books_page.decode(body)
        except UNREADABLE:
            page = None
        row = page.data[0] if page is not None and page.code == "0" and page.data and status == 200 else None
        if row is None or row.seqId is None:
            return self._give_up_waiting(ts_recv)
        seq_id = row.seqId
        held = [push for push in now.buffer if cast("int", push.seqId) > seq_id]
        if held and cast("int", held[0].prevSeqId) > seq_id:
            now.seed_at = ts_recv + SECOND  # older than everything buffered: ask again
            return []
        self.sequence.rest_snapshot(seq_id)
        out = self._begin(row, seq_id, ts_recv)
        for push in held:
            out += self._row(push, False, ts_recv)
        return out

    def _dated(self, frame: bytes, ts_recv: Micros) -> list[Output]:
        """Recordings made before 2026-06-23: the checksum proves what the ids, if there are any, cannot."""
        rows, snapshot = dated.read(frame)
        out: list[Output] = []
        for texts, row in rows:
            now = self.now
            dated.number(row, self.sequence.last)
            if (snapshot or now.phase == "live") and not now.texts.take(texts, snapshot=snapshot):
                now.phase = "live"  # a snapshot that contradicts itself is a break like any other
                why = f"the best 25 levels do not have the checksum {texts.checksum}"
                out += self._break("checksum", why, row.ts, (row.seqId, row.seqId), ts_recv)
                continue
            out += self._row(row, snapshot, ts_recv)
        return out

    def state(self) -> dict[str, object]:
        self.now.last, self.now.straddling = self.sequence.last, self.sequence.straddling
        return cast("dict[str, object]", msgspec.to_builtins(self.now))

    def restore(self, state: object) -> None:
        self.now = msgspec.convert(state, BookState)
        self.sequence.last, self.sequence.straddling = self.now.last, self.now.straddling


class Books:
    """All books of one connection, and the one slot in which a book may be subscribed anew."""

    def __init__(self, controls: Controls) -> None:
        self.controls = controls
        self.streams: list[BookStream] = []

    def resubscribe(self, at: Micros) -> list[Output]:
        """Start the first broken book that is due, unless another one still awaits its snapshot."""
        due: BookStream | None = None
        for stream in self.streams:
            now = stream.now
            if now.phase == "waiting" and now.resubscribed_at and at - now.resubscribed_at < SLOT:
                return []
            if due is None and now.phase == "broken" and at >= now.retry_at:
                due = stream
        if due is None:
            return []
        return due.resubscribe(at) if self.controls.spend(2, at) else [self.controls.exhausted()]

    def tick(self, at: Micros) -> list[Output]:
        """Retries and seeds that are due."""
        out: list[Output] = []
        for stream in self.streams:
            out += stream.tick(at)
        return out + self.resubscribe(at)

    def disconnected(self, at: Micros, why: str) -> list[Output]:
        """Every book on the connection is invalid; the next connection subscribes all of them."""
        out: list[Output] = []
        for stream in self.streams:
            out += stream.fail("disconnected", why, at, (None, None), at)
        return out
