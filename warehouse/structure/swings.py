"""Swing highs and lows, and what their sequence says.

A swing has two times: where it is (`pivot_time`) and when it became known (`known_at`, the close of the R-th bar
after). Joins and back-tests use `known_at` only. No alternation is enforced: dropping the weaker of two highs would
rewrite the past.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from warehouse.clock import Micros
from warehouse.metrics.bars import Bar

MAJOR = 5
"""Bars on each side of a major swing."""

EQUAL_ATR = 0.1
"""Swings closer than this many ATR are equal."""

Label = Literal["HH", "LH", "EQH", "HL", "LL", "EQL"]
State = Literal["UPTREND", "DOWNTREND", "CONTRACTION", "EXPANSION"]


class Swing(msgspec.Struct, frozen=True, gc=False):
    """One pivot: `at` and `known` are bar indices, `price` is in ticks, `label` None for the first of its kind."""

    kind: Literal["high", "low"]
    pivot_time: Micros
    known_at: Micros
    price: int
    at: int
    known: int
    label: Label | None = None


def swings(
    bars: Sequence[Bar], length_us: Micros, left: int = MAJOR, right: int = MAJOR, atr: Sequence[float | None] = ()
) -> list[Swing]:
    """All swings in the order in which they became known, a high before a low of the same bar.

    Bar j is a high if its high is above all of the `left` bars before and not below any of the `right` after: of an
    equal plateau the first bar wins, once. `length_us` is the timeframe; `atr` (ticks, by bar) sets the equality band.
    """
    found: list[Swing] = []
    last: dict[str, int | None] = {"high": None, "low": None}
    highs, lows = [bar.high for bar in bars], [bar.low for bar in bars]
    for j in range(left, len(bars) - right):
        known = j + right
        high, low = highs[j], lows[j]
        peak = highs[j - 1] < high >= highs[j + 1] and max(highs[j - left : j]) < high >= max(highs[j + 1 : known + 1])
        trough = lows[j - 1] > low <= lows[j + 1] and min(lows[j - left : j]) > low <= min(lows[j + 1 : known + 1])
        if not peak and not trough:
            continue
        band = (atr[known] or 0.0) * EQUAL_ATR if known < len(atr) else 0.0
        known_at = bars[known].open_time + length_us
        if peak:
            label = _label("EQH", "HH", "LH", high, last["high"], band)
            found.append(Swing("high", bars[j].open_time, known_at, high, j, known, label))
            last["high"] = high
        if trough:
            label = _label("EQL", "HL", "LL", low, last["low"], band)
            found.append(Swing("low", bars[j].open_time, known_at, low, j, known, label))
            last["low"] = low
    return found


def _label(equal: Label, above: Label, below: Label, price: int, before: int | None, band: float) -> Label | None:
    if before is None:
        return None
    if price == before or abs(price - before) < band:
        return equal
    return above if price > before else below


def structure_state(found: Sequence[Swing]) -> State | None:
    """What the latest labels say together; equal swings change nothing. None until both kinds have one."""
    high = low = None
    for swing in found:
        if swing.label in ("HH", "LH"):
            high = swing.label
        elif swing.label in ("HL", "LL"):
            low = swing.label
    if high is None or low is None:
        return None
    states: dict[tuple[str, str], State] = {
        ("HH", "HL"): "UPTREND",
        ("LH", "LL"): "DOWNTREND",
        ("LH", "HL"): "CONTRACTION",
        ("HH", "LL"): "EXPANSION",
    }
    return states[high, low]
