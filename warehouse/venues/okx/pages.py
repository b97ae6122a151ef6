"""What OKX's walks have in common: reading an envelope, finding what is listed, going down through bars."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import TypeVar

from warehouse.clock import MINUTE, Micros
from warehouse.errors import DecodeError
from warehouse.instruments import Listing, Market, timeframe_us
from warehouse.records import Candle, Record
from warehouse.venues.answers import beginning, read
from warehouse.venues.base import Answer, Fetch, Walk
from warehouse.venues.okx import requests, wire

SETTLED_AFTER: Micros = MINUTE
"""What is older than this is taken to be complete; younger rows may lag behind in the deep endpoints."""

RowT = TypeVar("RowT")
Made = TypeVar("Made")


def rows(answer: object, row: type[RowT]) -> list[RowT]:
    """The rows of an envelope. Raises Rejected, RateLimited or DecodeError."""
    try:
        envelope = read(answer, wire.Refusal)
        if envelope.code == "0":
            return read(answer, wire.Page[row]).data  # type: ignore[valid-type]
    except (ValueError, RecursionError) as error:
        raise DecodeError("okx", str(error), beginning(answer)) from error
    raise requests.refused(envelope.code, envelope.msg)


def decoded(read: Callable[[], Made], row: object) -> Made:
    """What a decoder makes of a row. Raises DecodeError where it raises ValueError."""
    try:
        return read()
    except ValueError as error:
        raise DecodeError("okx", str(error), repr(row).encode()) from error


def listed(instruments: Sequence[str]) -> Generator[Fetch, object, list[tuple[Listing, wire.InstrumentRow]]]:
    """The rows of those instruments that OKX lists, in the order asked. Inverse swaps are not ours."""
    wanted = [Listing.parse("okx", name) for name in instruments]
    found: dict[tuple[str, Market], wire.InstrumentRow] = {}
    kinds: tuple[tuple[str, Market], ...] = (("SPOT", "spot"), ("SWAP", "perp"))
    for kind, market in kinds:
        if any(listing.market == market for listing in wanted):
            answer = yield requests.instruments(kind)
            for row in rows(answer, wire.InstrumentRow):
                found[row.instId, market] = row
    out: list[tuple[Listing, wire.InstrumentRow]] = []
    for listing in wanted:
        suffix = "-SWAP" if listing.market == "perp" else ""
        one = found.get((f"{listing.base}-{listing.quote}{suffix}", listing.market))
        if one is not None and one.tickSz and (listing.market == "spot" or one.ctType == "linear"):
            out.append((listing, one))
    return out


def bars(
    ask: Callable[[int, bool], Fetch],
    read: Callable[[object], list[Candle]],
    timeframe: str,
    start: Micros,
    end: Micros,
    now: Micros,
    newest: int,
) -> Walk:
    """Bars that open in `[start, end)`, downward. `ask(before_ms, deep)` is a page, `read` what it holds.

    The endpoint of the newest bars is asked for `newest` of them, the deep one for the rest.
    """
    step = timeframe_us(timeframe)
    found: dict[Micros, Candle] = {}
    cursor, note, deep = -(-end // 1000), None, False
    while cursor * 1000 > start:
        deep = deep or cursor * 1000 <= now - newest * step
        answer = yield ask(cursor, deep)
        page = read(answer)
        lowest = min((one.open_time // 1000 for one in page), default=cursor)
        for one in page:
            if one.open_time % step:
                raise DecodeError("okx", f"a {timeframe} bar opens at {one.open_time}, off the UTC grid", b"")
            found[one.open_time] = one
        if lowest < cursor:
            cursor = lowest
        elif deep:
            note = f"no bars before {cursor}: the venue's history begins there"
            break
        else:
            deep = True
    records: list[Record] = [found[at] for at in sorted(found) if start <= at < end]
    closed = [at for at, one in found.items() if one.closed]
    complete_to = end if end <= now - step - SETTLED_AFTER else min(end, max(closed, default=start - step) + step)
    if complete_to <= start:
        return Answer(records=records, note=note or "no closed bar in this range yet")
    return Answer(records=records, complete_from=start, complete_to=complete_to, note=note)
