"""The journal: every input of a worker, as received, in order, checksummed, before the engine sees it.

Layout (`shapes.md` measured the choices: a msgpack block with one crc per event-loop turn, one `write` each)::

    segment  <first_seq:020d>.j      a header block, a checkpoint block, then entry blocks; `.jz` when sealed with
    zstd
    block    magic, body_len, crc32(header with crc=0 + body), count, first_seq      24 bytes, then the body
    body     msgpack [[ts_recv, source, kind, payload], ...]                          seq = first_seq + position

The crc covers the block's header too. A torn tail is found and cut by reading: an invalid block ends a segment, and a
reader goes on only with a segment named exactly by the next expected sequence number. A starting writer never appends
to an old segment. This module is pure: it turns entries into bytes and bytes into entries; `realtime/tape.py` holds the
files.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from enum import IntEnum

import msgspec

from warehouse.clock import Micros
from warehouse.errors import JournalError
from warehouse.instruments import Rules

VERSION = 1
HEAD = struct.Struct("<4sIIIQ")
MAGIC = b"P9J1"
HEADER_MAGIC = b"P9H1"
CHECKPOINT_MAGIC = b"P9C1"
MAX_BODY = 256 << 20


class Kind(IntEnum):
    """What an entry is. The payload of each, in brackets."""

    FRAME = 1  # a frame from a connection, as received [the bytes]
    ANSWER = 2  # a REST reply to a session's Fetch [msgpack Answered]
    CONNECTED = 3  # a connection came up [empty]
    DISCONNECTED = 4  # a connection went down [why, UTF-8]
    TICK = 5  # 100 ms of the UTC grid passed [empty]; source is empty
    CONTEXT = 6  # a context document [MessagePack bytes]; source is the instrument
    RULES = 7  # new instrument rules [msgpack list[Rules]]
    SEAM = 8  # a seam certificate [msgpack]; source is the instrument
    HEALTH = 9  # a measurement that can change a published byte [msgpack]
    ROTATE = 10  # somebody wants another connection in place of this one [why, UTF-8]


class Entry(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One input. `source` is the connection's name, or the instrument for documents."""

    ts_recv: Micros
    source: str
    kind: int
    payload: bytes


class Answered(msgspec.Struct, frozen=True):
    """Payload of `Kind.ANSWER`: which request, the HTTP status (0: none came), and the body."""

    purpose: str
    base: str
    path: str
    query: dict[str, str]
    ccxt: str
    weight: int
    instrument: str
    tag: str
    status: int
    body: bytes


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """First block of every segment: what is needed to replay it.

    `journal_id` is made with the first segment and names the journal for ever; `run_id` names the process that wrote
    this segment. `realm` is `live` or `emulated`. `rules` are those in force at the segment's first entry. `config` is
    the engine's configuration as JSON text, with its digest in `config_digest`. `follows` is the number at which the
    journal before was found to end: smaller than `first_seq` only where the recorder had read entries that the disk
    then lost.
    """

    version: int = VERSION
    journal_id: str
    run_id: str
    realm: str
    venue: str
    first_seq: int
    created: Micros
    rules: list[Rules]
    config: str
    config_digest: str
    platform: str = ""
    streams: tuple[str, ...] | None = None
    dialect_at: Micros | None = None
    follows: int | None = None

    @property
    def jumps(self) -> bool:
        """Whether entries between the segment before and this one are lost."""
        return self.follows is not None and self.follows != self.first_seq


_entries = msgspec.msgpack.Decoder(list[Entry])
_header = msgspec.msgpack.Decoder(Header)
_encode = msgspec.msgpack.Encoder().encode


def block(magic: bytes, body: bytes, count: int, first_seq: int) -> bytes:
    """One framed block: 24 bytes of header, then `body`."""
    bare = HEAD.pack(magic, len(body), 0, count, first_seq)
    return HEAD.pack(magic, len(body), zlib.crc32(body, zlib.crc32(bare)), count, first_seq) + body


def entries_block(entries: list[Entry], first_seq: int) -> bytes:
    """A block of one event-loop turn; entry i has `log_seq = first_seq + i`."""
    return block(MAGIC, _encode(entries), len(entries), first_seq)


def opening(header: Header, checkpoint: bytes) -> bytes:
    """The first bytes of a segment: header block and checkpoint block (the engine's state as JSON)."""
    return block(HEADER_MAGIC, _encode(header), 0, header.first_seq) + block(
        CHECKPOINT_MAGIC, checkpoint, 0, header.first_seq
    )


class Block(msgspec.Struct, frozen=True, gc=False):
    """A whole, checked block. `end` is the offset just behind it."""

    magic: bytes
    body: bytes
    count: int
    first_seq: int
    end: int

    def entries(self) -> list[Entry]:
        return _entries.decode(self.body)

    def header(self) -> Header:
        return _header.decode(self.body)


def read_block(data: bytes | memoryview, at: int) -> Block | None:
    """The block at offset `at`, or None when there is no whole and valid one (a torn or unfinished tail)."""
    if at + HEAD.size > len(data):
        return None
    magic, size, crc, count, first_seq = HEAD.unpack_from(data, at)
    if magic not in (MAGIC, HEADER_MAGIC, CHECKPOINT_MAGIC) or size > MAX_BODY:
        return None
    end = at + HEAD.size + size
    if end > len(data):
        return None
    body = bytes(data[at + HEAD.size : end])
    if zlib.crc32(body, zlib.crc32(HEAD.pack(magic, size, 0, count, first_seq))) != crc:
        return None
    return Block(magic, body, count, first_seq, end)


class Segment(msgspec.Struct, frozen=True, kw_only=True):
    """A segment's opening, and where its entries begin."""

    header: Header
    checkpoint: bytes
    start: int


def read_opening(data: bytes | memoryview, path: str) -> Segment:
    """Parse the opening of a segment. Raises JournalError naming `path` when it is not one."""
    head = read_block(data, 0)
    if head is None or head.magic != HEADER_MAGIC:
        raise JournalError(
            f"{path}: not a journal segment (no valid header block). Convert recordings with 'p9 journal import'."
        )
    header = head.header()
    if header.version != VERSION:
        raise JournalError(
            f"{path}: journal format {header.version}, this program reads {VERSION}; use the release that wrote it."
        )
    keep = read_block(data, head.end)
    if keep is None or keep.magic != CHECKPOINT_MAGIC:
        raise JournalError(f"{path}: the checkpoint block is torn; the segment holds nothing, remove it.")
    return Segment(header=header, checkpoint=keep.body, start=keep.end)


def iterate(data: bytes | memoryview, start: int, expected: int) -> Iterator[tuple[int, Entry]]:
    """`(log_seq, entry)` from offset `start` up to the last whole block; a block out of sequence ends it too."""
    at = start
    while (found := read_block(data, at)) is not None and found.magic == MAGIC and found.first_seq == expected:
        for position, entry in enumerate(found.entries()):
            yield expected + position, entry
        expected += found.count
        at = found.end
