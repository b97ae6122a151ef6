"""A log of every live trade and told liquidation, for tests that compare what was stored with what happened."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from warehouse.records import Liquidation, Trade

_LIQUIDATION = b'{"type":"liquidation",'


class Truth:
    """JSON lines, in the order things happened per instrument; a restart writes the file anew from `t0` on.

    A trade is a bare `Trade`; a liquidation says `"type":"liquidation"` first.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("wb")
        self._encode = msgspec.json.Encoder().encode

    def write(self, happened: Iterable[Trade | Liquidation]) -> None:
        """Append; it is in the file when this returns."""
        self._file.write(b"".join(self._line(record) for record in happened))
        self._file.flush()

    def _line(self, record: Trade | Liquidation) -> bytes:
        body = self._encode(record)
        return (_LIQUIDATION + body[1:] if isinstance(record, Liquidation) else body) + b"\n"

    def close(self) -> None:
        """Write out what is buffered."""
        self._file.close()


def read(path: Path) -> Iterator[Trade | Liquidation]:
    """What a truth file holds; a last line that is still being written is left out."""
    for line in path.read_bytes().split(b"\n")[:-1]:
        told = line.startswith(_LIQUIDATION)
        yield msgspec.json.decode(line, type=Liquidation) if told else msgspec.json.decode(line, type=Trade)


def trades(path: Path) -> list[Trade]:
    """The trades of a truth file."""
    return [record for record in read(path) if isinstance(record, Trade)]
