"""Published messages kept in a file of JSON lines, found by channel, epoch and seq."""

from __future__ import annotations

import mmap
import re
from pathlib import Path

import msgspec

from warehouse.clock import Micros
from warehouse.errors import ConfigError

SENDER = re.compile(rb',"prev":\d+,"ts_pub":\d+,"source":"[a-z]+"')
RECORD = re.compile(rb'^\{"record":"\w+",')

Key = tuple[int, int]
"""Epoch and seq of a message."""


def made(body: bytes) -> bytes:
    """What the engine wrote of a published message: all but `prev`, `ts_pub` and `source`.

    >>> made(b'{"v":1,"channel":"c","epoch":1,"seq":2,"prev":1,"ts_pub":5,"source":"live","ts_event":4}')
    b'{"v":1,"channel":"c","epoch":1,"seq":2,"ts_event":4}'
    """
    return SENDER.sub(b"", RECORD.sub(b"{", body.strip(), count=1), count=1)


class Place(msgspec.Struct, frozen=True, gc=False):
    """Where in the file a message stands, and the `ts_recv` it carries."""

    start: int
    end: int
    ts_recv: Micros


class _Envelope(msgspec.Struct):
    channel: str
    epoch: int
    seq: int
    ts_recv: Micros


_envelope = msgspec.json.Decoder(_Envelope)


class Captured:
    """The index of such a file; the messages themselves stay on disk.

    Lines come from `p9 watch --json` or from a replay. A message that stands there more than once is kept as often.
    `first` is the smallest `ts_recv`, 0 for an empty file. Raises ConfigError for a line that is no message.
    """

    def __init__(self, path: Path) -> None:
        self.channels: dict[str, dict[Key, list[Place]]] = {}
        self.first: Micros = 0
        self._file = path.open("rb")
        self._bytes = mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ) if path.stat().st_size else None
        at = 0
        for number, line in enumerate(self._file, 1):
            if line.strip():
                self._add(line, at, f"{path}:{number}")
            at += len(line)
        self.ends = {channel: (min(known), max(known)) for channel, known in self.channels.items()}
        """Smallest and greatest key of each channel."""

    def __len__(self) -> int:
        return sum(len(places) for known in self.channels.values() for places in known.values())

    def _add(self, line: bytes, at: int, where: str) -> None:
        try:
            found = _envelope.decode(line)
        except msgspec.DecodeError as error:
            raise ConfigError(f"{where}: not a published message ({error}); record with 'p9 watch --json'") from None
        place = Place(at, at + len(line), found.ts_recv)
        self.channels.setdefault(found.channel, {}).setdefault((found.epoch, found.seq), []).append(place)
        self.first = min(self.first or found.ts_recv, found.ts_recv)

    def bodies(self, channel: str, key: Key) -> list[bytes]:
        """Every copy of a message, as `made`; none when it is not here."""
        if self._bytes is None:
            return []
        places = self.channels.get(channel, {}).get(key, ())
        return [made(self._bytes[place.start : place.end]) for place in places]

    def close(self) -> None:
        """Let go of the file."""
        if self._bytes is not None:
            self._bytes.close()
        self._file.close()
