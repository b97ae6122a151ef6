"""What the emulated venues' archives share: packed tables, made of the market's own rows, and which days there are.

A file is out when its time has passed and all of its time lies in the market's memory; of any other there is none.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import zipfile
from collections.abc import Iterable, Sequence

from warehouse.clock import Micros
from warehouse.records import Trade
from warehouse.venues.base import MarketView, Reply

ALL = 1 << 40
"""More rows than a market has."""

DOUBLED = 50
"""Of so many rows one stands twice, where a venue's files are like that."""

SWAPPED = 40
"""... and so many rows apart two neighbours have changed places."""

NOTHING = Reply(status=404, body=b"<Error><Code>NoSuchKey</Code></Error>", headers={"Content-Type": "application/xml"})


def table(rows: Iterable[Sequence[object]], header: str = "") -> bytes:
    """Rows as comma-separated lines."""
    lines = [",".join(map(str, row)) for row in rows]
    return ("\n".join([header, *lines] if header else lines) + "\n").encode()


def zipped(name: str, text: bytes) -> bytes:
    """One table in a zip; the same bytes at any time."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo(name, (2025, 1, 1, 0, 0, 0)), text, zipfile.ZIP_DEFLATED)
    return packed.getvalue()


def gzipped(text: bytes) -> bytes:
    """A table in a gzip; the same bytes at any time."""
    return gzip.compress(text, mtime=0)


def reply(body: bytes) -> Reply:
    """A file, with the tag by which a client goes on with it."""
    tag = hashlib.sha256(body).hexdigest()
    return Reply(status=200, body=body, headers={"Content-Type": "application/octet-stream", "ETag": f'"{tag[:32]}"'})


def reaches(view: MarketView, instrument: str, start: Micros) -> bool:
    """Whether the market still knows every trade since `start`."""
    first = view.trades_by_id(instrument, 0, 1)
    return bool(first) and first[0].ts_event <= start


def trades(view: MarketView, instrument: str, start: Micros, end: Micros) -> list[Trade] | None:
    """All trades of `[start, end)`; None where the market does not reach so far back."""
    if not reaches(view, instrument, start):
        return None
    return view.trades_by_time(instrument, start, end, ALL, False)


def disordered(rows: Sequence[Trade]) -> list[Trade]:
    """Rows as the worst files have them: some doubled, some neighbours swapped."""
    found: list[Trade] = []
    for place, row in enumerate(rows):
        found.append(row)
        if place % DOUBLED == 0:
            found.append(row)
    for place in range(SWAPPED, len(found), SWAPPED):
        found[place - 1], found[place] = found[place], found[place - 1]
    return found
