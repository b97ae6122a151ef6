"""Closed bars of one timeframe, a column at a time: what the arithmetic of structure reads."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from warehouse.clock import Micros
from warehouse.instruments import timeframe_us
from warehouse.metrics.bars import Bar

Column = NDArray[np.int64]

COMPUTED = ("open_time", "high", "low", "close", "lots")
"""What is computed with; the rest of a bar is only passed on."""


@dataclass(frozen=True, eq=False)
class Series:
    """Bars ascending in `open_time`, one each.

    `columns` are those of `COMPUTED`: prices in ticks, volume in lots. `take` gives the bars `[start, end)` by place.
    """

    timeframe: str
    columns: Mapping[str, Column]
    take: Callable[[int, int], list[Bar]]

    @classmethod
    def of(cls, timeframe: str, bars: Iterable[Bar]) -> Series:
        """Of bars in any order; of two of one time the latter counts."""
        kept = {bar.open_time: bar for bar in bars}
        rows = [kept[at] for at in sorted(kept)]
        columns = {name: np.array([getattr(row, name) for row in rows], np.int64) for name in COMPUTED}
        return cls(timeframe, columns, lambda start, end: rows[start:end])

    def __len__(self) -> int:
        return len(self.columns["open_time"])

    @cached_property
    def open_time(self) -> list[Micros]:
        """When each bar opened."""
        return self._list("open_time")

    @cached_property
    def high(self) -> list[int]:
        """In ticks, as `low` and `close`."""
        return self._list("high")

    @cached_property
    def low(self) -> list[int]:
        """In ticks."""
        return self._list("low")

    @cached_property
    def close(self) -> list[int]:
        """In ticks."""
        return self._list("close")

    def _list(self, name: str) -> list[int]:
        found: list[int] = self.columns[name].tolist()
        return found

    def newest(self, count: int) -> list[Bar]:
        """The last so many bars, or all there are."""
        return self.take(max(0, len(self) - count), len(self))

    def unbroken(self, as_of: Micros) -> Series:
        """Those closed at `as_of`, from the newest hole on: nothing is bridged."""
        length = timeframe_us(self.timeframe)
        times = self.columns["open_time"]
        end = int(times.searchsorted(as_of - length, "right"))
        holes = np.flatnonzero(np.diff(times[:end]) != length)
        first = int(holes[-1]) + 1 if len(holes) else 0
        columns = {name: column[first:end] for name, column in self.columns.items()}
        return Series(self.timeframe, columns, lambda start, stop: self.take(first + start, first + stop))


def side_by_side(columns: Sequence[Column]) -> Column:
    """One row per place, one column per series; zeros behind the end of a shorter one."""
    out = np.zeros((max(map(len, columns), default=0), len(columns)), np.int64)
    for at, column in enumerate(columns):
        out[: len(column), at] = column
    return out
