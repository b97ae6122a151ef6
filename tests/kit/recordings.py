"""Recorded market data: not part of the repository, found through `P9_RECORDINGS`."""

from __future__ import annotations

import gzip
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from warehouse.clock import Micros

ENV = "P9_RECORDINGS"
_ROOT = Path(__file__).resolve().parents[2]


def recordings(*parts: str) -> Path:
    """The folder of recordings, or a file in it. Skips the test, saying why, when there is none."""
    named = os.environ.get(ENV)
    folder = Path(named) if named else _ROOT.parent / "shared" / "data"
    path = folder.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"no recording at {path}; set {ENV} to the folder that holds them")
    return path


def read_format_a(path: Path) -> Iterator[tuple[Micros, bytes]]:
    """`(ts_recv, frame)` of a gzip text whose lines are `<epoch> <json>`, the epoch in ns or us.

    Lines without a `stream` key are REST depth snapshots.
    """
    with gzip.open(path, "rb") as lines:
        for line in lines:
            stamp, _, frame = line.rstrip(b"\n").partition(b" ")
            if frame:
                at = int(stamp)
                yield (at // 1000 if at > 10**17 else at), frame
