"""The benchmark's results, for people."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from p9.bench.frames import KINDS
from p9.bench.journey import Journey
from p9.bench.lake import Figure
from p9.bench.measure import Result


def print_results(results: list[Result]) -> None:
    """One row a contestant."""
    table = Table("contestant", "frames/s of a core", "we are faster by", *(f"µs a {kind}" for kind in KINDS), "agrees")
    for result in results:
        kinds = [f"{result.kinds[kind]:.2f}" if kind in result.kinds else "" for kind in KINDS]
        table.add_row(result.name, f"{result.per_second:,.0f}", f"{result.ratio:.1f}x", *kinds, result.wrong or "yes")
    Console(width=120).print(table)
    timer = results[0].timer_us
    print(
        f"a timer entry takes us {timer:,.0f} µs (every metric of every instrument, and the messages that are due); "
        f"ten a second are {10 * timer / 1e6:.1%} of the core, which is taken off above"
    )


def print_figures(figures: list[Figure]) -> None:
    """One row a figure, beside its goal."""
    table = Table("history", "figure", "goal", "", "how it was measured")
    for one in figures:
        met = "" if one.value <= one.goal else "missed"
        table.add_row(one.name, f"{one.value:.2f} {one.unit}", f"{one.goal:g}", met, one.how)
    Console(width=140).print(table)


def print_journey(journey: Journey) -> None:
    """One row a step; `ms` is from the write to the worker's socket until a subscriber had the trade's message."""
    names = list(journey.steady.cores)
    table = Table("frames/s", "ms p50", "p95", "p99", "max", "heard/s", "no queue grew", *names)
    for step in (journey.steady, *journey.search):
        times = [f"{step.percentile(share):.2f}" for share in (0.5, 0.95, 0.99, 1.0)]
        cores = [f"{step.cores[name]:.2f}" for name in names]
        table.add_row(f"{step.rate:,.0f}", *times, f"{step.per_second:,.0f}", "yes" if step.keeps_up else "no", *cores)
    Console(width=120).print(table)
    print(f"on the right: cores used, by {', '.join(names[:-1])} and by everybody else on this machine")
    more = "at least " if journey.search and journey.search[-1].rate == journey.largest else ""
    print(f"the largest rate at which no queue grew: {more}{journey.largest:,.0f} frames/s, every trade heard")
