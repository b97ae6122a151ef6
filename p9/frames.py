"""Frames for a benchmark: an emulated Binance USD-M market in virtual time, as journal entries of a worker."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from urllib.parse import parse_qsl, urlsplit

import msgspec

from realtime.decoding import Decoding, answered
from realtime.emulator.seeded import Seeded, Terms
from warehouse.clock import MINUTE, SECOND, ManualClock, Micros
from warehouse.instruments import Rules
from warehouse.journal import Entry, Kind
from warehouse.records import BookUpdate
from warehouse.venues import venue
from warehouse.venues.base import EmulatedConnection, Fetch, Output, Send

START: Micros = 1_795_000_020 * SECOND
TICK: Micros = SECOND // 10


class Recording(msgspec.Struct, frozen=True):
    """Entries of a worker's journal; `frames` are the market data among them, as (connection, bytes).

    `snapshots` is the book of each instrument from which the first depth frame continues.
    """

    rules: list[Rules]
    entries: list[Entry]
    frames: list[tuple[str, bytes]]
    snapshots: dict[str, BookUpdate]


def record(seconds: int, rate: float, seed: int = 1, progress: Callable[[], None] = lambda: None) -> Recording:
    """Record `seconds` of five perpetuals at `rate` book events a second each."""
    clock = ManualClock(START)
    terms = Terms(seed=seed, rate=rate, lookback_us=MINUTE, t0=START)
    source = Seeded(clock, 0, ["binance"], terms)
    source.open()
    view = source.view("binance")
    side = venue("binance").emulated(view)
    rules = [rule for rule in view.rules() if rule.market == "perp"]
    decoding = Decoding("binance", rules)
    entries: list[Entry] = []
    frames: list[tuple[str, bytes]] = []
    snapshots: dict[str, BookUpdate] = {}
    wires: dict[str, EmulatedConnection] = {}

    def take(kind: Kind, source_name: str, payload: bytes) -> None:
        entry = Entry(clock.now(), source_name, int(kind), payload)
        entries.append(entry)
        obey(decoding.feed(entry))

    def obey(outputs: Sequence[tuple[str, Output]]) -> None:
        for name, output in outputs:
            if isinstance(output, Send):
                for frame in wires[name].receive(output.frame, clock.now()):
                    take(Kind.FRAME, name, frame)
            elif isinstance(output, Fetch):
                reply = side.rest(output.base, output.path, output.query, clock.now())
                if output.purpose == "book":
                    snapshots[output.instrument] = view.book(output.instrument)
                take(Kind.ANSWER, name, answered(output, reply.status, reply.body))

    for name, session in decoding.sessions.items():
        parts = urlsplit(session.path)
        wires[name] = side.connect(session.base, parts.path, dict(parse_qsl(parts.query)), clock.now())
        take(Kind.CONNECTED, name, b"")
    for _ in range(seconds * 10):
        clock.advance(TICK)
        now = clock.now()
        for _, event in source.advance(now):
            for name, wire in wires.items():
                for frame in wire.event(event, now):  # type: ignore[arg-type]  # a seeded source plays records only
                    frames.append((name, frame))
                    take(Kind.FRAME, name, frame)
        take(Kind.TICK, "", b"")
        progress()
    return Recording(rules, entries, frames, snapshots)
