"""The benchmark's results, for people."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from p9.bench.frames import KINDS
from p9.bench.measure import Result


def print_results(results: list[Result]) -> None:
    """One row a contestant."""
    table = Table("contestant", "frames/s of a core", "we are faster by", *(f"µs a {kind}" for kind in KINDS), "agrees")
    for result in results:
        kinds = [f"{result.kinds[kind]:.2f}" if kind in result.kinds else "" for kind in KINDS]
        table.add_row(result.name, f"{result.per_second:,.0f}", f"{result.ratio:.1f}x", *kinds, result.wrong or "yes")
    Console(width=120).print(table)
    timer = results[0].timer_us
    print(f"a timer entry (each metric of each instrument evaluated, what is due published) takes us {timer:,.0f} µs")
