"""Live volume by price of the running UTC day: one dictionary write a trade."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from warehouse.clock import DAY, Micros


class PriceBins:
    """Lots traded per bin of `width` ticks since 00:00 UTC; emptied at midnight, when `width` may change too.

    `since` is from when on it saw every trade (None: nothing yet). Bin `k` covers `[k * width, (k + 1) * width)` ticks.
    """

    __slots__ = ("_buy", "_day", "_next_width", "_sell", "since", "width")

    def __init__(self, width: int, since: Micros | None = None) -> None:
        if width < 1:
            raise ValueError(f"a bin of {width} ticks")
        self.width = self._next_width = width
        self.since = since
        self._day = -1 if since is None else since // DAY
        self._buy: dict[int, int] = {}
        self._sell: dict[int, int] = {}

    def add(self, ts_event: Micros, ticks: int, lots: int, is_buy: bool) -> None:
        """Count one market trade. Trades of a day that is over are left out."""
        day = ts_event // DAY
        if day != self._day:
            if day < self._day:
                return
            self._turn(day, ts_event)
        side = self._buy if is_buy else self._sell
        k = ticks // self.width
        side[k] = side.get(k, 0) + lots

    def _turn(self, day: int, at: Micros) -> None:
        self.since = at if self.since is None else max(self.since, day * DAY)
        self._day = day
        self.width = self._next_width
        self._buy, self._sell = {}, {}

    def resize(self, width: int) -> None:
        """Bins of another width: from midnight on, or now if nothing was counted yet."""
        self._next_width = width
        if not self._buy and not self._sell:
            self.width = width

    def counts(self) -> dict[int, int]:
        """Lots of both sides by bin, ascending."""
        return {k: self._buy.get(k, 0) + self._sell.get(k, 0) for k in sorted({**self._buy, **self._sell})}

    def sides(self) -> list[tuple[int, int, int]]:
        """(bin, lots bought by takers, lots sold), ascending."""
        return [(k, self._buy.get(k, 0), self._sell.get(k, 0)) for k in sorted({**self._buy, **self._sell})]

    @property
    def whole(self) -> bool:
        """The running day was seen from its start."""
        return self.since is not None and self.since <= self._day * DAY

    def state(self) -> dict[str, object]:
        """All of it as JSON-able values."""
        return {
            "width": self.width,
            "next_width": self._next_width,
            "since": self.since,
            "day": self._day,
            "bins": [list(row) for row in self.sides()],
        }

    def restore(self, state: Mapping[str, object]) -> None:
        """The inverse of `state`."""
        self.width = cast("int", state["width"])
        self._next_width = cast("int", state["next_width"])
        self.since = cast("int | None", state["since"])
        self._day = cast("int", state["day"])
        rows = cast("list[list[int]]", state["bins"])
        self._buy = {k: buy for k, buy, _ in rows if buy}
        self._sell = {k: sell for k, _, sell in rows if sell}
