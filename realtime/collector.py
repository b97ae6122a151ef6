"""Python's garbage collector in a live worker: rarely, and never over what stays anyway."""

from __future__ import annotations

import gc

THRESHOLDS = (100_000, 50, 100)
"""A worker makes hardly any cycles, and thousands of short-lived tuples a second: Python's 700 look at them in vain."""


def calm() -> None:
    """What exists now (modules, books, sessions) is left out of every later collection, and those come rarely."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
