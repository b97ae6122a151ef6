"""Swing highs and lows, and what their sequence says.

A swing has two times: where it is (`pivot_time`) and when it became known (`known_at`, the close of the R-th bar
after). Joins and back-tests use `known_at` only. No alternation is enforced: dropping the weaker of two highs would
rewrite the past.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Literal

import msgspec
import numpy as np

from warehouse.clock import Micros
from warehouse.instruments import timeframe_us
from warehouse.structure.series import Column, Series

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


def swings(series: Series, left: int = MAJOR, right: int = MAJOR, atr: Sequence[float | None] = ()) -> list[Swing]:
    """All swings in the order in which they became known, a high before a low of the same bar.

    Bar j is a high if its high is above all of the `left` bars before and not below any of the `right` after: of an
    equal plateau the first bar wins, once. `atr` (ticks, by bar) sets the equality band.
    """
    found: list[Swing] = []
    last: dict[str, int | None] = {"high": None, "low": None}
    times, length = series.open_time, timeframe_us(series.timeframe)
    peaks = [(j, False) for j in _turns(series.columns["high"], left, right)]
    troughs = [(j, True) for j in _turns(-series.columns["low"], left, right)]
    for j, is_low in sorted(peaks + troughs):
        known = j + right
        band = (atr[known] or 0.0) * EQUAL_ATR if known < len(atr) else 0.0
        kind: Literal["high", "low"]
        if is_low:
            kind, price = "low", series.low[j]
            label = _label("EQL", "HL", "LL", price, last[kind], band)
        else:
            kind, price = "high", series.high[j]
            label = _label("EQH", "HH", "LH", price, last[kind], band)
        found.append(Swing(kind, times[j], times[known] + length, price, j, known, label))
        last[kind] = price
    return found


def _turns(values: Column, left: int, right: int) -> list[int]:
    """Where a value is above all of the `left` before it and not below any of the `right` after it."""
    if len(values) <= left + right:
        return []
    count = len(values) - left - right
    before, after = (
        reduce(np.maximum, [values[at : at + count] for at in range(start, start + length)])
        for start, length in ((0, left), (left + 1, right))
    )
    here = values[left : left + count]
    return (np.flatnonzero((before < here) & (here >= after)) + left).tolist()


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
