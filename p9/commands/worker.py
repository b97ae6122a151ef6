"""`p9 worker`: follow one venue live."""

from __future__ import annotations

import click

from p9 import options


@click.command()
@click.option("--venue", required=True, type=click.Choice(["binance", "bybit", "okx"]))
@options.config
@click.option("--instrument", "instruments", multiple=True, help="Only these (repeatable): a share of the work.")
def worker(venue: str, instruments: tuple[str, ...]) -> None:
    """Follow one venue live: sockets to journal to engine to bus.

    Ends on SIGINT or SIGTERM. Exit code 1 when the venue or the bus cannot be used.
    """
    import asyncio

    from configs.load import load
    from p9.logs import setup
    from p9.wiring import worker_options
    from realtime.service import work
    from warehouse.clock import SystemClock

    setup()
    settings = load()
    options = worker_options(settings, venue, list(instruments) or settings.instruments)

    async def main() -> None:
        from p9.supervise import on_signals

        stop = asyncio.Event()
        on_signals(stop)
        working = asyncio.create_task(work(options, SystemClock()))
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait([working, stopping], return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not working.done():
            working.cancel()
        try:
            await working
        except asyncio.CancelledError:
            if not stop.is_set():
                raise

    asyncio.run(main())
