"""`p9 replay`: a journal through the live engine again."""

from __future__ import annotations

from pathlib import Path

import click

from p9 import options


def _speed(ctx: click.Context, param: click.Parameter, value: str) -> float | None:
    """`max`, or a multiple of the recorded pace such as `1x`."""
    if value == "max":
        return None
    try:
        speed = float(value.removesuffix("x"))
    except ValueError:
        raise click.BadParameter(f"{value!r} is no speed; write max, 1x or 10x", ctx, param) from None
    if not 0 < speed < 1e6:
        raise click.BadParameter(f"{value!r} is no speed; write max, 1x or 10x", ctx, param)
    return speed


@click.command()
@click.argument("journal", type=click.Path(exists=True, path_type=Path))
@click.option("--speed", default="max", show_default=True, callback=_speed, metavar="1x|max", help="Pace.")
@click.option("--to", type=click.Choice(["jsonl", "redis"]), default="jsonl", show_default=True)
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="File for jsonl; else standard output.")
@click.option("--bus", "url", help="URL of the bus; default: the configured one.")
@click.option("--prefix", default="replay:", show_default=True, help="Before every name; '' on a bus of its own.")
@options.config
def replay(journal: Path, speed: float | None, to: str, out: Path | None, url: str | None, prefix: str) -> None:
    """Run JOURNAL (a folder, or one segment) through the live engine: the same code path, the same bytes.

    As JSON lines each message is preceded by its `record`, the kind of its channel. On a bus every name gets a prefix,
    so that a replay is never taken for the present.
    """
    import asyncio
    import sys

    from realtime.replay import Summary, realm_of, source_of
    from realtime.replay import replay as run
    from realtime.sinks.jsonl import JsonlSink
    from realtime.sinks.redis import RedisSink
    from warehouse.clock import SystemClock, iso

    realm = realm_of(journal)

    async def to_bus() -> Summary:
        from configs.load import load

        sink = RedisSink(
            url or load().bus_url,
            realm=realm,
            clock=SystemClock(),
            source=source_of(realm),
            prefix=prefix,
            ts_pub_is_recv=True,
        )
        await sink.start()
        try:
            return await run(journal, sink, speed)
        finally:
            await sink.close()

    async def to_lines() -> Summary:
        if out is None:
            return await run(journal, JsonlSink(sys.stdout.buffer, source_of(realm)), speed)
        with out.open("wb") as file:
            return await run(journal, JsonlSink(file, source_of(realm)), speed)

    try:
        found = asyncio.run(to_bus() if to == "redis" else to_lines())
    except BrokenPipeError:
        sys.stderr.close()
        return
    span = f"{iso(found.first)} .. {iso(found.last)}" if found.last else "empty"
    click.echo(
        f"{found.entries} entries in {found.segments} segments ({span}): {found.messages} messages, "
        f"{found.epochs} epochs, realm {found.realm}",
        err=True,
    )
