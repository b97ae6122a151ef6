"""`p9 verify`: prove the promises on stored data."""

from __future__ import annotations

import click


@click.group()
def verify() -> None:
    """Prove the promises on stored data; exit code 1 when one fails."""


@verify.command()
@click.option("--config", type=click.Path(), help="Configuration file (else P9_CONFIG).")
def seams(config: str | None) -> None:
    """Join history and tape of every recorded instrument again, from the stored rows."""
    from configs.load import load
    from realtime.recording.seams import certify
    from warehouse.clock import SystemClock
    from warehouse.reading import open_lake

    settings = load(config)
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
@click.option("--config", type=click.Path(), help="Configuration file (else P9_CONFIG).")
def lake(config: str | None) -> None:
    """Run every audit over the lake."""
    from configs.load import load
    from warehouse.reading import audits, connect

    settings = load(config)
    failed = 0
    for name, count, rows in audits(connect(settings.lake_root, settings.lake.storage_options)):
        click.echo(f"{'pass' if not count else 'FAIL'}  {name}" + (f"  {count} rows, first {rows[0]}" if count else ""))
        failed += count > 0
    if failed:
        raise click.ClickException(f"{failed} audits found bad rows")
