"""`p9 board`: the one place to ask whether the live side may be trusted."""

from __future__ import annotations

import click

from p9 import options


@click.command()
@options.config
@click.option("--port", type=click.IntRange(0, 65_535), help="HTTP port; 0 takes a free one.")
def board(port: int | None) -> None:
    """Publish `precision9_fusion_status` each second; answer /healthz, /readyz and /status over HTTP.

    Ends on SIGINT or SIGTERM. Exit code 1 when the bus or the port cannot be used.
    """
    import asyncio

    from configs.load import load
    from p9.logs import setup
    from p9.sole import sole
    from p9.supervise import on_signals, unless
    from realtime.board import Board
    from realtime.bus import claim
    from warehouse.clock import SystemClock
    from warehouse.errors import ConfigError

    setup()
    settings = load()
    claim(settings.bus_url, settings.realm)
    expected = [f"worker-{name}" for name in settings.enabled()] + ["recorder"]
    at = settings.board.port if port is None else port

    async def main() -> None:
        stop = asyncio.Event()
        on_signals(stop)
        table = Board(settings.bus_url, settings.realm, expected, SystemClock())
        try:
            await unless(stop, table.run(settings.board.host, at))
        except OSError as error:
            raise ConfigError(f"board: cannot serve at {settings.board.host}:{at}: {error.strerror}") from None

    with sole(settings.home / "board.lock", "is this installation's board already", "choose another home (P9_HOME)"):
        asyncio.run(main())
