"""An order book in integers, both sides alike.

A side keeps its prices in ascending order of attractiveness: bids as they are, asks negated, so that the best price is
the last one on either side and one piece of code serves both.
"""

from __future__ import annotations

from bisect import bisect_left, insort

BID, ASK = 0, 1


class IntegerBook:
    """Lots by price on two sides, and what changed since the last update was sent.

    Keys are ticks for bids and minus ticks for asks. `changed[side]` holds the keys touched, in order of first touch.
    """

    def __init__(self) -> None:
        self.keys: tuple[list[int], list[int]] = ([], [])
        self.lots: tuple[dict[int, int], dict[int, int]] = ({}, {})
        self.changed: tuple[dict[int, None], dict[int, None]] = ({}, {})
        self.events = 0

    def best(self, side: int) -> int:
        """Best price of a side in ticks. Raises IndexError when the side is empty."""
        key = self.keys[side][-1]
        return -key if side else key

    def top(self) -> tuple[int, int, int, int]:
        """Best bid, its lots, best ask, its lots."""
        (bids, asks), (bid_lots, ask_lots) = self.keys, self.lots
        return bids[-1], bid_lots[bids[-1]], -asks[-1], ask_lots[asks[-1]]

    def add(self, side: int, key: int, lots: int) -> None:
        """Rest `lots` more at a price; the caller has seen to it that the book is not crossed by it."""
        resting = self.lots[side]
        if key in resting:
            resting[key] += lots
        else:
            resting[key] = lots
            insort(self.keys[side], key)
        self._touch(side, key)

    def take(self, side: int, key: int, lots: int) -> int:
        """Remove up to `lots` from a price, and the price when nothing is left; returns what was removed."""
        resting = self.lots[side]
        there = resting[key]
        self._touch(side, key)
        if lots < there:
            resting[key] = there - lots
            return lots
        del resting[key]
        keys = self.keys[side]
        if keys[-1] == key:
            keys.pop()
        else:
            del keys[bisect_left(keys, key)]
        return there

    def refine(self, factor: int) -> None:
        """Ticks become `factor` times finer: every key is multiplied."""
        for keys, lots, changed in zip(self.keys, self.lots, self.changed, strict=True):
            keys[:] = [key * factor for key in keys]
            for held in (lots, changed):
                moved = {key * factor: value for key, value in held.items()}
                held.clear()
                held.update(moved)  # type: ignore[arg-type]  # lots keep lots, touched keep None

    def _touch(self, side: int, key: int) -> None:
        self.changed[side][key] = None
        self.events += 1

    def changes(self) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
        """`(key, lots now)` of every key touched since the last call, 0 where it is gone."""
        both = tuple(
            [(key, resting.get(key, 0)) for key in touched]
            for resting, touched in zip(self.lots, self.changed, strict=True)
        )
        for touched in self.changed:
            touched.clear()
        return both[0], both[1]
