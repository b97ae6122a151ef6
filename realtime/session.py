"""The volume profile of the UTC day: history's bins up to a whole minute, live trades from there."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping
from itertools import chain
from typing import TypeAlias, cast

import msgspec

from warehouse.clock import DAY, MINUTE, SECOND, Micros
from warehouse.context import ContextDocument, same_grid
from warehouse.instruments import Grid
from warehouse.metrics.bars import BarStore
from warehouse.metrics.base import Reason
from warehouse.metrics.gaps import Gaps
from warehouse.structure.profile import (
    SESSION_AGE,
    SESSION_TRADES,
    from_bars,
    from_counts,
    point_of_control,
    trades_in,
    value_area,
)

KEPT_MINUTES = 180
"""Minutes of live volume kept by price when no document takes them over."""


class Area(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Point of control and value area in ticks, share of the volume inside, whole volume in lots."""

    poc: float
    vah: int
    val: int
    share: float
    lots: int


Cell: TypeAlias = "dict[int, int] | array[int]"
"""A minute's lots by price in ticks: a dict while trades come, then prices and lots in turn, a fifth of the memory."""


def _pairs(cell: Cell) -> Iterable[tuple[int, int]]:
    return cell.items() if isinstance(cell, dict) else zip(cell[::2], cell[1::2], strict=True)


