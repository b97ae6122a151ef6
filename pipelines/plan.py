"""What is missing: wanted ranges minus covered ones, cut into parts. Pure; all ranges are half-open `[start, end)`.

A part is one request for one series. Planning twice over the same coverage gives the same parts, and a part that
landed is never planned again, so backfill and schedule are one operation.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import msgspec

from warehouse.clock import DAY, HOUR, MINUTE, Micros
from warehouse.instruments import Listing, timeframe_us
from warehouse.venues.base import MarkKind

Dataset = Literal[
    "candles", "trades", "funding", "price_candles", "open_interest", "books", "insurance", "calendar"
]  # fmt: skip

KINDS: tuple[MarkKind, ...] = ("mark", "index")
"""Prices of a perpetual that have candles of their own."""

INTEREST_STEP: Micros = 5 * MINUTE
"""Between two readings of the venues' own history of open interest."""

INTEREST_REACH: dict[str, Micros] = {"binance": 30 * DAY - HOUR, "okx": 1439 * INTEREST_STEP}
"""How far back a venue answers about open interest by five minutes; one that is not named answers for any time."""

PICTURE_EVERY: Micros = 5 * MINUTE
"""Between two snapshots of a book."""

YOUNG: Micros = 5 * MINUTE
"""Shorter last chunks of trades are not asked for by themselves."""

PIECE = 5_988
"""Most bars of one part: a year of minutes is asked for in several conversations at once, and landed as it comes.

Twelve of Binance's leanest pages (499), all but six of Bybit's (1000), all but twenty of OKX's (300).
"""

Span = tuple[Micros, Micros]
"""A half-open range of time; empty when its end is not after its start."""


class Series(msgspec.Struct, frozen=True, order=True):
    """One row of history growing over time.

    `timeframe` is empty for anything but candles; candles of a price carry its kind before it (`mark:1m`).
    """

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
    return [
        part
        for listing in listings
        for timeframe in timeframes
        for part in _bars(Series("candles", listing.venue, listing.instrument, timeframe), depth, now, covered, window)
    ]


def price_candles(
    listings: Iterable[Listing],
    timeframes: Sequence[str],
    depth: int,
    now: Micros,
    covered: Coverage,
    window: Span | None = None,
) -> list[Part]:
    """As `candles`, of the mark and the index price of each perpetual."""
    return [
        part
        for listing in listings
        if listing.market == "perp"
        for kind in KINDS
        for timeframe in timeframes
        for part in _bars(
            Series("price_candles", listing.venue, listing.instrument, f"{kind}:{timeframe}"),
            depth, now, covered, window,
        )
    ]  # fmt: skip


def trades(listings: Iterable[Listing], window: Span, covered: Coverage, chunk: Micros = 30 * MINUTE) -> list[Part]:
    """The missing trades of `window`, in chunks that end on multiples of `chunk`; the newest first.

    Newest first because every venue keeps the newest longest in reach, and because the seam needs the end of the range.
    A young last chunk is one with that before it: no venue is sure yet of a range that ended a moment ago.
    """
    parts = []
    for listing in listings:
        series = Series("trades", listing.venue, listing.instrument)
        for span in missing(window, covered.get(series, ())):
            pieces = cut(span, chunk)
            if len(pieces) > 1 and pieces[-1][1] - pieces[-1][0] < YOUNG:
                pieces[-2:] = [(pieces[-2][0], pieces[-1][1])]
            parts += [_part(series, piece) for piece in pieces]
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


def open_interest(
    listings: Iterable[Listing], days: int, now: Micros, covered: Coverage, window: Span | None = None
) -> list[Part]:
    """The missing 5m readings of perpetuals over the last `days`, or of `window`, as far back as the venue answers."""
    closed = now - now % INTEREST_STEP
    start, end = window or (closed - days * DAY, closed)
    parts = []
    for listing in listings:
        if listing.market == "perp":
            first = max(start, closed - INTEREST_REACH.get(listing.venue, closed))
            series = Series("open_interest", listing.venue, listing.instrument)
            spans = missing((-(-first // INTEREST_STEP) * INTEREST_STEP, min(end, closed)), covered.get(series, ()))
            parts += [_part(series, span) for span in spans]
    return parts


def present(dataset: Dataset, venue: str, instruments: Iterable[str], every: Micros, now: Micros) -> list[Part]:
    """What can only be asked about now: one part per instrument, of the period of `every` that is running."""
    start = now - now % every
    return [Part(dataset, venue, instrument, "", start, start + every) for instrument in instruments]


def bar_of(series: str) -> str:
    """The timeframe of a series of candles, the price's kind left out.

    >>> bar_of("mark:15m"), bar_of("1h")
    ('15m', '1h')
    """
    return series.rpartition(":")[2]


def _bars(series: Series, depth: int, now: Micros, covered: Coverage, window: Span | None) -> list[Part]:
    length = timeframe_us(bar_of(series.timeframe))
    closed = now - now % length
    first, last = window if window else (closed - depth * length, closed)
    wanted = (first - first % length, min(last - last % length, closed))
    most = PIECE * length
    return [
        _part(series, piece)
        for span in missing(wanted, covered.get(series, ()))
        for piece in (cut(span, most) if span[1] - span[0] > most else [span])
    ]


def _part(series: Series, span: Span) -> Part:
    dataset: Dataset = series.dataset  # type: ignore[assignment]  # built above from its literals
    return Part(dataset, series.venue, series.instrument, series.timeframe, *span)
