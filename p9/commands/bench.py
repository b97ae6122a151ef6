"""`p9 bench`: measure, side by side."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.option("--seconds", type=click.IntRange(1, 600), default=3, show_default=True, help="Of market, per round.")
@click.option(
    "--rate", type=click.FloatRange(1, 10_000), default=4000.0, show_default=True, help="Book events a second."
)
@click.option(
    "--journal",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Recorded frames of Binance USD-M instead of emulated ones.",
)
@click.option("--rounds", type=click.IntRange(1, 50), default=5, show_default=True)
def bench(seconds: int, rate: float, journal: Path | None, rounds: int) -> None:
    """Decode, keep the book, read its top twenty, all metrics on: messages per second and core, beside ccxt.pro, and
    cryptofeed
    where it is installed. Compare the ratios: they hold while machines change speed.
    """
    from rich.console import Console
    from rich.table import Table

    from p9 import frames
    from p9.bench import run

    recording = frames.journal(journal) if journal else frames.emulated(seconds, rate)
    table = Table("contestant", "frames/s of one core", "we are faster by", "agrees with us")
    for result in run(recording, rounds, click.echo):
        table.add_row(result.name, f"{result.per_second:,.0f}", f"{result.ratio:.1f}x", result.wrong or "yes")
    Console().print(table)
