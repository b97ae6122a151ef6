"""Telling how a file is written from its first lines: header or none, which layout, in which unit its times are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from warehouse.errors import BadFile
from warehouse.venues.archives import Layout

TimeUnit = Literal["number", "seconds", "words"]
"""Whole milliseconds or microseconds (each row's size tells which); seconds with a fraction; `2026-11-20 00:05:00`."""

_BOM = b"\xef\xbb\xbf"


class Told(msgspec.Struct, frozen=True):
    """How one file is written: the place of each of our columns among `width`, and whether line one is a header."""

    layout: Layout
    places: dict[str, int]
    width: int
    header: bool
    times: TimeUnit


def told(block: bytes, layouts: Sequence[Layout], venue: str, file: str) -> Told | None:
    """How the file that begins with `block` is written; None for an empty one. Raises BadFile for an unknown header."""
    head, _, rest = block.removeprefix(_BOM).partition(b"\n")
    cells = _cells(head)
    if not head.strip():
        return None
    header = not cells[0][:1].isdigit()
    for layout in layouts:
        places = layout.chosen(cells) if header else layout.counted(len(cells))
        if places is not None:
            first = _cells(rest.partition(b"\n")[0]) if header else cells
            time = first[places["time"]] if len(first) == len(cells) else ""
            return Told(layout, places, len(cells), header, _unit(time))
    kind = layouts[0].kind
    known = " or ".join(",".join(names[0] for names in layout.columns.values()) for layout in layouts)
    what = f"its header {','.join(cells)!r} is" if header else f"{len(cells)} columns without a header are"
    raise BadFile(
        venue,
        file,
        f"{what} unknown for {kind}; needed: {known}",
        f"See that it is a file of {kind}; if {venue} changed its format, extend warehouse/venues/{venue}/archive.py.",
    )


def _cells(line: bytes) -> list[str]:
    """The cells of a line; some headers of old are in GBK."""
    try:
        text = line.decode()
    except UnicodeDecodeError:
        text = line.decode("gbk", "replace")
    return [cell.strip().strip('"') for cell in text.strip().split(",")]


def _unit(time: str) -> TimeUnit:
    if "-" in time or ":" in time:
        return "words"
    return "seconds" if "." in time or len(time) <= 10 else "number"
