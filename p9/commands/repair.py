"""`p9 repair`: close the holes of the lake, and say of each that cannot be closed why."""

from __future__ import annotations

import sys

import click

from p9 import options


@click.command()
@click.option("--venue", "venues", multiple=True, help="Only this venue; may be repeated.")
@click.option(
    "--symbol",
    "symbols",
    multiple=True,
    help="Only this instrument (BTC-USDT-PERP) or base coin (BTC); may be repeated.",
)
@click.option(
    "--since",
    help="Look from here on: a UTC date or time, or an age (30d). Default: 30 days (longer candles more), funding all, "
    "books a day, trades 6 hours; open holes always.",
)
@click.option("--until", help="Look up to here, exclusive. Default: now.")
@click.option("--json", "as_json", is_flag=True, help="Reports as JSON lines instead of a table.")
@options.config
def repair(
    venues: tuple[str, ...], symbols: tuple[str, ...], since: str | None, until: str | None, as_json: bool
) -> None:
    """Find missing candles, trades, settlements, readings and snapshots; fetch them again, or write down why not.

    Each attempt is a row of the table gaps. What the venue never had is legitimate; what no source has any more is
    unrecoverable; neither is tried again. Structure and contexts of repaired instruments are made anew. Safe to repeat.

    Exit code 0: all holes were looked after; 1: some venue failed; 2: a wrong choice; 3: no venue could be reached.
    """
    from configs.load import load
    from p9.commands.backfill import asked, bars, outcome, show
    from pipelines.running import mend
    from pipelines.sources.base import Unreachable
    from warehouse.errors import ConfigError

    scope = asked(venues, symbols, since, until)
    with bars(as_json) as heard:
        try:
            reports = mend(load(), scope, heard)
        except ConfigError as error:
            raise click.UsageError(str(error)) from None
        except Unreachable as error:
            click.echo(f"error: {error}", err=True)
            sys.exit(3)
    show(reports, as_json)
    sys.exit(outcome(reports))
