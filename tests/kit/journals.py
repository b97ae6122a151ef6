"""Synthetic journals in a language of their own, so that tests of the recorder need no venue.

A frame's payload is a JSON list of facts: `["trade", instrument, id]` is trade number `id`, whose price and size follow
from the id; `["page", ...]` is one that came by a page, `["block", ...]` one outside the venue's contiguous ids,
`["held", ...]` one that came when it happened and is let out only now; `["gap", instrument, from, to, state]` is a
state of a hole.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import cast

import msgspec

from realtime.decoding import Decoding
from realtime.tape import Writer
from warehouse.clock import Micros
from warehouse.instruments import Rules
from warehouse.journal import Entry, Header, Kind
from warehouse.records import Connected, GapState, Origin, SequenceGap, Trade
from warehouse.venues.base import Output

BEGIN: Micros = 1_790_000_000_000_000
STEP: Micros = 10_000
"""Trade `n` happens at `BEGIN + n * STEP`."""


def trade(number: int, instrument: str = "BTC-USDT", venue: str = "okx", origin: Origin = "stream") -> Trade:
    """Trade number `number`, the same every time it is asked for."""
    ticks, lots = 500_000 + number % 97, 1 + number % 13
    return Trade(
        venue=venue,
        instrument=instrument,
        ts_event=BEGIN + number * STEP,
        ts_recv=BEGIN + number * STEP + 1_500,
        trade_id=str(number),
        trade_seq=number,
        price=ticks / 10,
        size=lots / 1000,
        taker_side="buy" if number % 2 else "sell",
        ticks=ticks,
        lots=lots,
        origin=origin,
    )


def rules(venue: str, instruments: Sequence[str]) -> list[Rules]:
    """Rules on whose grid `trade` lies."""
    return [
        Rules(venue=venue, instrument=name, symbol=name, market="spot", tick="0.1", lot="0.001") for name in instruments
    ]


def header(venue: str = "okx", first_seq: int = 1, journal_id: str = "", run_id: str = "r1") -> Header:
    """The header of a segment."""
    return Header(
        journal_id=journal_id or f"{venue}-1",
        run_id=run_id,
        realm="emulated",
        venue=venue,
        first_seq=first_seq,
        created=BEGIN,
        rules=rules(venue, ["BTC-USDT", "ETH-USDT"]),
        config="{}",
        config_digest="",
    )


def frame(ts_recv: Micros, *facts: list[object]) -> Entry:
    """An entry with these facts."""
    return Entry(ts_recv, "plain", Kind.FRAME, msgspec.json.encode(facts))


def trades_entry(numbers: Sequence[int], instrument: str = "BTC-USDT") -> Entry:
    """An entry with trades, received when the last of them happened."""
    return frame(BEGIN + max(numbers) * STEP + 1_500, *[["trade", instrument, number] for number in numbers])


def write(folder: Path, entries: Sequence[Sequence[Entry]], venue: str = "okx", rotate: int = 0) -> Writer:
    """A journal of these blocks, in segments of `rotate` blocks (0: one)."""
    writer = Writer(folder, header(venue), b'{"sessions":{}}')
    for count, block in enumerate(entries, 1):
        writer.append(list(block))
        if rotate and count % rotate == 0:
            writer.rotate(header(venue, writer.next_seq), b'{"sessions":{}}')
    return writer


class Plain:
    """Stands in for `Decoding`: what the facts say."""

    def __init__(self, head: Header) -> None:
        self.venue = head.venue
        self.rules = {rule.instrument: rule for rule in head.rules}

    @classmethod
    def of(cls, head: Header) -> Decoding:
        return cast(Decoding, cls(head))

    def feed(self, entry: Entry) -> list[tuple[str, Output]]:
        if entry.kind == Kind.CONNECTED:
            return [("plain", Connected(venue=self.venue, instrument="", ts_event=0, ts_recv=0, connection="plain"))]
        if entry.kind != Kind.FRAME:
            return []
        return [("plain", self._fact(fact, entry.ts_recv)) for fact in msgspec.json.decode(entry.payload)]

    def _fact(self, fact: list[object], ts_recv: Micros) -> Output:
        if fact[0] != "gap":
            origin: Origin = "rest" if fact[0] == "page" else "stream"
            found = trade(cast(int, fact[2]), cast(str, fact[1]), self.venue, origin)
            if fact[0] == "block":
                found = msgspec.structs.replace(found, kind="block", trade_id=f"block-{found.trade_id}", trade_seq=None)
            return found if fact[0] == "held" else msgspec.structs.replace(found, ts_recv=ts_recv)
        first, last = cast(int, fact[2]), cast(int, fact[3])
        return SequenceGap(
            venue=self.venue,
            instrument=cast(str, fact[1]),
            ts_event=ts_recv,
            ts_recv=ts_recv,
            stream="trades",
            from_id=first,
            to_id=last,
            from_ts=BEGIN + first * STEP,
            to_ts=BEGIN + last * STEP,
            cause="ids",
            state=cast(GapState, fact[4]),
            opened_at=BEGIN + last * STEP,
        )

    def state(self) -> dict[str, dict[str, object]]:
        return {}

    def restore(self, state: dict[str, dict[str, object]]) -> None:
        return
