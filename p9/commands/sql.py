"""`p9 sql`: ask the lake."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, TextIO

import click

from p9 import options

if TYPE_CHECKING:
    import duckdb

ROWS = 200
"""A table on a terminal shows so many rows; the other formats show all."""
HISTORY = "sql_history"
"""The file under the home folder that keeps what was typed."""
INSTANT = "TIMESTAMP WITH TIME ZONE"
"""What DuckDB calls the type of our times."""


@click.command()
@click.argument("query", required=False)
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "csv", "json", "parquet"]),
    help="Default: table on a terminal, csv into a pipe. parquet needs --output.",
)
@click.option("--output", "-o", type=click.Path(dir_okay=False), help="Write to this file instead.")
@click.option("--file", "-f", "script", type=click.File(), help="Read the query from this file.")
@click.option("--as-of", metavar="TIME", help="The lake as it was known then: 2026-11-21 or 2026-11-21T12:00:00Z.")
@options.config
def sql(query: str | None, form: str | None, output: str | None, script: TextIO | None, as_of: str | None) -> None:
    """Ask the lake in SQL, with QUERY as an argument, in a file or on standard input; on a terminal, interactively.

    Tables: trades, candles, funding, gaps, seams, coverage, ...; marts: ohlcv('BTC-USDT', '1h', 24), cvd, vwap, basis,
    seams_latest, gaps_open, freshness, coverage_matrix, ... `SHOW TABLES` lists them. Times are UTC. Of several
    statements the last one's rows are shown.
    """
    import duckdb

    from configs.load import load
    from warehouse.reading import connect

    if query and script:
        raise click.UsageError("a query and --file: which of the two?")
    talk = not query and not script and not output and sys.stdin.isatty() and sys.stdout.isatty()
    text = script.read() if script else query or ("" if sys.stdin.isatty() else sys.stdin.read())
    if not talk and not text.strip():
        raise click.UsageError('no query. Write p9 sql "SELECT ... FROM trades", or pipe one in.')
    chosen = form or ("csv" if output or not sys.stdout.isatty() else "table")
    if chosen == "parquet" and not output:
        raise click.UsageError("parquet is not text: name a file with --output.")
    settings = load()
    connection = connect(settings.lake_root, settings.lake.storage_options, as_of)
    if talk:
        from p9.shell import Shell, interactive

        click.echo(f"{settings.lake_root}{f' as of {as_of}' if as_of else ''}; .help tells more")
        interactive(Shell(connection, lambda found, form: _write(found, form, None), chosen), settings.home / HISTORY)
        return
    try:
        found = connection.sql(text)
        if found is not None:
            _write(found, chosen, output)
    except duckdb.Error as error:
        raise click.ClickException(f"{error}\n'p9 sql \"SHOW TABLES\"' lists tables and marts.") from None


def _write(found: duckdb.DuckDBPyRelation, form: str, output: str | None) -> None:
    if form == "parquet":
        found.write_parquet(str(output))
        return
    if form == "table":
        _table(found)
        return
    target = open(output, "w", newline="") if output else sys.stdout  # noqa: SIM115, PTH123
    try:
        _csv(found, target) if form == "csv" else _json(found, target)
    finally:
        if output:
            target.close()


def _table(found: duckdb.DuckDBPyRelation) -> None:
    from rich.console import Console
    from rich.table import Table

    shown = Table(box=None, header_style="bold")
    numeric = ("INT", "DOUBLE", "FLOAT", "DECIMAL")
    for name, kind in zip(found.columns, found.types, strict=True):
        shown.add_column(name, justify="right" if any(word in str(kind) for word in numeric) else "left")
    rows = found.limit(ROWS + 1).fetchall()
    for row in rows[:ROWS]:
        shown.add_row(*[_text(cell) for cell in row])
    console = Console()
    console.print(shown)
    if len(rows) > ROWS:
        console.print(f"... the first {ROWS} rows; --format csv shows all")


def _text(cell: object) -> str:
    return "-" if cell is None else str(cell)


def spelled(found: duckdb.DuckDBPyRelation) -> list[tuple[object, ...]]:
    """All rows, with instants as text already: `2026-11-21 12:00:00+00:00`. As Python's objects they come slowly."""
    columns = []
    for at, (name, kind) in enumerate(zip(found.columns, found.types, strict=True), 1):
        value = f"(#{at} AT TIME ZONE 'UTC')::VARCHAR || '+00:00'" if str(kind) == INSTANT else f"#{at}"
        columns.append(f"""{value} AS "{name.replace('"', '""')}" """)
    return found.project(", ".join(columns)).fetchall()


def _csv(found: duckdb.DuckDBPyRelation, target: object) -> None:
    import csv

    writer = csv.writer(target, lineterminator="\n")  # type: ignore[arg-type]
    writer.writerow(found.columns)
    writer.writerows(spelled(found))


def _json(found: duckdb.DuckDBPyRelation, target: object) -> None:
    import json

    for row in spelled(found):
        print(json.dumps(dict(zip(found.columns, row, strict=True)), default=str), file=target)  # type: ignore[call-overload]
