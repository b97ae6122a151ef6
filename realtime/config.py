"""What the engine is told, as plain values. It stands in every journal header, since it decides published bytes."""

from __future__ import annotations

import hashlib

import msgspec

from warehouse.clock import MINUTE, SECOND, Micros
from warehouse.instruments import TIMEFRAMES


class EngineConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Cadences in milliseconds (multiples of 100), ages in microseconds after which a stream is stale, and depths.

    `late_*` open and close the latency breakers; `crossed_us` and `frozen_us` are how long a book may be so before it
    is asked for anew; `jump` is the fraction by which a price may move within a moment; `clock_limit_us` and
    `lag_limit_us` are what is tolerated of our clock and our own speed.

    `lateness_us` is how long a bar stays open for late trades. `depth_levels` are followed per side, with a whole
    picture each `depth_snapshot_ms`; `snapshot_levels` are shown each `snapshot_ms`. Without `trade_prints` trades move
    every metric and no message says each of them.
    """

    timeframes: tuple[str, ...] = TIMEFRAMES
    fusion_ms: int = 100
    precision9_ms: int = 1000
    orderflow_ms: int = 500
    bbo_ms: int = 100
    depth_ms: int = 100
    depth_snapshot_ms: int = 5000
    depth_levels: int = 20
    candles_ms: int = 1000
    snapshot_ms: int = 1000
    snapshot_levels: int = 50
    derivatives_ms: int = 1000
    trade_prints: bool = True
    lateness_us: Micros = 2 * SECOND
    book_max_age_us: Micros = 2 * SECOND
    trades_max_age_us: Micros = 60 * SECOND
    mark_max_age_us: Micros = 5 * SECOND
    ticker_max_age_us: Micros = 60 * SECOND
    open_interest_max_age_us: Micros = 10 * MINUTE
    funding_max_age_us: Micros = 5 * MINUTE
    late_open_us: Micros = 2 * SECOND
    late_close_us: Micros = SECOND
    late_calm_us: Micros = 2 * SECOND
    crossed_us: Micros = SECOND
    frozen_us: Micros = 3 * SECOND
    jump: float = 0.2
    clock_limit_us: Micros = SECOND
    lag_limit_us: Micros = SECOND

    def text(self) -> str:
        """Canonical JSON, as written in a journal header."""
        return msgspec.json.encode(self).decode()

    def digest(self) -> str:
        """Short digest of `text`."""
        return hashlib.sha256(self.text().encode()).hexdigest()[:16]

    @classmethod
    def parse(cls, text: str) -> EngineConfig:
        """The inverse of `text`; an empty text means all defaults."""
        return msgspec.json.decode(text, type=cls) if text else cls()
