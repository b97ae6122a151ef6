"""What is missing: wanted ranges minus covered ones, cut into parts. Pure; all ranges are half-open `[start, end)`.

A part is one request for one series. Planning twice over the same coverage gives the same parts, and a part that
landed is never planned again, so backfill and schedule are one operation.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import msgspec

from warehouse.clock import DAY, MINUTE, Micros
from warehouse.instruments import Listing, timeframe_us

Dataset = Literal["candles", "trades", "funding"]
DATASETS: tuple[Dataset, ...] = ("candles", "trades", "funding")

Span = tuple[Micros, Micros]
"""A half-open range of time; empty when its end is not after its start."""


class Series(msgspec.Struct, frozen=True, order=True):
    """One row of history growing over time. `timeframe` is empty for anything but candles."""

    dataset: str
    venue: str
    instrument: str
    timeframe: str = ""


class Part(msgspec.Struct, frozen=True, order=True):
    """A missing range of one series, small enough to be fetched, landed and repeated by itself."""

    dataset: Dataset
    venue: str
    instrument: str
    timeframe: str
    start: Micros
    end: Micros

    @property
    def series(self) -> Series:
        """The series that this part belongs to."""
        return Series(self.dataset, self.venue, self.instrument, self.timeframe)


Coverage = Mapping[Series, Sequence[Span]]
"""What is already there, per series, in any order and with overlaps."""


def union(spans: Iterable[Span]) -> list[Span]:
    """The same time as ascending spans that neither overlap nor touch.

    >>> union([(5, 9), (0, 2), (2, 4), (7, 7)])
    [(0, 4), (5, 9)]
    """
    joined: list[Span] = []
    for start, end in sorted(spans):
        if end <= start:
            continue
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined


def missing(wanted: Span, covered: Iterable[Span]) -> list[Span]:
    """What `covered` leaves of `wanted`, ascending.

    >>> missing((0, 10), [(2, 4), (8, 20)])
    [(0, 2), (4, 8)]
    """
    left: list[Span] = []
    at, end = wanted
    for start, stop in union(covered):
        if start >= end or at >= end:
            break
        if start > at:
            left.append((at, start))
        at = max(at, stop)
    if at < end:
        left.append((at, end))
    return left


def cut(span: Span, length: Micros) -> list[Span]:
    """`span` in pieces that end on multiples of `length`, so that two plans of one range cut at the same places.

    >>> cut((5, 25), 10)
    [(5, 10), (10, 20), (20, 25)]
    """
    start, end = span
    pieces = []
    while start < end:
        stop = min(end, start - start % length + length)
        pieces.append((start, stop))
        start = stop
    return pieces


def candles(
    listings: Iterable[Listing],
    timeframes: Sequence[str],
    depth: int,
    now: Micros,
    covered: Coverage,
    window: Span | None = None,
) -> list[Part]:
    """The closed bars that are missing: of the newest `depth` per timeframe, or of `window` when one is asked for."""
    parts = []
    for listing in listings:
        for timeframe in timeframes:
            length = timeframe_us(timeframe)
            closed = now - now % length
            first, last = window if window else (closed - depth * length, closed)
            wanted = (first - first % length, min(last - last % length, closed))
            series = Series("candles", listing.venue, listing.instrument, timeframe)
            parts += [_part(series, span) for span in missing(wanted, covered.get(series, ()))]
    return parts


def trades(listings: Iterable[Listing], window: Span, covered: Coverage, chunk: Micros = 30 * MINUTE) -> list[Part]:
    """The missing trades of `window`, in chunks that end on multiples of `chunk`; the newest first.

    Newest first because every venue keeps the newest longest in reach, and because the seam needs the end of the range.
    """
    parts = []
    for listing in listings:
        series = Series("trades", listing.venue, listing.instrument)
        for span in missing(window, covered.get(series, ())):
            parts += [_part(series, piece) for piece in cut(span, chunk)]
    return sorted(parts, key=lambda part: (-part.end, part.venue, part.instrument))


def funding(
    listings: Iterable[Listing], days: int, now: Micros, covered: Coverage, window: Span | None = None
) -> list[Part]:
    """The missing settled funding rates of perpetuals over the last `days`, or of `window`. Spot has none."""
    wanted = window or (now - now % DAY - days * DAY, now - now % MINUTE)
    parts = []
    for listing in listings:
        if listing.market == "perp":
            series = Series("funding", listing.venue, listing.instrument)
            parts += [_part(series, span) for span in missing(wanted, covered.get(series, ()))]
    return parts


def _part(series: Series, span: Span) -> Part:
    dataset: Dataset = series.dataset  # type: ignore[assignment]  # built above from the three literals
    return Part(dataset, series.venue, series.instrument, series.timeframe, *span)
