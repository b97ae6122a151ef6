"""Where the emulated venues ask what goes wrong: it starts and ends the plan's faults, and logs each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import msgspec
import structlog

from realtime.emulator.faults.kinds import KINDS
from realtime.emulator.faults.parts import (
    STREAM_OF,
    Asked,
    Fault,
    Injected,
    Injector,
    Link,
    Out,
    Piece,
    Refusal,
    Tools,
    Treatment,
    spelled,
    stream_kind,
)
from realtime.emulator.source import Played
from realtime.emulator.tape import stream_of
from warehouse.clock import SECOND, Micros
from warehouse.records import Candle, FundingRate, Liquidation, Record, Trade

log = structlog.get_logger()

ENGINE = (Trade, Candle, Liquidation, FundingRate)
"""What carries the matching engine's time, which a gateway's clock does not touch."""


class FaultLog:
    """All faults that were injected, in memory and as JSON lines; a line when one begins, and one when it is over.

    `before` is what the file held already.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.entries: dict[str, Injected] = {}
        self.before: dict[str, Injected] = read(path) if path is not None and path.exists() else {}
        self._file: BinaryIO | None = None
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("ab")

    def write(self, entry: Injected) -> None:
        """Keep the entry, and append it; it is in the file when this returns."""
        self.entries[entry.id] = entry
        log.info("fault", id=entry.id, kind=entry.kind, venue=entry.venue, state=entry.state)
        if self._file is not None:
            self._file.write(msgspec.json.encode(entry) + b"\n")
            self._file.flush()

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()


def read(path: Path) -> dict[str, Injected]:
    """The last line of each fault in a log, by id, in the order in which they began."""
    lines = path.read_bytes().split(b"\n")[:-1]
    return {entry.id: entry for entry in (msgspec.json.decode(line, type=Injected) for line in lines)}


