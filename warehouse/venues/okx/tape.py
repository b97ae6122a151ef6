"""The trades of one instrument in the order of their ids, with what the connection missed asked for and put back.

A hole opens when ids are skipped. Later trades are held until REST has brought the missing ones (`market/trades` for
short holes, then `history-trades` downward), so what leaves here is contiguous. When the venue cannot give them, the
hole is called unrecoverable with its reason, and the held trades go on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, cast

import msgspec

from warehouse.clock import SECOND, Micros
from warehouse.instruments import Rules
from warehouse.records import SequenceGap, Trade, Undecodable
from warehouse.venues.base import UNREADABLE, Fetch, Output
from warehouse.venues.okx import requests, wire
from warehouse.venues.okx.decode import trade
from warehouse.venues.okx.sequence import TradeSequence

HELD = 20_000
LARGEST = 20_000
NEWEST_FIRST = 400
ATTEMPTS = 8
ANSWER_WAIT: Micros = 15 * SECOND
BACKOFF: Micros = SECOND // 2
BACKOFF_LIMIT: Micros = 30 * SECOND


class Hole(msgspec.Struct, gc=False):
    """Ids `from_id..to_id` that are being asked for.

    `cursor` is the exclusive upper id of the next page, 0 for the newest page; `asked_at` is 0 while no request is out.
    """

    from_id: int
    to_id: int
    from_ts: Micros
    to_ts: Micros
    opened_at: Micros
    cause: str
    cursor: int = 0
    attempts: int = 0
    asked_at: Micros = 0
    retry_at: Micros = 0
    found: dict[int, Trade] = {}


class TapeState(msgspec.Struct, gc=False):
    """Everything a tape remembers, as plain values. `fresh` until the first trade of a connection."""

    last: int | None = None
    last_ts: Micros = 0
    fresh: bool = True
    hole: Hole | None = None
    held: list[Trade] = []


class Tape:
    """The trade channel (`trades-all` or `trades`) of one instrument."""

    def __init__(self, rules: Rules, connection: str) -> None:
        self.rules = rules
        self.grid = rules.grid
        self.connection = connection
        self.sequence = TradeSequence()
        self.now = TapeState()

    def push(self, frame: bytes, ts_recv: Micros) -> Sequence[Output]:
        """A frame of this channel. Raises msgspec.DecodeError or ValueError when it cannot be read."""
        rows = wire.trades_push.decode(frame).data
        if len(rows) == 1 and self.now.hole is None:
            row = rows[0]
            seq = row.tradeId
            if seq - row.count == self.sequence.last:
                one = trade(row, self.rules, self.grid, ts_recv)
                self.sequence.last = seq
                self.now.last_ts = one.ts_event
                return (one,)
        out: list[Output] = []
        for one in [trade(row, self.rules, self.grid, ts_recv) for row in rows]:
            out += self._offer(one, ts_recv)
        return out

    def _offer(self, one: Trade, ts_recv: Micros) -> list[Output]:
        """Let a trade through, drop it as known, or hold it behind a hole."""
        now, seq = self.now, cast("int", one.trade_seq)
        if now.hole is not None:
            newest = now.held[-1].trade_seq if now.held else now.hole.to_id
            if seq <= cast("int", newest):
                return []
            now.held.append(one)
            if len(now.held) > HELD:
                return self._close(f"more than {HELD} later trades waited for the missing ones", ts_recv)
            return []
        first = seq if one.first_fill is None else one.first_fill
        missing = self.sequence.missing(first, seq)
        if missing is not None:
            return self._open(missing, one, ts_recv)
        now.fresh = False
        if self.sequence.last is not None and seq <= self.sequence.last:
            return []
        self.sequence.last = seq
        now.last_ts = one.ts_event
        return [one]

    def _open(self, missing: tuple[int, int], one: Trade, ts_recv: Micros) -> list[Output]:
        now = self.now
        cause = "reconnect" if now.fresh else "missed"
        size = missing[1] - missing[0] + 1
        now.fresh = False
        now.hole = hole = Hole(*missing, now.last_ts, one.ts_event, ts_recv, cause)
        hole.cursor = 0 if size <= NEWEST_FIRST else hole.to_id + 1
        if missing[1] < cast("int", one.trade_seq):
            now.held.append(one)
        out: list[Output] = [self._gap(hole, "open", None, ts_recv)]
        if size > LARGEST:
            why = f"{size} trades are more than the {LARGEST} that are repaired live; backfill them"
            return out + self._close(why, ts_recv)
        return [*out, self._ask(hole, ts_recv)]

    def _ask(self, hole: Hole, at: Micros) -> Fetch:
        hole.asked_at = at
        tag = f"trades:{hole.from_id}:{hole.cursor}:{hole.attempts}"
        if not hole.cursor:
            return requests.newest_trades(self.rules.symbol, self.rules.instrument, tag)
        return requests.trades_below(self.rules.symbol, self.rules.instrument, hole.cursor, tag)

    def lost(self, at: Micros) -> None:
        """The connection went away, perhaps with the process: an answer that was due may never come, so it is asked for
        again with the next tick.
        """
        hole = self.now.hole
        if hole is not None and hole.asked_at:
            hole.asked_at, hole.retry_at = 0, at

    def tick(self, at: Micros) -> list[Output]:
        """Ask again when it is time to, or when no answer came."""
        hole = self.now.hole
        if hole is None:
            return []
        if hole.asked_at:
            if at - hole.asked_at < ANSWER_WAIT:
                return []
            return self._again("no answer came", at)
        return [self._ask(hole, at)] if at >= hole.retry_at else []

    def _again(self, why: str, at: Micros) -> list[Output]:
        """Wait longer each time; after `ATTEMPTS` the hole is given up."""
        hole = cast("Hole", self.now.hole)
        hole.attempts += 1
        hole.asked_at = 0
        hole.retry_at = at + min(BACKOFF << hole.attempts, BACKOFF_LIMIT)
        return self._close(f"{why}, {hole.attempts} times", at) if hole.attempts >= ATTEMPTS else []

    def answer(self, fetch: Fetch, status: int, body: bytes, ts_recv: Micros) -> list[Output]:
        """A page of fills, newest first."""
        hole = self.now.hole
        if hole is None or fetch.tag != f"trades:{hole.from_id}:{hole.cursor}:{hole.attempts}":
            return []
        hole.asked_at = 0
        try:
            page = wire.trades_page.decode(body)
        except UNREADABLE as error:
            return self._refused(status, body, str(error), ts_recv)
        if page.code != "0" or status != 200:
            return self._refused(status, body, page.msg, ts_recv)
        out: list[Output] = []
        for row in page.data:
            if hole.from_id <= row.tradeId <= hole.to_id and row.tradeId not in hole.found:
                try:
                    hole.found[row.tradeId] = trade(row, self.rules, self.grid, ts_recv, "rest")
                except ValueError as error:
                    out.append(self._undecodable(str(error), body, ts_recv))
        if len(hole.found) == hole.to_id - hole.from_id + 1:
            return out + self._close(None, ts_recv)
        lowest = min((row.tradeId for row in page.data), default=None)
        if hole.cursor == 0 and (lowest is None or lowest > hole.from_id):
            hole.cursor = hole.to_id + 1 if lowest is None or lowest > hole.to_id else lowest
            return [*out, self._ask(hole, ts_recv)]
        if lowest is None or lowest >= hole.cursor > 0:
            return out + self._close("the venue serves no trades that old", ts_recv)
        if lowest > hole.from_id:
            hole.cursor = lowest
            return [*out, self._ask(hole, ts_recv)]
        hole.cursor = hole.to_id + 1
        return out + self._again("the venue's pages leave out some of the ids", ts_recv)

    def _refused(self, status: int, body: bytes, words: str, ts_recv: Micros) -> list[Output]:
        code = ""
        try:
            refusal = wire.refusal.decode(body)
            code, words = refusal.code, refusal.msg
        except UNREADABLE:
            pass  # not OKX's envelope: the HTTP status decides
        why = f"HTTP {status}, code {code or 'none'}: {words}" if status else f"no reply: {body[:80]!r}"
        if requests.transient(status, code) or (status == 200 and code in ("", "0")):
            return self._again(why, ts_recv)
        return self._close(why, ts_recv)

    def _close(self, reason: str | None, ts_recv: Micros) -> list[Output]:
        """Put back what was found, write the ledger (`reason` None: repaired), and let the held trades go."""
        now = self.now
        hole = cast("Hole", now.hole)
        now.hole = None
        out: list[Output] = [hole.found[seq] for seq in sorted(hole.found)]
        if reason is not None:
            size = hole.to_id - hole.from_id + 1
            reason = f"{reason}; {size - len(out)} of {size} trades are missing"
        out.append(self._gap(hole, "repaired" if reason is None else "unrecoverable", reason, ts_recv))
        self.sequence.last, now.last_ts = hole.to_id, hole.to_ts
        held, now.held = now.held, []
        for one in held:
            out += self._offer(one, ts_recv)
        return out

    def _gap(
        self, hole: Hole, state: Literal["open", "repaired", "unrecoverable"], reason: str | None, ts_recv: Micros
    ) -> SequenceGap:
        return SequenceGap(
            venue="okx",
            instrument=self.rules.instrument,
            ts_event=hole.to_ts,
            ts_recv=ts_recv,
            stream="trades",
            from_id=hole.from_id,
            to_id=hole.to_id,
            from_ts=hole.from_ts,
            to_ts=hole.to_ts,
            cause=hole.cause,
            state=state,
            opened_at=hole.opened_at,
            attempts=hole.attempts,
            reason=reason,
        )

    def _undecodable(self, why: str, body: bytes, ts_recv: Micros) -> Undecodable:
        return Undecodable(
            venue="okx",
            instrument=self.rules.instrument,
            ts_event=ts_recv,
            ts_recv=ts_recv,
            connection=self.connection,
            why=why,
            head=body[:96].decode(errors="replace"),
        )

    def state(self) -> dict[str, object]:
        self.now.last = self.sequence.last
        return cast("dict[str, object]", msgspec.to_builtins(self.now, str_keys=True))

    def restore(self, state: object) -> None:
        self.now = msgspec.convert(state, TapeState, strict=False)
        self.sequence.last = self.now.last

    def adopt(self, state: object) -> None:
        """Go on behind the last trade of another connection's tape, where that one is further."""
        last = msgspec.convert(state, TapeState, strict=False).last
        if last is not None and (self.sequence.last is None or last > self.sequence.last):
            self.restore(state)
