"""`p9 status`: is everything healthy, may I trust it now."""

from __future__ import annotations

from typing import Any

import click

from p9 import options


@click.command()
@options.config
@click.option("--json", "as_json", is_flag=True, help="The status message as published.")
def status(as_json: bool) -> None:
    """What every process last reported. Exit code 0: all of it may be trusted now; 1: not, and why."""
    import sys

    import msgspec
    import redis
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from configs.load import load
    from realtime.board import CHANNEL
    from realtime.bus import REFUSED, absent, client, refused
    from warehouse import keys
    from warehouse.errors import ConfigError

    url = load().bus_url
    try:
        body, board = client(url).mget([f"last:{CHANNEL}", keys.health("board")])
    except REFUSED as error:
        raise ConfigError(refused(url, error)) from None
    except (redis.ConnectionError, redis.TimeoutError) as error:
        raise ConfigError(f"{absent(url, error)}: nothing runs here; 'p9 up' starts it") from None
    if not isinstance(body, bytes):
        raise ConfigError(f"the bus at {url} holds no status yet; is 'p9 board' running?")
    message = msgspec.json.decode(body)
    # The board's own report is gone a few seconds after the board.
    why_not = [*message["why_not"], *([] if board else ["board: not running; what it last said is below"])]
    if as_json:
        click.echo(body)
    else:
        console = Console(soft_wrap=not sys.stdout.isatty())
        table = Table("process", "up s", "MiB", "reports", box=None, pad_edge=False)
        for name, report in message["processes"].items():
            table.add_row(
                name, str(report.get("up_s", "-")), str(report.get("max_rss_mb", "-")), escape("; ".join(_said(report)))
            )
        console.print(table)
        if isinstance(board, bytes):
            console.print(f"board at {msgspec.json.decode(board)['url']} (/healthz /readyz /status)")
        console.print(f"{message['source']}, ready" if not why_not else f"{message['source']}, not ready:")
        for reason in why_not:
            console.print(f"  {reason}", markup=False)
        for reason in message["degraded"]:
            console.print(f"  degraded: {reason}", markup=False)
    sys.exit(1 if why_not else 0)


def _said(report: dict[str, Any]) -> list[str]:
    """A process's report in words; of a worker its connections, of the recorder its rows and seams."""
    words = []
    if (connections := report.get("connections")) is not None:
        ready = sum(1 for facts in connections.values() if facts["up"] and facts["ready"])
        words.append(f"{ready} of {len(connections)} connections ready")
    if (entries := report.get("next_seq")) is not None:
        words.append(f"{entries - 1:,} inputs journaled")
    if (rows := report.get("rows")) is not None:
        words.append(f"{sum(rows.values()):,} rows written")
    if (seams := report.get("seams")) is not None:
        states = sorted(seams.values())
        words += [f"{states.count(state)} seams {state}" for state in dict.fromkeys(states)]
    return words
