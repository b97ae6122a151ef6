"""`p9 upkeep`: keep the lake small and quick to read."""

from __future__ import annotations

import sys

import click

from p9 import options


@click.command()
@click.option("--json", "as_json", is_flag=True, help="The report as a JSON line instead of a table.")
@options.config
def upkeep(as_json: bool) -> None:
    """Drop what the settings keep no longer, compact small files, write checkpoints, remove files nobody reads.

    While a recorder runs, the tables that it writes are left to it. Safe to repeat, and beside everything else.
    """
    from configs.load import load
    from p9.commands.backfill import bars, outcome, show
    from pipelines.running import tidy

    with bars(as_json) as heard:
        reports = tidy(load(), progress=heard)
    show(reports, as_json)
    sys.exit(outcome(reports))
