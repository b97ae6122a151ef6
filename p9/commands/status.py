"""`p9 status`: is everything healthy, may I trust it now."""

from __future__ import annotations

import click

from p9 import options


@click.command()
@options.config
@click.option("--json", "as_json", is_flag=True, help="The status message as published.")
def status(as_json: bool) -> None:
    """What every process last reported; exit code 1 when something is not ready."""
    import sys

    import msgspec
    import redis
    from rich.console import Console
    from rich.table import Table

    from configs.load import load
    from realtime.board import CHANNEL
    from realtime.bus import client
    from warehouse.errors import ConfigError

    settings = load()
    try:
        body = client(settings.bus_url).get(f"last:{CHANNEL}")
    except redis.ConnectionError as error:
        raise ConfigError(f"no bus at {settings.bus_url} ({error}): nothing runs here; start it with 'p9 up'") from None
    if not isinstance(body, bytes):
        raise ConfigError(f"the bus at {settings.bus_url} holds no status yet: is 'p9 board' running?")
    if as_json:
        click.echo(body.decode())
    message = msgspec.json.decode(body)
    if not as_json:
        table = Table("process", "up s", "rss MB", "entries", "connections")
        for name, report in message["processes"].items():
            connections = report.get("connections", {})
            ready = sum(1 for facts in connections.values() if facts["up"] and facts["ready"])
            table.add_row(
                name,
                str(report.get("up_s", "")),
                str(report.get("max_rss_mb", "")),
                str(report.get("next_seq", "")),
                f"{ready}/{len(connections)} ready" if connections else "",
            )
        console = Console()
        console.print(table)
        console.print("ready" if message["ready"] else "not ready: " + "; ".join(message["why_not"]))
    sys.exit(0 if message["ready"] else 1)
