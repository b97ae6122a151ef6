"""`p9 sql`: ask the lake."""

from __future__ import annotations

import os
import shutil
import sys
from contextlib import nullcontext
from threading import Thread
from typing import TYPE_CHECKING, BinaryIO, TextIO

import click

from p9 import options

if TYPE_CHECKING:
    import duckdb

ROWS = 200
"""A table on a terminal shows so many rows; the other formats show all."""
HISTORY = "sql_history"
"""The file under the home folder that keeps what was typed."""


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
    seams_latest, gaps_open, freshness, coverage_matrix, ... `SHOW TABLES` lists them. Times are UTC unless the query
    sets another TimeZone. Of several
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
        shell = Shell(connection, lambda found, form: write(found, form, None, connection), chosen)
        interactive(shell, settings.home / HISTORY)
        return
    try:
        found = connection.sql(text)
        if found is not None:
            write(found, chosen, output, connection)
    except duckdb.Error as error:
        raise click.ClickException(f"{error}\n'p9 sql \"SHOW TABLES\"' lists tables and marts.") from None


def write(found: duckdb.DuckDBPyRelation, form: str, output: str | None, to: duckdb.DuckDBPyConnection) -> None:
    """The rows as `form`, to a file or standard output, as they come, however many there are.

    Raises OSError for what cannot be written: BrokenPipeError when the reader of standard output left.
    """
    if form == "table":
        _table(found)
        return
    try:
        with open(output, "wb") if output else nullcontext(sys.stdout.buffer) as target:  # noqa: PTH123
            _copied(found.sql_query(), form, target, to)
            target.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OSError(error.errno, error.strerror, output or "standard output") from None


def _copied(query: str, form: str, target: BinaryIO, to: duckdb.DuckDBPyConnection) -> None:
    """DuckDB writes into a pipe, in a thread of its own, so that an interrupt meets us, who read."""
    source, sink = os.pipe()
    failed: list[Exception] = []

    def copy() -> None:
        try:
            to.execute(f"COPY ({query}\n) TO '/dev/fd/{sink}' (FORMAT {form})")
        except Exception as error:  # noqa: BLE001  it is raised below
            failed.append(error)
        finally:
            os.close(sink)

    worker = Thread(target=copy, name="copy")
    worker.start()
    try:
        with os.fdopen(source, "rb", 0) as pipe:
            shutil.copyfileobj(pipe, target)
    except BaseException:
        to.interrupt()
        raise
    finally:
        worker.join()
    if failed:
        raise failed[0]


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
