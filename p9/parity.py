"""`p9 verify parity`: what a running installation publishes, captured and compared with its journals."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, cast

import msgspec
import redis

from p9.following import published
from realtime.board import CHANNEL as STATUS
from realtime.captured import Captured
from realtime.channels import CHANNELS
from realtime.parity import Difference, Parity, Produced, Tally, seq_at, span
from realtime.tape import segments
from warehouse import keys
from warehouse.clock import monotonic
from warehouse.errors import ConfigError

if TYPE_CHECKING:
    from rich.table import Table

FOREIGN = (STATUS,)
"""Kinds of channels that are not the workers': the board publishes them without a journal."""

PAGE = 1000
SHOWN = 40
"""So many differing fields of the first difference are printed."""


def journals(root: Path, named: tuple[Path, ...] = ()) -> list[Path]:
    """The journal folders to replay. Raises ConfigError when there is none."""
    found = list(named) or sorted(path for path in (root.iterdir() if root.is_dir() else ()) if segments(path))
    if not found:
        raise ConfigError(f"no journal under {root}: nothing was recorded here; start 'p9 up', or name one (--journal)")
    return found


def reports(bus: redis.Redis) -> dict[str, Produced]:
    """What every running worker says it produced, by venue."""
    found: dict[str, Produced] = {}
    for key in sorted(bus.scan_iter(match=keys.health("worker-*"))):
        body = bus.get(key)
        if isinstance(body, bytes):
            told = msgspec.json.decode(body, type=Produced)
            found[told.venue] = told
    return found


def capture(bus: redis.Redis, out: Path, seconds: float) -> int:
    """Write every message published within `seconds` to a file, after what `last:` holds; returns how many."""
    end, count = monotonic() + seconds, 0
    patterns = [f"{channel.name}:*" for channel in CHANNELS]
    with out.open("wb") as file:
        for body in published(bus, patterns, 0.1):
            if body is not None:
                file.write(body + b"\n")
                count += 1
            if monotonic() >= end:
                break
    return count


def dump_streams(bus: redis.Redis, out: Path) -> None:
    """Write all entries of all lossless channels' streams to a file."""
    with out.open("wb") as file:
        for key in sorted(bus.scan_iter(match="stream:*", count=1000)):
            for body in _entries(bus, key):
                file.write(body + b"\n")


def _entries(bus: redis.Redis, key: bytes) -> Iterator[bytes]:
    begin = "-"
    while rows := cast("list[tuple[bytes, dict[bytes, bytes]]]", bus.xrange(key, begin, "+", PAGE)):
        for _, fields in rows:
            yield fields[b"message"]
        begin = f"({rows[-1][0].decode()}"


def live(
    bus: redis.Redis, folders: list[Path], seconds: float, whole: bool, tell: Callable[[str], None]
) -> tuple[Parity, bool]:
    """Capture for `seconds`, then compare with the journals from where they were; `whole`: from their beginning.

    Raises ConfigError when no worker reports or nothing is published.
    """
    before = reports(bus)
    if not before:
        raise ConfigError("no worker reports on this bus: nothing is being published; start 'p9 up' or 'p9 worker'")
    with tempfile.TemporaryDirectory(prefix="p9-parity-") as name:
        heard_at, streams_at = Path(name) / "heard.jsonl", Path(name) / "streams.jsonl"
        tell(f"listening for {seconds:g} s")
        count = capture(bus, heard_at, seconds)
        after = reports(bus)
        if not count:
            raise ConfigError(f"nothing was published within {seconds:g} s; see 'p9 status'")
        dump_streams(bus, streams_at)
        spans = [span(None if whole else before.get(venue), told) for venue, told in sorted(after.items())]
        heard, streams = Captured(heard_at), Captured(streams_at)
        try:
            parity = Parity(heard, streams, spans, FOREIGN)
            for folder in folders:
                begin = [told.next_seq for told in before.values() if told.venue == folder.name]
                begin += [one.first for one in spans if one.venue == folder.name]
                tell(f"{count} messages heard; replaying {folder}")
                parity.run(folder, 0 if whole else min(begin, default=0))
            return parity, parity.finish()
        finally:
            heard.close()
            streams.close()


def recorded(file: Path, folders: list[Path], whole: bool) -> tuple[Parity, bool]:
    """Compare a file that `p9 watch --json` wrote. Raises ConfigError for any other file and an empty one."""
    heard = Captured(file)
    try:
        if not len(heard):
            raise ConfigError(f"{file}: holds no message; record with 'p9 watch --json'")
        parity = Parity(heard, foreign=FOREIGN)
        for folder in folders:
            parity.run(folder, 0 if whole else seq_at(folder, heard.first))
        return parity, parity.finish()
    finally:
        heard.close()


def table(parity: Parity) -> Table:
    """One row per kind of channel."""
    from rich.table import Table

    told: dict[str, int] = {}
    again: dict[str, int] = {}
    for one in parity.spans:
        for counts, sums in ((one.told, told), (one.found, again)):
            for kind, count in counts.items():
                sums[kind] = sums.get(kind, 0) + count
    found = Table("channel", "heard", "stream", "produced, replayed")
    for kind in [channel.name for channel in CHANNELS]:
        sides = [parity.heard.get(kind), parity.streams.get(kind)]
        if any(sides) or kind in told or kind in again:
            counted = f"{told.get(kind, 0)}, {again.get(kind, 0)}" if parity.spans else ""
            found.add_row(kind, *(_cell(side) for side in sides), counted)
    return found


def _cell(tally: Tally | None) -> str:
    """`812 equal`, and what else there is."""
    if tally is None or not tally.seen + tally.missing:
        return ""
    others = {"different": tally.different, "missing": tally.missing, "older": tally.older}
    return ", ".join([f"{tally.equal} equal", *(f"{count} {what}" for what, count in others.items() if count)])


def describe(one: Difference) -> list[str]:
    """A difference in full, a line per field."""
    where = f"{one.channel} epoch {one.epoch} seq {one.seq}"
    if one.replayed is None:
        return [f"{where}: published, but the journal does not give it:", f"  {_text(one.published)}"]
    if one.published is None:
        return [f"{where}: given by the journal, but the stream lacks it:", f"  {_text(one.replayed)}"]
    rows = one.fields()
    lines = [f"  {path}: published {live}, replayed {again}" for path, live, again in rows[:SHOWN]]
    more = [f"  and {len(rows) - SHOWN} more fields"] if len(rows) > SHOWN else []
    return [f"{where}: differs:", *lines, *more]


def _text(body: bytes | None) -> str:
    return (body or b"").decode(errors="replace")
