"""The lab's table: as Markdown, as JSON, and its summary in a sentence."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from realtime.lab.stage import Row

HEAD = (
    *("fault", "venue", "instrument", "seed", "detected after", "repaired after"),
    *("trades lost", "trades doubled", "ms wrong as complete", "alive", "noticed by, or why not; broken promises"),
)

LEGEND = """\
Times in seconds of market time since the fault first did something. `trades lost` were published by nobody here; those
in brackets stand in no gap row either. `ms wrong as complete` is how long a subscriber of `depth`, `bbo` and
`book_snapshot` was shown as complete what had not been true for longer than the engine tolerates (2.3 s). `alive`: the
engine raised nothing and every connection stood lately. A dash means never. **Bold** is a promise not kept; *known
limit* is a loss that the venue gives us no means to know of.
"""


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f} s"


def cells(row: Row) -> tuple[str, ...]:
    """One row in words."""
    lost = f"{row.lost} ({row.unsaid})" if row.unsaid else str(row.lost)
    told = [f"**{', '.join(row.broken)}**"] if row.broken else []
    told += ["*known limit*"] if row.limit else []
    told += [words for words in (row.error, row.by, row.reason) if words]
    return (
        row.fault,
        row.venue,
        row.instrument,
        str(row.seed),
        _seconds(row.detected_s),
        _seconds(row.repaired_s),
        lost,
        str(row.doubled),
        str(row.wrong_ms),
        "yes" if row.alive else "no",
        "; ".join(told).replace("|", "/").replace("\n", " "),
    )


def summary(rows: Sequence[Row]) -> str:
    """`168 faults: all promises kept, 4 within known limits` or what was not kept."""
    broken = [row for row in rows if row.broken]
    if not broken:
        limits = sum(row.limit for row in rows)
        return f"{len(rows)} faults: all promises kept" + (f", {limits} within known limits" if limits else "")
    names = dict.fromkeys(words for row in broken for words in row.broken)
    counts = (f"{words} {sum(words in row.broken for row in broken)}" for words in names)
    return f"{len(rows)} faults: {len(broken)} with broken promises ({', '.join(counts)})"


def markdown(rows: Sequence[Row]) -> str:
    """The whole page."""
    lines = ["# Fault lab", "", f"{summary(rows)}.", "", LEGEND, _line(HEAD), _line(["---"] * len(HEAD))]
    lines += [_line(cells(row)) for row in rows]
    return "\n".join(lines) + "\n"


def _line(found: Sequence[str]) -> str:
    return f"| {' | '.join(found)} |"


def json(rows: Sequence[Row]) -> bytes:
    """All fields of all rows, as JSON."""
    return msgspec.json.format(msgspec.json.encode(rows), indent=2) + b"\n"
