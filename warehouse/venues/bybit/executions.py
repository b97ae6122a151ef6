"""The trade stream of one instrument: no contiguous ids, so holes are found by reconnects and closed by REST pages.

The newest executions are asked for twice: at once when a connection is lost (a restarted worker gets what is still
served then), and again when the next one has brought its first execution. While a page is on its way live executions
are held, so that trades leave in order; not so where no clock ticks (a plain recording of frames), for there no page
will come. An execution is known by its id: a ring of the last ids drops what comes twice.
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
from warehouse.venues.bybit.joining import Hole, Verdict, join
from warehouse.venues.bybit.recount import TAG, Recount
from warehouse.venues.bybit.requests import recent_trades as newest
from warehouse.venues.bybit.ring import Ring

HELD = 20_000
"""Live executions held while a page is awaited; more end the waiting."""

QUIET = 2 * SECOND
"""Without a live execution for this long after the acknowledgement, the page is asked for all the same."""

PATIENCE = 30 * SECOND
"""No answer for this long is a failed attempt. The request itself ends sooner, but may have to wait for its turn."""

ATTEMPTS = 8
PAUSE_MOST = 8 * SECOND


class Executions:
    """Trades of one instrument, each once and in order, across reconnects.

    `holes` are open; `joining` while the page is awaited that ends them all, `held` what came live meanwhile. `asked`
    counts requests, `early` is the number of the one made when the connection was lost, 0 for none. `answered` where
    somebody answers requests: not so for a plain recording.
    """

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self.grid = rules.grid
        self.ring = Ring()
        self.recount = Recount(rules, self.ring)
        self.last_ts: Micros = 0
        self.holes: list[Hole] = []
        self.joining = False
        self.held: dict[str, Trade] | None = None
        self.attempts = 0
        self.asked = 0
        self.early = 0
        self.answered = False
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
            self.recount.count(trade)
            if trade.ts_event > self.last_ts:
                self.last_ts = trade.ts_event
        return [*asked, *fresh] if asked else fresh

    def connected(self, now: Micros, hold: bool, cause: str = "restart") -> list[Output]:
        """A connection came up, or the topic is subscribed to anew: the page is wanted, and `hold` keeps live
        executions back until it is here.
        """
        rows = [*self._cold(now), *self._open(now, cause)]
        if not self.joining:
            self.held = {} if hold else None
        self.joining, self.waiting, self.attempts, self.due = True, False, 0, 0
        self.answered = hold
        return rows

    def missed(self, now: Micros, cause: str) -> list[Output]:
        """Something came that could not be read: a hole opens there, and the page is wanted as after a reconnect."""
        rows = self._open(now, cause)
        if rows and not self.joining:
            self.held, self.answered = {}, True
            self.joining, self.waiting, self.attempts, self.due = True, False, 0, now + SECOND // 4
        return rows

    def acknowledged(self, now: Micros) -> None:
        """The subscription stands: ask when the first execution comes, or when it stays quiet."""
        if self.joining and not self.waiting and not self.due:
            self.due = now + QUIET

    def disconnected(self, now: Micros) -> list[Output]:
        """The connection went down: a hole opens behind the last execution. What is served now is asked for."""
        self.waiting, self.due = False, 0
        rows: list[Output] = [*self._cold(now), *self._open(now, "disconnected")]
        if self.answered and self.holes:
            rows.append(self._fetch())
            self.early = self.asked
        return rows

    def tick(self, now: Micros) -> list[Output]:
        """Ask when it is time; a page that does not come counts as a failure."""
        if not self.due or now < self.due:
            return []
        if self.waiting:
            return self._failed("no reply in time", now)
        return self._ask(now)

    def answer(self, fetch: Fetch, status: int, body: bytes, ts_recv: Micros) -> list[Output]:
        """A page, or why there is none."""
        if fetch.tag.startswith(TAG):
            return self.recount.answer(fetch, status, body, ts_recv)
        early = self.early != 0 and fetch.tag == str(self.early)
        if early:
            self.early = 0
        elif not self.waiting or fetch.tag != str(self.asked):
            return []
        if status != 200:
            words = body[:80].decode(errors="replace") if status == 0 else f"HTTP status {status}"
            return [] if early else self._failed(words or "no reply", ts_recv)
        try:
            rows, _ = recent_trades(body)
            page = decode.recent_trades(rows, self.rules.instrument, self.grid, ts_recv)
        except (ValueError, VenueError, OverflowError, RecursionError) as error:
            return [] if early else self._failed(f"{error}"[:160], ts_recv)
        if early:
            return self._take_early(page, ts_recv)
        held = list((self.held or {}).values())
        fresh = held[self.holes[-1].at if self.holes else 0 :] or held[-1:]
        behind = bool(fresh) and (not page or page[-1].ts_event < fresh[0].ts_event)
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
        return self._give_up("", now) if self.joining and not self.holes else []

    def _ask_at_first(self, found: list[Trade], now: Micros) -> list[Output]:
        return self._ask(now) if found and not self.waiting and self.attempts == 0 else []

    def _ask(self, now: Micros) -> list[Output]:
        self.waiting, self.due = True, now + PATIENCE
        return [self._fetch()]

    def _fetch(self) -> Fetch:
        self.asked += 1
        return newest(self.rules, str(self.asked))

    def _failed(self, why: str, now: Micros) -> list[Output]:
        self.attempts += 1
        self.waiting = False
        if self.attempts >= ATTEMPTS:
            return self._give_up(f"recent trades could not be had in {ATTEMPTS} attempts; last: {why}", now)
        self.due = now + min(SECOND // 4 * 2**self.attempts, PAUSE_MOST)
        return []

    def _join(self, held: list[Trade], page: list[Trade], behind: bool, now: Micros) -> list[Output]:
        """The last page: everything leaves, and every hole is closed."""
        if not self.holes:
            self.recount.begin(page)
        if self.last_ts and not self.holes:  # live executions have left already: an older page would come too late
            page = []
        trades, verdicts = join(self.holes, held, page, self.ring)
        if behind or any(verdict.lost for verdict in verdicts):
            self.recount.whole(now)
        rows = [self._closed(*pair, len(page), now) for pair in zip(self.holes, verdicts, strict=True)]
        if behind and rows:
            last = self.holes[-1]
            from_ts = last.from_ts if verdicts[-1].lost or not page else max(last.from_ts, page[-1].ts_event)
            to_ts = held[last.at].ts_event if last.at < len(held) else now
            why = "recent trades end before the live stream begins"
            rows[-1] = self._gap(last, "unrecoverable", from_ts, to_ts, now, why)
        released = self._release(trades)
        self._joined()
        return _around(rows, released)

    def _take_early(self, page: list[Trade], now: Micros) -> list[Output]:
        """The page of the moment after the connection was lost: its executions leave, and the last hole stays open
        behind them. What the next connection brought meanwhile is held on.
        """
        held = list((self.held or {}).values())
        last = self.holes[-1] if self.holes else None
        if last is None or not page or page[-1].ts_event < last.from_ts:
            return []
        fresh = {trade.trade_id: trade for trade in held[last.at :]}
        until = next((at for at, row in enumerate(page) if row.trade_id in fresh), len(page))
        trades, verdicts = join(self.holes, held[: last.at], page[:until], self.ring)
        if any(verdict.lost for verdict in verdicts):
            self.recount.whole(now)
        rows = [
            self._closed(hole, verdict, len(page), now)
            for hole, verdict in zip(self.holes, verdicts, strict=True)
            if hole is not last or (verdict.lost and verdict.to_ts)
        ]
        released = self._release(trades)
        if self.held is not None:
            self.held = fresh
        last.at = 0
        if released:
            last.from_ts = released[-1].ts_event
            last.filled = verdicts[-1].filled
        self.holes = [last]
        out = _around(rows, released)
        if rows and rows[-1].opened_at == last.opened_at:
            self.holes = [Hole(self.last_ts, self.last_ts, now, last.cause)]
            out.append(self._gap(self.holes[0], "open", self.last_ts, now, now, None))
        return out

    def _closed(self, hole: Hole, verdict: Verdict, rows: int, now: Micros) -> SequenceGap:
        """The last row of a hole after a page of `rows` executions."""
        state: GapState = "unrecoverable" if verdict.lost else "repaired" if verdict.filled else "legitimate"
        why = {
            "unrecoverable": f"the newest {rows} executions, all the venue serves, do not reach back to a known one",
            "repaired": f"{verdict.filled} executions filled in from recent trades",
            "legitimate": "recent trades hold nothing that was not seen live",
        }[state]
        return self._gap(hole, state, verdict.from_ts, verdict.to_ts or now, now, why)

    def _release(self, trades: list[Trade]) -> list[Trade]:
        released = [trade for trade in trades if self.ring.add(trade.trade_id)]
        for trade in released:
            self.recount.count(trade)
        self.last_ts = max([self.last_ts, *(trade.ts_event for trade in released)])
        return released

    def _joined(self) -> None:
        self.holes = []
        self.joining, self.held, self.waiting, self.attempts, self.due = False, None, False, 0, 0

    def _give_up(self, why: str, now: Micros) -> list[Output]:
        """No page will come: what was held leaves, and every hole stays one."""
        self.recount.whole(now)
        held = list((self.held or {}).values())
        rows = [
            self._gap(
                hole, "unrecoverable", hole.from_ts, held[hole.at].ts_event if hole.at < len(held) else now, now, why
            )
            for hole in self.holes
        ]
        released = self._release(held)
        self._joined()
        return [*rows, *released]

    def _open(self, now: Micros, cause: str) -> list[Output]:
        """A hole behind the last execution, unless one is open there."""
        held = list((self.held or {}).values())
        if not self.last_ts or (self.holes and self.holes[-1].at >= len(held)):
            return []
        last_ts = held[-1].ts_event if held else self.last_ts
        self.holes.append(Hole(last_ts, last_ts, now, cause, len(held)))
        return [self._gap(self.holes[-1], "open", last_ts, now, now, None)]

    def _gap(
        self, hole: Hole, state: GapState, from_ts: Micros, to_ts: Micros, now: Micros, reason: str | None
    ) -> SequenceGap:
        return SequenceGap(
            venue=decode.VENUE,
            instrument=self.rules.instrument,
            ts_event=max(from_ts, to_ts),
            ts_recv=now,
            stream="trades",
            from_id=None,
            to_id=None,
            from_ts=from_ts,
            to_ts=max(from_ts, to_ts),
            cause=hole.cause,
            state=state,
            opened_at=hole.opened_at,
            attempts=self.attempts,
            reason=reason,
        )

    def state(self) -> dict[str, object]:
        """Everything, as JSON-able values."""
        return {
            "ids": self.ring.state(),
            "last_ts": self.last_ts,
            "holes": msgspec.to_builtins(self.holes),
            "joining": self.joining,
            "held": None if self.held is None else msgspec.to_builtins(list(self.held.values())),
            "attempts": self.attempts,
            "asked": self.asked,
            "early": self.early,
            "answered": self.answered,
            "waiting": self.waiting,
            "due": self.due,
            "recount": self.recount.state(),
        }

    def restore(self, state: dict[str, object]) -> None:
        kept = msgspec.convert(state, _Kept)
        self.ring.restore(kept.ids)
        self.held = None if kept.held is None else {trade.trade_id: trade for trade in kept.held}
        self.last_ts, self.holes, self.joining = kept.last_ts, kept.holes, kept.joining
        self.attempts, self.asked, self.early = kept.attempts, kept.asked, kept.early
        self.answered, self.waiting, self.due = kept.answered, kept.waiting, kept.due
        self.recount.restore(kept.recount)

    def adopt(self, state: dict[str, object]) -> None:
        """Know the executions that another connection of this topic knew: they come here as repetitions."""
        kept = msgspec.convert(state, _Kept)
        self.ring.precede(kept.ids)
        self.last_ts = max(self.last_ts, kept.last_ts)


def _around(rows: Sequence[SequenceGap], released: Sequence[Trade]) -> list[Output]:
    """What is lost is said before the executions behind it, what is filled in after them."""
    lost = [row for row in rows if row.state == "unrecoverable"]
    return [*lost, *released, *(row for row in rows if row.state != "unrecoverable")]


class _Kept(msgspec.Struct):
    ids: list[str]
    last_ts: Micros
    holes: list[Hole]
    joining: bool
    held: list[Trade] | None
    attempts: int
    asked: int
    early: int
    answered: bool
    waiting: bool
    due: Micros
    recount: object
