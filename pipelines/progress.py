"""How far a run is: told to whoever listens, on the terminal or in Prefect's artifacts.

The listener travels in a context variable, which Prefect's thread runner hands on to tasks of the same process. Where
nobody listens (another process, a test) reports go nowhere.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar

import msgspec


class Step(msgspec.Struct, frozen=True):
    """One dataset of one venue: parts `done` of `total`, and rows received so far."""

    dataset: str
    venue: str
    done: int
    total: int
    rows: int


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one dataset at one venue.

    `parts` were missing, `done` of them were answered, with `rows` rows of which `landed` are history's. `notes` are
    the venue's reasons for short answers, each with how often. `error` is None when all parts were answered;
    `reachable` is false when no answer came at all.
    """

    dataset: str
    venue: str
    parts: int = 0
    done: int = 0
    rows: int = 0
    landed: int = 0
    seconds: float = 0.0
    notes: dict[str, int] = {}
    error: str | None = None
    reachable: bool = True


listener: ContextVar[Callable[[Step], None] | None] = ContextVar("pipelines_progress", default=None)


def tell(step: Step) -> None:
    """Pass a step on to the listener, if there is one."""
    if (heard := listener.get()) is not None:
        heard(step)
