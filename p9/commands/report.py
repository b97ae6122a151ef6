"""`p9 report`: how good the lake is."""

from __future__ import annotations

from pathlib import Path

import click

from p9 import options


@click.command()
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Also write everything to this HTML page, with its charts inside.",
)
@click.option("--lake", "root", help="The lake's root, if it is not that of your settings.")
@options.config
def report(out: Path | None, root: str | None) -> None:
    """How good the lake is: coverage, freshness, duplicates, order, outliers, disagreement, gaps, files.

    It only tells; `p9 verify lake` is what fails.
    """
    from rich.console import Console
    from rich.table import Table

    from configs.load import load
    from p9.page import cell, page, verdict
    from warehouse.clock import SystemClock, iso
    from warehouse.quality import quality
    from warehouse.reading import open_lake

    settings = load()
    found = quality(open_lake(root or settings.lake_root, settings.lake.storage_options))
    console = Console()
    facts = Table(box=None, show_header=False, pad_edge=False)
    facts.add_column()
    facts.add_column(justify="right")
    facts.add_column()
    for fact in found.facts:
        facts.add_row(fact.name, cell(fact.value), verdict(fact), style="" if fact.good is not False else "bold red")
    console.print(facts)
    fresh = found.sheets["freshness"]
    table = Table(*fresh.columns[:4], fresh.columns[-1], box=None, pad_edge=False)
    for row in fresh.rows:
        table.add_row(*[cell(one) for one in (*row[:4], row[-1])])
    console.print(table)
    if out is not None:
        out.write_text(page(found, iso(SystemClock().now())))
        console.print(f"written to {out}", soft_wrap=True)
