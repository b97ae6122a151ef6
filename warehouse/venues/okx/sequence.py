"""OKX's rules of succession as two machines of a few integers.

https://www.okx.com/docs-v5/en/#order-book-trading-market-data-ws-order-book-channel
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from heapq import nlargest, nsmallest
from itertools import chain, zip_longest
from typing import Literal

Step = Literal["apply", "stale", "gap"]
TOP = 25


class BookSequence:
    """Which push may be applied to a book: `last` is the `seqId` the book stands at, None while it has no snapshot.

    A push after a **pushed** snapshot must carry `prevSeqId == last`. Two special cases satisfy that rule by
    themselves: the heartbeat after about a minute without change (both ids equal to `last`, no levels) and the reset
    at maintenance (`seqId` below `prevSeqId`). After a **REST** snapshot pushes up to its `seqId` are old, and the
    first new one must straddle it: `prevSeqId <= seqId of the snapshot < seqId`.
    """

    __slots__ = ("last", "straddling")

    def __init__(self) -> None:
        self.last: int | None = None
        self.straddling = False

    def pushed_snapshot(self, seq_id: int) -> None:
        """`action: snapshot`: the book starts here (`prevSeqId` is -1)."""
        self.last = seq_id
        self.straddling = False

    def rest_snapshot(self, seq_id: int) -> None:
        """A snapshot of `/market/books`: the next push may begin before it."""
        self.last = seq_id
        self.straddling = True

    def update(self, previous: int, seq_id: int) -> Step:
        """`action: update`: apply it, drop it as older than the snapshot, or call it a gap."""
        last = self.last
        if last is None:
            return "gap"
        if previous == last:
            self.last = seq_id
            self.straddling = False
            return "apply"
        if self.straddling:
            if seq_id <= last:
                return "stale"
            if previous < last:
                self.last = seq_id
                self.straddling = False
                return "apply"
        return "gap"

    def lost(self) -> None:
        """The chain is broken; only a snapshot can begin a new one."""
        self.last = None
        self.straddling = False


class TradeSequence:
    """Contiguous trade ids: `last` is the newest one accounted for, None before the first."""

    __slots__ = ("last",)

    def __init__(self) -> None:
        self.last: int | None = None

    def missing(self, first: int, last: int) -> tuple[int, int] | None:
        """The ids, inclusive, that fills `first..last` leave out; None when they follow or are old news.

        Fills that overlap what is known but reach beyond it cannot be split: what is new in them counts as missing,
        to be asked for fill by fill.
        """
        known = self.last
        if known is None or first == known + 1 or last <= known:
            return None
        return (known + 1, first - 1) if first > known else (known + 1, last)


def checksum(bids: Mapping[str, str], asks: Mapping[str, str]) -> int:
    """The signed CRC32 of the best 25 levels by OKX's rule until 2026-06-23, from its own texts.

    >>> checksum({"3366.1": "7", "3366": "6"}, {"3366.8": "9", "3368": "8"})
    -1881014294
    """
    best_bids = [f"{price}:{bids[price]}" for price in nlargest(TOP, bids, key=float)]
    best_asks = [f"{price}:{asks[price]}" for price in nsmallest(TOP, asks, key=float)]
    pairs = chain.from_iterable(zip_longest(best_bids, best_asks))
    crc = zlib.crc32(":".join(text for text in pairs if text is not None).encode())
    return crc - (1 << 32) if crc >= 1 << 31 else crc
