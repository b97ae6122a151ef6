"""`p9 audit`: the lake's promises, and every source against the others."""

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
@click.option("--since", help="Compare from here on: a UTC date or time, or an age (30d). Default: two days.")
@click.option("--until", help="Compare up to here, exclusive. Default: now.")
@click.option("--json", "as_json", is_flag=True, help="Reports as JSON lines instead of a table.")
@options.config
def audit(
    venues: tuple[str, ...], symbols: tuple[str, ...], since: str | None, until: str | None, as_json: bool
) -> None:
    """Run the SQL audits; roll one-minute candles up to every longer timeframe; count candles again from trades.

    Each difference is a row of the table mismatches. Exit code 0: none; 1: there is one; 2: a wrong choice.
    """
    from configs.load import load
    from p9.commands.backfill import asked, bars, outcome, show
    from pipelines.running import check
    from warehouse.errors import ConfigError

    scope = asked(venues, symbols, since, until)
    with bars(as_json) as heard:
        try:
            reports = check(load(), scope, heard)
        except ConfigError as error:
            raise click.UsageError(str(error)) from None
    show(reports, as_json)
    sys.exit(outcome(reports))
