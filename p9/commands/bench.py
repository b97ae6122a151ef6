"""`p9 bench`: measure, side by side."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.option("--seconds", type=click.FloatRange(0.1, 600), default=1.0, show_default=True, help="Of each market.")
@click.option("--rounds", type=click.IntRange(1, 50), default=5, show_default=True)
@click.option(
    "--journal",
    "journals",
    multiple=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Recorded frames of Binance USD-M instead of emulated ones; may be given several times.",
)
def bench(seconds: float, rounds: int, journals: tuple[Path, ...]) -> None:
    """Decode, keep the book, read its top twenty, all metrics on: messages per second and core, beside ccxt.pro, and
    cryptofeed and nautilus_trader where they are installed. Compare the ratios: they hold while machines change speed.
    """
    from p9.bench import frames, measure, mixes, sheet

    makers, missing = measure.contestants()
    for package in missing:
        click.echo(f"{package} is not installed: pip install 'p9-microstream[bench]'")
    recordings = map(frames.journal, journals) if journals else (mixes.emulated(mix, seconds) for mix in mixes.MIXES)
    for recording in recordings:
        click.echo("\n" + recording.describe())
        sheet.print_results(measure.run(recording, makers, rounds))
