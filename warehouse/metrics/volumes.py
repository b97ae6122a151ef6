"""How much a market trades in a minute, in the mean of a day."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from typing import ClassVar, cast

from warehouse.clock import MINUTE, Micros
from warehouse.instruments import Grid
from warehouse.metrics.base import Reason, Spec, Value

DAY_MINUTES = 1440
MIN_MINUTES = 240
"""Known minutes below which there is no mean (`WARMUP`)."""

SIZE = DAY_MINUTES + 2
UNKNOWN = -1


class MinuteVolumes:
    """Lots of a day's minutes, in a ring.

    As of a minute, the mean is over the known ones of the 1440 minutes before the last: a minute that ended a minute
    ago is closed everywhere, late trades and the venue's own candle included.
    """

    spec: ClassVar[Spec] = Spec(
        name="minute_volume",
        unit="base",
        formula="mean of the known 1-minute volumes of 24 h, the last minute left out",
        source="participation-relative size, this project's own",
        inputs=("trades", "candles"),
    )

    __slots__ = ("_cached", "_lots", "_newest")

    def __init__(self) -> None:
        self._lots = array("q", [UNKNOWN]) * SIZE
        self._newest = -1
        self._cached = (-1, 0, 0)

    def put(self, open_time: Micros, lots: int) -> None:
        """The volume of a closed minute; again when it is corrected. One older than the ring is left out."""
        minute = open_time // MINUTE
        if minute <= self._newest - SIZE:
            return
        for skipped in range(max(self._newest + 1, minute - SIZE), minute):
            self._lots[skipped % SIZE] = UNKNOWN
        self._newest = max(self._newest, minute)
        self._lots[minute % SIZE] = lots
        self._cached = (-1, 0, 0)

    def seed(self, open_time: Micros, lots: Sequence[int]) -> None:
        """Past minutes in a row from `open_time` on, for those not known yet."""
        for minute, volume in enumerate(lots, open_time // MINUTE):
            inside = self._newest - SIZE < minute <= self._newest
            if not inside or self._lots[minute % SIZE] == UNKNOWN:
                self.put(minute * MINUTE, volume)

    def known(self, at: Micros) -> tuple[int, int]:
        """How many minutes are known as of `at`, and their lots together."""
        end = at // MINUTE - 1
        if self._cached[0] != end:
            minutes = range(max(end - DAY_MINUTES, self._newest - SIZE + 1), min(end, self._newest + 1))
            found = [lots for minute in minutes if (lots := self._lots[minute % SIZE]) != UNKNOWN]
            self._cached = (end, len(found), sum(found))
        return self._cached[1:]

    def mean(self, at: Micros, grid: Grid) -> Value:
        """Base units a minute as of `at`."""
        count, lots = self.known(at)
        if count < MIN_MINUTES:
            return Value.missing(Reason.WARMUP, n=count, coverage=count / DAY_MINUTES)
        return Value.of(grid.size(lots) / count, n=count, coverage=count / DAY_MINUTES)

    def ratio(self, lots: int, at: Micros) -> Value:
        """A size in minutes of usual volume; `NO_TRADES` where nothing is traded."""
        count, whole = self.known(at)
        if count < MIN_MINUTES:
            return Value.missing(Reason.WARMUP, n=count, coverage=count / DAY_MINUTES)
        if whole == 0:
            return Value.missing(Reason.NO_TRADES, n=count, coverage=count / DAY_MINUTES)
        return Value.of(lots * count / whole, n=count, coverage=count / DAY_MINUTES)

    def state(self) -> dict[str, object]:
        """All of it as JSON-able values, from the oldest known minute on."""
        lots = [self._lots[minute % SIZE] for minute in range(self._newest - SIZE + 1, self._newest + 1)]
        unknown = next((at for at, one in enumerate(lots) if one != UNKNOWN), SIZE)
        return {"newest": self._newest, "lots": lots[unknown:]}

    def restore(self, state: Mapping[str, object]) -> None:
        """The inverse of `state`."""
        self._newest, lots = cast("int", state["newest"]), cast("list[int]", state["lots"])
        for minute, one in enumerate(lots, self._newest - len(lots) + 1):
            self._lots[minute % SIZE] = one