class Desk:
    """The faults of one venue. `start` says when the emulation began; all times are the market's.

    What a frame is about is told by the market event behind it, or by its stream's name where there is none.
    """

    def __init__(self, venue: str, faults: Sequence[Fault], seed: int, ledger: FaultLog) -> None:
        self.venue = venue
        self._seed = seed
        self._log = ledger
        self._waiting = [fault for fault in faults if fault.venue == venue]
        self._running: list[Injector] = []
        self._ends: dict[str, Micros] = {}
        self._counts: Counter[tuple[str | None, str | None]] = Counter()
        self._start: Micros = 0
        self._tools: Tools | None = None
        self._event = 0

    def start(self, begun: Micros, tools: Tools, resumed: Micros | None = None) -> None:
        """The emulation began at `begun`. One that is `resumed` leaves out what is past by now, or logged already."""
        self._start, self._tools = begun, tools
        if resumed is not None:
            past = (resumed - begun) / SECOND
            self._waiting = [
                fault
                for fault in self._waiting
                if fault.id not in self._log.before and (fault.at is None or fault.at >= past)
            ]

    def inject(self, fault: Fault, now: Micros) -> None:
        """Let a fault begin at once, whatever its plan says."""
        assert self._tools is not None, "start the desk first"
        injector = KINDS[fault.kind].make(fault, self._tools, self._seed)
        injector.entry.at = now
        self._running.append(injector)
        if fault.seconds is not None:
            self._ends[fault.id] = now + int(fault.seconds * SECOND)
        injector.begin(now)
        self._log.write(injector.entry)

    def turn(self, now: Micros) -> None:
        """Begin and end what is due by time."""
        for fault in [one for one in self._waiting if one.at is not None]:
            at = self._start + int((fault.at or 0) * SECOND)
            if at <= now:
                self._waiting.remove(fault)
                self.inject(fault, now)
        for injector in [one for one in self._running if one.done or self._over(one, now)]:
            self._end(injector, now)

    def _over(self, injector: Injector, now: Micros) -> bool:
        end = self._ends.get(injector.fault.id)
        return end is not None and now >= end and not injector.lingers

    def _end(self, injector: Injector, now: Micros) -> None:
        injector.end(now)
        self._running.remove(injector)
        injector.entry.state, injector.entry.until = "over", now
        self._log.write(injector.entry)

    def close(self, now: Micros) -> None:
        """All that is still wrong is logged as it stands."""
        for injector in list(self._running):
            self._end(injector, now)

    def beat(self) -> None:
        """What comes now belongs to no market event."""
        self._event += 1

    def happened(self, happened: Record | Played, now: Micros) -> Record | Played:
        """Count a market event, begin what waits for it, and give it as the venue's clock tells it."""
        self._event += 1
        if self._waiting:
            self._count(happened, now)
        step = sum(one.step() for one in self._running)
        if step and isinstance(happened, Record) and not isinstance(happened, ENGINE):
            return msgspec.structs.replace(happened, ts_event=happened.ts_event + step)
        return happened

    def _count(self, happened: Record | Played, now: Micros) -> None:
        if isinstance(happened, Played):
            stream = stream_kind(self.venue, happened.stream)
            instrument = self._spelled(happened)
        else:
            stream, instrument = STREAM_OF.get(type(happened)), happened.instrument or None
        keys = list(dict.fromkeys([(None, None), (stream, None), (None, instrument), (stream, instrument)]))
        self._counts.update(keys)
        for fault in [one for one in self._waiting if one.after is not None]:
            key = (fault.stream, fault.instrument)
            if key in keys and self._counts[key] > (fault.after or 0):
                self._waiting.remove(fault)
                self.inject(fault, now)

    def _spelled(self, played: Played) -> str | None:
        """The instrument of a recorded frame, by its stream's name."""
        rules = {} if self._tools is None else self._tools.rules
        return next((name for name, rule in rules.items() if spelled(rule, played.stream, played.base)), None)

    def stamp(self, now: Micros) -> Micros:
        """The venue's clock."""
        return now + sum(one.step() for one in self._running)

    def records(self, now: Micros) -> list[Record]:
        """Market events that faults add."""
        return [record for one in self._running for record in one.records(now)]

    def passed(self, link: Link, frames: Sequence[bytes], record: Record | None, now: Micros) -> Sequence[Out]:
        """What goes out instead of some frames."""
        altering = [one for one in self._running if type(one).outgoing is not Injector.outgoing]
        if not altering or not frames:
            return frames
        out: list[Out] = []
        for frame in frames:
            name = stream_of(frame)
            stream = None if name is None else stream_kind(self.venue, name)
            fits = record is not None and STREAM_OF.get(type(record)) == stream
            out.append(
                Piece(
                    frame=frame,
                    base=link.base,
                    name=name,
                    stream=stream,
                    record=record if fits else None,
                    event=self._event,
                )
            )
        for injector in altering:
            out = list(self._through(injector, link, out, now))
        return [one.frame if isinstance(one, Piece) else one for one in out]

    def _through(self, injector: Injector, link: Link, out: Sequence[Out], now: Micros) -> Iterator[Out]:
        for one in out:
            if isinstance(one, Piece):
                yield from injector.outgoing(link, one, now)
            else:
                yield one

    def answered(self, link: Link, frame: bytes, now: Micros) -> Sequence[Out] | None:
        """An answer to a client's frame in place of the venue's; None: the venue answers."""
        self._event += 1
        for injector in self._running:
            answer = injector.incoming(link, frame, now)
            if answer is not None:
                return answer
        return None

    def opened(self, link: Link, now: Micros) -> list[Out]:
        """What is done to a connection that came up."""
        return [out for injector in self._running for out in injector.opened(link, now)]

    def due(self, now: Micros) -> list[tuple[int, Out]]:
        """What is to be sent now, by link number."""
        found = [one for injector in self._running for one in injector.due(now)]
        return [(number, out.frame if isinstance(out, Piece) else out) for number, out in found]

    def handshake(self, base: str, now: Micros) -> Refusal | None:
        """Is this handshake refused?"""
        refusals = (injector.handshake(base, now) for injector in self._running)
        return next((one for one in refusals if one is not None), None)

    def request(self, asked: Asked, now: Micros) -> Treatment | None:
        """What is done to this REST request?"""
        treatments = (injector.request(asked, now) for injector in self._running)
        return next((one for one in treatments if one is not None), None)
