"""`p9 worker`: follow one venue live."""

from __future__ import annotations

import click

from p9 import options


@click.command()
@click.option("--venue", required=True, type=click.Choice(["binance", "bybit", "okx"]))
@options.config
@click.option("--instrument", "instruments", multiple=True, help="Only this instrument; may be repeated.")
def worker(venue: str, instruments: tuple[str, ...]) -> None:
    """Follow one venue live: sockets to journal to engine to bus.

    One worker to a venue and a bus: two would speak on the same channels. Ends on SIGINT or SIGTERM. Exit code 1 when
    the venue or the bus cannot be used at the start (later both are waited for), or another worker writes this venue's
    journal.
    """
    import asyncio

    from configs.load import load
    from p9.logs import setup
    from p9.sole import sole
    from p9.supervise import on_signals, unless
    from p9.wiring import worker_options
    from realtime.service import work
    from warehouse.clock import SystemClock

    setup()
    settings = load()
    if unknown := [name for name in instruments if name not in settings.instruments]:
        known = ", ".join(settings.instruments)
        raise click.BadParameter(
            f"{', '.join(unknown)}: not in the settings; known: {known}", param_hint="--instrument"
        )
    what = worker_options(settings, venue, list(instruments) or settings.instruments)

    async def main() -> None:
        stop = asyncio.Event()
        on_signals(stop)
        await unless(stop, work(what, SystemClock()))

    with sole(what.journal / "worker.lock", "writes this journal already", "give this one a home of its own (P9_HOME)"):
        asyncio.run(main())
