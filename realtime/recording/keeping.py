"""What is kept of a venue's further feeds: every liquidation, each change, and the first reading of each minute."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from warehouse.book import Book
from warehouse.clock import MINUTE, Micros
from warehouse.instruments import Rules
from warehouse.records import (
    MARK_APART,
    BookInvalid,
    BookUpdate,
    FundingRate,
    InstrumentStatus,
    InsuranceFund,
    Liquidation,
    MarkPrice,
    OpenInterest,
    VenueStatus,
)
from warehouse.rows import BookPicture

PICTURE_EVERY: Micros = 5 * MINUTE
PICTURE_LEVELS = 1000

TABLES = (
    "liquidations", "marks", "accruals", "open_interest", "insurance", "books", "calendar", "venue_states",
)  # fmt: skip
"""Tables that get rows from here, each with its own position in every journal."""

Give = Callable[[str, msgspec.Struct], None]


class Keeper:
    """One journal's. Told every output of the sessions in order; `give(table, row)` gets what is to be kept."""

    def __init__(self, rules: Mapping[str, Rules], give: Give) -> None:
        self._give = give
        self._minutes: dict[tuple[str, str], int] = {}
        self._facts: dict[tuple[str, str], tuple[object, ...]] = {}
        self._marks: dict[str, tuple[MarkPrice | None, MarkPrice | None]] = {}
        self._rules = dict(rules)
        self.books = {name: Book(rule.grid) for name, rule in rules.items()}
        self._pictured: Micros = 0

    def restore(self, instruments: Mapping[str, Any]) -> None:
        """Books as the engine's checkpoint holds them, so that a reading may begin at any segment."""
        for name, kept in instruments.items():
            if name in self.books and "book" in kept:
                self.books[name].restore(kept["book"])

    def take(self, record: object) -> None:
        """One output of a session; commands and records of other kinds leave no trace."""
        if isinstance(record, BookUpdate):
            self.books[record.instrument].apply(record)
        elif isinstance(record, BookInvalid):
            self.books[record.instrument].invalidate(record.why)
        elif isinstance(record, Liquidation):
            self._give("liquidations", record)
        elif isinstance(record, MarkPrice):
            self._mark(record)
        elif isinstance(record, FundingRate):
            if not record.settled and self._first("accruals", record.instrument, record.ts_event):
                self._give("accruals", record)
        elif isinstance(record, OpenInterest):
            if record.period_us == 0 and self._first("open_interest", record.instrument, record.ts_event):
                self._give("open_interest", record)
        elif isinstance(record, InsuranceFund):
            self._change("insurance", f"{record.pool}|{record.asset}", record, (record.balance,))
        elif isinstance(record, InstrumentStatus):
            state = (record.state, record.code, record.listed_at, record.delisting_at)
            self._change("calendar", record.instrument, record, state)
        elif isinstance(record, VenueStatus):
            words = (record.state, record.words, record.from_ts, record.to_ts)
            self._change("venue_states", record.venue, record, words)

    def tick(self, now: Micros) -> None:
        """Time passed: at each fifth minute every readable book is pictured."""
        period = now // PICTURE_EVERY
        if self._pictured and period != self._pictured:
            for name, book in self.books.items():
                if book.valid and book.update_id:
                    self._picture(name, book, now)
        self._pictured = period

    def _picture(self, name: str, book: Book, now: Micros) -> None:
        grid = self._rules[name].grid
        try:
            top = book.top(PICTURE_LEVELS)
        except ValueError as error:
            book.invalidate(str(error))
            return
        picture = BookPicture(
            venue=self._rules[name].venue,
            instrument=name,
            ts_event=book.ts_event or now,
            ts_recv=now,
            update_id=book.update_id,
            bid_prices=list(map(grid.price, top.bid_ticks)),
            bid_sizes=list(map(grid.size, top.bid_lots)),
            ask_prices=list(map(grid.price, top.ask_ticks)),
            ask_sizes=list(map(grid.size, top.ask_lots)),
        )
        self._give("books", picture)

    def _mark(self, record: MarkPrice) -> None:
        """Mark and index may come apart: a row is of a mark, and of the index where that is of the same second or so.

        Before both have been said there is none; nor is there one of an index whose mark is of another time.
        """
        name, at = record.instrument, record.ts_event
        mark, index = self._marks.get(name, (None, None))
        if record.mark_price is not None and (mark is None or at >= mark.ts_event):
            mark = record
        if record.index_price is not None and (index is None or at >= index.ts_event):
            index = record
        self._marks[name] = mark, index
        if mark is None or index is None:
            return
        together = abs(mark.ts_event - index.ts_event) <= MARK_APART
        if (record is mark or (record is index and together)) and self._first("marks", name, at):
            price = index.index_price if together else None
            self._give("marks", msgspec.structs.replace(record, mark_price=mark.mark_price, index_price=price))

    def _first(self, table: str, instrument: str, ts_event: Micros) -> bool:
        """Whether this is the first of a later minute than the last one kept."""
        minute, key = ts_event // MINUTE, (table, instrument)
        if minute <= self._minutes.get(key, -1):
            return False
        self._minutes[key] = minute
        return True

    def _change(self, table: str, key: str, record: msgspec.Struct, facts: tuple[object, ...]) -> None:
        if self._facts.get((table, key)) != facts:
            self._facts[table, key] = facts
            self._give(table, record)
