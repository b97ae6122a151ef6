"""Changes of a seeded market at whole seconds: hurry, a finer tick, the end of an instrument."""

from __future__ import annotations

from typing import Literal

import msgspec

from warehouse.clock import Micros


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One change of one instrument at a whole second of market time.

    `hurry`: `factor` times its usual rate from now on (1: the usual one). `refine`: its tick becomes `factor` times
    finer. `announce`: trading will end at `until`; `delist`: it ends; `remove`: it is listed no more.
    """

    venue: str
    instrument: str
    at: Micros
    what: Literal["hurry", "refine", "announce", "delist", "remove"]
    factor: float = 1
    until: Micros | None = None