class SessionProfile:
    """Volume by price since 00:00 UTC. `live_from` is the first minute observed whole, -1 before observation begins."""

    __slots__ = (
        "_base",
        "_base_end",
        "_base_trades",
        "_bins",
        "_cell",
        "_cell_minute",
        "_count",
        "_counts",
        "_day",
        "_minutes",
        "_told_end",
        "_trades",
        "grid",
        "live_from",
        "width",
    )

    def __init__(self, grid: Grid) -> None:
        self.grid = grid
        self.live_from: Micros = -1
        self.width = 0
        self._day: Micros = 0
        self._base: dict[int, int] = {}
        self._base_end: Micros = 0
        self._base_trades = 0
        self._told_end: Micros = 0  # up to here by document and bars: what is missing live is in there
        self._bins: dict[int, int] = {}
        self._trades = 0
        self._minutes: dict[Micros, Cell] = {}
        self._counts: dict[Micros, list[int]] = {}
        self._cell: dict[int, int] = {}
        self._count = [0]
        self._cell_minute: Micros = -1

    def begin(self, at: Micros) -> None:
        """Live observation begins."""
        self.live_from = -(-at // MINUTE) * MINUTE

    def add(self, ts_event: Micros, ticks: int, lots: int) -> None:
        """Count one trade."""
        minute = ts_event - ts_event % MINUTE
        if minute != self._cell_minute:
            self._turn(minute)
        cell = self._cell
        cell[ticks] = cell.get(ticks, 0) + lots
        self._count[0] += 1
        if self.width and minute >= self._base_end:
            k = ticks // self.width
            self._bins[k] = self._bins.get(k, 0) + lots
            self._trades += 1

    def _turn(self, minute: Micros) -> None:
        known = self._minutes.get(minute)
        cell = self._minutes[minute] = known if isinstance(known, dict) else dict(_pairs(known or {}))
        count = self._counts.setdefault(minute, [0])
        if known is None:
            if minute - minute % DAY > self._day:
                self._new_day(minute - minute % DAY)
            while len(self._minutes) > KEPT_MINUTES:
                self._fold(min(self._minutes))
            for at, one in self._minutes.items():
                if at < minute - MINUTE and isinstance(one, dict):
                    self._minutes[at] = array("q", chain.from_iterable(one.items()))
        self._cell, self._count, self._cell_minute = cell, count, minute

    def _fold(self, minute: Micros) -> None:
        """Give up the oldest minute's prices: into the base by bins, or, without a width, out of the session."""
        cell, (count,) = self._minutes.pop(minute), self._counts.pop(minute)
        if self.width and minute >= self._base_end:
            for ticks, lots in _pairs(cell):
                k = ticks // self.width
                self._base[k] = self._base.get(k, 0) + lots
            self._base_trades += count
            self._base_end = minute + MINUTE
        self.live_from = max(self.live_from, minute + MINUTE)

    def _new_day(self, day: Micros) -> None:
        """Everything before midnight belongs to the session before; late trades of it are not ours any more."""
        self._day, self._base, self._base_end, self._base_trades = day, {}, day, 0
        self._told_end = day
        self._rebuild()

    def document(self, document: ContextDocument) -> None:
        """Take over history's bins of today, and forget the live minutes that they hold."""
        session = document.profiles.get("session")
        widest = session or document.profiles.get("day") or document.profiles.get("previous_session")
        if widest is None or not same_grid(self.grid, document.grid):
            return
        tick = self.grid.tick_num / self.grid.tick_den
        self.width = max(1, round(widest.bin_width / tick))
        if session is not None and session.start >= self._day:
            first = round(session.first_bin / tick / self.width)
            lots = [round(volume * self.grid.size_den / self.grid.size_num) for volume in session.bins]
            self._day, self._base_end, self._base_trades = session.start, session.end, session.trades
            self._told_end = session.end
            self._base = {first + i: count for i, count in enumerate(lots) if count}
        self._rebuild()

    def bridge(self, bars: BarStore) -> None:
        """Fill the minutes between the document's end and the first one observed from closed 1m bars, spread evenly."""
        if not self.width or not self._base_end or self.live_from <= self._base_end:
            return
        known = {bar.open_time: bar for bar in bars.closed("1m", KEPT_MINUTES)}
        moved = False
        while self._base_end < self.live_from and (bar := known.get(self._base_end)) is not None:
            spread = from_bars([bar], self.width, "1m")
            if spread is not None:
                for k, lots in enumerate(spread.volumes, spread.first):
                    self._base[k] = self._base.get(k, 0) + round(lots)
            self._base_trades += trades_in([bar])
            self._base_end += MINUTE
            moved = True
        if moved:
            self._told_end = self._base_end
            self._rebuild()

    def _rebuild(self) -> None:
        self._minutes = {at: cell for at, cell in self._minutes.items() if at >= self._base_end}
        self._counts = {at: self._counts[at] for at in self._minutes}
        self._cell_minute = -1
        self._bins = dict(self._base)
        self._trades = self._base_trades + sum(count for (count,) in self._counts.values())
        if self.width:
            for cell in self._minutes.values():
                for ticks, lots in _pairs(cell):
                    k = ticks // self.width
                    self._bins[k] = self._bins.get(k, 0) + lots

    def area(self, now: Micros, gaps: Gaps) -> Area | Reason:
        """Point of control and value area of today up to now, or why there are none. `gaps` are the ring's."""
        day = now - now % DAY
        if day > self._day:
            self._new_day(day)
        if not self.width:
            return Reason.NO_HISTORY
        if self.live_from < 0 or self.live_from > self._base_end:
            return Reason.WARMUP
        if gaps.touch(self._told_end // SECOND, now // SECOND + 1):
            return Reason.GAP
        if now - day < SESSION_AGE:
            return Reason.WARMUP
        profile = from_counts(self._bins, self.width, "trades")
        if profile is None:
            return Reason.NO_TRADES
        if self._trades < SESSION_TRADES:
            return Reason.WARMUP
        low, high, share = value_area(profile.volumes)
        middle = (profile.first + point_of_control(profile.volumes)) * self.width + self.width / 2
        return Area(
            middle,
            (profile.first + high + 1) * self.width,
            (profile.first + low) * self.width,
            share,
            sum(self._bins.values()),
        )

    def state(self) -> dict[str, object]:
        """All of it as JSON-able values."""
        return {
            "live_from": self.live_from,
            "width": self.width,
            "day": self._day,
            "base": [list(row) for row in self._base.items()],
            "base_end": self._base_end,
            "base_trades": self._base_trades,
            "told_end": self._told_end,
            "minutes": [
                [at, *self._counts[at], [list(row) for row in _pairs(cell)]] for at, cell in self._minutes.items()
            ],
        }

    def restore(self, state: Mapping[str, object]) -> None:
        """The inverse of `state`."""
        self.live_from, self.width = cast("int", state["live_from"]), cast("int", state["width"])
        self._day, self._base_end = cast("int", state["day"]), cast("int", state["base_end"])
        self._base = dict(cast("list[tuple[int, int]]", state["base"]))
        self._base_trades, self._told_end = cast("int", state["base_trades"]), cast("int", state["told_end"])
        rows = cast("list[tuple[int, int, list[list[int]]]]", state["minutes"])
        self._minutes = {at: array("q", chain.from_iterable(cell)) for at, _, cell in rows}
        self._counts = {at: [count] for at, count, _ in rows}
        self._rebuild()
