"""From which notional on a taker order is large for its market: a threshold that follows the last day's orders."""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from typing import ClassVar, cast

import msgspec

from warehouse.metrics.base import Spec
from warehouse.metrics.histogram import DayHistogram, Sparse
from warehouse.metrics.orders import Order

MIN_ORDERS, MIN_SECONDS = 1000, 900
"""Orders, and seconds since the first of them, below which nobody knows what is large (`WARMUP`)."""

CROWD = 50
"""The threshold is at least so many times the median order: where all are alike, none is large."""

EARLY = 4096
"""Orders of the beginning that are kept one by one until history comes, so that none is counted twice."""

HOUR = 3600


class Sizes(msgspec.Struct, frozen=True, kw_only=True):
    """Notionals (ticks times lots) of all taker orders in `[start, end)`, seconds UTC, as a histogram by the hour."""

    start: int
    end: int
    hours: list[tuple[int, Sparse]]


class WhaleThreshold:
    """One instrument's. An order is judged by those before it; the threshold is taken anew with each second.

    Seconds are those of the orders, in the order in which they came: who reads the same trades finds the same. `units`
    is the threshold in ticks times lots, 0 while there is none (`WARMUP`); `since` is the second from which on every
    order has been judged by one, -1 while there is none.
    """

    spec: ClassVar[Spec] = Spec(
        name="whale_threshold",
        unit="quote",
        formula="max(0.999 quantile, 50 * median) of the notionals of taker orders, last 24 h",
        source="this project's own; its quantiles: Masson, Rim and Lee (2019), PVLDB 12",
    )

    __slots__ = ("_began", "_early", "_early_from", "_from", "_second", "_seconds", "_sizes", "_waiting", "_waiting_of",
                 "since", "units")  # fmt: skip

    def __init__(self) -> None:
        self._sizes = DayHistogram(((999, 1000), (1, 2)))
        self._second = self._began = -1
        self._waiting: list[int] = []  # orders not counted yet,
        self._waiting_of = -1  # all of this second: the newest one, or that of late orders
        self._from = -1  # orders before this second came with history; -1: it has not come
        self._seconds, self._early = array("I"), array("q")
        self._early_from = 0
        self.units = 0.0
        self.since = -1

    def add(self, order: Order) -> float:
        """Count an order; gives the threshold that it is judged by."""
        second = order.ts_event // 1_000_000
        if second != self._waiting_of:
            self._turn(second)
        self._waiting.append(order.tick_lots)
        return self.units

    def _turn(self, second: int) -> None:
        if self._waiting:
            self._count(self._waiting_of, self._waiting)
        self._waiting, self._waiting_of = [], second
        if second > self._second:
            self._began = second if self._second < 0 else self._began
            self._second = second
            self._sizes.add(second // HOUR, ())
            self._take(second)

    def _count(self, second: int, sizes: list[int]) -> None:
        if second < self._from:
            return
        self._sizes.add(self._second // HOUR, sizes)
        if self._from < 0:
            self._keep(second, sizes)

    def _take(self, ahead: int) -> None:
        """The threshold anew; no order of the second `ahead` or of a later one has been judged yet."""
        self.units = 0.0
        if self._sizes.total >= MIN_ORDERS and self._second - self._began >= MIN_SECONDS:
            high, median = self._sizes.values()
            self.units = max(high, CROWD * median)
        if not self.units:
            self.since = -1
        elif self.since < 0:
            self.since = ahead

    def _keep(self, second: int, sizes: list[int]) -> None:
        self._seconds.extend([second] * len(sizes))
        self._early.extend(sizes)
        if len(self._early) > EARLY:
            old = len(self._early) - EARLY // 2
            self._early_from = max(self._early_from, max(self._seconds[:old]) + 1)
            del self._seconds[:old], self._early[:old]

    @property
    def source(self) -> str:
        """`history` when past orders were taken over, else `live`."""
        return "live" if self._from < 0 else "history"

    def seed(self, sizes: Sizes, started: int) -> None:
        """Let history supply the orders before its end, once; nothing happens while the two do not meet.

        `started` is the first second that was wholly observed here.
        """
        if self._from >= 0 or sizes.end <= sizes.start or sizes.end < max(started, self._early_from):
            return
        self._from = sizes.end
        self._sizes = DayHistogram(((999, 1000), (1, 2)))
        self._sizes.load(sizes.hours)
        for second, tick_lots in zip(self._seconds, self._early, strict=True):
            if second >= sizes.end:
                self._sizes.add(second // HOUR, (tick_lots,))
        self._began = sizes.start
        self._second = max(self._second, sizes.end - 1)
        self._sizes.add(self._second // HOUR, ())
        self._seconds, self._early = array("I"), array("q")
        self._take(self._second + 1)

    def state(self) -> dict[str, object]:
        """All of it as JSON-able values."""
        return {
            "sizes": self._sizes.state(), "second": self._second, "began": self._began, "from": self._from,
            "waiting": list(self._waiting), "waiting_of": self._waiting_of,
            "early": [self._seconds.tolist(), self._early.tolist()],
            "early_from": self._early_from, "units": self.units, "since": self.since,
        }  # fmt: skip

    def restore(self, state: Mapping[str, object]) -> None:
        """The inverse of `state`, into a new threshold."""
        kept = cast("dict[str, int]", state)
        self._sizes.restore(cast("Mapping[str, object]", state["sizes"]))
        self._second, self._began, self._from = kept["second"], kept["began"], kept["from"]
        self._waiting = list(cast("list[int]", state["waiting"]))
        self._waiting_of = kept["waiting_of"]
        seconds, early = cast("list[list[int]]", state["early"])
        self._seconds, self._early = array("I", seconds), array("q", early)
        self._early_from, self.since = kept["early_from"], kept["since"]
        self.units = cast("float", state["units"])
