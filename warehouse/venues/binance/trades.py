"""One instrument's chain of trade ids: nothing twice, nothing out of order, and every hole asked for over REST.

Ids are contiguous per symbol, so a jump proves a loss. While the lost trades are fetched by id, later live ones are
held; then everything comes out in id order, with the hole's row of the gap ledger between.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import msgspec

from warehouse.clock import SECOND, Micros
from warehouse.instruments import Rules
from warehouse.records import GapState, SequenceGap, Trade
from warehouse.venues.base import UNREADABLE, Fetch, Output
from warehouse.venues.binance import decode, wire
from warehouse.venues.binance.requests import by_id

HELD_MAX = 20_000
"""Live trades kept back behind a hole; one more and the hole is given up."""

PAGES_MAX = 60
WEIGHT_MAX = 1000
"""A hole that would cost more pages or more weight than this is left to the backfill."""

ATTEMPTS_MAX = 8
LACKING_MAX = 2
"""A page that lacks what was asked for is asked for so often again: live trades wait meanwhile."""

PATIENCE = 30 * SECOND
"""No answer at all for this long counts as a failed attempt."""

Held = Trade | SequenceGap
Parse = Callable[[bytes], wire.Frame[Any]]
Build = Callable[[Any, Micros], Trade]


class Hole(msgspec.Struct):
    """Ids `first..last` are missing and `cursor` is the next one asked for. `retry_at` is 0 while an answer is due."""

    first: int
    last: int
    cursor: int
    opened_at: Micros
    from_ts: Micros
    to_ts: Micros
    cause: str
    asked_at: Micros
    attempts: int = 0
    retry_at: Micros = 0


class ChainState(msgspec.Struct):
    """All that a chain remembers."""

    next: int
    last_ts: Micros
    cause: str
    hole: Hole | None
    held: list[tuple[int, Trade | None, SequenceGap | None]]


class TradeChain:
    """Trades of one stream of one instrument, in id order.

    `raw` chains the fills of `@trade`, else the aggregates of `@aggTrade`.
    """

    def __init__(self, rules: Rules, raw: bool) -> None:
        self._rules = rules
        self._raw = raw
        self._next = -1  # the id expected now; -1 before the first trade ever
        self._last_ts = 0
        self._cause = "missing_ids"
        self._hole: Hole | None = None
        self._held: deque[tuple[int, Held]] = deque()
        self._parse, self._build = _reader(rules, raw)
        self._page = _pager(rules, raw)

    def receive(self, frame: bytes, ts_recv: Micros) -> list[Output]:
        """One live frame. Raises ValueError or msgspec's errors for one that cannot be read."""
        try:
            trade = self._build(self._parse(frame).data, ts_recv)
        except decode.Priceless as blank:
            number = blank.trade_id
            return self._place(number, self._blank(blank, ts_recv), ts_recv)
        if trade.trade_seq == self._next and self._hole is None:
            self._next += 1
            self._last_ts = trade.ts_event
            return [trade]
        return self._place(int(trade.trade_id), trade, ts_recv)

    @property
    def whole(self) -> bool:
        """No trade is missing."""
        return self._hole is None

    def lost(self, cause: str, now: Micros) -> None:
        """The connection went away, perhaps with the process: the next jump of the id has this cause, and an answer
        that was due may never come, so it is asked for again with the next tick.
        """
        self._cause = cause
        if self._hole is not None and not self._hole.retry_at:
            self._hole.retry_at = now

    def answer(self, fetch: Fetch, status: int, body: bytes, ts_recv: Micros) -> list[Output]:
        """A page of missing trades, or why there is none."""
        hole = self._hole
        if hole is None or fetch.tag != _tag(hole):
            return []
        if status != 200:
            return self._failed(hole, status, body, ts_recv)
        try:
            rows = self._page(body, ts_recv)
        except UNREADABLE as error:
            return self._give_up(f"the venue's page cannot be read: {error}", ts_recv)
        out: list[Output] = []
        for number, row in rows:
            if number < hole.cursor or number > hole.last:
                continue
            if number > hole.cursor:
                why = f"the venue serves no trades {hole.cursor}..{number - 1}"
                again = hole.attempts < LACKING_MAX
                return [*out, *(self._later(hole, ts_recv, why) if again else self._give_up(why, ts_recv))]
            hole.cursor += 1
            self._next = hole.cursor
            record = row if isinstance(row, Trade) else self._blank(row, ts_recv)
            self._last_ts = record.ts_event
            out.append(record)
        if hole.cursor > hole.last:
            return [*out, *self._close("repaired", None, ts_recv)]
        if not out:
            return self._later(hole, ts_recv, "the venue does not serve them yet")
        return [*out, self._ask(hole, ts_recv)]

    def tick(self, now: Micros) -> list[Output]:
        """Ask again when it is time."""
        hole = self._hole
        if hole is None:
            return []
        if hole.retry_at:
            return [self._ask(hole, now)] if now >= hole.retry_at else []
        if now - hole.asked_at > PATIENCE:
            return self._later(hole, now, "no answer came")
        return []

    def state(self) -> ChainState:
        """A copy of the memory."""
        held: list[tuple[int, Trade | None, SequenceGap | None]] = [
            (n, r, None) if isinstance(r, Trade) else (n, None, r) for n, r in self._held
        ]
        hole = msgspec.structs.replace(self._hole) if self._hole else None
        return ChainState(self._next, self._last_ts, self._cause, hole, held)

    def restore(self, state: ChainState) -> None:
        """The inverse of `state`."""
        self._next, self._last_ts, self._cause = state.next, state.last_ts, state.cause
        self._hole = state.hole
        self._held.clear()
        for number, trade, gap in state.held:
            if (record := trade or gap) is not None:
                self._held.append((number, record))

    def adopt(self, state: ChainState) -> None:
        """Go on behind the last trade of another connection's chain, where that one is further."""
        if state.next > self._next:
            self.restore(state)

    def _place(self, number: int, record: Held, now: Micros) -> list[Output]:
        """Whatever is not simply the next trade: the first one, a repetition, the far side of a hole."""
        if self._next < 0:
            self._pass(number, record)
            return [record]
        newest = self._held[-1][0] if self._held else self._next - 1
        if number <= newest:
            if record.ts_event > self._last_ts + SECOND and self._hole is None:
                return self._restarted(number, record, now)
            return []
        if number == self._next and self._hole is None:
            self._pass(number, record)
            return [record]
        self._held.append((number, record))
        if self._hole is None:
            return self._open(now)
        if len(self._held) > HELD_MAX:
            return self._give_up(f"more than {HELD_MAX} later trades came before the missing ones", now)
        return []

    def _pass(self, number: int, record: Held) -> None:
        self._next = number + 1
        self._last_ts = record.ts_event
        self._cause = "missing_ids"

    def _open(self, now: Micros) -> list[Output]:
        """A hole before the first held trade: a row of the ledger, and the first question."""
        number, beyond = self._held[0]
        self._hole = hole = Hole(
            first=self._next,
            last=number - 1,
            cursor=self._next,
            opened_at=now,
            from_ts=self._last_ts,
            to_ts=beyond.ts_event,
            cause=self._cause,
            asked_at=now,
        )
        self._cause = "missing_ids"
        row = self._gap(hole, "open", None, now)
        fetch = self._ask(hole, now)
        missing, page = hole.last - hole.first + 1, int(fetch.query["limit"])
        pages = -(-missing // page)
        if pages > 1 and (pages > PAGES_MAX or pages * fetch.weight > WEIGHT_MAX):
            why = f"{missing} trades are too many to repair beside the stream; the backfill loads them"
            return [row, *self._give_up(why, now)]
        return [row, fetch]

    def _ask(self, hole: Hole, now: Micros) -> Fetch:
        hole.asked_at, hole.retry_at = now, 0
        return by_id(self._rules, hole.cursor, hole.last - hole.cursor + 1, self._raw, tag=_tag(hole))

    def _failed(self, hole: Hole, status: int, body: bytes, now: Micros) -> list[Output]:
        if status in (0, 408, 418, 429) or status >= 500:
            return self._later(hole, now, f"HTTP {status}" if status else "no reply")
        return self._give_up(f"refused with HTTP {status}: {decode.head(body)}", now)

    def _later(self, hole: Hole, now: Micros, why: str) -> list[Output]:
        hole.attempts += 1
        if hole.attempts >= ATTEMPTS_MAX:
            return self._give_up(f"{why}, {hole.attempts} times", now)
        hole.retry_at = now + min(SECOND // 4 << hole.attempts, 30 * SECOND)
        return []

    def _give_up(self, reason: str, now: Micros) -> list[Output]:
        return self._close("unrecoverable", reason, now)

    def _close(self, state: GapState, reason: str | None, now: Micros) -> list[Output]:
        """The hole's last row, then what was held, up to the next hole."""
        hole = self._hole
        if hole is None:
            return []
        self._hole = None
        self._next = hole.last + 1
        out: list[Output] = [self._gap(hole, state, reason, now)]
        held = self._held
        while held and held[0][0] == self._next:
            number, record = held.popleft()
            self._next = number + 1
            self._last_ts = record.ts_event
            out.append(record)
        if held:
            out += self._open(now)
        return out

    def _restarted(self, number: int, record: Held, now: Micros) -> list[Output]:
        """An id below the chain in a trade clearly after it is no repetition: the venue counts anew."""
        hole = Hole(self._next, number, 0, now, self._last_ts, record.ts_event, "ids_restarted", now)
        row = self._gap(hole, "unrecoverable", f"the venue's ids went back from {self._next - 1} to {number}", now)
        self._pass(number, record)
        return [msgspec.structs.replace(row, from_id=None, to_id=None), record]

    def _blank(self, blank: decode.Priceless, now: Micros) -> SequenceGap:
        number = blank.trade_id
        hole = Hole(number, number, number, now, blank.at, blank.at, "no_price", now)
        return self._gap(hole, "legitimate", str(blank), now)

    def _gap(self, hole: Hole, state: GapState, reason: str | None, now: Micros) -> SequenceGap:
        return SequenceGap(
            venue=decode.VENUE,
            instrument=self._rules.instrument,
            ts_event=hole.to_ts,
            ts_recv=now,
            stream="trades",
            from_id=hole.first,
            to_id=hole.last,
            from_ts=hole.from_ts,
            to_ts=hole.to_ts,
            cause=hole.cause,
            state=state,
            opened_at=hole.opened_at,
            attempts=hole.attempts,
            reason=reason,
        )


def _tag(hole: Hole) -> str:
    return f"{hole.cursor}/{hole.attempts}"


def _reader(rules: Rules, raw: bool) -> tuple[Parse, Build]:
    """Live frame to row, and row to trade with instrument and grid bound."""
    if raw:
        return decode.reader(wire.Frame[wire.RawTrade]), decode.fills(rules)
    return decode.reader(wire.Frame[wire.AggTrade]), decode.aggregates(rules)


def _pager(rules: Rules, raw: bool) -> Callable[[bytes, Micros], list[tuple[int, Trade | decode.Priceless]]]:
    """REST page to trades by id."""
    if raw:
        parse = decode.reader(list[wire.HistoricalTrade])
        fill = decode.historical(rules)
        return lambda body, now: decode.numbered(fill, parse(body), now)
    read, parse_agg = decode.aggregates(rules, "rest"), decode.reader(list[wire.AggTrade])
    return lambda body, now: decode.numbered(read, parse_agg(body), now)
