"""Where the price of now stands in the picture of history: distances, position, confluence, stops.

Pure functions of a price and the context document. They describe risk; they give no orders. Price is the mid price
where the book is valid, else the last trade.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from warehouse.clock import MINUTE, Micros
from warehouse.context import ContextDocument, LevelContext
from warehouse.metrics.bars import Bar
from warehouse.metrics.base import Reason, Value

MIN_STRENGTH = 0.1
"""Weaker levels do not count as support or resistance."""

REACH = 0.25
"""What lies within this many ATR of a price is at that price."""

NEAR_FUNDING: Micros = 10 * MINUTE

RiskFlag = Literal["NEAR_FUNDING", "LEVEL_BREAK", "STALE_VENUE", "VOL_SPIKE"]


def support(price: float, levels: Sequence[LevelContext]) -> LevelContext | None:
    """The nearest level at or below `price` that is strong enough; None if there is none."""
    below = [level for level in levels if level.strength >= MIN_STRENGTH and level.zone_low <= price]
    return max(below, key=lambda level: (level.zone_high, level.strength, -level.price), default=None)


def resistance(price: float, levels: Sequence[LevelContext]) -> LevelContext | None:
    """The nearest level at or above `price` that is strong enough; None if there is none."""
    above = [level for level in levels if level.strength >= MIN_STRENGTH and level.zone_high >= price]
    return min(above, key=lambda level: (level.zone_low, -level.strength, level.price), default=None)


def in_atr(distance: float, atr: float | None) -> Value:
    """A distance in units of ATR; `NO_HISTORY` without one, `ZERO_VARIANCE` if it is 0."""
    if atr is None:
        return Value.missing(Reason.NO_HISTORY)
    if atr == 0.0:
        return Value.missing(Reason.ZERO_VARIANCE)
    return Value.of(distance / atr)


def distance(price: float, level: LevelContext, atr: float | None) -> Value:
    """ATRs from `price` to the zone of a level, 0 inside it."""
    return in_atr(max(0.0, price - level.zone_high, level.zone_low - price), atr)


def va_position(price: float, val: float, vah: float) -> tuple[Value, Value]:
    """Where the price stands in the value area (0 its low, 1 its high), and ABOVE, INSIDE or BELOW."""
    if vah == val:
        return Value.missing(Reason.ZERO_VARIANCE), Value.missing(Reason.ZERO_VARIANCE)
    position = (price - val) / (vah - val)
    return Value.of(position), Value.of("ABOVE" if position > 1.0 else "BELOW" if position < 0.0 else "INSIDE")


def close_location(bar: Bar) -> Value:
    """Where a bar's close lies in its range, 0 low to 1 high; `ZERO_VARIANCE` without a range."""
    if bar.high == bar.low:
        return Value.missing(Reason.ZERO_VARIANCE)
    return Value.of((bar.close - bar.low) / (bar.high - bar.low), final=False)


def noisy_or(chances: Sequence[float]) -> float:
    """`1 - prod(1 - f)`: several weak reasons make a stronger one, none makes certainty."""
    left = 1.0
    for chance in chances:
        left *= 1.0 - chance
    return 1.0 - left


def confluence(price: float, context: ContextDocument, atr: float | None, session_vwap: float | None = None) -> Value:
    """How many kinds of evidence meet within a quarter ATR of `price`, as a noisy-or over families.

    Key level: its strength. POC, VAH or VAL of the day's profile: 0.3, once. Liquidity zone: its strength. Session
    VWAP: 0.2. Evidence overlaps, so this orders prices; it is no probability. `n` counts the families present.
    """
    if atr is None or atr == 0.0:
        return Value.missing(Reason.NO_HISTORY if atr is None else Reason.ZERO_VARIANCE)
    low, high = price - REACH * atr, price + REACH * atr
    families = [
        max((lv.strength for lv in context.levels if lv.zone_low <= high and lv.zone_high >= low), default=0.0),
        max((zone.strength for zone in context.zones if zone.low <= high and zone.high >= low), default=0.0),
    ]
    profile = context.profiles.get("day") or context.profiles.get("previous_session")
    edges = () if profile is None else (profile.poc, profile.vah, profile.val)
    if any(edge is not None and low <= edge <= high for edge in edges):
        families.append(0.3)
    if session_vwap is not None and low <= session_vwap <= high:
        families.append(0.2)
    return Value.of(noisy_or(families), n=sum(1 for family in families if family > 0.0))


class Stop(msgspec.Struct, frozen=True, gc=False):
    """A stop price, how far it is from the entry in ATR, and what it rests on."""

    price: float
    atrs: float
    basis: Literal["LEVEL", "ATR"]


def stop(entry: float, edge: float | None, atr: float | None, side: Literal["long", "short"]) -> Stop | None:
    """A quarter ATR beyond the far edge of the protecting zone, if that is 0.5 to 3 ATR away; else 1.5 ATR.

    `edge` is the support zone's low for a long, the resistance zone's high for a short, None if there is no level.
    None without an ATR.
    """
    if not atr:
        return None
    toward = 1.0 if side == "long" else -1.0
    if edge is not None:
        price = edge - toward * 0.25 * atr
        away = toward * (entry - price) / atr
        if 0.5 <= away <= 3.0:
            return Stop(price, away, "LEVEL")
    return Stop(entry - toward * 1.5 * atr, 1.5, "ATR")


def reward_to_risk(entry: float, stop_price: float | None, target: float | None) -> Value:
    """Distance to the next level over distance to the stop; `NO_LEVEL` or `NO_HISTORY` if one lacks."""
    if stop_price is None:
        return Value.missing(Reason.NO_HISTORY)
    if target is None:
        return Value.missing(Reason.NO_LEVEL)
    risk = entry - stop_price
    return Value.missing(Reason.ZERO_VARIANCE) if risk == 0.0 else Value.of((target - entry) / risk)


def broken_levels(price: float, levels: Sequence[LevelContext], atr: float | None) -> list[LevelContext]:
    """Strong levels that the price has passed by a quarter ATR since the context was made."""
    if not atr:
        return []
    beyond = REACH * atr
    return [
        level
        for level in levels
        if level.strength >= MIN_STRENGTH
        and (
            (level.role == "SUPPORT" and price <= level.zone_low - beyond)
            or (level.role == "RESISTANCE" and price >= level.zone_high + beyond)
        )
    ]


def risk_flags(
    *, now: Micros, next_funding_at: Micros | None, level_broken: bool, stale: bool, volatility_ratio: float | None
) -> list[RiskFlag]:
    """What a trader should know before acting, in a fixed order.

    `volatility_ratio` is the 1 m volatility over the 15 m one; from 2 on it is a spike. What is None raises no flag.
    """
    flags: list[RiskFlag] = []
    if next_funding_at is not None and 0 <= next_funding_at - now < NEAR_FUNDING:
        flags.append("NEAR_FUNDING")
    if level_broken:
        flags.append("LEVEL_BREAK")
    if stale:
        flags.append("STALE_VENUE")
    if volatility_ratio is not None and volatility_ratio >= 2.0:
        flags.append("VOL_SPIKE")
    return flags
