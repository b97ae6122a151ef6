"""Old segments: sealed with zstd once the lake has them, and dropped after their time."""

from __future__ import annotations

import os
from itertools import pairwise
from pathlib import Path

import msgspec
import structlog
import zstandard

from realtime.tape import SEALED, SUFFIX, segments
from warehouse.clock import Micros, monotonic
from warehouse.journal import HEAD, Segment, read_opening

log = structlog.get_logger()

LEVEL = 3

SEALING_S = 2.0
"""Who seals begins no further segment after so many seconds, and comes again: others wait meanwhile."""


class Tidied(msgspec.Struct, frozen=True):
    """What one tidying did: segments sealed, segments dropped, and the bytes that remain.

    `more` says that time ended before the sealing did.
    """

    sealed: int
    dropped: int
    size: int
    more: bool


def opening_of(path: Path) -> Segment:
    """A segment's header and checkpoint, without reading its entries. Raises JournalError when it is no segment."""
    with path.open("rb") as file:
        source = zstandard.ZstdDecompressor().stream_reader(file) if path.suffix == SEALED else file
        data = b""
        for _ in range(2):
            head = source.read(HEAD.size)
            data += head
            if len(head) == HEAD.size:
                data += source.read(HEAD.unpack(head)[1])
        return read_opening(data, str(path))


def seal(path: Path) -> Path:
    """Compress a closed segment: written beside, flushed, renamed, and only then is the original removed."""
    target, temporary = path.with_suffix(SEALED), path.with_suffix(".tmp")
    try:
        with path.open("rb") as source, temporary.open("wb") as sink:
            zstandard.ZstdCompressor(level=LEVEL).copy_stream(source, sink, size=path.stat().st_size)
            sink.flush()
            os.fsync(sink.fileno())
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    temporary.rename(target)
    path.unlink()
    return target


def tidy(
    folder: Path, done: int, now: Micros, retention_us: Micros, retention_bytes: int, seconds: float = SEALING_S
) -> Tidied:
    """Seal the segments that the lake has up to `done`, and drop sealed ones that are too old or too many.

    The segment being written and the one before it are left alone: a restarting recorder begins there. At least one is
    sealed, and no further one begun after `seconds`. A segment is as old as its successor's beginning. Where the disk
    has no room to seal one, old ones are dropped all the same.
    """
    begun = monotonic()
    files = segments(folder)
    settled = [path for path, after in pairwise(files[:-1]) if int(after.stem) - 1 <= done]
    sealed, more = 0, False
    for path in settled:
        if path.suffix == SEALED:
            path.with_suffix(SUFFIX).unlink(missing_ok=True)  # killed between the rename and the removal
            continue
        if more := sealed > 0 and monotonic() - begun >= seconds:
            break
        try:
            seal(path)
        except OSError as error:
            log.warning("not_sealed", segment=str(path), why=error.strerror)
            break
        sealed += 1
    sizes = {path: path.stat().st_size for path in segments(folder)}
    total = sum(sizes.values())
    dropped = 0
    for path in (one.with_suffix(SEALED) for one in settled):
        if path not in sizes:
            continue
        after = files[[int(one.stem) for one in files].index(int(path.stem)) + 1]
        age = now - opening_of(after if after in sizes else after.with_suffix(SEALED)).header.created
        if age <= retention_us and total <= retention_bytes:
            break
        path.unlink()
        total -= sizes[path]
        dropped += 1
    return Tidied(sealed, dropped, total, more)
