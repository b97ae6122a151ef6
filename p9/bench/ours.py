"""The live engine as a contestant."""

from __future__ import annotations

import gc
from time import process_time_ns

from p9.bench.frames import TICK, Recording
from p9.bench.rivals import TOP, Contestant, Counted
from realtime import collector
from realtime.engine import Engine, EngineConfig
from warehouse.book import Book
from warehouse.clock import HOUR
from warehouse.journal import Entry
from warehouse.records import BookUpdate, Level

BLOCK = 10
"""Entries of one turn, as a busy worker sees them."""


class ReadBook(Book):
    """A book whose top is read after every update, as the others' callbacks do; the engine reads it when it speaks."""

    __slots__ = ()

    def apply(self, update: BookUpdate) -> bool:
        done = super().apply(update)
        self.best(TOP)
        return done


def measured(recording: Recording) -> Contestant:
    """What the others do too (decode, normalise, keep the book, read its top twenty after each update), and every
    metric beside it: moved by each event, evaluated and published at its cadence. No message says each trade.
    """
    return _contestant(recording, EngineConfig(trade_prints=False))


def published(recording: Recording) -> Contestant:
    """All that a worker does: a message of each trade is made and encoded too."""
    return _contestant(recording, EngineConfig())


def _contestant(recording: Recording, config: EngineConfig) -> Contestant:
    engine = Engine("binance", "emulated", recording.rules, config, recording.dialect)
    for one in engine.instruments.values():
        one.book = ReadBook(one.grid)
        one.observe(recording.warm[0].ts_recv - HOUR)  # every window is complete, and counts every trade
    engine.run(1, recording.warm)
    turns = _turns(recording.entries)

    def run() -> Counted:
        thresholds = gc.get_threshold()
        gc.set_threshold(*collector.THRESHOLDS)  # as the worker does
        try:
            return through()
        finally:
            gc.set_threshold(*thresholds)

    def through() -> Counted:
        before, timers, seq = _trades(engine), 0, engine.next_seq
        for entries in turns:
            if entries[0].kind == TICK:
                begun = process_time_ns()
                engine.run(seq, entries)
                timers += process_time_ns() - begun
            else:
                engine.run(seq, entries)
            seq += len(entries)
        tops = {one.rules.symbol: _top(one.book) for one in engine.instruments.values()}
        return Counted(_trades(engine) - before, tops, timers / 1000)

    return run


def _top(book: Book) -> tuple[list[Level], list[Level]]:
    bids, asks = book.best(TOP)
    return [(price, size) for price, size in bids], [(price, size) for price, size in asks]


def _turns(entries: list[Entry]) -> list[list[Entry]]:
    """Blocks of ten; a timer entry is its own."""
    turns: list[list[Entry]] = [[]]
    for entry in entries:
        if turns[-1] and (entry.kind == TICK or turns[-1][0].kind == TICK or len(turns[-1]) == BLOCK):
            turns.append([])
        turns[-1].append(entry)
    return turns


def _trades(engine: Engine) -> int:
    """Trades counted by the metrics' windows so far."""
    rings = [one.ring for one in engine.instruments.values()]
    return sum(ring.window(ring.second + 1, ring.depth).count for ring in rings)
