"""The journal's files: append, read, follow.

A writer opens `<first_seq:020d>.j`, puts header and checkpoint into it, then one block per event-loop turn. It never
appends to an old segment. A follower takes an invalid block for an unfinished one and waits; it goes on when a segment
named exactly by the next expected sequence number exists.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import msgspec
import zstandard

from warehouse.errors import JournalError
from warehouse.journal import (
    HEAD,
    MAGIC,
    Entry,
    Header,
    Segment,
    entries_block,
    iterate,
    opening,
    read_block,
    read_opening,
)

SUFFIX = ".j"
SEALED = ".jz"
CHUNK = 4 << 20
TAKEN = "taken.json"
_UNHEARD = "Nothing more is published; what it holds is kept, and what is missed meanwhile is fetched"


def segments(folder: Path) -> list[Path]:
    """Segment files of a journal folder by first sequence number; where both forms exist, the sealed one."""
    found: dict[int, Path] = {}
    if folder.is_dir():
        for path in sorted(folder.iterdir()):
            if path.suffix in (SUFFIX, SEALED) and path.stem.isdigit():
                found[int(path.stem)] = path
    return [found[first] for first in sorted(found)]


def read_bytes(path: Path) -> bytes:
    """A segment's bytes, unsealed when needed. Raises JournalError when the file is gone or broken."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        sealed = path.with_suffix(SEALED)
        if path != sealed and sealed.exists():  # the recorder sealed it since the folder was listed
            return read_bytes(sealed)
        raise JournalError(f"{path}: no such journal segment") from None
    if path.suffix != SEALED:
        return data
    try:
        return zstandard.ZstdDecompressor().decompressobj().decompress(data)
    except zstandard.ZstdError as error:
        raise JournalError(f"{path}: sealed segment is damaged: {error}") from None


def read_segments(path: Path, from_seq: int = 0) -> Iterator[tuple[Segment, Iterator[tuple[int, Entry]]]]:
    """Each segment of a journal (a folder, or one segment file) with its entries, in order.

    Raises JournalError when there is none.

    Of a folder, the first segment is the one that holds `from_seq`, or the oldest.
    """
    files = segments(path) if path.is_dir() else [path]
    if not files:
        raise JournalError(f"{path}: no journal segments here. A journal is a folder of *.j files.")
    if path.is_dir():
        files = files[max((at for at, file in enumerate(files) if int(file.stem) <= from_seq), default=0) :]
    for file in files:
        data = read_bytes(file)
        segment = read_opening(data, str(file))
        yield segment, iterate(data, segment.start, segment.header.first_seq)


def end_of(path: Path) -> tuple[Segment, int, int]:
    """A segment's opening, the sequence number after its last whole block, and the offset there."""
    data = read_bytes(path)
    segment = read_opening(data, str(path))
    at, expected = segment.start, segment.header.first_seq
    while (found := read_block(data, at)) is not None and found.magic == MAGIC and found.first_seq == expected:
        expected += found.count
        at = found.end
    return segment, expected, at


class _Taken(msgspec.Struct, frozen=True):
    journal_id: str
    log_seq: int


def leave_word(folder: Path, journal_id: str, log_seq: int) -> None:
    """The recorder's word, on disk before each of its commits: no later `log_seq` than this has reached the lake.

    A journal that lost its end in a power failure must not give those numbers to other entries.
    """
    path = folder / TAKEN
    temporary = path.with_suffix(".new-json")
    try:
        with temporary.open("wb") as file:
            file.write(msgspec.json.encode(_Taken(journal_id, log_seq)))
            file.flush()
            os.fdatasync(file.fileno())
        temporary.rename(path)
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise _refused(path, error, "The lake is behind the journal, which is kept") from None


def taken(folder: Path, journal_id: str) -> int:
    """Up to which `log_seq` this journal's entries may be in the lake; 0 when the recorder has left no word of it."""
    try:
        word = msgspec.json.decode((folder / TAKEN).read_bytes(), type=_Taken)
    except (FileNotFoundError, msgspec.DecodeError):
        return 0
    return word.log_seq if word.journal_id == journal_id else 0


