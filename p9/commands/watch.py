"""`p9 watch`: follow channels on the bus."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from p9 import options

if TYPE_CHECKING:
    from rich.table import Table

QUIET = ("v", "channel", "epoch", "prev", "source", "reasons", "venue", "instrument", "incomplete", "quality")
"""Fields that the table leaves out of its summary."""


@click.command()
@click.argument("pattern", default="*")
@click.option("--json", "as_json", is_flag=True, help="Messages as they are, one per line.")
@click.option("--count", type=click.IntRange(1), help="Stop after this many messages.")
@click.option("--bus", "url", help="URL of the bus; default: the configured one.")
@options.config
def watch(pattern: str, as_json: bool, count: int | None, url: str | None) -> None:
    """Follow the channels that match PATTERN (`fusion_data:*`, `trade:okx:btc-usdt`; default all).

    What is known already is shown first. On a terminal: one row per channel, else JSON lines.
    """
    import sys

    import redis

    from configs.load import load
    from p9.following import latest
    from realtime.bus import REFUSED, absent, client, refused
    from warehouse.errors import ConfigError

    address = url or load().bus_url
    bus = client(address)
    try:
        messages = latest(bus, pattern)
        if as_json or not sys.stdout.isatty():
            for number, body in enumerate(messages, 1):
                click.echo(body)
                if number == count:
                    return
        else:
            show(messages, count)
    except REFUSED as error:
        raise ConfigError(refused(address, error)) from None
    except (redis.ConnectionError, redis.TimeoutError) as error:
        hint = "start one with 'p9 up' or 'p9 demo', or name it with --bus"
        raise ConfigError(f"{absent(address, error)}; {hint}") from None
    except (KeyboardInterrupt, BrokenPipeError):
        return


def show(messages: Iterator[bytes], count: int | None) -> None:
    """A table that keeps itself fresh: channel, how many came, complete, the first fields."""
    from rich.live import Live

    rows: dict[str, tuple[int, bytes]] = {}
    with Live(_table(rows), refresh_per_second=5) as live:
        for number, body in enumerate(messages, 1):
            channel = _channel(body)
            rows[channel] = (rows.get(channel, (0, b""))[0] + 1, body)
            live.update(_table(rows))
            if number == count:
                return


def _channel(body: bytes) -> str:
    import msgspec

    return str(msgspec.json.decode(body)["channel"])


def _table(rows: dict[str, tuple[int, bytes]]) -> Table:
    import msgspec
    from rich.table import Table

    table = Table(box=None, expand=True)
    table.add_column("channel", no_wrap=True)
    for head in ("messages", "seq"):
        table.add_column(head, justify="right")
    table.add_column("complete")
    table.add_column("newest", no_wrap=True, overflow="ellipsis", ratio=1)
    for channel in sorted(rows):
        number, body = rows[channel]
        message = msgspec.json.decode(body)
        words = ", ".join(
            f"{name} {value}"
            for name, value in message.items()
            if name not in QUIET and not name.startswith("ts_") and not isinstance(value, list | dict)
            if name not in ("seq", "complete", "context_as_of")
        )
        table.add_row(channel, str(number), str(message["seq"]), "yes" if message["complete"] else "no", words)
    return table
