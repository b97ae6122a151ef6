"""Whales and blocks: taker orders that stand out of the last day's, judged one by one.

A block is what the venue flags as one (`VENUE`), or an order as large as the whale threshold that takes half of what
is usual in a minute (`INFERRED`): a statement about trades that were counted already, never another trade.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal, cast

import msgspec

from warehouse.clock import Micros
from warehouse.metrics.base import Spec, Value
from warehouse.metrics.orders import Order, Orders
from warehouse.metrics.threshold import Sizes, WhaleThreshold
from warehouse.metrics.volumes import MinuteVolumes
from warehouse.records import Trade

NOTABLE = 0.35
"""Orders of this share of the threshold, and larger ones, are told."""

BLOCK_RATIO = 0.5
"""A block takes so many minutes of usual volume."""

KEPT_SECONDS = 900
"""Whales are summed over a quarter of an hour."""

LargeKind = Literal["WHALE", "INFERRED", "VENUE"]


class Large(msgspec.Struct, frozen=True, gc=False):
    """A large order and why it is one.

    `threshold` is in ticks times lots; `confidence` is notional over threshold, 1 at most: a score of size, no
    probability. Both are None while there is no threshold. `ratio` is the size in minutes of usual volume.
    """

    kind: LargeKind
    order: Order
    threshold: float | None
    confidence: float | None
    source: str
    ratio: Value


class LargeOrders:
    """One instrument's: prints in, large orders out, each by what was known before it."""

    spec: ClassVar[Spec] = Spec(
        name="block_ratio",
        unit="minutes of usual volume",
        formula="size of a taker order / mean 1-minute volume of 24 h; a block from 0.5 on, if also a whale",
        source="participation-relative size, this project's own",
        inputs=("trades", "candles"),
    )

    __slots__ = ("_recent", "orders", "threshold", "volumes")

    def __init__(self) -> None:
        self.orders = Orders()
        self.threshold = WhaleThreshold()
        self.volumes = MinuteVolumes()
        self._recent: deque[tuple[int, bool, int]] = deque()

    def judge(self, order: Order) -> Large | None:
        """A finished order; None for one like the others."""
        units = self.threshold.add(order)
        if not units or order.tick_lots < NOTABLE * units:
            return None
        confidence = min(1.0, order.tick_lots / units)
        ratio = self.volumes.ratio(order.lots, order.ts_event)
        kind: LargeKind = "WHALE"
        if confidence == 1.0:
            self._remember(order)
            if ratio.value is not None and float(ratio.value) >= BLOCK_RATIO:
                kind = "INFERRED"
        return Large(kind, order, units, confidence, self.threshold.source, ratio)

    def _remember(self, order: Order) -> None:
        second, recent = order.ts_event // 1_000_000, self._recent
        while recent and recent[0][0] < second - 2 * KEPT_SECONDS:
            recent.popleft()
        recent.append((second, order.taker_side == "buy", order.tick_lots))

    def block(self, trade: Trade) -> Large:
        """A block that the venue flags: no part of the crowd by which orders are judged."""
        worth, units, name = trade.ticks * trade.lots, self.threshold.units, trade.trade_id
        order = Order(trade.ts_event, trade.taker_side, 0, trade.lots, worth, [trade.ticks], name, name)
        confidence = min(1.0, worth / units) if units else None
        ratio = self.volumes.ratio(trade.lots, trade.ts_event)
        return Large("VENUE", order, units or None, confidence, self.threshold.source, ratio)

    def whales(self, end: int) -> tuple[int, int, int]:
        """Whales of the quarter of an hour before second `end`: how many, bought and sold ticks times lots."""
        count, sums = 0, [0, 0]
        for second, bought, worth in self._recent:
            if end - KEPT_SECONDS <= second < end:
                count += 1
                sums[bought] += worth
        return count, sums[True], sums[False]

    def judged(self, end: int) -> bool:
        """Whether every order of the quarter of an hour before second `end` has been judged; else nobody knows."""
        return 0 <= self.threshold.since <= end - KEPT_SECONDS

    def seed(self, minutes_from: Micros, minutes: Sequence[int], sizes: Sizes | None, started: int) -> None:
        """What history knows: lots of past minutes in a row, and past orders as `WhaleThreshold.seed` takes them."""
        self.volumes.seed(minutes_from, minutes)
        if sizes is not None and started >= 0:
            self.threshold.seed(sizes, started)

    def state(self) -> dict[str, object]:
        """All of it as JSON-able values."""
        return {
            "order": self.orders.state(),
            "threshold": self.threshold.state(),
            "volumes": self.volumes.state(),
            "recent": [list(one) for one in self._recent],
        }

    def restore(self, state: Mapping[str, object]) -> None:
        """The inverse of `state`, into new ones."""
        self.orders.restore(cast("Mapping[str, object] | None", state["order"]))
        self.threshold.restore(cast("Mapping[str, object]", state["threshold"]))
        self.volumes.restore(cast("Mapping[str, object]", state["volumes"]))
        rows = cast("list[tuple[int, bool, int]]", state["recent"])
        self._recent = deque((second, bought, worth) for second, bought, worth in rows)
