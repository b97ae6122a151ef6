"""May the inputs of one instrument be trusted now? Its rails, asked by every message before it is published."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, cast

from realtime.config import EngineConfig
from realtime.rails.base import FINE, Rail, Verdict
from realtime.rails.clocks import Vitals
from realtime.rails.condition import ConditionRail
from realtime.rails.gap import GapRail
from realtime.rails.jump import JumpRail
from realtime.rails.latency import LatencyRail
from realtime.rails.staleness import StalenessRail
from warehouse.clock import SECOND, Micros
from warehouse.metrics.base import Reason
from warehouse.metrics.top import BookTop
from warehouse.records import SequenceGap

STREAMS = ("trades", "depth", "bbo", "candles")

OUTSIDE = 0.005
"""A trade further than this fraction outside the best prices: the book does not move with the market."""

JUMP_SHY = 10 * SECOND
"""After an impossible price nothing made of trades is complete for so long."""

One = TypeVar("One")


def _of(rails: Mapping[str, One], stream: str) -> tuple[One, ...]:
    return (rails[stream],) if stream in rails else ()


class Inputs:
    """Streams of one instrument: which connection carries each, is it up, silent, or holed.

    `carrier` maps a stream to its connection (learned from the first record), `down` holds why a stream's connection
    is closed.
    """

    __slots__ = (
        *("_asked", "_rails", "_verdicts", "carrier", "crossed", "down", "frozen", "gaps", "jump", "late", "seam"),
        *("stale", "vitals"),
    )

    def __init__(self, config: EngineConfig, vitals: Vitals) -> None:
        self.vitals = vitals
        breaker = (config.late_open_us, config.late_close_us, config.late_calm_us)
        self.late = {name: LatencyRail(name, *breaker) for name in ("trades", "depth", "bbo")}
        self.crossed = ConditionRail("the book has been crossed", 0, config.crossed_us)
        self.frozen = ConditionRail("trades have printed outside the book", config.frozen_us, config.frozen_us)
        self.jump = JumpRail(config.jump, JUMP_SHY)
        self.stale = {
            "trades": StalenessRail("trades", config.trades_max_age_us),
            "depth": StalenessRail("depth", config.book_max_age_us),
            # best quotes are measured by the book; without one their silence may mean that nothing changed
            "bbo": StalenessRail("bbo", config.book_max_age_us, expected=False),
        }
        self.gaps = {name: GapRail(name) for name in STREAMS}
        sound: dict[str, tuple[Rail[Any], ...]] = {"trades": (self.jump,), "depth": (self.crossed, self.frozen)}
        self._rails: dict[str, tuple[Rail[Any], ...]] = {
            name: (self.gaps[name], *_of(self.stale, name), *_of(self.late, name), *sound.get(name, ()))
            for name in STREAMS
        }
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
            rail.observe(gap, gap.ts_recv)
        self._asked = -1

    def fresh(self) -> None:
        """A new boundary: judge anew."""
        self._asked = -1

    def verdict(self, stream: str, now: Micros) -> Verdict:
        """Of one stream: connection, gaps, silence, lateness, soundness, in this order of importance."""
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
        for rail in self._rails[stream]:
            verdict = rail.verdict(now)
            if not verdict.ok:
                return verdict
        return FINE

    def complaints(self, streams: tuple[str, ...], now: Micros) -> list[str]:
        """Why messages made of these streams are incomplete; empty when they are complete."""
        words = [verdict.reason for stream in streams if not (verdict := self.verdict(stream, now)).ok]
        if self.seam:
            words.append(self.seam)
        words += self.vitals.complaints(now)
        return words

    def late_by(self, stream: str, age: Micros, now: Micros) -> None:
        """How old, by the venue's clock, the newest event of a stream was when it came."""
        self.late[stream].observe(age + self.vitals.clock.offset_us, now)

    def quoted(self, came: Micros, agrees: bool) -> None:
        """The best quote came at `came`. A book that shows the same (`agrees`) is as good as another one."""
        if "depth" in self.carrier:
            self.stale["bbo"].observe(agrees, max(came, self.stale["depth"].newest) if agrees else came)

    def judge(self, top: BookTop, last: int | None, now: Micros) -> str:
        """How the book stands beside the last trade (`last` in ticks, None without a recent one).

        Returns why the book must be asked for anew, empty when it need not.
        """
        outside = False
        if top.reason is None:
            bid, ask = top.bid_ticks[0], top.ask_ticks[0]
            self.jump.refer((bid + ask) // 2)
            outside = last is not None and not bid * (1 - OUTSIDE) <= last <= ask * (1 + OUTSIDE)
        elif last is not None:
            self.jump.refer(last)
        self.crossed.observe(top.reason is Reason.CROSSED, now)
        self.frozen.observe(outside, now)
        return next((rail.words for rail in (self.crossed, self.frozen) if rail.overdue(now)), "")

    def counts(self) -> dict[str, int]:
        """How often each breaker and condition has struck."""
        return {
            **{f"{name}_late": rail.times for name, rail in self.late.items()},
            "crossed": self.crossed.times,
            "frozen": self.frozen.times,
            "impossible_prices": self.jump.times,
        }

    def state(self) -> dict[str, object]:
        """All of it as JSON-able values."""
        return {
            "newest": {name: rail.newest for name, rail in self.stale.items()},
            "gaps": {name: dict(rail.open) for name, rail in self.gaps.items()},
            "carrier": dict(self.carrier),
            "down": dict(self.down),
            "seam": self.seam,
            "late": {name: rail.state() for name, rail in self.late.items()},
            "conditions": [self.crossed.state(), self.frozen.state(), self.jump.state()],
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
        for name, late in cast("dict[str, list[int]]", state["late"]).items():
            self.late[name].restore(late)
        crossed, frozen, jump = cast("list[list[int]]", state["conditions"])
        self.crossed.restore(crossed)
        self.frozen.restore(frozen)
        self.jump.restore(jump)
