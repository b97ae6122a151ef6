"""`p9 up`: the main job on the real venues."""

from __future__ import annotations

import click


@click.command()
@click.option("--seconds", type=float, help="End by itself after this long (120 is the quick test).")
@click.option("--config", type=click.Path(), help="Configuration file (else P9_CONFIG).")
def up(seconds: float | None, config: str | None) -> None:
    """Bus, one worker per venue, recorder, board and scheduled flows, supervised until SIGINT or SIGTERM.

    A venue that cannot be reached is named with the reason, and the others go on. With none, the exit code is 1.
    """
    import asyncio
    import sys

    from configs.load import dump, load
    from p9.logs import setup
    from p9.probe import probe
    from p9.supervise import Child, on_signals
    from p9.up import Installation
    from warehouse.errors import FusionError

    setup()
    settings = load(config)

    async def main() -> int:
        stop = asyncio.Event()
        on_signals(stop)
        found = await probe(settings)
        for venue, why in found.items():
            click.echo(f"{venue}: {why or 'reachable'}", err=bool(why))
        venues = [venue for venue, why in found.items() if not why]
        if not venues:
            click.echo("no venue can be reached. See what the whole system does without a network: p9 demo", err=True)
            return 1
        settings.home.mkdir(parents=True, exist_ok=True)
        written = settings.home / "config.yaml"
        used = settings.model_copy(update={"venues": {name: settings.venues[name] for name in venues}})
        dump(used, written)
        async with Installation(used, written, venues, {}) as running:
            for name in await running.until_ready(60, stop):
                click.echo(f"{name}: not ready yet; see {settings.home}/logs/{name}.log", err=True)
            try:
                await running.once("backfill", ["backfill", "all"], stop)
                await running.once("structure", ["structure"], stop)
            except FusionError as error:
                click.echo(f"error: {error}", err=True)
            running.supervisor.start(Child("flows", ["flows", "serve"]))
            try:
                await asyncio.wait_for(stop.wait(), seconds)
            except TimeoutError:
                pass
        return 0

    sys.exit(asyncio.run(main()))
