"""`p9 decode`: frames in, records out."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import click


@click.command()
@click.option("--venue", type=click.Choice(["binance", "bybit", "okx"]), help="Of a text file.")
@click.option("--market", type=click.Choice(["spot", "perp"]), help="Of a text file.")
@click.option("--at", "day", metavar="DATE", help="Date of the frames (YYYY-MM-DD), for dated formats.")
@click.option("--contract-value", metavar="DECIMAL", help="Base units of one contract (OKX swaps).")
@click.argument("file", type=click.Path(exists=True, path_type=Path))
def decode(venue: str | None, market: str | None, day: str | None, contract_value: str | None, file: Path) -> None:
    """Normalised records of FILE as JSON lines: `record`, then its fields.

    FILE is a journal (folder or segment) or a text file, gzipped or not, with one frame per line: bare JSON,
    `<epoch> <JSON>` or `<seconds>: <JSON>`. `ts_recv` is null for bare frames. A text file without a book snapshot
    begins from an empty book; what a journal's sessions did not prove is not printed.
    """
    import sys
    from datetime import UTC, datetime

    from p9.decoding import is_journal, line, of_journal, of_text
    from warehouse.instruments import Market

    if is_journal(file):
        records = of_journal(file)
    elif venue is None or market is None:
        raise click.UsageError("a text file of frames needs --venue and --market")
    else:
        try:
            at = None if day is None else int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp()) * 1_000_000
        except ValueError:
            raise click.BadParameter(f"{day!r} is no date; write 2024-08-08", param_hint="--at") from None
        records = of_text(file, venue, cast("Market", market), at, contract_value)
    out = sys.stdout.buffer
    count = 0
    try:
        for record in records:
            out.write(line(record) + b"\n")
            count += 1
        out.flush()
    except BrokenPipeError:
        sys.stderr.close()
        return
    if not count:
        click.echo(f"{file}: no frame became a record", err=True)
