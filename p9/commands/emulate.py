"""`p9 emulate`: Binance, Bybit and OKX on loopback, seeded or from recorded journals."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.option("--seed", default=1, show_default=True, help="Seed of the market.")
@click.option(
    "--tape",
    "tapes",
    multiple=True,
    type=click.Path(exists=True, path_type=Path),
    help="Play this journal (a folder or a segment) in its own time; may be repeated.",
)
@click.option(
    "--history",
    multiple=True,
    type=click.Path(exists=True, file_okay=False),
    help="Folder of recorded candles and funding rates behind a tape; may be repeated.",
)
@click.option("--venues", default="binance,bybit,okx", show_default=True, help="Which venues, by commas.")
@click.option(
    "--dir",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Keep a seeded market here: started again, it has the same past.",
)
@click.option(
    "--endpoints",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the URLs, the clock offset and the dialects here as JSON.",
)
@click.option(
    "--config",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write a configuration here by which every other command talks to these venues.",
)
@click.option("--rate", default=20.0, show_default=True, help="Book events a second and instrument.")
@click.option("--lookback", default=180, show_default=True, help="Minutes of trades served from before the start.")
@click.option("--preroll", default=0.0, show_default=True, help="Seconds by which a tape's clock begins before it.")
@click.option(
    "--patience",
    default=60.0,
    show_default=True,
    help="Seconds into a tape after which its frames flow, subscribed or not.",
)
@click.option(
    "--truth", type=click.Path(dir_okay=False, path_type=Path), help="Log every live trade of a seeded market here."
)
@click.option(
    "--faults",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A plan of what goes wrong, YAML or JSON.",
)
@click.option(
    "--fault-log",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Log each fault here as JSON lines [default: beside the plan, `.injected.jsonl`].",
)
@click.option("--list-faults", is_flag=True, help="Say what can go wrong, where and with which parameters, and end.")
def emulate(
    seed: int,
    tapes: tuple[Path, ...],
    history: tuple[str, ...],
    venues: str,
    folder: Path | None,
    endpoints: Path | None,
    config: Path | None,
    rate: float,
    lookback: int,
    preroll: float,
    patience: float,
    truth: Path | None,
    faults: Path | None,
    fault_log: Path | None,
    list_faults: bool,
) -> None:
    """Serve the venues' REST and WebSocket protocols on loopback until interrupted.

    \b
    p9 emulate --config emulated.yaml     # then, elsewhere: p9 backfill candles --config emulated.yaml
    p9 emulate --seed 7 --endpoints endpoints.json
    p9 emulate --tape journal/binance --history recordings/binance/spot
    p9 emulate --seed 7 --faults plan.yaml --fault-log injected.jsonl
    """
    import asyncio

    import msgspec

    from realtime.emulator.emulator import Options, serve
    from realtime.emulator.faults.kinds import KINDS
    from realtime.emulator.faults.plan import Plan
    from warehouse.errors import FusionError

    if list_faults:
        for kind in KINDS.values():
            parameters = ", ".join(f"{name}={value:g}" for name, value in kind.defaults.items())
            click.echo(f"{kind.name} ({', '.join(kind.venues)}; {parameters})\n    {kind.doc}")
        return
    if fault_log is None and faults is not None:
        fault_log = faults.with_suffix(".injected.jsonl")
    options = Options(
        seed=seed,
        tapes=tapes,
        history=history,
        venues=tuple(name.strip() for name in venues.split(",") if name.strip()),
        folder=folder,
        rate=rate,
        lookback_us=lookback * 60_000_000,
        preroll_us=round(preroll * 1e6),
        patience_us=round(patience * 1e6),
        truth=truth,
        fault_log=fault_log,
        blocks=True,
    )
    try:
        if faults is not None:
            options = msgspec.structs.replace(options, faults=Plan.read(faults))
        asyncio.run(serve(options, endpoints, config, click.echo))
    except FusionError as error:
        raise click.ClickException(str(error)) from None
