"""Breaks of structure: closes beyond the last known swing.

With the trend it is a BOS, against it a CHOCH (the trend has changed its character), and a wick that does not hold is a
SWEEP. Practitioners' terms; this is their causal form: a bar is tested against levels known before it, then admits the
pivots that become known with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from typing import Literal

import msgspec

from warehouse.clock import Micros
from warehouse.instruments import timeframe_us
from warehouse.structure.series import Series
from warehouse.structure.swings import Swing

Direction = Literal["UP", "DOWN"]


class Break(msgspec.Struct, frozen=True, gc=False):
    """One event. `level` and `close` in ticks; `pivot_time` is the broken swing's, `known_at` the close of the bar.

    `excess_atr` is how far the close went beyond the level, None without an ATR. `initial`: no trend was known before.
    """

    type: Literal["BOS", "CHOCH", "SWEEP"]
    direction: Direction
    level: int
    pivot_time: Micros
    known_at: Micros
    close: int
    excess_atr: float | None
    at: int
    initial: bool = False


class _Reference:
    """The latest known swing of one kind, and whether it has been broken or swept."""

    __slots__ = ("broken", "swept", "swing")

    def __init__(self, swing: Swing) -> None:
        self.swing = swing
        self.broken = False
        self.swept = False


class _State:
    """The references in force, the trend, and what happened."""

    __slots__ = ("events", "high", "low", "trend")

    def __init__(self) -> None:
        self.events: list[Break] = []
        self.trend: Direction | None = None
        self.high: _Reference | None = None
        self.low: _Reference | None = None

    def known(self, swing: Swing) -> None:
        """A swing takes the place of the one of its kind before."""
        if swing.kind == "high":
            self.high = _Reference(swing)
        else:
            self.low = _Reference(swing)

    def bounds(self) -> tuple[float, float]:
        """A bar below the one and above the other has nothing to tell."""
        high, low = self.high, self.low
        return (
            inf if high is None or high.broken else high.swing.price,
            -inf if low is None or low.broken else low.swing.price,
        )

    def judge(self, top: int, bottom: int, close: int, at: int, known_at: Micros, scale: float | None) -> None:
        """What a bar that went beyond a reference did there."""
        high, low = self.high, self.low
        up = high is not None and not high.broken and close > high.swing.price
        down = low is not None and not low.broken and close < low.swing.price
        if up and down and high is not None and low is not None:
            up = high.swing.at > low.swing.at
            down = not up
        toward: Direction
        for side, fires, toward in ((high, up, "UP"), (low, down, "DOWN")):
            if side is None or side.broken:
                continue
            price = side.swing.price
            wick = top > price > close if toward == "UP" else bottom < price < close
            if not fires and (side.swept or not wick):
                continue
            kind: Literal["BOS", "CHOCH", "SWEEP"] = "SWEEP"
            if fires:
                kind = "CHOCH" if self.trend not in (None, toward) else "BOS"
            excess = close - price if toward == "UP" else price - close
            self.events.append(
                Break(
                    kind, toward, price, side.swing.pivot_time, known_at, close,
                    excess / scale if scale else None, at, fires and self.trend is None,
                )
            )  # fmt: skip
            if fires:
                self.trend = toward
                side.broken = True
            else:
                side.swept = True


def breaks(
    series: Series, found: Sequence[Swing], atr: Sequence[float | None] = ()
) -> tuple[list[Break], Direction | None]:
    """All breaks in order, and the trend after the last bar. Each swing is broken once and swept at most once."""
    state = _State()
    above, below = state.bounds()
    length = timeframe_us(series.timeframe)
    pending = iter(found)
    coming = next(pending, None)
    for i, (top, bottom) in enumerate(zip(series.high, series.low, strict=True)):
        if top > above or bottom < below:
            scale = atr[i] if i < len(atr) else None
            state.judge(top, bottom, series.close[i], i, series.open_time[i] + length, scale)
            above, below = state.bounds()
        if coming is not None and coming.known <= i:
            while coming is not None and coming.known <= i:
                state.known(coming)
                coming = next(pending, None)
            above, below = state.bounds()
    return state.events, state.trend
