"""Ticker topics: what a delta leaves out has not changed, so each instrument's fields are kept and merged.

Deltas come each 100 ms and spot snapshots each 50 ms. A record leaves when a field of its own has changed, at most
once a second per kind and instrument; what had to wait leaves with a later frame or a tick of the clock.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

import msgspec
from msgspec import UNSET

from warehouse.clock import SECOND, Micros
from warehouse.records import FundingRate, MarkPrice, OpenInterest, Ticker
from warehouse.venues.bybit import decode_feeds
from warehouse.venues.bybit.decode_feeds import Facts
from warehouse.venues.bybit.wire_feeds import PerpTickerData, PerpTickerFrame, SpotTickerFrame

EVERY = SECOND
"""Least time between two records of a kind."""

Told = MarkPrice | FundingRate | OpenInterest | Ticker
Telling = Callable[[Facts, str, Micros, Micros], Told | None]

PERP: tuple[tuple[Telling, tuple[str, ...]], ...] = (
    (decode_feeds.mark_price, ("markPrice", "indexPrice")),
    (decode_feeds.accruing, ("fundingRate", "nextFundingTime", "fundingIntervalHour")),
    (
        decode_feeds.open_interest,
        ("singleOpenInterest", "singleOpenInterestValue", "openInterest", "openInterestValue"),
    ),
    (
        decode_feeds.ticker,
        ("lastPrice", "prevPrice24h", "highPrice24h", "lowPrice24h", "volume24h", "turnover24h"),
    ),
)
"""The kinds of records in a ticker, and the fields whose change brings a new one."""

SPOT = PERP[-1:]

_perp = msgspec.json.Decoder(PerpTickerFrame, strict=False).decode
_spot = msgspec.json.Decoder(SpotTickerFrame, strict=False).decode


def facts(data: PerpTickerData) -> Facts:
    """The fields that are there."""
    return {name: value for _, names in PERP for name in names if (value := getattr(data, name)) is not UNSET}


class TickerState(msgspec.Struct):
    """Fields under the venue's names; per kind when a record left last, and the venue's and our time of a change that
    waits (0: none does).
    """

    known: bool
    fields: dict[str, float | int | str]
    told: list[Micros]
    event: list[Micros]
    recv: list[Micros]


class TickerMemory:
    """The ticker of one instrument. `known` after a snapshot; deltas before it mean nothing."""

    def __init__(self, instrument: str, spot: bool) -> None:
        self._instrument = instrument
        self._spot = spot
        self._kinds = SPOT if spot else PERP
        self._kind_of = {name: number for number, (_, names) in enumerate(self._kinds) for name in names}
        self.known = False
        self._fields: dict[str, float | int | str] = {}
        self._told = [0] * len(self._kinds)
        self._event = [0] * len(self._kinds)
        self._recv = [0] * len(self._kinds)
        self.waiting = False

    def receive(self, frame: bytes, ts_recv: Micros) -> Sequence[Told]:
        """A frame of the topic. Raises ValueError when it cannot be read; nothing has changed then."""
        wire = _spot(frame) if self._spot else _perp(frame)
        whole = wire.type == "snapshot"
        if not whole and not self.known:
            return ()
        self.known = True
        fields, data, event = self._fields, wire.data, wire.ts * 1000
        now = ts_recv or event
        for name, kind in self._kind_of.items():
            value = getattr(data, name)
            if value is UNSET:
                if not whole or name not in fields:
                    continue
                del fields[name]
            elif fields.get(name) == value:
                continue
            else:
                fields[name] = value
            self._event[kind], self._recv[kind] = event, ts_recv
            self.waiting = True
        return self.due(now) if self.waiting else ()

    def due(self, now: Micros) -> list[Told]:
        """The records of what has changed and need not wait any longer."""
        found: list[Told] = []
        self.waiting = False
        for number, (telling, _) in enumerate(self._kinds):
            event = self._event[number]
            if not event:
                continue
            if now - self._told[number] < EVERY:
                self.waiting = True
                continue
            record = telling(self._fields, self._instrument, event, self._recv[number])
            self._event[number] = 0
            if record is not None:
                self._told[number] = now
                found.append(record)
        return found

    def lost(self) -> None:
        """The connection went away: nothing is known until the next snapshot."""
        self.known = self.waiting = False
        self._fields = {}
        self._event = [0] * len(self._kinds)

    def state(self) -> dict[str, object]:
        """Everything, as JSON-able values."""
        return cast(
            "dict[str, object]",
            msgspec.to_builtins(TickerState(self.known, self._fields, self._told, self._event, self._recv)),
        )

    def restore(self, state: dict[str, object]) -> None:
        """The inverse of `state`."""
        kept = msgspec.convert(state, TickerState)
        self.known, self._fields = kept.known, kept.fields
        self._told, self._event, self._recv = kept.told, kept.event, kept.recv
        self.waiting = any(kept.event)
