"""The trade stream of one instrument: no contiguous ids, so holes are found by reconnects and closed by one REST page.

While the page is on its way live executions are held, so that trades leave in order; not so where no clock ticks (a
plain recording of frames), for there no page will come. An execution is known by its id: a ring of the last ids drops
what comes twice.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from warehouse.clock import SECOND, Micros
from warehouse.errors import VenueError
from warehouse.instruments import Rules
from warehouse.records import GapState, SequenceGap, Trade
from warehouse.venues.base import Fetch, Output
from warehouse.venues.bybit import decode
from warehouse.venues.bybit.envelope import recent_trades

RING = 4096
"""Ids remembered per instrument: four times the largest REST page."""

HELD = 20_000
"""Live executions held while a page is awaited; more end the waiting."""

QUIET = 2 * SECOND
"""Without a live execution for this long after the acknowledgement, the page is asked for all the same."""

PATIENCE = 5 * SECOND
ATTEMPTS = 4
RECENT = {"spot": 60, "perp": 1000}
"""Most rows of `/v5/market/recent-trade`."""


class Ring:
    """The last `size` ids, oldest overwritten first."""

    __slots__ = ("_at", "_ids", "_known", "size")

    def __init__(self, size: int = RING) -> None:
        self.size = size
        self._ids: list[str] = []
        self._known: dict[str, None] = {}
        self._at = 0

    def __contains__(self, trade_id: str) -> bool:
        return trade_id in self._known

    def add(self, trade_id: str) -> bool:
        """Remember an id; False when it is known already."""
        known = self._known
        if trade_id in known:
            return False
        known[trade_id] = None
        if len(self._ids) < self.size:
            self._ids.append(trade_id)
            return True
        at = self._at
        del known[self._ids[at]]
        self._ids[at] = trade_id
        self._at = at + 1 if at + 1 < self.size else 0
        return True

    def state(self) -> list[str]:
        """The ids, oldest first."""
        return self._ids[self._at :] + self._ids[: self._at]

    def restore(self, ids: list[str]) -> None:
        self._ids, self._at = list(ids), 0
        self._known = dict.fromkeys(ids)


class Executions:
    """Trades of one instrument, each once and in order, across reconnects."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self.grid = rules.grid
        self.ring = Ring()
        self.last_ts: Micros = 0
        self.seen_ts: Micros = 0
        self.joining = False
        self.held: dict[str, Trade] | None = None
        self.opened_at: Micros = 0
        self.cause = ""
        self.attempts = 0
        self.asked = 0
        self.waiting = False
        self.due: Micros = 0

    def receive(self, frame: bytes, ts_recv: Micros) -> Sequence[Output]:
        """A `publicTrade` frame. Raises ValueError when it cannot be read; nothing has changed then."""
        found = decode.trades(frame, self.rules.instrument, self.grid, ts_recv)
        held = self.held
        if held is not None:
            return self._hold(held, found, ts_recv)
        add = self.ring.add
        asked = self._ask_at_first(found, ts_recv) if self.joining else []
        fresh = [trade for trade in found if add(trade.trade_id)]
        for trade in fresh:
            if trade.ts_event > self.last_ts:
                self.last_ts = trade.ts_event
        return [*asked, *fresh] if asked else fresh

    def connected(self, now: Micros, hold: bool, cause: str = "restart") -> list[Output]:
        """A connection came up, or the topic is subscribed to anew: the page is wanted, and `hold` keeps live
        executions back until it is here.
        """
        rows = [*self._cold(now), *self._open(now, cause)]
        if not self.joining:
            self.seen_ts, self.held = self.last_ts, {} if hold else None
        self.joining, self.waiting, self.attempts, self.due = True, False, 0, 0
        return rows

    def acknowledged(self, now: Micros) -> None:
        """The subscription stands: ask when the first execution comes, or when it stays quiet."""
        if self.joining and not self.waiting and not self.due:
            self.due = now + QUIET

    def disconnected(self, now: Micros) -> list[Output]:
        """The connection went down: a hole opens behind the last execution."""
        self.waiting, self.due = False, 0
        return [*self._cold(now), *self._open(now, "disconnected")]

    def tick(self, now: Micros) -> list[Output]:
        """Ask when it is time; a page that does not come counts as a failure."""
        if not self.due or now < self.due:
            return []
        if self.waiting:
            return self._failed("no reply in time", now)
        return self._ask(now)

    def answer(self, fetch: Fetch, status: int, body: bytes, ts_recv: Micros) -> list[Output]:
        """The page, or why there is none."""
        if not self.waiting or fetch.tag != str(self.asked):
            return []
        if status != 200:
            words = body[:80].decode(errors="replace") if status == 0 else f"HTTP status {status}"
            return self._failed(words or "no reply", ts_recv)
        try:
            rows, _ = recent_trades(body)
            page = decode.recent_trades(rows, self.rules.instrument, self.grid, ts_recv)
        except (ValueError, VenueError, OverflowError, RecursionError) as error:
            return self._failed(f"{error}"[:160], ts_recv)
        held = self.held or {}
        behind = bool(held) and (not page or page[-1].ts_event < next(iter(held.values())).ts_event)
        if behind and self.attempts < ATTEMPTS - 1:
            return self._failed("the page ends before the stream begins", ts_recv)
        return self._join(held, page, behind, ts_recv)

    def _hold(self, held: dict[str, Trade], found: list[Trade], now: Micros) -> list[Output]:
        for trade in found:
            if trade.trade_id not in self.ring and trade.trade_id not in held:
                held[trade.trade_id] = trade
        if len(held) > HELD:
            return self._give_up(f"more than {HELD} live executions came before the page did", now)
        return self._ask_at_first(found, now)

    def _cold(self, now: Micros) -> list[Output]:
        """The connection ended before the first page came: nothing was known before it, so nothing must wait."""
        return self._give_up("", now) if self.joining and not self.seen_ts else []

    def _ask_at_first(self, found: list[Trade], now: Micros) -> list[Output]:
        return self._ask(now) if found and not self.waiting and self.attempts == 0 else []

    def _ask(self, now: Micros) -> list[Output]:
        self.asked += 1
        self.waiting, self.due = True, now + PATIENCE
        market = self.rules.market
        return [
            Fetch(
                purpose="trades",
                base="rest",
                path="/v5/market/recent-trade",
                query={
                    "category": "spot" if market == "spot" else "linear",
                    "symbol": self.rules.symbol,
                    "limit": str(RECENT[market]),
                },
                ccxt="publicGetV5MarketRecentTrade",
                instrument=self.rules.instrument,
                tag=str(self.asked),
            )
        ]

    def _failed(self, why: str, now: Micros) -> list[Output]:
        self.attempts += 1
        self.waiting = False
        if self.attempts >= ATTEMPTS:
            return self._give_up(f"recent trades could not be had in {ATTEMPTS} attempts; last: {why}", now)
        self.due = now + SECOND // 4 * 2**self.attempts
        return []

    def _join(self, held: dict[str, Trade], page: list[Trade], behind: bool, now: Micros) -> list[Output]:
        before, ring = self.seen_ts, self.ring
        reaches = any(trade.ts_event <= before and trade.trade_id in ring for trade in page)
        if self.last_ts and not before:  # live executions have left already: an older page would come too late
            page = []
        missed = [
            trade
            for trade in page
            if trade.ts_event >= before and trade.trade_id not in ring and trade.trade_id not in held
        ]
        filled = [trade for trade in sorted([*missed, *held.values()], key=_when) if ring.add(trade.trade_id)]
        row = self._verdict(page, reaches, behind, len(missed), now)
        self._joined(filled)
        lost = bool(row) and row[0].state == "unrecoverable"
        return [*row, *filled] if lost else [*filled, *row]

    def _joined(self, released: list[Trade]) -> None:
        self.last_ts = max([self.last_ts, *(trade.ts_event for trade in released)])
        self.joining, self.held, self.waiting, self.attempts, self.due = False, None, False, 0, 0

    def _verdict(self, page: list[Trade], reaches: bool, behind: bool, missed: int, now: Micros) -> list[SequenceGap]:
        if not self.opened_at:
            return []
        newest = page[-1].ts_event if page else self.seen_ts
        if behind:
            return [self._close("unrecoverable", now, now, "recent trades end before the live stream begins")]
        if not reaches:
            reason = f"the newest {len(page)} executions, all the venue serves, do not reach back to a known one"
            return [self._close("unrecoverable", page[0].ts_event if page else now, now, reason)]
        if missed:
            return [self._close("repaired", newest, now, f"{missed} executions filled in from recent trades")]
        return [self._close("legitimate", newest, now, "recent trades hold nothing that was not seen live")]

    def _give_up(self, why: str, now: Micros) -> list[Output]:
        held = list((self.held or {}).values())
        released = [trade for trade in held if self.ring.add(trade.trade_id)]
        first = min((trade.ts_event for trade in held), default=now)
        row = [self._close("unrecoverable", first, now, why)] if self.opened_at else []
        self._joined(released)
        return [*row, *released]

    def _open(self, now: Micros, cause: str) -> list[Output]:
        if not self.last_ts or self.opened_at:
            return []
        self.opened_at, self.cause = now, cause
        if not self.joining:
            self.seen_ts = self.last_ts
        return [self._gap("open", now, now, None)]

    def _close(self, state: GapState, to_ts: Micros, now: Micros, reason: str) -> SequenceGap:
        row = self._gap(state, to_ts, now, reason)
        self.opened_at, self.cause = 0, ""
        return row

    def _gap(self, state: GapState, to_ts: Micros, now: Micros, reason: str | None) -> SequenceGap:
        return SequenceGap(
            venue=decode.VENUE,
            instrument=self.rules.instrument,
            ts_event=max(self.seen_ts, to_ts),
            ts_recv=now,
            stream="trades",
            from_id=None,
            to_id=None,
            from_ts=self.seen_ts,
            to_ts=max(self.seen_ts, to_ts),
            cause=self.cause,
            state=state,
            opened_at=self.opened_at,
            attempts=self.attempts,
            reason=reason,
        )

    def state(self) -> dict[str, object]:
        """Everything, as JSON-able values."""
        return {
            "ids": self.ring.state(),
            "last_ts": self.last_ts,
            "seen_ts": self.seen_ts,
            "joining": self.joining,
            "held": None if self.held is None else msgspec.to_builtins(list(self.held.values())),
            "opened_at": self.opened_at,
            "cause": self.cause,
            "attempts": self.attempts,
            "asked": self.asked,
            "waiting": self.waiting,
            "due": self.due,
        }

    def restore(self, state: dict[str, object]) -> None:
        kept = msgspec.convert(state, _Kept)
        self.ring.restore(kept.ids)
        self.held = None if kept.held is None else {trade.trade_id: trade for trade in kept.held}
        self.last_ts, self.seen_ts, self.joining = kept.last_ts, kept.seen_ts, kept.joining
        self.opened_at, self.cause = kept.opened_at, kept.cause
        self.attempts, self.asked, self.waiting, self.due = kept.attempts, kept.asked, kept.waiting, kept.due


class _Kept(msgspec.Struct):
    ids: list[str]
    last_ts: Micros
    seen_ts: Micros
    joining: bool
    held: list[Trade] | None
    opened_at: Micros
    cause: str
    attempts: int
    asked: int
    waiting: bool
    due: Micros


def _when(trade: Trade) -> Micros:
    return trade.ts_event
