"""`p9 doctor`: is this machine set up."""

from __future__ import annotations

from collections.abc import Callable

import click

from p9 import options


def _python() -> str:
    import sys

    return f"Python {sys.version.split()[0]}"


def _pins() -> str:
    from importlib.metadata import version

    fastapi, alchemy = version("fastapi"), version("sqlalchemy")
    if tuple(map(int, fastapi.split(".")[:2])) >= (0, 151) or not alchemy.startswith("2.0."):
        raise RuntimeError(f"fastapi {fastapi} and sqlalchemy {alchemy} do not fit Prefect; install requirements.lock")
    return f"prefect {version('prefect')}, fastapi {fastapi}, sqlalchemy {alchemy}"


@click.command()
@options.config
@click.option("--network", is_flag=True, help="Also ask each venue for its time.")
def doctor(network: bool) -> None:
    """Check this machine: versions, settings, folders, bus, lake; each line says what to do. Exit code 1 when one
    fails.
    """
    import shutil
    import sys

    from configs.load import load
    from realtime.bus import alive, server_binary
    from warehouse.errors import FusionError

    settings = load()

    def folders() -> str:
        if " " in settings.lake_root:
            raise RuntimeError(f"{settings.lake_root!r} has a space, which breaks readers of the lake; choose another")
        settings.home.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(settings.home).free / 2**30
        if free < 2:
            raise RuntimeError(f"{settings.home.absolute()}: only {free:.1f} GiB free; make room or set home")
        return f"{settings.home.absolute()}: {free:.0f} GiB free"

    def bus() -> str:
        if settings.bus.url and not alive(settings.bus.url):
            raise RuntimeError(f"no answer at {settings.bus.url}; start that server or leave bus.url empty")
        return settings.bus.url or f"embedded, {server_binary()}"

    def venues() -> str:
        import asyncio

        from p9.probe import probe

        found = asyncio.run(probe(settings))
        if bad := {name: why for name, why in found.items() if why}:
            raise RuntimeError("; ".join(f"{name}: {why}" for name, why in bad.items()))
        return ", ".join(found)

    checks: dict[str, Callable[[], str]] = {"python": _python, "packages": _pins, "folders": folders, "bus": bus}
    if network:
        checks["venues"] = venues
    failed = False
    for name, check in checks.items():
        try:
            click.echo(f"ok    {name}: {check()}")
        except (RuntimeError, OSError, FusionError) as error:
            failed = True
            click.echo(f"FAIL  {name}: {error}")
    sys.exit(1 if failed else 0)
