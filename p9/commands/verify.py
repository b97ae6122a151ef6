"""`p9 verify`: prove the promises on stored data."""

from __future__ import annotations

from pathlib import Path

import click

from p9 import options


@click.group()
def verify() -> None:
    """Prove the promises on stored data; exit code 1 when one fails."""


@verify.command(short_help="Join history and tape of every instrument again.")
@options.config
def seams() -> None:
    """Join history and tape of every recorded instrument again, from the stored rows."""
    from configs.load import load
    from realtime.recording.seams import certify
    from warehouse.clock import SystemClock
    from warehouse.reading import open_lake

    settings = load()
    lake = open_lake(settings.lake_root, settings.lake.storage_options)
    found = certify(lake, SystemClock())
    for one in found:
        click.echo(f"{one.state:<11} {one.venue:<8} {one.instrument:<14} {one.common:>7} common  {one.reason or ''}")
    if not found:
        raise click.ClickException("no instrument has been recorded yet: there is no seam to verify")
    bad = [one for one in found if one.state not in ("proven", "supported")]
    if bad:
        raise click.ClickException(f"{len(bad)} of {len(found)} seams are not proven")


@verify.command()
@options.config
def lake() -> None:
    """Run every audit over the lake."""
    from configs.load import load
    from warehouse.reading import audits, connect

    settings = load()
    failed = 0
    for name, count, rows in audits(connect(settings.lake_root, settings.lake.storage_options)):
        click.echo(f"{'pass' if not count else 'FAIL'}  {name}" + (f"  {count} rows, first {rows[0]}" if count else ""))
        failed += count > 0
    if failed:
        raise click.ClickException(f"{failed} audits found bad rows")


@verify.command(short_help="Listen, replay the journals, compare: the same bytes.")
@click.option("--seconds", type=click.FloatRange(0.1), default=10.0, show_default=True, help="How long to listen.")
@click.option("--whole", is_flag=True, help="Replay the journals from their beginning, not from the newest segments.")
@click.option(
    "--captured",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Do not listen: compare this file of 'p9 watch --json'.",
)
@click.option(
    "--journal",
    "named",
    multiple=True,
    type=click.Path(exists=True, path_type=Path),
    help="These journals instead of the installation's.",
)
@options.config
def parity(seconds: float, whole: bool, captured: Path | None, named: tuple[Path, ...]) -> None:
    """Listen to the running installation, replay its journals, and compare: every message heard, the streams of
    lossless channels as wholes, and the counts that the workers report.

    Equal means byte for byte, apart from prev, ts_pub and source.
    """
    import sys
    from functools import partial

    import redis
    from rich.console import Console

    from configs.load import load
    from p9.parity import describe, journals, live, recorded, table
    from realtime.bus import client
    from warehouse.errors import ConfigError

    settings = load()
    folders = journals(settings.journal_root, named)
    try:
        if captured is not None:
            found, holds = recorded(captured, folders, whole)
        else:
            found, holds = live(client(settings.bus_url), folders, seconds, whole, partial(click.echo, err=True))
    except redis.RedisError as error:
        raise ConfigError(
            f"no bus at {settings.bus_url} ({error}): start 'p9 up', or compare a file (--captured)"
        ) from None
    Console(width=None if sys.stdout.isatty() else 120).print(table(found))
    click.echo(f"{found.entries} journal entries replayed: {found.replayed} messages")
    for one in found.spans:
        if not one.holds:
            click.echo(f"{one.venue}, entries {one.first} to {one.end - 1}: produced {one.told}, replayed {one.found}")
    if found.differences:
        click.echo("\n".join(describe(found.differences[0])))
    if not holds and not found.differences and all(one.holds for one in found.spans):
        raise click.ClickException(
            "nothing could be compared: what was heard is older than what was replayed (--whole)"
        )
    if not holds:
        raise click.ClickException("what was published is not what the journal gives")
