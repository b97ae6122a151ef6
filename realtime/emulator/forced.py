"""Positions of a seeded perpetual that are closed by force: market orders at times of their own, some in bursts."""

from __future__ import annotations

from random import Random
from typing import NamedTuple

from realtime.emulator.bars import start_of
from realtime.emulator.listings import FILL_PRICED, SAMPLED
from warehouse.clock import SECOND, Micros
from warehouse.instruments import Rules
from warehouse.records import Liquidation

MORE = 0.25
"""Each minute of an instrument sees one liquidation, and after each of them with this chance one more."""

BURST_SHARE = 1 / 60
"""Share of minutes that see a burst besides."""


class Order(NamedTuple):
    """A planned order: when it comes, how much (negative: it sells), and whether the venue tells of a liquidation.

    `beyond` is how far the bankruptcy price lies from the fill, as a share of it.
    """

    ts: Micros
    signed_lots: int
    beyond: float
    told: bool


class Forced:
    """The forced orders of one instrument, minute by minute, from seed and time alone."""

    def __init__(self, key: str, rules: Rules, trade_lots: int) -> None:
        self._key = key
        self._rules = rules
        self._grid = rules.grid
        self._mean_lots = 4 * trade_lots
        self._sampled = rules.venue in SAMPLED
        self._fill_priced = rules.venue in FILL_PRICED

    def refine(self, rules: Rules) -> None:
        """The instrument has a finer tick from now on."""
        self._rules, self._grid = rules, rules.grid

    def orders(self, minute: int) -> list[Order]:
        """What comes within a minute since EPOCH, in order, no two at once."""
        random = Random(f"{self._key}:forced:{minute}")
        start, drawn = start_of(minute), dict[Micros, tuple[int, float]]()
        while not drawn or random.random() < MORE:
            self._draw(random, start + random.randrange(60_000) * 1000, random.choice((-1, 1)), drawn)
        if random.random() < BURST_SHARE:
            first, side = start + random.randrange(45_000) * 1000, random.choice((-1, 1))
            for _ in range(random.randint(6, 16)):
                self._draw(random, first + int(random.random() ** 2 * 12_000) * 1000, side, drawn)
        times = sorted(drawn)
        # A sampled feed shows the last of each second.
        last = {at // SECOND: at for at in times}
        return [Order(at, *drawn[at], not self._sampled or last[at // SECOND] == at) for at in times]

    def _draw(self, random: Random, at: Micros, side: int, drawn: dict[Micros, tuple[int, float]]) -> None:
        lots = 1 + int(random.expovariate(1.0) * self._mean_lots)
        drawn[at] = side * lots, random.uniform(0.001, 0.006)

    def record(self, order: Order, lots: int, tick_lots: int) -> Liquidation:
        """What the venue says of an order that filled `lots` lots worth `tick_lots` ticks times lots."""
        long = order.signed_lots < 0
        average = tick_lots / lots
        if self._fill_priced:
            ticks = tick_lots // lots if tick_lots % lots == 0 else None
            price = self._grid.price(ticks) if ticks is not None else round(average * self._grid.tick, 8)
        else:
            ticks = round(average * (1 - order.beyond if long else 1 + order.beyond))
            price = self._grid.price(ticks)
        return Liquidation(
            venue=self._rules.venue,
            instrument=self._rules.instrument,
            ts_event=order.ts,
            ts_recv=0,
            liquidated_side="long" if long else "short",
            price=price,
            size=self._grid.size(lots),
            ticks=ticks,
            lots=lots,
            price_basis="fill" if self._fill_priced else "bankruptcy",
            sampled=self._sampled,
        )