class Writer:
    """Appends entries to a journal folder, one block per call, and starts new segments by size or age."""

    def __init__(self, folder: Path, header: Header, checkpoint: bytes) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _refused(folder, error) from None
        self.folder = folder
        self.next_seq = header.first_seq
        self._open(header, checkpoint)

    def _open(self, header: Header, checkpoint: bytes) -> None:
        path = self.folder / f"{header.first_seq:020d}{SUFFIX}"
        start = opening(header, checkpoint)
        # The name can exist only when its segment held no whole block of entries: nothing is lost by beginning it
        # again.
        temporary = path.with_suffix(".new")
        try:
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o644)
        except OSError as error:
            raise _refused(temporary, error) from None
        try:
            if os.write(descriptor, start) < len(start):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fdatasync(descriptor)
            temporary.rename(path)
        except OSError as error:
            os.close(descriptor)
            temporary.unlink(missing_ok=True)
            raise _refused(path, error) from None
        self.path, self._fd = path, descriptor
        self.size = len(start)
        self.opened_at = header.created
        self.header = header

    def append(self, entries: list[Entry]) -> int:
        """Write one block; returns the `log_seq` of its first entry.

        Raises JournalError when the disk refuses: then nothing may be appended any more, since half a block may stand
        at the end, where readers stop.
        """
        first = self.next_seq
        data = entries_block(entries, first)
        try:
            if os.write(self._fd, data) < len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            raise _refused(self.path, error) from None
        self.size += len(data)
        self.next_seq = first + len(entries)
        return first

    def rotate(self, header: Header, checkpoint: bytes) -> None:
        """Close this segment and begin the next one with `header` (whose `first_seq` must be `next_seq`)."""
        if header.first_seq != self.next_seq:
            raise JournalError(f"{self.folder}: a segment must begin at {self.next_seq}, not {header.first_seq}")
        self.sync()
        before = self._fd
        self._open(header, checkpoint)
        os.close(before)

    def sync(self) -> None:
        """Flush to disk; safe from another thread. Raises JournalError when the disk refuses."""
        try:
            os.fdatasync(self._fd)
        except OSError as error:
            raise _refused(self.path, error) from None

    def close(self) -> None:
        """Flush to disk and let go of the file, also where flushing fails."""
        try:
            self.sync()
        finally:
            os.close(self._fd)


