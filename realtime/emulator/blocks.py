"""What is large in a seeded market: blocks that the venue tells of beside the book, and orders that go through it."""

from __future__ import annotations

from random import Random

from realtime.emulator.bars import minute_of, start_of
from realtime.emulator.forced import Order
from warehouse.clock import SECOND, Micros
from warehouse.instruments import Rules
from warehouse.records import Trade

SIZE = 200
"""A block is so many times a usual trade, in the mean."""

SHARE = 1 / 3
"""Share of minutes that see a large order on the book."""

LARGE = (2.0, 4.0)
"""It takes between so many times what a quiet minute trades: more than is usual, and less than the book has."""

NONE = (("binance", "perp"),)
"""Markets whose venue tells of none."""


class Blocks:
    """One block each minute of an instrument, at a second of its own, from seed and time alone.

    It is agreed off the book and moves neither book nor bars. `minute_lots` is what a quiet minute trades.
    """

    def __init__(self, key: str, rules: Rules, trade_lots: int, minute_lots: int) -> None:
        self._key = key
        self._minute_lots = minute_lots
        self._rules = rules
        self._mean_lots = SIZE * trade_lots

    def orders(self, minute: int) -> list[Order]:
        """The large order of a minute since EPOCH; most have none."""
        random = Random(f"{self._key}:large:{minute}")
        if random.random() >= SHARE:
            return []
        lots = 1 + int(random.uniform(*LARGE) * self._minute_lots)
        return [Order(start_of(minute) + random.randrange(60_000) * 1000, random.choice((-lots, lots)), 0.0, False)]

    def told(self, at: Micros, ticks: int) -> Trade | None:
        """The block of this whole second, near the price `ticks`; None in most seconds."""
        minute = minute_of(at)
        random = Random(f"{self._key}:blocks:{minute}")
        if random.randrange(60) != at // SECOND % 60:
            return None
        grid, lots = self._rules.grid, self._mean_lots + int(random.expovariate(1.0) * self._mean_lots)
        return Trade(
            venue=self._rules.venue,
            instrument=self._rules.instrument,
            ts_event=at,
            ts_recv=0,
            trade_id=f"block-{minute}",
            trade_seq=None,
            price=grid.price(ticks),
            size=grid.size(lots),
            taker_side=random.choice(("buy", "sell")),
            ticks=ticks,
            lots=lots,
            kind="block",
        )
