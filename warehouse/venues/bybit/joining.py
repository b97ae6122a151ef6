"""Where a page of recent trades meets the stream: what order everything leaves in, and what each hole comes to.

The page is a contiguous piece of the venue's tape, and so is what each connection brought. Executions of one
millisecond have no order but the one in which the venue lists them, so nothing is sorted here: the pieces are laid
over each other by ids.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import msgspec

from warehouse.clock import Micros
from warehouse.records import Trade


class Known(Protocol):
    """Ids that have left already."""

    def __contains__(self, trade_id: str, /) -> bool: ...


class Hole(msgspec.Struct):
    """A hole that waits for a page: behind the execution of `from_ts`, before the held one number `at`.

    It began behind the one of `since`; `filled` executions of an early page have left since then.
    """

    since: Micros
    from_ts: Micros
    opened_at: Micros
    cause: str
    at: int = 0
    filled: int = 0


class Verdict(NamedTuple):
    """What a page makes of a hole: `filled` executions lie in it; `lost` when it does not reach over the whole hole.

    `from_ts` and `to_ts` are the times of the executions around the hole, or around what is lost of it; `to_ts` is 0
    when none came after it yet.
    """

    lost: bool
    filled: int
    from_ts: Micros
    to_ts: Micros


class Joined(NamedTuple):
    """Executions in the venue's order, and a verdict for every hole."""

    trades: list[Trade]
    verdicts: list[Verdict]


def join(holes: Sequence[Hole], held: Sequence[Trade], page: Sequence[Trade], known: Known) -> Joined:
    """Lay a page (ascending) over what was held. Without holes (nothing was ever seen before) all of it is taken."""
    before = holes[0].from_ts if holes else 0
    seen = max((i for i, row in enumerate(page) if row.ts_event <= before and row.trade_id in known), default=-1)
    rows = [row for row in page[seen + 1 :] if row.ts_event >= before and row.trade_id not in known]
    own = {trade.trade_id: trade for trade in held}
    listed = {row.trade_id for row in rows}
    older = _older(held, rows, listed)
    trades = [
        *held[:older],
        *(own.get(row.trade_id, row) for row in rows),
        *(trade for trade in held[older:] if trade.trade_id not in listed),
    ]
    place = {trade.trade_id: at for at, trade in enumerate(trades)}
    verdicts = []
    for hole in holes:
        begin = place[held[hole.at - 1].trade_id] + 1 if hole.at else 0
        end = place[held[hole.at].trade_id] if hole.at < len(held) else len(trades)
        reached = seen >= 0 and not older if not hole.at else hole.at > older
        first = trades[begin].ts_event if begin < len(trades) else 0
        after = trades[end].ts_event if end < len(trades) else trades[-1].ts_event if trades else 0
        verdicts.append(
            Verdict(
                not reached,
                hole.filled + end - begin,
                hole.from_ts if not reached else hole.since,
                after if reached else first,
            )
        )
    return Joined(trades, verdicts)


def _older(held: Sequence[Trade], rows: Sequence[Trade], listed: set[str]) -> int:
    """How many of the held executions happened before the page begins."""
    if not rows:
        return 0
    for at, trade in enumerate(held):
        if trade.trade_id in listed:
            return at
    return sum(trade.ts_event <= rows[0].ts_event for trade in held)
