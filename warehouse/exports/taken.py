"""What both exports take from the lake: an instrument's rules, its market trades and the pictures of its book."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import cast

from warehouse.clock import Micros
from warehouse.errors import ConfigError
from warehouse.instruments import Rules
from warehouse.past import Moment, micros
from warehouse.reading import open_lake
from warehouse.records import Trade
from warehouse.rows import BookPicture

NANOS = 1_000
"""Nanoseconds in a microsecond: both packages count in them."""


class Taken:
    """One instrument of one venue in `[start, end)`, ascending by `ts_event`; None leaves a side open.

    Trades are all market trades, also those too late for the live windows. Raises ConfigError when the lake has no
    rules of the instrument: without its grid no exact decimal can be written.
    """

    def __init__(
        self,
        venue: str,
        instrument: str,
        root: str | Path | None,
        start: Moment | None,
        end: Moment | None,
        storage_options: Mapping[str, str] | None,
    ) -> None:
        lake = open_lake(root, storage_options)
        since, until = (None if at is None else micros(at) for at in (start, end))
        found = lake.rows("instruments", venue=venue, instrument=instrument)
        self.rules: Sequence[Rules] = cast("Sequence[Rules]", found)
        if not found:
            raise ConfigError(f"the lake at {lake.root} has no rules of {instrument} at {venue}, so nothing to export")
        where = {"venue": venue, "instrument": instrument, "start": since, "end": until}
        trades = cast("list[Trade]", lake.rows("trades", **where))
        self.trades = [trade for trade in trades if trade.kind == "market"]
        self.books = cast("list[BookPicture]", lake.rows("books", **where))
        self._from = [rule.valid_from for rule in self.rules]

    def rule(self, at: Micros) -> Rules:
        """The rules in force at `at`; before the oldest known ones, those."""
        return self.rules[max(0, bisect_right(self._from, at) - 1)]


def known(row: Trade | BookPicture, latency_us: Micros) -> Micros:
    """When a row reached us, never before it happened: its receipt if it came by the stream, else `latency_us` on."""
    return max(row.ts_event, row.ts_recv) if row.origin == "stream" else row.ts_event + latency_us


def base_lot(rules: Rules) -> Fraction:
    """The size step in base units, exact."""
    return Fraction(rules.lot) * Fraction(rules.contract_value)
