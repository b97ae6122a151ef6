"""One seeded price path per coin, minute by minute, cheap at any depth.

The path is laid out of *tiles*: two hours of minute steps, drawn once, 128 of them per coin, in mirrored pairs. A chain
says which tile lies where, at what price level it starts and how busy it is; it is extended forward from 2020 by a
seeded walk that leans back towards a slow wave around the coin's anchor. A tile is moved by adding an integer to its
prices, so whatever was summed over a tile once (a bar of 2 h, a volume) holds wherever it lies: a thousand days cost
twelve thousand additions.
"""

from __future__ import annotations

from decimal import Decimal
from math import exp, pi, sin
from random import Random

import msgspec

from realtime.emulator.listings import COINS, EPOCH
from warehouse.clock import DAY, MINUTE, Micros

TILE = 120
"""Minutes in a tile. Timeframes from 2 h on are whole tiles, shorter ones divide it."""

TILES = 128
MINUTE_VOLATILITY = 0.00055
"""Standard deviation of a minute's return: some 2 % a day."""

_BUSY = (1, 1, 1, 1, 2, 2, 3, 3, 2, 2, 1, 1)
"""How busy each two hours of a UTC day are; Europe and America overlap in the afternoon."""


class Laid(msgspec.Struct, frozen=True, gc=False):
    """A tile at its place: `tile` its number, `level` the price at its start in units, `busy` its volume's factor."""

    tile: int
    level: int
    busy: int


class Path:
    """The path of one coin under one seed. Prices are integers in the coin's unit; minutes count from `EPOCH`."""

    def __init__(self, seed: int, base: str) -> None:
        coin = COINS[base]
        self.anchor = round(Decimal(str(coin.anchor)) / Decimal(coin.unit))
        self.tiles: list[list[int]] = []
        for number in range(TILES // 2):
            offsets = self._draw(Random(f"{seed}:{base}:tile:{number}"))
            self.tiles += [offsets, [-offset for offset in offsets]]
        self._random = Random(f"{seed}:{base}:chain")
        self._phases = [self._random.uniform(0, 2 * pi) for _ in range(3)]
        self._chain: list[Laid] = []
        self._level = self._target(0)

    def _draw(self, random: Random) -> list[int]:
        """Cumulative price steps of one tile: TILE + 1 offsets, beginning with 0."""
        deviation = self.anchor * MINUTE_VOLATILITY * random.lognormvariate(-0.15, 0.5)
        at, offsets = 0.0, [0]
        for _ in range(TILE):
            at += random.gauss(0.0, deviation)
            offsets.append(round(at))
        return offsets

    def _target(self, tile_index: int) -> int:
        day = tile_index * TILE * MINUTE / DAY
        waves = zip((410.0, 97.0, 23.0), (0.16, 0.07, 0.03), self._phases, strict=True)
        return round(self.anchor * exp(sum(size * sin(2 * pi * day / period + phase) for period, size, phase in waves)))

    def laid(self, index: int) -> Laid:
        """The tile that begins `index` tiles after EPOCH. Raises ValueError for a negative index."""
        if index < 0:
            raise ValueError("nothing was traded before 2020")
        while len(self._chain) <= index:
            self._extend()
        return self._chain[index]

    def _extend(self) -> None:
        index = len(self._chain)
        tile = self._random.randrange(TILES)
        away = (self._level - self._target(index)) / (0.06 * self.anchor)
        if self.tiles[tile][TILE] * away > 0 and self._random.random() < min(0.8, abs(away)):
            tile ^= 1
        busy = max(1, _BUSY[index % 12] + self._random.randrange(3) - 1)
        self._chain.append(Laid(tile, self._level, busy))
        self._level += self.tiles[tile][TILE]

    def price(self, at: Micros) -> float:
        """The path at any time, between minutes on a straight line, in units."""
        minute, rest = divmod(at - EPOCH, MINUTE)
        index, position = divmod(minute, TILE)
        laid = self.laid(index)
        offsets = self.tiles[laid.tile]
        start = offsets[position]
        return laid.level + start + (offsets[position + 1] - start) * (rest / MINUTE)
