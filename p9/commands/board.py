"""`p9 board`: the one place to ask whether the live side may be trusted."""

from __future__ import annotations

import click

from p9 import options


@click.command()
@options.config
@click.option("--port", type=int, help="HTTP port; 0 takes a free one.")
def board(port: int | None) -> None:
    """Publish `precision9_fusion_status` each second; answer /healthz, /readyz and /status over HTTP."""
    import asyncio

    from configs.load import load
    from p9.logs import setup
    from realtime.board import Board
    from realtime.bus import claim
    from warehouse.clock import SystemClock

    setup()
    settings = load()
    claim(settings.bus_url, settings.realm)
    expected = [f"worker-{name}" for name in settings.enabled()] + ["recorder"]

    async def main() -> None:
        from p9.supervise import on_signals

        stop = asyncio.Event()
        on_signals(stop)
        table = Board(settings.bus_url, settings.realm, expected, SystemClock())
        running = asyncio.create_task(table.run(settings.board.host, settings.board.port if port is None else port))
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait([running, stopping], return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        if not stop.is_set() and not running.cancelled() and (error := running.exception()):
            raise error

    asyncio.run(main())
