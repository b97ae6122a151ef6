"""The live engine as a contestant."""

from __future__ import annotations

import gc
from collections.abc import Sequence
from time import process_time_ns

from p9.bench.frames import Recording, wanted
from p9.bench.rivals import LAP, TOP, Contestant, Counted, Run, laps
from realtime import collector
from realtime.engine import Engine, EngineConfig
from warehouse.book import Book
from warehouse.clock import HOUR
from warehouse.journal import Entry
from warehouse.records import BookUpdate, Level

BLOCK = 10
"""Entries of one turn, as a busy worker sees them."""


Turn = tuple[list[Entry], bool]


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
    return _contestant(recording, recording.entries, EngineConfig(trade_prints=False))


def published(recording: Recording) -> Contestant:
    """All that a worker does: a message of each trade is made and encoded too."""
    return _contestant(recording, recording.entries, EngineConfig())


def every_feed(recording: Recording) -> Contestant:
    """`measured` with every other feed that a worker has: mark and index, funding, open interest, liquidations, candles
    and statistics of the venue, states, polls. They come by the second, as the timers do, and are counted with these.
    """
    return _contestant(recording, recording.whole, EngineConfig(trade_prints=False))


def _contestant(recording: Recording, entries: list[Entry], config: EngineConfig) -> Contestant:
    engine = Engine("binance", "emulated", recording.rules, config, recording.dialect)
    for one in engine.instruments.values():
        one.book = ReadBook(one.grid)
        one.observe(recording.warm[0].ts_recv - HOUR)  # every window is complete, and counts every trade
    engine.run(1, recording.warm)
    turns = _turns(entries)

    def run() -> Run:
        before, timers = _trades(engine), 0
        for lap in laps(turns, LAP // BLOCK):
            thresholds = gc.get_threshold()
            gc.set_threshold(*collector.THRESHOLDS)  # as the worker does
            timers += _lap(engine, lap)
            gc.set_threshold(*thresholds)
            yield
        tops = {one.rules.symbol: _top(one.book) for one in engine.instruments.values()}
        return Counted(_trades(engine) - before, tops, timers / 1000)

    return run


def _lap(engine: Engine, turns: Sequence[Turn]) -> int:
    """Run these; how many nanoseconds of CPU time went into those that come by the second."""
    timers = 0
    for turn, by_second in turns:
        if by_second:
            begun = process_time_ns()
            engine.run(engine.next_seq, turn)
            timers += process_time_ns() - begun
        else:
            engine.run(engine.next_seq, turn)
    return timers


def _top(book: Book) -> tuple[list[Level], list[Level]]:
    bids, asks = book.best(TOP)
    return [(price, size) for price, size in bids], [(price, size) for price, size in asks]


def _turns(entries: list[Entry]) -> list[Turn]:
    """Blocks of ten, and whether they come by the second: what is no quote, trade or book is a turn of its own."""
    turns: list[Turn] = []
    for entry in entries:
        by_second = not wanted(entry)
        if not turns or by_second or turns[-1][1] or len(turns[-1][0]) == BLOCK:
            turns.append(([], by_second))
        turns[-1][0].append(entry)
    return turns


def _trades(engine: Engine) -> int:
    """Trades counted by the metrics' windows so far."""
    rings = [one.ring for one in engine.instruments.values()]
    return sum(ring.window(ring.second + 1, ring.depth).count for ring in rings)
