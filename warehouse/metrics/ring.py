"""One ring of cumulative sums at second boundaries, from which every window of trades is an exact difference.

Row `b` holds the sums of all trades before second `b`. A trade costs a handful of integer additions whatever the number
of windows; a window is one row minus another. Integers never drift, and Python's do not overflow.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import cast

import msgspec

from warehouse.clock import Micros
from warehouse.instruments import Grid
from warehouse.metrics.base import Reason
from warehouse.metrics.gaps import Gaps
from warehouse.metrics.windows import ZERO, Bucket, Row, TradeWindow, fold

LATENESS = 2
"""Seconds after its end during which a second still takes late trades; boundary `T` is final from `T + 2` on."""

DAY_SECONDS = 86_400
_NO_LOW = 1 << 62

_pack = msgspec.json.Encoder().encode  # JSON, for sums outgrow 64 bits
_row_of: Callable[[bytes], Row] = msgspec.json.Decoder(Row).decode
_ZERO = _pack(ZERO)


class TradeRing:
    """Trades of one instrument over the last `depth` seconds and since 00:00 UTC, as sums of ticks and lots.

    Time advances by `advance` (the engine's timer) and by the trades themselves. Observation begins at `start`;
    windows that reach further back are `WARMUP`, those that touch a marked gap `GAP`. A trade more than two seconds
    late is refused and counted in `late`, unless it falls into a marked gap: then it is the repair waited for.

    Rows are kept as text, a third of the memory; `_base`, the row before the running second, is at hand.
    """

    __slots__ = (
        "_base", "_buy", "_buy_ticks", "_count", "_day", "_day_base", "_day_whole", "_first", "_high", "_low",
        "_minutes", "_open_last", "_pending", "_previous", "_rows", "_second", "_sell", "_sell_ticks", "_size",
        "_start", "_tick2", "depth", "gaps", "grid", "late",
    )  # fmt: skip

    def __init__(self, grid: Grid, depth: int = 1024) -> None:
        self.grid = grid
        self.depth = depth
        self.late = 0
        self.gaps = Gaps()
        self._size = depth + 1
        self._rows = [_ZERO] * self._size
        self._base: Row = ZERO
        self._second = -1
        self._start = -1
        self._count = self._buy = self._sell = self._buy_ticks = self._sell_ticks = self._tick2 = 0
        self._open_last = 0  # last price of the running second, 0: none yet
        self._first = self._high = 0
        self._low = _NO_LOW
        self._minutes: dict[int, list[int]] = {}
        self._pending: dict[int, Bucket] = {}
        self._day = 0
        self._day_base: list[int] = [0] * 6
        self._day_whole = False
        self._previous: list[int] | None = None

    # ------------------------------------------------------------------ writing

    def start(self, at: Micros) -> None:
        """Everything from `at` on is observed. Call it first; else observation begins with the next second."""
        self._begin(-(-at // 1_000_000))

    def _begin(self, second: int) -> None:
        self._start = self._second = second
        self._day = second - second % DAY_SECONDS
        self._day_whole = second == self._day
        self._base, self._rows[second % self._size] = ZERO, _ZERO

    def add(self, ts_event: Micros, ticks: int, lots: int, is_buy: bool, count: int = 1) -> bool:
        """Count a market trade, or `count` of one second, price and side that are `lots` together.

        False: it came too late (counted) or from before the start, and is in no window.
        """
        second = ts_event // 1_000_000
        if second != self._second:
            if second < self._second:
                return self._add_late(second, ticks, lots, is_buy, count)
            if self._second < 0:
                self._begin(second + 1)
                return False
            self.advance(second)
        amount = ticks * lots
        self._count += count
        if is_buy:
            self._buy += lots
            self._buy_ticks += amount
        else:
            self._sell += lots
            self._sell_ticks += amount
        self._tick2 += ticks * amount
        self._open_last = ticks
        if ticks > self._high:
            if not self._high:
                self._first = ticks
            self._high = ticks
        if ticks < self._low:
            self._low = ticks
        return True

    def advance(self, second: int) -> None:
        """Time has reached `second` (UTC): close every second before it. Never steps back."""
        if self._second < 0:
            self._begin(second + 1)
        if self._pending:
            self._flush()
        while self._second < second:
            row, text = self._tail(), self._rows[self._second % self._size]
            self._open_last = 0
            self._second = now = self._second + 1
            self._rows[now % self._size] = text if row is self._base else _pack(row)
            self._base = row
            if now % 60 == 0:
                self._turn_minute(now)

    def _turn_minute(self, now: int) -> None:
        if self._high:
            self._minutes[now - 60] = [self._first, self._high, self._low]
            while len(self._minutes) > self.depth // 60:
                del self._minutes[next(iter(self._minutes))]
        self._first = self._high = 0
        self._low = _NO_LOW
        if now % DAY_SECONDS == 0:
            base = list(self._base[:6])
            whole = self._day_whole and not self.gaps.touch(self._day, now)
            self._previous = [b - a for a, b in zip(self._day_base, base, strict=True)] if whole else None
            self._day, self._day_base, self._day_whole = now, base, self._start <= now
        oldest = min(self._day, now - self.depth)
        self.gaps.forget(oldest)

    # ------------------------------------------------------------------ late trades and gaps

    def _add_late(self, second: int, ticks: int, lots: int, is_buy: bool, count: int) -> bool:
        if second < self._start:
            return False
        behind = self._second - second
        if behind > LATENESS and (behind >= self.depth or not self.gaps.repairing(second)):
            self.late += count
            return False
        amount = ticks * lots
        side = (lots, 0, amount, 0) if is_buy else (0, lots, 0, amount)
        bucket = self._pending.setdefault(second, [second, 0, 0, 0, 0, 0, 0, 0])
        bucket[1:] = [
            bucket[1] + count,
            *(a + b for a, b in zip(bucket[2:6], side, strict=True)),
            bucket[6] + ticks * amount,
            ticks,
        ]
        minute = second - second % 60
        if minute == self._second - self._second % 60:
            self._first = self._first or ticks
            self._high, self._low = max(self._high, ticks), min(self._low, ticks)
        else:
            first, high, low = self._minutes.get(minute, (ticks, ticks, ticks))
            self._minutes[minute] = [first, max(high, ticks), min(low, ticks)]
        return True

    def _flush(self) -> None:
        """Fold the late trades into the rows after their seconds."""
        pending, self._pending = self._pending, {}
        first = min(pending)
        merged = {bucket[0]: bucket for bucket in self._buckets(first, self._second)}
        for second in sorted(pending):
            extra = pending[second]
            kept = merged.get(second)
            merged[second] = (
                extra
                if kept is None
                else [second, *(a + b for a, b in zip(kept[1:7], extra[1:7], strict=True)), extra[7]]
            )
            self._count += extra[1]
            self._buy += extra[2]
            self._sell += extra[3]
            self._buy_ticks += extra[4]
            self._sell_ticks += extra[5]
            self._tick2 += extra[6]
            if second < self._day:
                self._day_base = [a + b for a, b in zip(self._day_base, extra[1:7], strict=True)]
                if self._previous is not None:
                    self._previous = [a + b for a, b in zip(self._previous, extra[1:7], strict=True)]
        self._refold(first, merged)

    def _refold(self, first: int, buckets: dict[int, Bucket]) -> None:
        text = self._rows[first % self._size]
        row = _row_of(text)
        for second in range(first, self._second):
            bucket = buckets.get(second)
            if bucket is not None:
                row = fold(row, bucket)
                text = _pack(row)
            self._rows[(second + 1) % self._size] = text
        self._base = row

    def _buckets(self, first: int, end: int) -> Iterator[Bucket]:
        """The seconds of `[first, end)` that hold trades, ascending; the running second is not among them."""
        known = self._rows[first % self._size]
        before = _row_of(known)
        for second in range(first, end):
            text = self._rows[(second + 1) % self._size]
            if text is not known:
                known, row = text, _row_of(text)
                if row[0] != before[0]:
                    yield [second, *(b - a for a, b in zip(before[:6], row[:6], strict=True)), row[9]]
                before = row

    def gap(self, start: Micros, end: Micros | None = None) -> None:
        """Trades of `[start, end)` are missing; `end` None: nobody knows yet until when. Such windows answer `GAP`."""
        self.gaps.open(start, end)

    def heal(self, start: Micros) -> None:
        """What was missing since `start` has arrived, or never was; its late trades are still taken."""
        self.gaps.heal(start, self._second)

    # ------------------------------------------------------------------ reading

    @property
    def second(self) -> int:
        """The running second (UTC), -1 before the first input."""
        return self._second

    @property
    def started(self) -> int:
        """First second that was wholly observed, -1 before the first input."""
        return self._start

    @property
    def last_ticks(self) -> int:
        """The newest price in ticks, 0 if no trade was seen."""
        if self._pending:
            self._flush()
        return self._open_last or self._base[9]

    def _tail(self) -> Row:
        """The row at the end of the running second."""
        row = self._base
        if self._count == row[0]:
            return row
        return fold(
            row,
            (
                0, self._count - row[0], self._buy - row[1], self._sell - row[2], self._buy_ticks - row[3],
                self._sell_ticks - row[4], self._tick2 - row[5], self._open_last,
            ),
        )  # fmt: skip

    def _row(self, boundary: int) -> Row:
        if boundary > self._second:
            return self._tail()
        if boundary == self._second:
            return self._base
        return _row_of(self._rows[max(boundary, self._start, self._second - self.depth) % self._size])

    def window(self, end: int, seconds: int) -> TradeWindow:
        """Trades of `[end - seconds, end)`, seconds UTC. `end = second + 1` includes the running second (not final)."""
        if self._pending:
            self._flush()
        if self._second < 0:
            return self._difference(ZERO, ZERO, end, seconds, 0.0, Reason.WARMUP)
        first = end - seconds
        known = max(self._start, self._second - self.depth)
        reason = None
        coverage = 1.0
        if first < known:
            reason = Reason.WARMUP
            coverage = max(0.0, min(1.0, (end - known) / seconds))
        if self.gaps.touch(first, end):
            reason = Reason.GAP
        return self._difference(self._row(first), self._row(end), end, seconds, coverage, reason)

    def session(self, end: int) -> TradeWindow:
        """Trades since 00:00 UTC of the running day until `end`; partial (`WARMUP`) if the day's start was not seen.

        Only the six sums and the last price are kept for it: `active` and the returns are 0.
        """
        if self._pending:
            self._flush()
        seconds = end - self._day
        if self._second < 0:
            return self._difference(ZERO, ZERO, end, 1, 0.0, Reason.WARMUP)
        reason = None if self._day_whole else Reason.WARMUP
        if self.gaps.touch(self._day, end):
            reason = Reason.GAP
        coverage = 1.0 if self._day_whole else max(0.0, (end - self._start) / seconds)
        row = self._row(end)
        base = cast("Row", (*self._day_base, *row[6:9], 0))  # no returns are kept for the day
        return self._difference(base, row, end, seconds, coverage, reason)

    @property
    def previous_session(self) -> list[int] | None:
        """The six sums of the last whole UTC day (count, buy, sell, ...), None if it was not observed whole."""
        if self._pending:
            self._flush()
        return None if self._previous is None else list(self._previous)

    def _difference(
        self, a: Row, b: Row, end: int, seconds: int, coverage: float, reason: Reason | None
    ) -> TradeWindow:
        return TradeWindow(
            grid=self.grid, end=end, seconds=seconds, count=b[0] - a[0], buy_lots=b[1] - a[1], sell_lots=b[2] - a[2],
            buy_tick_lots=b[3] - a[3], sell_tick_lots=b[4] - a[4], tick2_lots=b[5] - a[5], active=b[6] - a[6],
            returns=b[7] - a[7], returns2=b[8] - a[8], base_ticks=a[9], last_ticks=b[9], coverage=coverage,
            final=self._second >= end + LATENESS, reason=reason,
        )  # fmt: skip

    def extremes(self, minute: int) -> tuple[int, int, int] | None:
        """First, highest and lowest ticks of the minute that opens at second `minute`; None if it had no trade."""
        if minute == self._second - self._second % 60:
            return (self._first, self._high, self._low) if self._high else None
        kept = self._minutes.get(minute)
        return None if kept is None else (kept[0], kept[1], kept[2])

    # ------------------------------------------------------------------ memory

    def splice(self, history: TradeRing, cut: int) -> None:
        """Let `history` supply every trade before second `cut`; this ring keeps the rest.

        Both must have watched `cut`; ValueError otherwise. A history that has gone on past its depth since then is cut
        at the oldest second that it still holds.
        """
        for ring in (self, history):
            if ring._pending:
                ring._flush()
        known = max(history._start, history._second - history.depth)
        cut = max(cut, known)
        if history._second < cut or not self._start <= cut <= self._second:
            raise ValueError(f"cannot splice at {cut}: history reaches {history._second}, live began {self._start}")
        first = min(max(known, self._second - self.depth), cut)
        buckets = {bucket[0]: bucket for bucket in history._buckets(first, cut)}
        buckets.update((bucket[0], bucket) for bucket in self._buckets(cut, self._second))
        live = self._open_bucket()
        session = [b - a for a, b in zip(history._day_base, history._row(cut)[:6], strict=True)]
        self._start = first if first > known else known
        self._load(first, history._row(first)[9], buckets, live)
        at_cut = self._row(cut)[:6]
        if history._day == self._day:
            self._day_base = [b - a for a, b in zip(session, at_cut, strict=True)]
            self._day_whole = history._day_whole
            self._previous = history.previous_session
        elif history._day == self._day - DAY_SECONDS and first <= self._day:
            base = self._row(self._day)[:6]
            self._day_base, self._day_whole = list(base), True
            whole = [a + b - c for a, b, c in zip(session, base, at_cut, strict=True)]
            self._previous = whole if history._day_whole else None
        for minute in [*history._minutes, history._second - history._second % 60]:
            self._merge_extremes(minute, history.extremes(minute))
        self._minutes = {minute: self._minutes[minute] for minute in sorted(self._minutes)}
        self.gaps.marks = [*history.gaps.marks, *self.gaps.marks]
        self.late += history.late

    def _merge_extremes(self, minute: int, extremes: tuple[int, int, int] | None) -> None:
        if extremes is None:
            return
        first, high, low = extremes
        if minute == self._second - self._second % 60:
            self._first, self._high, self._low = first, max(self._high, high), min(self._low, low)
        else:
            _, high_here, low_here = self._minutes.get(minute, extremes)
            self._minutes[minute] = [first, max(high, high_here), min(low, low_here)]

    def _open_bucket(self) -> Bucket:
        row = self._base
        sums = (self._count, self._buy, self._sell, self._buy_ticks, self._sell_ticks, self._tick2)
        return [self._second, *(b - a for a, b in zip(row[:6], sums, strict=True)), self._open_last]

    def _load(self, first: int, close: int, buckets: dict[int, Bucket], running: Bucket) -> None:
        """Rows anew from `first` on, counted from zero, then the running second."""
        self._rows[first % self._size] = _pack((0, 0, 0, 0, 0, 0, 0, 0, 0, close))
        self._refold(first, buckets)
        row = self._base
        self._count, self._buy, self._sell, self._buy_ticks, self._sell_ticks, self._tick2 = (
            a + b for a, b in zip(row[:6], running[1:7], strict=True)
        )
        self._open_last = running[7]

    def state(self) -> dict[str, object]:
        """All of it as JSON-able values (sums outgrow 64 bits: not MessagePack), seconds without trades left out."""
        if self._pending:
            self._flush()
        if self._second < 0:  # a gap may be known before the first second
            return {"gaps": self.gaps.state()} if self.gaps.marks else {}
        first = max(self._start, self._second - self.depth)
        row = self._row(first)
        return {
            "second": self._second, "start": self._start, "late": self.late, "gaps": self.gaps.state(),
            "first": first, "close": row[9], "buckets": list(self._buckets(first, self._second)),
            "running": self._open_bucket(), "minute": [self._first, self._high, self._low],
            "minutes": [[minute, *kept] for minute, kept in self._minutes.items()],
            "day": self._day, "day_base": [a - b for a, b in zip(self._day_base, row[:6], strict=True)],
            "day_whole": self._day_whole, "previous": self.previous_session,
        }  # fmt: skip

    def restore(self, state: Mapping[str, object]) -> None:
        """The inverse of `state`, into a new ring of the same depth."""
        if not state:
            return
        lists = cast("dict[str, list[list[int]]]", state)
        self.gaps.marks = [list(mark) for mark in lists["gaps"]]
        if "second" not in state:
            return
        kept = cast("dict[str, int]", state)
        flat = cast("dict[str, list[int]]", state)
        self._second, self._start, self.late = kept["second"], kept["start"], kept["late"]
        self._load(kept["first"], kept["close"], {row[0]: row for row in lists["buckets"]}, flat["running"])
        self._first, self._high, self._low = flat["minute"]
        self._minutes = {row[0]: row[1:] for row in lists["minutes"]}
        self._day, self._day_base, self._day_whole = kept["day"], list(flat["day_base"]), bool(state["day_whole"])
        self._previous = None if state["previous"] is None else list(flat["previous"])
