"""Each minute's executions, counted again beside the venue's closed bar.

Executions have no numbers that follow each other: one that is lost on a living connection shows in nothing but the
minute's volume. Where the bar holds more than was counted, that minute is a hole of the ledger, and the newest
executions are asked for: what they have of the minute and never came leaves late, with its own time. Where they reach
over the whole minute and hold nothing new, no execution was lost, whatever the bar says.
"""

from __future__ import annotations

import msgspec

from warehouse.clock import MINUTE, SECOND, Micros
from warehouse.errors import VenueError
from warehouse.instruments import Rules
from warehouse.records import Candle, GapState, SequenceGap, Trade
from warehouse.venues.base import Fetch, Output
from warehouse.venues.bybit import decode
from warehouse.venues.bybit.envelope import recent_trades
from warehouse.venues.bybit.requests import recent_trades as newest
from warehouse.venues.bybit.ring import Ring

GRACE = 2 * SECOND
"""After a bar has come, its last executions may still be under way for so long."""

KEPT = 4
"""Minutes whose sums are remembered."""

DOUBT = 5
"""So many minutes in a row may lack something; then bars count what the stream does not, until one agrees again."""

PATIENCE = 30 * SECOND
"""No answer for so long is a failed attempt."""

ATTEMPTS = 4
PAUSE = 2 * SECOND
TAG = "bar/"
"""Begins the tag of a request made here."""

UNSEEN: Micros = 1 << 62
"""Nothing has been observed yet."""


class Lack(msgspec.Struct):
    """A minute whose bar held `lots`, more than was counted. `retry_at` is 0 while an answer is awaited."""

    open_time: Micros
    lots: int
    opened_at: Micros
    attempts: int = 0
    retry_at: Micros = 0


class State(msgspec.Struct):
    """All that a recount remembers.

    `sums` are lots by minute, blocks among them, which a bar may leave out. They are whole from `whole_from` on, and
    not judged yet. `bars` (minute, lots, when to judge it) wait; `lacking` so many in a row were more than the sums.
    """

    whole_from: Micros = UNSEEN
    sums: dict[Micros, int] = {}
    bars: list[tuple[Micros, int, Micros]] = []
    lacking: int = 0
    lack: Lack | None = None
    asked: int = 0
    due: Micros = 0


