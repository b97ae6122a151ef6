"""The one shape of every metric: a specification, and a value that is never invented."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Reason(StrEnum):
    """Why a value is null: a closed list (see each metric's card for when)."""

    WARMUP = "WARMUP"
    NO_TRADES = "NO_TRADES"
    ZERO_VARIANCE = "ZERO_VARIANCE"
    ONE_SIDED = "ONE_SIDED"
    CROSSED = "CROSSED"
    INSUFFICIENT_DEPTH = "INSUFFICIENT_DEPTH"
    STALE = "STALE"
    GAP = "GAP"
    NO_HISTORY = "NO_HISTORY"
    NO_LEVEL = "NO_LEVEL"
    INCOMPLETE_HORIZON = "INCOMPLETE_HORIZON"
    NOT_ENOUGH_VENUES = "NOT_ENOUGH_VENUES"
    UNSUPPORTED = "UNSUPPORTED"


HARMLESS = frozenset(
    {
        Reason.WARMUP,
        Reason.NO_HISTORY,
        Reason.NO_TRADES,
        Reason.NO_LEVEL,
        Reason.ZERO_VARIANCE,
        Reason.UNSUPPORTED,
    }
)
"""Reasons that alone do not make a message incomplete."""


class Value(msgspec.Struct, frozen=True, gc=False):
    """A number or class with its circumstances. Exactly one of `value` and `reason` is None.

    `n` counts the observations used; `final` is False while late events may still change it; `coverage` is the
    observed fraction of the window.
    """

    value: float | int | str | None
    reason: Reason | None
    n: int = 0
    final: bool = True
    coverage: float = 1.0

    @classmethod
    def of(cls, value: float | int | str, *, n: int = 1, final: bool = True, coverage: float = 1.0) -> Value:
        """A real value."""
        return cls(value, None, n, final, coverage)

    @classmethod
    def missing(cls, reason: Reason, *, n: int = 0, coverage: float = 0.0) -> Value:
        """Null, and why."""
        return cls(None, reason, n, False, coverage)


class Spec(msgspec.Struct, frozen=True, kw_only=True):
    """What a metric is: name as published, unit, formula, source of the definition, and the inputs it reads."""

    name: str
    unit: str
    formula: str
    source: str
    inputs: tuple[str, ...] = ("trades",)
