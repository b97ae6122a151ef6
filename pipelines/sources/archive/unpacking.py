"""The text of a bulk file, in blocks of whole lines: out of a zip, out of a gzip, or as it is.

Unpacking runs in a thread of its own, a few blocks ahead of whoever reads them: zlib and the CSV reader then share the
work of two cores.
"""

from __future__ import annotations

import gzip
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, Full, Queue
from threading import Event, Thread
from typing import IO, cast

from warehouse.errors import BadFile

BLOCK = 32 << 20
"""Bytes of text that are read as one table."""

AHEAD = 2
"""Blocks that wait to be read."""

AGAIN = "Remove it and fetch it again; when it stays as it is, the venue's own copy is damaged."


def blocks(path: Path, venue: str, size: int = BLOCK) -> Iterator[bytes]:
    """The file's text in blocks of about `size` bytes that end where a line ends. Raises BadFile for a damaged file."""
    waiting: Queue[bytes | BaseException | None] = Queue(AHEAD)
    enough = Event()

    def hand(item: bytes | BaseException | None) -> bool:
        while not enough.is_set():
            try:
                waiting.put(item, timeout=0.1)
            except Full:
                continue
            return True
        return False

    def unpack() -> None:
        try:
            for block in _whole_lines(path, venue, size):
                if not hand(block):
                    return
            hand(None)
        except Exception as error:  # noqa: BLE001  raised again where the blocks are read
            hand(error)

    thread = Thread(target=unpack, name="unpack", daemon=True)
    thread.start()
    try:
        while (item := waiting.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        enough.set()
        _drain(waiting)
        thread.join()


def _drain(waiting: Queue[bytes | BaseException | None]) -> None:
    while True:
        try:
            waiting.get_nowait()
        except Empty:
            return


def _whole_lines(path: Path, venue: str, size: int) -> Iterator[bytes]:
    rest = b""
    try:
        with _opened(path, venue) as text:
            while part := text.read(size):
                cut = part.rfind(b"\n") + 1
                if cut == 0:
                    rest += part
                    continue
                yield rest + part[:cut]
                rest = part[cut:]
    except (zipfile.BadZipFile, gzip.BadGzipFile, zlib.error, EOFError, OSError) as error:
        raise BadFile(venue, str(path), f"it is cut short or damaged ({error})", AGAIN) from None
    if rest:
        yield rest


@contextmanager
def _opened(path: Path, venue: str) -> Iterator[IO[bytes]]:
    if path.name.endswith(".zip"):
        with zipfile.ZipFile(path) as packed:
            tables = [name for name in packed.namelist() if name.endswith(".csv") and not name.startswith("__")]
            if len(tables) != 1:
                raise BadFile(venue, str(path), f"it holds {len(tables)} tables, not one", "Unpack it, and name one.")
            with packed.open(tables[0]) as text:
                yield text
    elif path.name.endswith(".gz"):
        with gzip.open(path, "rb") as text:
            yield cast("IO[bytes]", text)
    else:
        with path.open("rb") as text:
            yield text
