"""`p9 bench`: measure, side by side."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.option(
    "--part",
    type=click.Choice(["all", "libraries", "journey", "archives", "lake"]),
    default="all",
    show_default=True,
    help="What to run; archives and lake only when they are named.",
)
@click.option("--mix", "names", multiple=True, help="Of the emulated markets only these: usual, busy, small.")
@click.option("--seconds", type=click.FloatRange(0.1, 600), default=4.0, show_default=True, help="Of each market.")
@click.option("--rounds", type=click.IntRange(1, 50), default=5, show_default=True)
@click.option(
    "--journal",
    "journals",
    multiple=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Recorded frames of Binance USD-M instead of emulated ones; may be repeated.",
)
@click.option(
    "--rate", type=click.FloatRange(100, 100_000), default=10_000.0, show_default=True, help="Of the journey."
)
@click.option(
    "--trades", type=click.IntRange(1000, 100_000_000), default=10_000_000, show_default=True, help="Of the bulk file."
)
def bench(
    part: str, names: tuple[str, ...], seconds: float, rounds: int, journals: tuple[Path, ...], rate: float, trades: int
) -> None:
    """How fast: us beside other libraries on the same frames, then the way from the wire to a subscriber.

    Libraries: decode, keep the book, read its top twenty; ours with every metric on. ccxt.pro, and cryptofeed and
    nautilus_trader where they are installed. Compare the ratios: they hold while machines change speed.

    With --part archives: a bulk file of many trades into a lake, from the file on disk to the answer of a query.

    With --part lake: a year of minutes at each venue, candles from trades, a query, every structure; with their goals.
    """
    if part in ("all", "libraries"):
        _libraries(names, seconds, rounds, journals)
    if part in ("all", "journey"):
        _journey(rate)
    if part == "archives":
        _archives(trades)
    if part == "lake":
        _lake()


def _libraries(names: tuple[str, ...], seconds: float, rounds: int, journals: tuple[Path, ...]) -> None:
    from p9.bench import frames, measure, mixes, sheet

    makers, missing = measure.contestants()
    for package in missing:
        click.echo(f"{package} is not installed: pip install 'p9-microstream[bench]'")
    chosen = [mix for mix in mixes.MIXES if not names or mix.name in names]
    recordings = map(frames.journal, journals) if journals else (mixes.emulated(mix, seconds) for mix in chosen)
    for recording in recordings:
        click.echo("\n" + recording.describe())
        sheet.print_results(measure.run(recording, makers, rounds))


def _journey(rate: float) -> None:
    from p9.bench import journey, sheet

    click.echo("\nfrom the wire to a subscriber, through a worker with its journal and a bus of its own")
    sheet.print_journey(journey.run(rate, 5.0, click.echo))


def _archives(trades: int) -> None:
    from p9.bench import archives

    found = archives.run(trades, click.echo)
    click.echo(
        f"{found.trades:,} trades ({found.rows:,} rows, {found.file_mib:.0f} MiB) landed and counted in "
        f"{found.total_s:.1f} s: read and checked {found.read_s:.1f}, landed {found.land_s:.1f}, asked "
        f"{found.query_s:.1f}; {found.trades / found.total_s:,.0f} trades/s, {found.cpu_s:.1f} s of processor, memory "
        f"at most {found.memory_mib:.0f} MiB, lake {found.lake_mib:.0f} MiB"
    )


def _lake() -> None:
    from p9.bench import lake, sheet

    click.echo("\nhistory: a year of minutes at each venue takes some minutes, most of them waiting for its limits")
    sheet.print_figures(lake.run(click.echo))
