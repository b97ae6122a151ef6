"""Breaks of structure: closes beyond the last known swing.

With the trend it is a BOS, against it a CHOCH (the trend has changed its character), and a wick that does not hold is a
SWEEP. Practitioners' terms; this is their causal form: a bar is tested against levels known before it, then admits the
pivots that become known with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from warehouse.clock import Micros
from warehouse.metrics.bars import Bar
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


def _judge(
    events: list[Break],
    bar: Bar,
    i: int,
    high: _Reference | None,
    low: _Reference | None,
    trend: Direction | None,
    known_at: Micros,
    scale: float | None,
) -> Direction | None:
    """What a bar that went beyond a reference did there; returns the trend after it."""
    up = high is not None and not high.broken and bar.close > high.swing.price
    down = low is not None and not low.broken and bar.close < low.swing.price
    if up and down and high is not None and low is not None:
        up = high.swing.at > low.swing.at
        down = not up
    for side, fires, direction in ((high, up, "UP"), (low, down, "DOWN")):
        if side is None or side.broken:
            continue
        price = side.swing.price
        wick = bar.high > price > bar.close if direction == "UP" else bar.low < price < bar.close
        excess = bar.close - price if direction == "UP" else price - bar.close
        if not fires and (side.swept or not wick):
            continue
        toward: Direction = "UP" if direction == "UP" else "DOWN"
        kind: Literal["BOS", "CHOCH", "SWEEP"] = "SWEEP"
        if fires:
            kind = "CHOCH" if trend is not None and trend != toward else "BOS"
        events.append(
            Break(
                kind, toward, price, side.swing.pivot_time, known_at, bar.close,
                excess / scale if scale else None, i, fires and trend is None,
            )
        )  # fmt: skip
        if fires:
            trend = toward
            side.broken = True
        else:
            side.swept = True
    return trend


def breaks(
    bars: Sequence[Bar], found: Sequence[Swing], length_us: Micros, atr: Sequence[float | None] = ()
) -> tuple[list[Break], Direction | None]:
    """All breaks in order, and the trend after the last bar. Each swing is broken once and swept at most once."""
    events: list[Break] = []
    trend: Direction | None = None
    high: _Reference | None = None
    low: _Reference | None = None
    pending = iter(found)
    coming = next(pending, None)
    for i, bar in enumerate(bars):
        beyond = (high is not None and not high.broken and bar.high > high.swing.price) or (
            low is not None and not low.broken and bar.low < low.swing.price
        )
        if beyond:
            trend = _judge(
                events, bar, i, high, low, trend, bar.open_time + length_us, atr[i] if i < len(atr) else None
            )
        while coming is not None and coming.known <= i:
            if coming.kind == "high":
                high = _Reference(coming)
            else:
                low = _Reference(coming)
            coming = next(pending, None)
    return events, trend
