"""Measure contestants on the same frames, in one run, round by round.

Machines change speed from second to second, so in each round all contestants take turns, a lap each: what slows one
slows the others, and their ratio holds. A contestant whose trades or best twenty levels differ from ours is named as
wrong, and its speed does not count.

What a core can do in a second: live, ten timer entries come in it, each with all metrics of all instruments; what they
leave holds as many frames as fit. So frames and timers are timed apart. The others have no timers.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Mapping, Sequence
from statistics import median
from time import process_time

import msgspec

from p9.bench import ours, rivals
from p9.bench.frames import KINDS, TICK, Recording
from p9.bench.rivals import Contestant, Counted
from warehouse.instruments import Rules

TIMERS = 10
"""Timer entries in a second."""

Maker = Callable[[Recording], Contestant]

MEASURED, PUBLISHED = "p9-microstream", "p9-microstream, every message encoded"
WHOLE = "p9-microstream, every feed on"
RIVALS: tuple[tuple[str, Maker], ...] = (
    ("ccxt", rivals.ccxt_pro),
    ("cryptofeed", rivals.cryptofeed),
    ("nautilus_trader", rivals.nautilus_trader),
)


class Cost(msgspec.Struct, frozen=True):
    """Microseconds of CPU time: of a frame, and of a timer entry (0 for those without)."""

    frame: float
    timer: float

    @property
    def per_second(self) -> float:
        """Frames that fit into a second of a core, beside its timers."""
        return (1e6 - TIMERS * self.timer) / self.frame


class Result(msgspec.Struct, frozen=True):
    """One contestant on one recording, medians of its rounds: frames a second of one core, our rate over its rate, the
    cost of one frame of each kind (fed alone; none of `WHOLE`) and of a timer entry in microseconds. `wrong` says how
    its answer differs from ours, empty when it agrees.
    """

    name: str
    per_second: float
    ratio: float
    kinds: dict[str, float]
    timer_us: float
    wrong: str


def contestants() -> tuple[dict[str, Maker], list[str]]:
    """All that are installed, and the names of those that are not."""
    makers: dict[str, Maker] = {MEASURED: ours.measured, PUBLISHED: ours.published, WHOLE: ours.every_feed}
    missing = []
    for package, maker in RIVALS:
        if found := rivals.installed(package):
            makers[f"{package} {found}"] = maker
        else:
            missing.append(package)
    return makers, missing


def run(recording: Recording, makers: dict[str, Maker], rounds: int) -> list[Result]:
    """Every contestant reads the same frames, `rounds` times: all of them, then each kind alone."""
    parts = {kind: only for kind in KINDS if (only := recording.only(kind)).frames}
    costs: dict[str, list[Cost]] = {name: [] for name in makers}
    alone: dict[str, dict[str, list[float]]] = {name: {kind: [] for kind in parts} for name in makers}
    answers: dict[str, Counted] = {}
    for _ in range(rounds):
        for name, (cost, answers[name]) in raced(makers, recording).items():
            costs[name].append(cost)
        for kind, part in parts.items():
            for name, (cost, _) in raced({one: makers[one] for one in makers if one != WHOLE}, part).items():
                alone[name][kind].append(cost.frame)
    mine, truth = costs[MEASURED], answers[MEASURED]
    return [
        Result(
            name,
            median(cost.per_second for cost in costs[name]),
            median(own.per_second / theirs.per_second for own, theirs in zip(mine, costs[name], strict=True)),
            {kind: median(found) for kind, found in alone[name].items() if found},
            median(cost.timer for cost in costs[name]),
            differs(recording.rules, truth, answers[name]),
        )
        for name in makers
    ]


def raced(makers: Mapping[str, Maker], recording: Recording) -> dict[str, tuple[Cost, Counted]]:
    """What it cost each, and the answers. What was there before is hidden from the garbage collector, for a live
    process holds no such recording.
    """
    running = {name: maker(recording)() for name, maker in makers.items()}
    taken, answers = dict.fromkeys(makers, 0.0), dict[str, Counted]()
    gc.collect()
    gc.freeze()
    while running:
        for name, run in list(running.items()):
            begun = process_time()
            try:
                next(run)
            except StopIteration as end:
                answers[name] = end.value
                del running[name]
            taken[name] += process_time() - begun
    gc.unfreeze()
    timers = sum(entry.kind == TICK for entry in recording.entries)
    return {
        name: (
            Cost((taken[name] * 1e6 - answer.timers_us) / len(recording.frames), answer.timers_us / max(1, timers)),
            answer,
        )
        for name, answer in answers.items()
    }


def differs(rules: Sequence[Rules], truth: Counted, other: Counted) -> str:
    """How `other` differs in trades, or in the best levels as ticks and lots; empty when it does not."""
    if truth.trades != other.trades:
        return f"{other.trades} trades, not {truth.trades}"
    wrong = [rule.symbol for rule in rules if _whole(rule, truth) != _whole(rule, other)]
    return f"best levels differ: {', '.join(wrong)}" if wrong else ""


def _whole(rule: Rules, counted: Counted) -> list[list[tuple[int, int]]]:
    grid = rule.grid
    return [[(grid.ticks(price), grid.lots(size)) for price, size in side] for side in counted.tops[rule.symbol]]
