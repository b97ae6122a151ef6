"""The lake against the emulator's truth: each trade once, in order and unaltered, or in a row of the gap ledger."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import msgspec
import polars as pl

from realtime.emulator.truth import trades
from warehouse.clock import Micros
from warehouse.frames import integers
from warehouse.records import SequenceGap, Trade
from warehouse.store import Lake

Key = tuple[str, str]
"""Venue and instrument."""

FIELDS = ("price", "size", "taker_side", "ticks", "lots", "ts_event")
"""What a stored trade must have as it was traded; Binance and OKX beside it `trade_seq`, Binance the fills."""


class Hole(NamedTuple):
    """Trades next to each other that the lake does not have: their numbers, and the times of those around them."""

    first: int
    last: int
    before: Micros
    after: Micros


class Compared(msgspec.Struct):
    """One instrument: how many trades happened in its recorded time and how many the lake has of them, what is
    missing, the rows of the ledger by state, and everything that is not right, in words.
    """

    venue: str
    instrument: str
    traded: int = 0
    stored: int = 0
    from_pages: int = 0
    holes: list[Hole] = []
    states: dict[str, int] = {}
    faults: list[str] = []

    @property
    def lost(self) -> int:
        """Trades that happened and are not in the lake."""
        return sum(hole.last - hole.first + 1 for hole in self.holes)


def happened(path: Path) -> dict[Key, list[Trade]]:
    """The emulator's log of trades by instrument, in the order in which they happened."""
    found: dict[Key, list[Trade]] = {}
    for trade in trades(path):
        found.setdefault((trade.venue, trade.instrument), []).append(trade)
    return found


def compare(
    lake: Lake, truth: Mapping[Key, Sequence[Trade]], until: Micros, served: Mapping[Key, Sequence[Sequence[str]]]
) -> list[Compared]:
    """Every instrument of the truth, as the lake has it from its first recorded trade to its last one, and at least
    to `until`. `served` holds ids that the venue's REST still had at some restart: none of them may be missing.
    """
    return [_instrument(lake, key, live, until, served.get(key, ())) for key, live in truth.items()]


def _instrument(
    lake: Lake, key: Key, truth: Sequence[Trade], until: Micros, served: Sequence[Sequence[str]]
) -> Compared:
    found = Compared(*key)
    told = lake.read("trades", venue=key[0], instrument=key[1], start=truth[0].ts_event)
    rows = integers(told.filter(pl.col("kind") != "block"))  # the truth leaves them out
    place = {trade.trade_id: index for index, trade in enumerate(truth)}
    recorded = rows.filter(pl.col("log_seq").is_not_null())
    if not recorded.height:
        found.faults.append("nothing was recorded")
        return found
    places = [place.get(trade_id, -1) for trade_id in recorded["trade_id"]]
    found.faults += _order(places)
    found.faults += _values(rows, truth, place, key[0])
    ended = max(max(places), max((index for index, trade in enumerate(truth) if trade.ts_event <= until), default=0))
    begun, held = min(places), set(places)
    found.traded, found.stored = ended - begun + 1, len(held)
    found.from_pages = recorded.filter(pl.col("origin") == "rest").height
    found.holes = list(_holes(truth, begun, ended, held))
    for page in served:
        if gone := [
            trade_id
            for trade_id in page
            if trade_id in place and place[trade_id] >= begun and place[trade_id] not in held
        ]:
            found.faults.append(f"{len(gone)} trades are missing that REST still served at a restart: {gone[:3]}")
    found.faults += _ledger(lake, found, {(one.ts_event, other.ts_event) for one, other in pairwise(truth)})
    return found


def _order(places: Sequence[int]) -> Iterator[str]:
    if unknown := places.count(-1):
        yield f"{unknown} recorded trades never happened"
    if len(set(places)) < len(places):
        yield f"{len(places) - len(set(places))} recorded trades are there more than once"
    if back := [now for before, now in pairwise(places) if now < before]:
        yield f"{len(back)} recorded trades stand out of order, first number {back[0]}"


def _values(rows: pl.DataFrame, truth: Sequence[Trade], place: Mapping[str, int], venue: str) -> Iterator[str]:
    more = {"binance": ("trade_seq", "first_fill", "last_fill"), "okx": ("trade_seq",)}.get(venue, ())
    ids: dict[str, None] = {}
    for row in rows.iter_rows(named=True):
        index = place.get(row["trade_id"])
        if index is None:
            yield f"trade {row['trade_id']} never happened"
            continue
        if row["trade_id"] in ids:
            yield f"trade {row['trade_id']} stands in the lake more than once"
        ids[row["trade_id"]] = None
        for field in (*FIELDS, *more):
            if row[field] != getattr(truth[index], field):
                yield f"trade {row['trade_id']}: {field} {row[field]!r}, it was {getattr(truth[index], field)!r}"


def _holes(truth: Sequence[Trade], begun: int, ended: int, held: set[int]) -> Iterator[Hole]:
    index = begun
    while index <= ended:
        first = index
        while index <= ended and index not in held:
            index += 1
        if index > first:
            after = truth[index].ts_event if index < len(truth) else truth[-1].ts_event
            yield Hole(_number(truth[first]), _number(truth[index - 1]), truth[first - 1].ts_event, after)
        index += 1


def _number(trade: Trade) -> int:
    assert trade.trade_seq is not None
    return trade.trade_seq


def _ledger(lake: Lake, found: Compared, neighbours: set[tuple[Micros, Micros]]) -> Iterator[str]:
    """The ledger must name exactly the holes: by ids where the venue has them, else by the trades around them.

    Without ids a page that happens to begin just behind the last known trade cannot prove that nothing is missing: a
    row between `neighbours` is a doubt, no lie.
    """
    names = list(SequenceGap.__struct_fields__)
    rows = integers(lake.read("gaps", venue=found.venue, instrument=found.instrument, match={"stream": "trades"}))
    states: dict[tuple[Micros, int | None], list[SequenceGap]] = {}
    for row in rows.select(names).iter_rows(named=True):
        gap = SequenceGap(**row)
        states.setdefault((gap.opened_at, gap.from_id), []).append(gap)
    newest = []
    for key, gaps in states.items():
        kinds = [gap.state for gap in gaps]
        if len(set(kinds)) < len(kinds) or len(kinds) > 2 or kinds[0] != "open":
            yield f"the gap of {key} has the rows {kinds}"
        newest.append(gaps[-1])
        found.states[kinds[-1]] = found.states.get(kinds[-1], 0) + 1
    given_up = [gap for gap in newest if gap.state == "unrecoverable"]
    if bare := [gap for gap in given_up if not gap.reason]:
        yield f"{len(bare)} gaps were given up without a reason"
    if found.states.get("open"):
        yield f"{found.states['open']} gaps are still open"
    if found.venue == "bybit":
        true = sorted((hole.before, hole.after) for hole in found.holes)
        spans = sorted((gap.from_ts, gap.to_ts) for gap in given_up)
        told = [span for span in spans if span in true or span not in neighbours]
    else:
        told = sorted((gap.from_id or 0, gap.to_id or 0) for gap in given_up)
        true = sorted((hole.first, hole.last) for hole in found.holes)
    if told != true:
        yield f"the ledger gives up {told}, missing are {true}"
