"""`p9 journal`: convert recordings, inspect and print journals."""

from __future__ import annotations

from pathlib import Path

import click


@click.group()
def journal() -> None:
    """Convert, inspect and print journals."""


@journal.command("import", short_help="Convert recordings into a journal.")
@click.option("--venue", required=True, type=click.Choice(["binance", "bybit", "okx"]))
@click.option("--market", required=True, type=click.Choice(["spot", "perp"]))
@click.option(
    "--instrument",
    "instruments",
    multiple=True,
    help="Only this instrument; may be repeated. Default: BTC-USDT or BTC-USDT-PERP.",
)
@click.option("--at", "day", help="Date of the recording (YYYY-MM-DD) for dated formats; default: from its times.")
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("out", type=click.Path(path_type=Path))
def import_(
    venue: str, market: str, instruments: tuple[str, ...], day: str | None, files: tuple[Path, ...], out: Path
) -> None:
    """Convert recordings (FILE...) into a journal folder OUT.

    Two layouts are read, gzipped or not.

    A: `<epoch in us or ns> <JSON>` per line, where a line without a `stream` key is a REST depth snapshot.

    B: `<seconds>: <frame>`, with `<url> <- ...` for what the client sent and `<url> -> t: body` for a REST answer.
    """
    from p9.imports import convert

    count = convert(venue, market, list(instruments), day, list(files), out)
    click.echo(f"{out}: {count} entries")


@journal.command()
@click.argument("path", type=click.Path(exists=True, path_type=Path))
def info(path: Path) -> None:
    """What a journal holds: segments, entries, span, rules."""
    from realtime.tape import read_segments
    from warehouse.clock import iso

    for segment, entries in read_segments(path):
        header = segment.header
        first = last = None
        kinds: dict[int, int] = {}
        for _, entry in entries:
            first = first if first is not None else entry.ts_recv
            last = entry.ts_recv
            kinds[entry.kind] = kinds.get(entry.kind, 0) + 1
        from warehouse.journal import Kind

        click.echo(f"segment {header.first_seq}: {header.venue}, {header.realm}, journal {header.journal_id}")
        span = f"{iso(first)} .. {iso(last)}" if first is not None and last is not None else "empty"
        click.echo(f"  {sum(kinds.values())} entries, {span}")
        click.echo("  " + ", ".join(f"{Kind(kind).name.lower()} {count}" for kind, count in sorted(kinds.items())))
        click.echo("  rules: " + ", ".join(f"{rule.instrument} tick {rule.tick}" for rule in header.rules))
        if header.streams:
            click.echo(f"  streams: {', '.join(header.streams)}")


@journal.command(short_help="Print entries as JSON lines.")
@click.argument("path", type=click.Path(exists=True, path_type=Path))
@click.option("--limit", type=int, help="Stop after this many entries.")
def cat(path: Path, limit: int | None) -> None:
    """Print entries as JSON lines: log_seq, ts_recv, source, kind, payload."""
    import msgspec

    from realtime.tape import read_segments
    from warehouse.journal import Kind

    count = 0
    for _, entries in read_segments(path):
        for seq, entry in entries:
            if limit is not None and count >= limit:
                return
            line = {
                "log_seq": seq,
                "ts_recv": entry.ts_recv,
                "source": entry.source,
                "kind": Kind(entry.kind).name.lower(),
                "payload": entry.payload.decode(errors="replace"),
            }
            click.echo(msgspec.json.encode(line).decode())
            count += 1
