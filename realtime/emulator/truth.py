"""A log of every live trade, for tests that compare what was stored with what was traded."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import msgspec

from warehouse.records import Trade


class Truth:
    """JSON lines of trades, in the order they happened per instrument; a restart writes the file anew from `t0` on."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("wb")
        self._encode = msgspec.json.Encoder().encode

    def write(self, trades: Iterable[Trade]) -> None:
        """Append trades; they are in the file when this returns."""
        self._file.write(b"".join(self._encode(trade) + b"\n" for trade in trades))
        self._file.flush()

    def close(self) -> None:
        """Write out what is buffered."""
        self._file.close()
