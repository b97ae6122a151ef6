"""What is true of a seeded venue beside its markets: states of instruments, and insurance pools."""

from __future__ import annotations

from math import pi, sin
from random import Random

import msgspec

from realtime.emulator.listings import ENDED, ISOLATED, LIVE
from warehouse.clock import DAY, MINUTE, Micros
from warehouse.instruments import Rules
from warehouse.records import InstrumentStatus, InsuranceFund


def state_of(rules: Rules, at: Micros) -> InstrumentStatus:
    """The state of an instrument at a time, by its rules: trading, or delisted."""
    ended = rules.status == "delisted"
    return InstrumentStatus(
        venue=rules.venue,
        instrument=rules.instrument,
        ts_event=at,
        ts_recv=0,
        state="delisted" if ended else "trading",
        code=(ENDED if ended else LIVE)[rules.venue],
        listed_at=rules.listed_at,
        delisting_at=rules.delisting_at,
    )


class Pool(msgspec.Struct, frozen=True):
    """An insurance pool: its name, its mean balance in USDT, where its wave begins."""

    name: str
    mean: float
    phase: float


class Insurance:
    """The pools of one venue: one for each isolated symbol or family, one that the other perpetuals share."""

    def __init__(self, seed: int, venue: str, rules: list[Rules]) -> None:
        self._venue = venue
        symbols = [rule.symbol for rule in rules if rule.market == "perp"]
        alone = ISOLATED[venue](symbols)
        shared = sorted(symbol for symbol in symbols if symbol not in alone)
        names = [*alone.values(), *([",".join(shared)] if shared else [])]
        random = Random(f"{seed}:{venue}:insurance")
        self._pools = [Pool(name, random.uniform(2e7, 2e8), random.uniform(0, 2 * pi)) for name in names]

    def now(self, at: Micros) -> list[InsuranceFund]:
        """All balances as of the minute of `at`."""
        minute = at // MINUTE * MINUTE
        balances = [
            (pool.name, round(pool.mean * (1 + 0.02 * sin(2 * pi * minute / (17 * DAY) + pool.phase)), 2))
            for pool in self._pools
        ]
        return [
            InsuranceFund(
                venue=self._venue,
                instrument="",
                ts_event=minute,
                ts_recv=0,
                pool=name,
                asset="USDT",
                balance=balance,
                balance_usd=balance,
            )
            for name, balance in balances
        ]
