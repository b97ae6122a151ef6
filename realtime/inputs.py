"""May the inputs of one instrument be trusted now? Its rails, asked by every message before it is published."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from realtime.config import EngineConfig
from realtime.rails.base import FINE, Verdict
from realtime.rails.gap import GapRail
from realtime.rails.staleness import StalenessRail
from warehouse.clock import Micros
from warehouse.records import SequenceGap

STREAMS = ("trades", "depth", "bbo", "candles")


class Inputs:
    """Streams of one instrument: which connection carries each, is it up, silent, or holed.

    `carrier` maps a stream to its connection (learned from the first record), `down` holds why a stream's connection
    is closed.
    """

    __slots__ = ("_asked", "_verdicts", "carrier", "down", "gaps", "seam", "stale")

    def __init__(self, config: EngineConfig) -> None:
        self.stale = {
            "trades": StalenessRail("trades", config.trades_max_age_us),
            "depth": StalenessRail("depth", config.book_max_age_us),
        }
        self.gaps = {name: GapRail(name) for name in STREAMS}
        self.carrier: dict[str, str] = {}
        self.down: dict[str, str] = {}
        self.seam = ""
        self._asked: Micros = -1
        self._verdicts: dict[str, Verdict] = {}

    def connection(self, name: str, why: str | None) -> list[str]:
        """A connection came up (`why` None) or went down; the streams it carries here."""
        found = [stream for stream, carrier in self.carrier.items() if carrier == name]
        for stream in found:
            if why is None:
                self.down.pop(stream, None)
            else:
                self.down[stream] = why
        self._asked = -1
        return found

    def gap(self, gap: SequenceGap) -> None:
        """A row of the gap ledger."""
        rail = self.gaps.get(gap.stream)
        if rail is not None:
            rail.observe(gap)
        self._asked = -1

    def fresh(self) -> None:
        """A new boundary: judge anew."""
        self._asked = -1

    def verdict(self, stream: str, now: Micros) -> Verdict:
        """Of one stream: connection, gaps, age, in this order of importance."""
        if now != self._asked:
            self._asked = now
            self._verdicts = {}
        found = self._verdicts.get(stream)
        if found is None:
            found = self._verdicts[stream] = self._judge(stream, now)
        return found

    def _judge(self, stream: str, now: Micros) -> Verdict:
        if stream in self.down:
            return Verdict("degraded", f"{stream} silent: {self.down[stream]}")
        gap = self.gaps[stream].verdict(now)
        if not gap.ok:
            return gap
        rail = self.stale.get(stream)
        return FINE if rail is None else rail.verdict(now)

    def complaints(self, streams: tuple[str, ...], now: Micros) -> list[str]:
        """Why messages made of these streams are incomplete; empty when they are complete."""
        words = [verdict.reason for stream in streams if not (verdict := self.verdict(stream, now)).ok]
        if self.seam:
            words.append(self.seam)
        return words

    def state(self) -> dict[str, object]:
        """All of it as JSON-able values."""
        return {
            "newest": {name: rail.newest for name, rail in self.stale.items()},
            "gaps": {name: dict(rail.open) for name, rail in self.gaps.items()},
            "carrier": dict(self.carrier),
            "down": dict(self.down),
            "seam": self.seam,
        }

    def restore(self, state: Mapping[str, object]) -> None:
        """The inverse of `state`."""
        for name, newest in cast("dict[str, int]", state["newest"]).items():
            self.stale[name].newest = newest
        for name, kept in cast("dict[str, dict[str, str]]", state["gaps"]).items():
            self.gaps[name].open = dict(kept)
        self.carrier = dict(cast("dict[str, str]", state["carrier"]))
        self.down = dict(cast("dict[str, str]", state["down"]))
        self.seam = str(state["seam"])
