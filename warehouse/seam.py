"""The seam: where history ends and the live tape begins, joined trade by trade, with a certificate of what was found.

Both sides overlap: a flow fetches history past the first journaled trade, the recorder holds the tape. `join` compares
them and chooses `cut`, a whole UTC second inside the overlap: history supplies `ts_event < cut`, the tape the rest, so
nothing counts twice. Ids are compared where the venue's ids are contiguous; else executions by id, which proves less.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import msgspec

from warehouse.clock import SECOND, Micros
from warehouse.records import SequenceGap, Trade

SeamState = Literal["proven", "supported", "unprovable", "broken"]


class Print(NamedTuple):
    """One trade as the join sees it: identity, and what must be equal on both sides.

    `live`: it came by the stream. `landed`: it stands in `trades` though no journal brought it.
    """

    trade_id: str
    trade_seq: int | None
    ticks: int
    lots: int
    side: str
    ts_event: Micros
    live: bool = True
    landed: bool = False

    @classmethod
    def of(cls, trade: Trade) -> Print:
        """What the join needs of a trade."""
        live = trade.origin == "stream"
        return cls(trade.trade_id, trade.trade_seq, trade.ticks, trade.lots, trade.taker_side, trade.ts_event, live)


class Certificate(msgspec.Struct, frozen=True, kw_only=True):
    """What the join of one instrument found, and where fusion switches from history to the tape.

    `cut` is None unless the seam is `proven` or `supported`. `common` trades stand on both sides; of these `compared`
    were compared and `differing` were unequal in ticks, lots or side. `missing` counts trades that one side must hold
    and does not. `first_id` and `last_id` bound the trades that the certificate covers: the last historical one before
    the cut, and the newest live one; where the ledger knows of a hole behind the overlap, the last one before that.
    `reason` says in words why the state is not better; None when it is proven.
    """

    venue: str
    instrument: str
    state: SeamState
    cut: Micros | None
    overlap_from: Micros | None = None
    overlap_to: Micros | None = None
    common: int = 0
    compared: int = 0
    missing: int = 0
    differing: int = 0
    first_id: str | None = None
    last_id: str | None = None
    reason: str | None = None
    created: Micros


def join(
    venue: str,
    instrument: str,
    history: Sequence[Print],
    tape: Sequence[Print],
    gaps: Sequence[SequenceGap] = (),
    *,
    contiguous: bool,
    created: Micros,
) -> Certificate:
    """Join history and tape of one instrument; rows of both in any order, each id at most once a side.

    `gaps` are the newest states of the instrument's trade gaps. `contiguous` says that `trade_seq` counts without
    holes. `created` is stamped on the certificate.

    Outside the overlap, and in a hole of the tape that the ledger calls repaired, what a flow or a repair landed is as
    good as the tape.
    """

    def verdict(state: SeamState, **found: object) -> Certificate:
        facts = {"cut": None, **found}
        return Certificate(venue=venue, instrument=instrument, state=state, created=created, **facts)  # type: ignore[arg-type]

    if not tape:
        return verdict("unprovable", reason="no live trade has been recorded yet")
    if not history:
        return verdict("unprovable", reason="no history overlaps the tape yet")
    past = {row.trade_id: row for row in history}
    live = {row.trade_id: row for row in tape}
    common = [row for row in past.values() if row.trade_id in live]
    if not contiguous:  # a page met again proves nothing: the tape holds pages too
        common = [row for row in common if live[row.trade_id].live]
    if not common:
        return verdict("unprovable", reason=_no_overlap(history, tape))
    common.sort(key=_order)
    differing = [row.trade_id for row in common if not _equal(row, live[row.trade_id])]
    overlap_from, overlap_to = min(row.ts_event for row in common), max(row.ts_event for row in common)
    facts: dict[str, object] = {
        "overlap_from": overlap_from,
        "overlap_to": overlap_to,
        "common": len(common),
        "compared": len(common),
        "differing": len(differing),
    }
    remaining = [gap for gap in gaps if gap.state in ("open", "unrecoverable")]
    if behind := [gap for gap in remaining if gap.from_ts >= overlap_to]:
        live = _up_to(live, min(behind, key=_begin))
    cut = _cut(past, live, common)
    if cut is None and not differing:
        return verdict("unprovable", reason="the overlap holds no whole second to switch at yet", **facts)
    kept = live | _landed(past, live, common, [gap for gap in gaps if gap.state == "repaired"])
    first, last, missing = (_by_sequence if contiguous else _by_execution)(past, kept, common, cut or overlap_from)
    facts |= {"first_id": first, "last_id": last, "missing": len(missing)}
    if differing:
        return verdict("broken", reason=f"{len(differing)} common trades differ, first {differing[0]}", **facts)
    if missing:
        return verdict("broken", reason=f"{len(missing)} trades missing after the cut, first {missing[0]}", **facts)
    if inside := [gap for gap in remaining if gap.from_ts < overlap_to and gap.to_ts >= (cut or 0)]:
        words = f"{len(inside)} gaps in the tape, first {inside[0].state}: {inside[0].reason or inside[0].cause}"
        return verdict("broken", reason=words, **facts)
    if contiguous:
        return verdict("proven", **facts | {"cut": cut})
    return verdict("supported", reason="the venue's ids are not contiguous", **facts | {"cut": cut})


def _begin(gap: SequenceGap) -> Micros:
    return gap.from_ts


def _up_to(live: dict[str, Print], hole: SequenceGap) -> dict[str, Print]:
    """The tape before a hole."""
    return {
        trade_id: row
        for trade_id, row in live.items()
        if row.ts_event <= hole.from_ts
        and (row.trade_seq is None or hole.from_id is None or row.trade_seq < hole.from_id)
    }


def _landed(
    past: dict[str, Print], live: dict[str, Print], common: list[Print], repaired: list[SequenceGap]
) -> dict[str, Print]:
    """What was landed where the tape has nothing and need not have; none newer than the tape."""
    newest = max(live.values(), key=_order)
    return {
        trade_id: row
        for trade_id, row in past.items()
        if row.landed
        and trade_id not in live
        and _before(row, newest)
        and (_before(row, common[0]) or _before(common[-1], row) or any(_covers(gap, row) for gap in repaired))
    }


def _covers(gap: SequenceGap, row: Print) -> bool:
    if gap.from_id is not None and gap.to_id is not None and row.trade_seq is not None:
        return gap.from_id <= row.trade_seq <= gap.to_id
    return gap.from_ts <= row.ts_event <= gap.to_ts


def _order(row: Print) -> tuple[int, Micros, str]:
    return (row.trade_seq or 0, row.ts_event, row.trade_id)


def _equal(one: Print, other: Print) -> bool:
    return (one.ticks, one.lots, one.side) == (other.ticks, other.lots, other.side)


def _no_overlap(history: Sequence[Print], tape: Sequence[Print]) -> str:
    newest, oldest = max(history, key=_order), min(tape, key=_order)
    return f"history ends at {newest.trade_id}, the tape begins at {oldest.trade_id}: no trade in common yet"


def _cut(past: dict[str, Print], live: dict[str, Print], common: list[Print]) -> Micros | None:
    """The earliest whole second at which both sides may hand over, or None.

    All trades that only history holds must lie before it, and all that only the tape holds after.
    """
    before = max((row.ts_event for row in past.values() if row.trade_id not in live and _before(row, common[0])),
                 default=0)  # fmt: skip
    after = min((row.ts_event for row in live.values() if row.trade_id not in past and not _before(row, common[-1])),
                default=None)  # fmt: skip
    cut = (max(before, common[0].ts_event) // SECOND + 1) * SECOND
    newest = max(row.ts_event for row in common)
    if cut > newest or (after is not None and after < cut):
        return None
    return cut


def _before(row: Print, edge: Print) -> bool:
    return _order(row) < _order(edge)


def _by_sequence(
    past: dict[str, Print], live: dict[str, Print], common: list[Print], cut: Micros
) -> tuple[str, str, list[str]]:
    """Contiguous ids: nothing may be missing from the last historical trade before the cut to the newest live one."""
    heads = {row.trade_seq for row in past.values() if row.trade_seq is not None}
    tails = {row.trade_seq for row in live.values() if row.trade_seq is not None}
    lower = [seq for row in past.values() if row.ts_event < cut and (seq := row.trade_seq) is not None]
    start = max(lower) if lower else min(heads)
    first = min(seq for row in common if (seq := row.trade_seq) is not None)
    end = max(tails)
    missing = [str(seq) for seq in range(first, start + 1) if seq not in heads]
    missing += [str(seq) for seq in range(start + 1, end + 1) if seq not in tails]
    return str(start), str(end), missing


def _by_execution(
    past: dict[str, Print], live: dict[str, Print], common: list[Print], cut: Micros
) -> tuple[str, str, list[str]]:
    """Opaque ids: no historical trade that is newer than the first streamed one may be missing from the tape.

    Trades in the tape's newest instant are not expected: the tape may still receive their neighbours.
    """
    times = [row.ts_event for row in live.values() if row.live]
    oldest, newest = min(times), max(times)
    missing = [row.trade_id for row in past.values() if oldest < row.ts_event < newest and row.trade_id not in live]
    heads = [row for row in past.values() if row.ts_event < cut] or common
    return max(heads, key=_order).trade_id, max(live.values(), key=_order).trade_id, missing
