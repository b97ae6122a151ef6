"""The benchmark: us beside other libraries, on the same frames, in one run, round by round.

Machines change speed; a ratio of two contestants of one round holds. A contestant whose counts or best prices differ
is named as wrong, and its
speed does not count.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from statistics import median

import msgspec

from p9 import rivals
from p9.frames import Recording


class Result(msgspec.Struct, frozen=True):
    """One contestant. `per_second` is the median of its rounds, in frames per second of CPU time; `ratio` is the
    median over rounds of
    our rate divided by its rate; `wrong` says how its answer differs from ours, empty when it agrees.
    """

    name: str
    per_second: float
    ratio: float
    wrong: str


def run(recording: Recording, rounds: int, say: Callable[[str], None]) -> list[Result]:
    """Measure: every contestant reads the same frames, `rounds` times."""
    say(recording.words)
    makers: dict[str, Callable[[Recording], rivals.Contestant]] = {"p9-microstream": rivals.ours}
    others = {
        "ccxt": rivals.ccxt_pro,
        "cryptofeed": rivals.cryptofeed,
        "nautilus_trader": rivals.nautilus_trader,
    }
    for package, other in others.items():
        if found := rivals.installed(package):
            makers[f"{package} {found}"] = other
        else:
            say(f"{package} is not installed: pip install 'p9-microstream[bench]'")
    rates: dict[str, list[float]] = {name: [] for name in makers}
    answers: dict[str, rivals.Counted] = {}
    for number in range(rounds):
        for name, maker in makers.items():
            contestant = maker(recording)
            gc.collect()
            begun = time.process_time()
            answers[name] = contestant()
            rates[name].append(len(recording.frames) / (time.process_time() - begun))
        say(f"round {number + 1} of {rounds}: " + ", ".join(f"{name} {rates[name][-1]:,.0f}/s" for name in makers))
    mine = rates["p9-microstream"]
    truth = answers["p9-microstream"]
    return [
        Result(
            name,
            median(rates[name]),
            median(own / other for own, other in zip(mine, rates[name], strict=True)),
            _differs(truth, answers[name]),
        )
        for name in makers
    ]


def _differs(truth: rivals.Counted, other: rivals.Counted) -> str:
    if truth.trades != other.trades:
        return f"{other.trades} trades, not {truth.trades}"
    if wrong := [name for name, best in truth.best.items() if other.best.get(name) != best]:
        return f"best prices differ: {', '.join(wrong)}"
    return ""