def _refused(path: Path, error: OSError, effect: str = _UNHEARD) -> JournalError:
    """What is wrong, where, and what to do."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        todo = "free space there"
    elif error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
        todo = "make it writable, or choose another home folder"
    else:
        todo = "check the disk"
    return JournalError(f"{path}: cannot write the journal: {error.strerror}. {effect}; {todo}, then start again.")


class Tail:
    """Follows a journal folder from a sequence number on, while it is being written.

    `segment` is the opening of the segment now read; it changes before the entries of a new segment are returned.
    Where the disk lost a journal's end, the next segment says so in its header, and reading goes on there.
    """

    def __init__(self, folder: Path, from_seq: int = 0) -> None:
        self.folder = folder
        self.segment: Segment | None = None
        self._from = from_seq
        self._expected = 0
        self._path: Path | None = None
        self._offset = 0
        self._sealed: bytes | None = None
        self._opening = b""

    def read(self, limit: int = 50_000) -> list[tuple[int, Entry]]:
        """Up to about `limit` further entries with their `log_seq`, none when there is nothing new.

        Never crosses into a new segment within one call.
        """
        if self.segment is None and not self._start():
            return []
        if self._path is not None and self._expected == int(self._path.stem) and self._begun_again():
            self._enter(self._path)  # it had held no entry
        found = self._take(limit)
        if not found and self._advance():
            found = self._take(limit)
        return [(seq, entry) for seq, entry in found if seq >= self._from]

    @property
    def next_seq(self) -> int:
        """The sequence number expected next."""
        return self._expected

    @property
    def path(self) -> Path | None:
        """The segment file now read."""
        return self._path

    def sync(self) -> None:
        """Flush the segment now read to disk, so that nothing downstream is ahead of the journal after a power
        failure.
        """
        if self._path is not None and self._path.suffix == SUFFIX and self._path.exists():
            descriptor = os.open(self._path, os.O_RDONLY)
            try:
                os.fdatasync(descriptor)
            finally:
                os.close(descriptor)

    def _start(self) -> bool:
        files = segments(self.folder)
        if not files:
            return False
        before = [path for path in files if int(path.stem) <= self._from]
        return self._enter(before[-1] if before else files[0])

    def _enter(self, path: Path) -> bool:
        data = read_bytes(path)
        self.segment = read_opening(data, str(path))
        self._opening = data[: HEAD.size + HEAD.unpack_from(data, 0)[1]]
        self._path, self._offset, self._expected = path, self.segment.start, self.segment.header.first_seq
        self._sealed = data if path.suffix == SEALED else None
        return True

    def _advance(self) -> bool:
        """Go to the segment named by the next expected number, if it exists; the current one must have nothing
        left.
        """
        for suffix in (SUFFIX, SEALED):
            path = self.folder / f"{self._expected:020d}{suffix}"
            if path != self._path and path.exists():
                # The writer may have added to the old segment between our read and its closing.
                return not self._pending() and self._enter(path)
        return self._after_loss()

    def _after_loss(self) -> bool:
        """Go where a writer went on that found less than there was, if one did.

        Raises JournalError when it gives numbers again that were already read: what was made of them must be forgotten.
        """
        assert self._path is not None
        own = self._path
        after = next((path for path in segments(self.folder) if int(path.stem) > int(own.stem)), None)
        if after is None and not self._begun_again():
            return False
        if after is not None and self._expected == int(after.stem):
            return False  # made since we looked for it by name
        if after is not None and self._expected < int(after.stem):
            follows = read_opening(read_bytes(after), str(after)).header.follows
            return follows == self._expected and not self._pending() and self._enter(after)
        raise JournalError(
            f"{after or own}: gives numbers again below {self._expected}, which were read before the disk lost them; "
            f"start again to read on from what is committed"
        )

    def _begun_again(self) -> bool:
        """Whether a writer has made the segment now read anew."""
        if self._path is None or self._path.suffix == SEALED:
            return False
        try:
            with self._path.open("rb") as file:
                return file.read(len(self._opening)) != self._opening
        except FileNotFoundError:
            return False  # sealed

    def _pending(self) -> bool:
        return read_block(self._data(), 0) is not None

    def _data(self) -> bytes:
        if self._sealed is not None:
            return self._sealed[self._offset :]
        if self._path is None:
            return b""
        try:
            with self._path.open("rb") as file:
                file.seek(self._offset)
                data = file.read(CHUNK)
                # A block larger than the chunk is read whole.
                if len(data) == CHUNK and read_block(data, 0) is None and len(data) >= HEAD.size:
                    size = HEAD.unpack_from(data, 0)[1]
                    data += file.read(max(0, size + HEAD.size - len(data)))
                return data
        except FileNotFoundError:
            sealed = self._path.with_suffix(SEALED)
            whole = read_bytes(sealed)
            self._path, self._sealed = sealed, whole
            return whole[self._offset :]

    def _take(self, limit: int) -> list[tuple[int, Entry]]:
        data = self._data()
        found: list[tuple[int, Entry]] = []
        at = 0
        while len(found) < limit:
            block = read_block(data, at)
            if block is None or block.magic != MAGIC or block.first_seq != self._expected:
                break
            found.extend((block.first_seq + position, entry) for position, entry in enumerate(block.entries()))
            self._expected += block.count
            at = block.end
        self._offset += at
        return found
