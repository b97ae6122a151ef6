"""Event arrays as hftbacktest 2 reads them: one `.npz` file with the array `data` of 64-byte events.

An event is `ev, exch_ts, local_ts, px, qty, order_id, ival, fval`, times in nanoseconds. `ev` is a kind with flags: for
the exchange's side, for the local side, buy (or bid), sell (or ask). The reader walks the file once for each side, so
each side's own time must not decrease: where the two orders differ an event stands twice, once for each.
Source: https://hftbacktest.readthedocs.io/en/latest/data.html
"""

from __future__ import annotations

import struct
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from warehouse.clock import Micros
from warehouse.exports.taken import NANOS, Taken, known
from warehouse.past import Moment

TRADE, CLEAR, SNAPSHOT = 2, 3, 4
EXCHANGE, LOCAL, BUY, SELL = 1 << 31, 1 << 30, 1 << 29, 1 << 28
FIELDS = (
    ("ev", "<u8"), ("exch_ts", "<i8"), ("local_ts", "<i8"), ("px", "<f8"), ("qty", "<f8"), ("order_id", "<u8"),
    ("ival", "<i8"), ("fval", "<f8"),
)  # fmt: skip
_ROW = struct.Struct("<QqqddQqd")


class Event(NamedTuple):
    """One event without its sides: the kind and buy or sell, both times in nanoseconds, price and size."""

    ev: int
    exch_ts: int
    local_ts: int
    px: float
    qty: float


def export_hftbacktest(
    venue: str,
    instrument: str,
    path: str | Path,
    root: str | Path | None = None,
    *,
    start: Moment | None = None,
    end: Moment | None = None,
    latency_us: Micros = 0,
    storage_options: Mapping[str, str] | None = None,
) -> int:
    """Write one instrument's trades and book pictures to an `.npz` file; returns how many events it has.

    A picture clears the book down to its last level and sets its levels. What did not come by the stream has no time of
    receipt: it reaches the local side `latency_us` after it happened. Raises ConfigError for an unknown instrument.
    """
    taken = Taken(venue, instrument, root, start, end, storage_options)
    rows = sided(sorted(_events(taken, latency_us), key=lambda event: event.exch_ts))
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr(zipfile.ZipInfo("data.npy"), array(rows), zipfile.ZIP_DEFLATED)
    return len(rows)


def _events(taken: Taken, latency_us: Micros) -> Iterator[Event]:
    """Pictures before trades, so that at one instant the book stands before it is hit."""
    for book in taken.books:
        at, here = book.ts_event * NANOS, known(book, latency_us) * NANOS
        for side, prices, sizes in ((BUY, book.bid_prices, book.bid_sizes), (SELL, book.ask_prices, book.ask_sizes)):
            if prices:
                yield Event(CLEAR | side, at, here, prices[-1], 0.0)
            for price, size in zip(prices, sizes, strict=True):
                yield Event(SNAPSHOT | side, at, here, price, size)
    for trade in taken.trades:
        side = BUY if trade.taker_side == "buy" else SELL
        here = known(trade, latency_us) * NANOS
        yield Event(TRADE | side, trade.ts_event * NANOS, here, trade.price, trade.size)


def sided(events: Sequence[Event]) -> list[Event]:
    """Events with their sides, in an order in which each side's time never decreases.

    `events` ascend by `exch_ts`. One whose place is the same for both sides stands once.
    """
    local = sorted(range(len(events)), key=lambda number: events[number].local_ts)
    rows = []
    at = 0
    for there in local:
        if there == at:
            rows.append(events[at]._replace(ev=events[at].ev | EXCHANGE | LOCAL))
            at += 1
            continue
        while at <= there:  # the exchange saw these before, the local side sees them later
            rows.append(events[at]._replace(ev=events[at].ev | EXCHANGE))
            at += 1
        rows.append(events[there]._replace(ev=events[there].ev | LOCAL))
    return rows


def array(rows: Sequence[Event]) -> bytes:
    """The rows as a NumPy file, format 1.0."""
    head = f"{{'descr': {list(FIELDS)!r}, 'fortran_order': False, 'shape': ({len(rows)},), }}"
    padded = head + " " * (-(len(head) + 11) % 64) + "\n"
    body = b"".join([_ROW.pack(*row, 0, 0, 0.0) for row in rows])
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(padded)) + padded.encode() + body
