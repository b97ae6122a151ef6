"""What remembers all bars before: Wilder's measures and the averages, of many series in one pass.

Each step is taken for all series together, a row of them at a time. The steps are those of `smoothing`, so a series
says the same among others as alone, to the last bit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from warehouse.structure import atr, volume
from warehouse.structure.series import Column, Series, side_by_side
from warehouse.structure.smoothing import ema, wilder

Rows = NDArray[np.float64]
Known = list[float | None]


class Lengths(NamedTuple):
    """Over how many bars: ATR and ADX, the trend's two averages, volume."""

    range: int = atr.LENGTH
    fast: int = 20
    slow: int = 50
    volume: int = volume.LENGTH


@dataclass(frozen=True, eq=False)
class Measured:
    """A series with its measures.

    By bar, None where too little went before: `atr` in ticks, `natr` as a fraction of the close, `plus_di`, `minus_di`
    and `adx` from 0 to 100. As of the last bar: the averages `fast` and `slow` of the close in ticks, `volume` in lots.
    """

    series: Series
    lengths: Lengths
    atr: Known
    natr: Known
    plus_di: Known
    minus_di: Known
    adx: Known
    fast: float | None
    slow: float | None
    volume: float | None


def measure(group: Sequence[Series], lengths: Lengths = Lengths()) -> list[Measured]:  # noqa: B008  immutable
    """Each series, measured; they may be of any length, none included."""
    high, low, close, lots = (
        side_by_side([series.columns[name] for series in group]) for name in ("high", "low", "close", "lots")
    )
    ranges = (np.maximum(high[1:], close[:-1]) - np.minimum(low[1:], close[:-1])).astype(np.float64)
    n = lengths.range
    scales = _known(wilder(list(ranges), n))
    plus, minus, average = directions(high, low, ranges, n)
    prices = close.astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):  # behind the end of a shorter series
        relative = scales / prices[n:] if len(scales) else scales
    fast, slow = ema(list(prices), lengths.fast), ema(list(prices), lengths.slow)
    volumes = ema(list(lots.astype(np.float64)), lengths.volume)
    return [
        Measured(
            series,
            lengths,
            _column(scales, at, len(series), n),
            _column(relative, at, len(series), n),
            _column(plus, at, len(series), n),
            _column(minus, at, len(series), n),
            _column(average, at, len(series), 2 * n - 1),
            _last(fast, at, len(series)),
            _last(slow, at, len(series)),
            _last(volumes, at, len(series)),
        )
        for at, series in enumerate(group)
    ]


def measured(by_name: Mapping[str, Mapping[str, Series]]) -> dict[str, dict[str, Measured]]:
    """Every series of a mapping of mappings, measured in one pass."""
    found = iter(measure([series for several in by_name.values() for series in several.values()]))
    return {name: {timeframe: next(found) for timeframe in several} for name, several in by_name.items()}


def directions(high: Column, low: Column, ranges: Rows, n: int) -> tuple[Rows, Rows, Rows]:
    """+DI and -DI of the bars from n on, ADX of those from 2n-1 on, in TA-Lib's arithmetic (Wilder 1978).

    Directional movement: sums seeded over n-1 moves, DX averaged over n. A bar on which both DI are 0 leaves the ADX
    unchanged (DX would be 0/0).
    """
    up, down = high[1:] - high[:-1], low[:-1] - low[1:]
    rises, falls = np.where(up > np.maximum(down, 0), up, 0), np.where(down > np.maximum(up, 0), down, 0)
    moves = np.concatenate([rises, falls, ranges], axis=1)
    if len(moves) < n:
        none = np.zeros((0, high.shape[1]))
        return none, none, none
    total = reduce(add, moves[: n - 1], np.zeros(moves.shape[1]))
    keep = 1.0 - 1.0 / n
    sums = []
    for move in moves[n - 1 :]:
        total = total * keep + move
        sums.append(total)
    plus, minus, span = np.split(np.array(sums), 3, axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        plus, minus = (np.where(span > 0.0, 100.0 * one / span, 0.0) for one in (plus, minus))
        both = plus + minus
        moved = both > 0.0
        index = np.where(moved, 100.0 * np.abs(plus - minus) / both, 0.0)
    if len(index) < n:
        return plus, minus, index[:0]
    average = reduce(add, index[:n]) / n
    averages = [average]
    for one, counts in zip(index[n:], moved[n:], strict=True):
        average = np.where(counts, (average * (n - 1) + one) / n, average)
        averages.append(average)
    return plus, minus, np.array(averages)


def _known(rows: Sequence[NDArray[np.float64] | None]) -> Rows:
    return np.array([row for row in rows if row is not None])


def _column(rows: Rows, at: int, length: int, first: int) -> Known:
    """A series of `length` bars of rows that begin with bar `first`."""
    if length <= first:
        return [None] * length
    found: list[float] = rows[: length - first, at].tolist()
    return [None] * first + found


def _last(rows: Sequence[NDArray[np.float64] | None], at: int, length: int) -> float | None:
    row = rows[length - 1] if length else None
    return None if row is None else float(row[at])
