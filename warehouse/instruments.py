"""Instruments, their trading rules, and the exact way between a venue's text and our integers.

An instrument is `(venue, base, quote, market)`, written `BTC-USDT` (spot) or `BTC-USDT-PERP`. `Rules` is what the
venue publishes about it (tick, lot, contract value) with the time from which it holds. `Grid` is the arithmetic that
follows: prices become integer ticks, wire sizes integer lots, and back, each with a single rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from fractions import Fraction
from functools import cache, lru_cache
from typing import Literal

import msgspec

from warehouse.clock import Micros

Venue = Literal["binance", "bybit", "okx"]
Market = Literal["spot", "perp"]

TIMEFRAMES: tuple[str, ...] = ("1d", "12h", "6h", "4h", "2h", "1h", "30m", "15m", "5m", "3m", "1m")
"""The eleven timeframes, largest first. All divide a UTC day."""

SLACK = 1e-4
"""How far from a whole number of steps a number may lie, in steps: a venue's text is on the grid or well off it."""

ROUNDING = 4.0 * 2.0**-53
"""And how much more of itself: reading the text, the inverse of the step and their product are each rounded once."""

_UNIT = {"m": 60, "h": 3600, "d": 86_400}


@cache
def timeframe_us(timeframe: str) -> Micros:
    """Length of a timeframe in microseconds: `15m` is 900_000_000."""
    return int(timeframe[:-1]) * _UNIT[timeframe[-1]] * 1_000_000


class Listing(msgspec.Struct, frozen=True, order=True):
    """One instrument at one venue.

    >>> Listing("okx", "BTC", "USDT", "perp").instrument
    'BTC-USDT-PERP'
    """

    venue: str
    base: str
    quote: str
    market: Market

    @property
    def instrument(self) -> str:
        """Our spelling, the same at every venue."""
        pair = f"{self.base}-{self.quote}"
        return f"{pair}-PERP" if self.market == "perp" else pair

    @classmethod
    def parse(cls, venue: str, instrument: str) -> Listing:
        """The inverse of `instrument`. Raises ValueError for anything else."""
        parts = instrument.split("-")
        if len(parts) == 2:
            return cls(venue, parts[0], parts[1], "spot")
        if len(parts) == 3 and parts[2] == "PERP":
            return cls(venue, parts[0], parts[1], "perp")
        raise ValueError(f"not an instrument: {instrument!r}; write BTC-USDT or BTC-USDT-PERP")


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """What a venue publishes about one instrument, valid from `valid_from` on.

    `tick` is the price step in quote per base. `lot` is the size step in the venue's own wire unit (base coin, or
    contracts on OKX swaps) and `contract_value` is base units per wire unit (`1` except on OKX swaps). All three are
    decimal text. `listed_at` and `delisting_at` are None where the venue does not say.
    """

    venue: str
    instrument: str
    symbol: str
    market: Market
    tick: str
    lot: str
    contract_value: str = "1"
    min_size: str | None = None
    min_notional: str | None = None
    status: str = "trading"
    listed_at: Micros | None = None
    delisting_at: Micros | None = None
    valid_from: Micros = 0

    @property
    def grid(self) -> Grid:
        """The arithmetic of these rules (cached per tick, lot and contract value)."""
        return _grid(self.tick, self.lot, self.contract_value)


class Remembered(dict[float, int]):
    """A pure function of a float, computed once per argument: look-ups cost a tenth. Forgets all when large."""

    __slots__ = ("_compute",)

    def __init__(self, compute: Callable[[float], int]) -> None:
        super().__init__()
        self._compute = compute

    def __missing__(self, number: float) -> int:
        whole = self._compute(number)
        if len(self) >= REMEMBERED:
            self.clear()
        self[number] = whole
        return whole


REMEMBERED = 1024
"""Prices or sizes: as many as a market uses in a while, and few enough to be forgotten at once."""


class Grid:
    """Exact conversion between a venue's numbers and integers.

    `ticks(price)` and `lots(wire_size)` take floats decoded from the venue's text and raise ValueError when the number
    does not lie on the grid. `price(ticks)` and `size(lots)` give floats, rounded once; `size` is in base units,
    always.
    """

    __slots__ = (
        "lot",
        "lot_inv",
        "lots_of",
        "notional_den",
        "notional_num",
        "size_den",
        "size_num",
        "tick",
        "tick_den",
        "tick_inv",
        "tick_num",
        "ticks_of",
    )

    def __init__(self, tick: str, lot: str, contract_value: str = "1") -> None:
        step, unit = Fraction(tick), Fraction(lot)
        if step <= 0 or unit <= 0:
            raise ValueError(f"tick {tick!r} and lot {lot!r} must be positive")
        base = unit * Fraction(contract_value)
        self.tick = float(step)
        self.lot = float(unit)
        self.tick_num, self.tick_den = step.numerator, step.denominator
        self.size_num, self.size_den = base.numerator, base.denominator
        self.tick_inv = float(1 / step)
        self.lot_inv = float(1 / unit)
        self.ticks_of, self.lots_of = Remembered(self.ticks), Remembered(self.lots)
        value = step * base
        self.notional_num, self.notional_den = value.numerator, value.denominator

    def ticks(self, price: float) -> int:
        """Price in whole ticks. Raises ValueError off the grid, for zero, negative, NaN and infinity."""
        scaled = price * self.tick_inv
        if not 0.5 < scaled < 1e15:
            raise ValueError(f"price {price!r} is not a positive finite number")
        whole = round(scaled)
        if abs(scaled - whole) > SLACK + scaled * ROUNDING:
            raise ValueError(f"price {price!r} is not a multiple of the tick {self.tick!r}")
        return whole

    def lots(self, wire_size: float) -> int:
        """A size in the venue's wire unit as whole lots; zero is allowed. Raises ValueError off the grid."""
        scaled = wire_size * self.lot_inv
        if not 0.0 <= scaled < 1e15:
            raise ValueError(f"size {wire_size!r} is not a finite number of at least zero")
        whole = round(scaled)
        if abs(scaled - whole) > SLACK + scaled * ROUNDING:
            raise ValueError(f"size {wire_size!r} is not a multiple of the lot {self.lot!r}")
        return whole

    def all_lots(self, wire_sizes: Iterable[float]) -> list[int]:
        """`lots` of each, for sizes that seldom come twice: those of a book."""
        inverse, found = self.lot_inv, []
        for wire_size in wire_sizes:
            scaled = wire_size * inverse
            whole = round(scaled)
            found.append(whole if -SLACK < scaled - whole < SLACK else self.lots(wire_size))
        return found

    def price(self, ticks: int) -> float:
        """Ticks back to a price in quote per base, equal to the float of the venue's text."""
        return ticks * self.tick_num / self.tick_den

    def size(self, lots: int) -> float:
        """Lots back to a size in base units."""
        return lots * self.size_num / self.size_den

    def levels(self, levels: Iterable[tuple[int, int]]) -> list[tuple[float, float]]:
        """Levels of a book in ticks and lots back to `price` and `size`."""
        tick_num, tick_den, size_num, size_den = self.tick_num, self.tick_den, self.size_num, self.size_den
        return [(ticks * tick_num / tick_den, lots * size_num / size_den) for ticks, lots in levels]

    def notional(self, tick_lots: int) -> float:
        """A sum of ticks times lots as notional in quote units."""
        return tick_lots * self.notional_num / self.notional_den


@lru_cache(maxsize=4096)
def _grid(tick: str, lot: str, contract_value: str) -> Grid:
    return Grid(tick, lot, contract_value)
