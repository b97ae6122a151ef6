"""What the market did: every trade, and its book as it stood a moment ago."""

from __future__ import annotations

from collections import deque

from realtime.lab.ground import Ground
from warehouse.book import Book
from warehouse.clock import Micros
from warehouse.instruments import Grid
from warehouse.records import BestQuote, BookUpdate, Level, Record, Trade

LEVELS = 20
"""Levels per side that are compared."""

Side = tuple[Level, ...]
Picture = tuple[Side, Side]
Quote = tuple[Level, Level]


class Truth:
    """One instrument of a market. `tolerated_us` is how old a picture may be and still count as true."""

    def __init__(self, ground: Ground, instrument: str, tolerated_us: Micros) -> None:
        self.instrument = instrument
        self.trades: list[Trade] = []
        self._ground = ground
        self._clock = ground.clock
        self._tolerated = tolerated_us
        self._book = Book(ground.rules.grid)
        self._book.apply(ground.view.book(instrument))
        self._pictures: deque[tuple[Micros, Picture]] = deque([(self._clock.now(), self._picture())])
        self._quotes: deque[tuple[Micros, Quote]] = deque()

    def told(self, record: Record) -> None:
        """The market says something."""
        if record.instrument != self.instrument:
            return
        if isinstance(record, Trade) and record.kind == "market":
            self.trades.append(record)
        elif isinstance(record, BookUpdate):
            self._book.grid = self._ground.rules.grid
            self._book.apply(record)
            self._pictures.append((self._clock.now(), self._picture()))
        elif isinstance(record, BestQuote):
            grid = self._ground.rules.grid
            bid, ask = (record.best_bid, record.best_bid_size), (record.best_ask, record.best_ask_size)
            self._quotes.append((self._clock.now(), (_priced(grid, bid), _priced(grid, ask))))

    def _picture(self) -> Picture:
        grid, top = self._book.grid, self._book.top(LEVELS)
        bids = grid.levels(zip(top.bid_ticks, top.bid_lots, strict=True))
        asks = grid.levels(zip(top.ask_ticks, top.ask_lots, strict=True))
        return tuple(bids), tuple(asks)

    def _forget(self) -> None:
        """What was said counts until its successor is older than what is tolerated."""
        oldest = self._clock.now() - self._tolerated
        for kept in (self._pictures, self._quotes):
            while len(kept) > 1 and kept[1][0] < oldest:
                kept.popleft()

    def stood(self, picture: Picture) -> bool:
        """Was this the book, now or a moment ago?"""
        self._forget()
        return any(one == picture for _, one in reversed(self._pictures))

    def quoted(self, quote: Quote) -> bool:
        """Were these the best bid and ask, now or a moment ago? The top of the book tells it too."""
        self._forget()
        return any(one == quote for _, one in reversed(self._quotes)) or any(
            (bids[:1], asks[:1]) == (quote[:1], quote[1:]) for _, (bids, asks) in reversed(self._pictures)
        )


def _priced(grid: Grid, level: Level) -> Level:
    """A level as it is published: price, and size in base units."""
    ticks = grid.ticks(level[0])
    return grid.levels([(ticks, round(level[1] * grid.size_den / grid.size_num))])[0]