class Recount:
    """The sums of one instrument. `ring` knows every execution that has left."""

    def __init__(self, rules: Rules, ring: Ring) -> None:
        self.rules = rules
        self.now = State()
        self._ring = ring

    @property
    def due(self) -> Micros:
        """When there is something to do, 0 for never."""
        return self.now.due

    def count(self, trade: Trade) -> None:
        """An execution leaves."""
        minute, sums = trade.ts_event - trade.ts_event % MINUTE, self.now.sums
        sums[minute] = sums.get(minute, 0) + trade.lots
        if len(sums) > KEPT:
            del sums[min(sums)]

    def begin(self, page: list[Trade]) -> None:
        """The first page: what is older than all that came live is counted here, if it will not leave."""
        if not page:
            return
        met = next((at for at, row in enumerate(page) if row.trade_id in self._ring), None)
        if met is not None:
            for row in page[:met]:
                self.count(row)
        if met is not None or not self.now.sums:
            self.whole(page[0].ts_event)

    def whole(self, since: Micros) -> None:
        """From here on nothing is missing, as far as anybody knows."""
        self.now.whole_from = since

    def bar(self, candle: Candle) -> None:
        """A closed bar of a minute."""
        if candle.open_time >= self.now.whole_from:
            lots = round(candle.volume * self.rules.grid.size_den / self.rules.grid.size_num)
            self.now.bars.append((candle.open_time, lots, candle.ts_recv + GRACE))
            self._plan()

    def _plan(self) -> None:
        """When to look next."""
        lack = self.now.lack
        if lack is not None:
            self.now.due = lack.retry_at or self.now.due
        else:
            self.now.due = self.now.bars[0][2] if self.now.bars else 0

    def tick(self, now: Micros) -> list[Output]:
        """Judge the bars that are due, or ask again."""
        lack = self.now.lack
        if now < self.now.due:
            return []
        if lack is not None:
            return [self._ask(lack, now)] if lack.retry_at else self._failed(lack, "no reply in time", now)
        open_time, lots, _ = self.now.bars.pop(0)
        if open_time < self.now.whole_from:
            return self._next()
        self.now.whole_from = open_time + MINUTE  # a bar that is told again is not judged again
        self.now.lacking = self.now.lacking + 1 if lots > self.now.sums.get(open_time, 0) else 0
        return self._lacks(open_time, lots, now) if 0 < self.now.lacking <= DOUBT else self._next()

    def _next(self) -> list[Output]:
        self.now.lack = None
        self._plan()
        return []

    def _lacks(self, open_time: Micros, lots: int, now: Micros) -> list[Output]:
        lack = self.now.lack = Lack(open_time, lots, now)
        return [self._gap(lack, "open", None, open_time, now), self._ask(lack, now)]

    def _ask(self, lack: Lack, now: Micros) -> Fetch:
        self.now.asked += 1
        lack.retry_at, self.now.due = 0, now + PATIENCE
        return newest(self.rules, f"{TAG}{self.now.asked}")

    def _failed(self, lack: Lack, why: str, now: Micros) -> list[Output]:
        lack.attempts += 1
        if lack.attempts < ATTEMPTS:
            lack.retry_at = now + PAUSE * lack.attempts
            self._plan()
            return []
        words = f"the bar holds more than came, and recent trades could not be had in {ATTEMPTS} attempts; last: {why}"
        return [self._gap(lack, "unrecoverable", words, lack.open_time, now), *self._next()]

    def answer(self, fetch: Fetch, status: int, body: bytes, ts_recv: Micros) -> list[Output]:
        """The newest executions, or why there are none."""
        lack = self.now.lack
        if lack is None or lack.retry_at or fetch.tag != f"{TAG}{self.now.asked}":
            return []
        if status != 200:
            why = body[:80].decode(errors="replace") if status == 0 else f"HTTP status {status}"
            return self._failed(lack, why or "no reply", ts_recv)
        try:
            rows, _ = recent_trades(body)
            page = decode.recent_trades(rows, self.rules.instrument, self.rules.grid, ts_recv)
        except (ValueError, VenueError, OverflowError, RecursionError) as error:
            return self._failed(lack, f"{error}"[:160], ts_recv)
        return self._merge(lack, page, ts_recv)

    def _merge(self, lack: Lack, page: list[Trade], now: Micros) -> list[Output]:
        start, end = lack.open_time, lack.open_time + MINUTE
        fresh = [row for row in page if start <= row.ts_event < end and self._ring.add(row.trade_id)]
        for trade in fresh:
            self.count(trade)
        whole = lack.lots <= self.now.sums.get(start, 0) or (bool(page) and page[0].ts_event < start)
        filled = f"{len(fresh)} executions filled in from recent trades"
        self._next()
        if whole:
            state: GapState = "repaired" if fresh else "legitimate"
            why = filled if fresh else "recent trades hold nothing that was not seen live, though the bar says more"
            return [*fresh, self._gap(lack, state, why, start, now)]
        reached = min(page[0].ts_event, end) if page else end
        why = f"the newest {len(page)} executions, all the venue serves, do not reach back over the minute; {filled}"
        lost = self._gap(lack, "unrecoverable", why, start, now)
        return [msgspec.structs.replace(lost, to_ts=reached), *fresh]

    def _gap(self, lack: Lack, state: GapState, reason: str | None, from_ts: Micros, now: Micros) -> SequenceGap:
        return SequenceGap(
            venue=decode.VENUE,
            instrument=self.rules.instrument,
            ts_event=lack.open_time + MINUTE,
            ts_recv=now,
            stream="trades",
            from_id=None,
            to_id=None,
            from_ts=from_ts,
            to_ts=lack.open_time + MINUTE,
            cause="missing_volume",
            state=state,
            opened_at=lack.opened_at,
            attempts=lack.attempts,
            reason=reason,
        )

    def state(self) -> object:
        """Everything, as JSON-able values."""
        return msgspec.to_builtins(self.now, str_keys=True)

    def restore(self, state: object) -> None:
        """The inverse of `state`."""
        self.now = msgspec.convert(state, State, str_keys=True)
