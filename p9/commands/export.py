"""`p9 export`: an instrument of the lake for a backtesting package."""

from __future__ import annotations

from pathlib import Path

import click

from p9 import options


@click.command()
@click.argument("form", type=click.Choice(["nautilus", "hftbacktest"]))
@click.option("--venue", required=True, help="One of those in the lake.")
@click.option("--symbol", required=True, help="The instrument: BTC-USDT-PERP.")
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), help="The catalog's folder; of hftbacktest an .npz file."
)
@click.option("--since", "--from", "start", metavar="TIME", help="Start: 2026-11-20 or 2026-11-20T12:00:00Z.")
@click.option("--until", "--to", "end", metavar="TIME", help="End, exclusive.")
@click.option(
    "--latency-us",
    type=click.IntRange(0),
    default=0,
    help="How long after its event what did not come by the stream counts as received.",
)
@options.config
def export(form: str, venue: str, symbol: str, out: Path, start: str | None, end: str | None, latency_us: int) -> None:
    """Trades, and depth where book pictures were recorded, as nautilus_trader's catalog or hftbacktest's event array.

    Neither package is needed here. For anything else: p9 sql "..." -o file.parquet.
    """
    import warehouse
    from configs.load import load

    settings = load()
    root, storage = settings.lake_root, settings.lake.storage_options
    if form == "hftbacktest":
        count = warehouse.export_hftbacktest(
            venue, symbol, out, root, start=start, end=end, latency_us=latency_us, storage_options=storage
        )
        click.echo(f"{out}: {count:,} events")
        return
    counts = warehouse.export_nautilus(
        venue, symbol, out, root, start=start, end=end, latency_us=latency_us, storage_options=storage
    )
    for kind, rows in counts.items():
        click.echo(f"{out / 'data' / kind}: {rows:,} rows")
