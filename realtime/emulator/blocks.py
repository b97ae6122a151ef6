"""Block trades of a seeded market: agreed off the book and told beside it, they move neither book nor bars."""

from __future__ import annotations

from random import Random

from realtime.emulator.bars import minute_of
from warehouse.clock import SECOND, Micros
from warehouse.instruments import Rules
from warehouse.records import Trade

SIZE = 200
"""A block is so many times a usual trade, in the mean."""

NONE = (("binance", "perp"),)
"""Markets whose venue tells of none."""


class Blocks:
    """One block each minute of an instrument, at a second of its own, from seed and time alone."""

    def __init__(self, key: str, rules: Rules, trade_lots: int) -> None:
        self._key = key
        self._rules = rules
        self._mean_lots = SIZE * trade_lots

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
