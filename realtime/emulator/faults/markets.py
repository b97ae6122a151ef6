"""Faults of the venue itself: its clock, its maintenance, and changes of its markets."""

from __future__ import annotations

from collections.abc import Sequence

from realtime.emulator.changes import Change
from realtime.emulator.faults import wording
from realtime.emulator.faults.parts import Asked, Close, Fault, Injector, Out, Refusal, Treatment
from warehouse.clock import SECOND, Micros
from warehouse.records import Record, VenueState, VenueStatus


class SkewedClock(Injector):
    """All of the venue lives `amount` seconds ahead of (negative: behind) everybody else, from the first moment on."""


class SteppingClock(Injector):
    """For `seconds` the clock of the venue's gateways is `amount` seconds off, then it steps back: the times of
    messages, quotes and books, and the server time. Trades, liquidations and candles keep the matching engine's time.
    """

    def step(self) -> Micros:
        return int((self.fault.amount or 0) * SECOND)


class Maintenance(Injector):
    """The venue announces a maintenance, begins it `amount` seconds later (connections are closed, handshakes and
    requests answered with 503), and is well again after `seconds`.
    """

    lingers = True

    def begin(self, now: Micros) -> None:
        self._from = now + int((self.fault.amount or 5) * SECOND)
        self._until = now + int((self.fault.seconds or 15) * SECOND)
        self._told: list[VenueState] = []
        self.entry.said = {"from_ts": self._from, "to_ts": self._until}

    def _state(self, now: Micros) -> VenueState:
        return "announced" if now < self._from else "maintenance" if now < self._until else "ok"

    def records(self, now: Micros) -> Sequence[Record]:
        state = self._state(now)
        if state in self._told:
            return ()
        self._told.append(state)
        words = {"announced": "Scheduled maintenance", "maintenance": "Maintenance", "ok": "Maintenance has ended"}
        status = VenueStatus(
            venue=self.fault.venue,
            instrument="",
            ts_event=now,
            ts_recv=0,
            state=state,
            words=words[state],
            from_ts=self._from,
            to_ts=self._until,
        )
        return (status,)

    def due(self, now: Micros) -> Sequence[tuple[int, Out]]:
        if "ok" in self._told:
            self.done = True
        if self._state(now) != "maintenance" or "maintenance" not in self._told:
            return ()
        links = self.tools.links()
        for link in links:
            self.meet(link)
        return [(link.number, Close(1001, "maintenance")) for link in links]

    def handshake(self, base: str, now: Micros) -> Refusal | None:
        return Refusal(status=503, words="maintenance") if self._state(now) == "maintenance" else None

    def request(self, asked: Asked, now: Micros) -> Treatment | None:
        if self._state(now) != "maintenance":
            return None
        return Treatment(reply=wording.server_errors(self.fault.venue, now)[0])


class Burst(Injector):
    """The market lives at `amount` times its usual rate for `seconds`."""


class Delisted(Injector):
    """The instrument's end is announced; after half of `seconds` its trading ends, after all of them it is listed no
    more: what was subscribed to stays silent, requests are refused.
    """


class TickChanged(Injector):
    """The instrument's tick becomes `amount` times finer in the midst of the stream."""


def changes(faults: Sequence[Fault], begun: Micros, instruments: Sequence[str]) -> list[Change]:
    """What the faults of a plan change in the markets behind the venues, on whole seconds."""
    found: list[Change] = []
    for fault in faults:
        names = [fault.instrument] if fault.instrument is not None else list(instruments)
        at = -(-(begun + int((fault.at or 0.0) * SECOND)) // SECOND) * SECOND
        for name in names:
            if fault.kind == "burst":
                end = at + max(1, round(fault.seconds or 5)) * SECOND
                found.append(Change(venue=fault.venue, instrument=name, at=at, what="hurry", factor=fault.amount or 20))
                found.append(Change(venue=fault.venue, instrument=name, at=end, what="hurry", factor=1))
            elif fault.kind == "delisted":
                gone = at + max(2, round(fault.seconds or 20)) * SECOND
                end = at + (gone - at) // 2 // SECOND * SECOND
                found.append(Change(venue=fault.venue, instrument=name, at=at, what="announce", until=end))
                found.append(Change(venue=fault.venue, instrument=name, at=end, what="delist", until=end))
                found.append(Change(venue=fault.venue, instrument=name, at=gone, what="remove", until=end))
            elif fault.kind == "tick_changed":
                factor = int(fault.amount or 10)
                found.append(Change(venue=fault.venue, instrument=name, at=at, what="refine", factor=factor))
    return found


def skew(faults: Sequence[Fault], venue: str) -> Micros:
    """How far the venue's clock is ahead for good."""
    return sum(int((one.amount or 0) * SECOND) for one in faults if (one.kind, one.venue) == ("skewed_clock", venue))
