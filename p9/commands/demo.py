"""`p9 demo`: the whole main job on this machine, with no network."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.option(
    "--seconds", type=click.FloatRange(min=1), default=120.0, show_default=True, help="Length of the live part."
)
@click.option("--seed", type=int, default=1, show_default=True, help="Seed of the emulated market.")
@click.option(
    "--tape",
    multiple=True,
    type=click.Path(exists=True, path_type=Path),
    help="Play this journal instead; may be repeated.",
)
@click.option(
    "--history",
    multiple=True,
    type=click.Path(exists=True, path_type=Path),
    help="Folder of recorded candles behind a tape; may be repeated.",
)
@click.option(
    "--lookback", type=click.IntRange(min=1), default=10, show_default=True, help="Minutes of trades to backfill."
)
@click.option(
    "--home", type=click.Path(path_type=Path), default=Path("p9-demo"), show_default=True, help="Its own folder."
)
@click.option(
    "--venue",
    "venues",
    multiple=True,
    type=click.Choice(["binance", "bybit", "okx"]),
    help="Only this venue; may be repeated.",
)
def demo(
    seconds: float,
    seed: int,
    tape: tuple[Path, ...],
    history: tuple[Path, ...],
    lookback: int,
    home: Path,
    venues: tuple[str, ...],
) -> None:
    """Emulated Binance, Bybit and OKX; real flows, lake, bus, sockets; then a summary with the seam certificates.

    Nothing here is a real market: every message says `source: emulated`. Writes under its own folder, made anew each
    time. Your settings (P9_CONFIG) are not read.

    Exit code 0: every promise held; 1: one did not, and which; 130: stopped before its end.
    """
    import asyncio
    import sys

    from p9.demo import Plan, run
    from p9.logs import setup

    setup()
    plan = Plan(
        seconds=seconds, seed=seed, tapes=list(tape), history=list(history), lookback=lookback, home=home,
        venues=list(venues) or ["binance", "bybit", "okx"],
    )  # fmt: skip
    sys.exit(asyncio.run(run(plan)))
