"""`p9 structure`: recompute market structure and context documents."""

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
@click.option("--json", "as_json", is_flag=True, help="Reports as JSON lines instead of a table.")
@options.config
def structure(venues: tuple[str, ...], symbols: tuple[str, ...], as_json: bool) -> None:
    """Levels, profiles, zones, trend, volatility of every instrument: from the lake into `contexts` and onto the bus.

    Safe to repeat: same rows, same documents. Exit code 0: done; 1: nothing to judge at a venue; 2: a wrong choice.
    """
    from configs.load import load
    from p9.commands.backfill import bars, outcome, show
    from pipelines.running import restructure
    from pipelines.scope import Scope
    from warehouse.errors import ConfigError

    with bars(as_json) as heard:
        try:
            reports = restructure(load(), Scope(venues=venues, symbols=symbols), heard)
        except ConfigError as error:
            raise click.UsageError(str(error)) from None
    show(reports, as_json)
    sys.exit(outcome(reports))
