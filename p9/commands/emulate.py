"""`p9 emulate`: Binance, Bybit and OKX on loopback, seeded or from recorded journals."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.option("--seed", default=1, show_default=True, help="Seed of the market.")
@click.option(
    "--tape",
    "tapes",
    multiple=True,
    type=click.Path(exists=True, path_type=Path),
    help="Play this journal (a folder or a segment) in its own time; repeatable.",
)
@click.option(
    "--history",
    multiple=True,
    type=click.Path(exists=True, file_okay=False),
    help="Folder of recorded candles and funding rates behind a tape; repeatable.",
)
@click.option("--venues", default="binance,bybit,okx", show_default=True, help="Which venues, by commas.")
@click.option(
    "--dir",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Keep a seeded market here: started again, it has the same past.",
)
@click.option(
    "--endpoints",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the URLs, the clock offset and the dialects here as JSON.",
)
@click.option("--rate", default=20.0, show_default=True, help="Book events a second and instrument.")
@click.option("--lookback", default=180, show_default=True, help="Minutes of trades served from before the start.")
@click.option("--preroll", default=0.0, show_default=True, help="Seconds by which a tape's clock begins before it.")
@click.option(
    "--patience",
    default=60.0,
    show_default=True,
    help="Seconds into a tape after which its frames flow, subscribed or not.",
)
@click.option(
    "--truth", type=click.Path(dir_okay=False, path_type=Path), help="Log every live trade of a seeded market here."
)
def emulate(
    seed: int,
    tapes: tuple[Path, ...],
    history: tuple[str, ...],
    venues: str,
    folder: Path | None,
    endpoints: Path | None,
    rate: float,
    lookback: int,
    preroll: float,
    patience: float,
    truth: Path | None,
) -> None:
    """Serve the venues' REST and WebSocket protocols on loopback until interrupted.

    \b
    p9 emulate --seed 7 --endpoints endpoints.json
    p9 emulate --tape journal/binance --history recordings/binance/spot
    """
    import asyncio

    from realtime.emulator.emulator import Options, serve
    from warehouse.errors import FusionError

    options = Options(
        seed=seed,
        tapes=tapes,
        history=history,
        venues=tuple(name.strip() for name in venues.split(",") if name.strip()),
        folder=folder,
        rate=rate,
        lookback_us=lookback * 60_000_000,
        preroll_us=round(preroll * 1e6),
        patience_us=round(patience * 1e6),
        truth=truth,
    )
    try:
        asyncio.run(serve(options, endpoints, click.echo))
    except FusionError as error:
        raise click.ClickException(str(error)) from None
