"""`p9 doctor`: is this machine set up."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from p9 import options

if TYPE_CHECKING:
    from configs.settings import Settings

NEEDS_GIB = 2.0
"""Less free space than this is a finding."""


class _Finding(Exception):
    """What is wrong, and what to do; a line each."""


@click.command()
@options.config
@click.option("--network", is_flag=True, help="Also ask each venue for its time.")
def doctor(network: bool) -> None:
    """Check this machine: versions, folders, bus, lake. Each line says what to do; exit code 1 when one fails."""
    import os
    import sys

    from configs.load import DEFAULT, load
    from warehouse.errors import FusionError

    settings = load()
    checks: dict[str, Callable[[Settings], str]] = {
        "python": _python,
        "packages": _packages,
        "settings": lambda _: os.environ.get("P9_CONFIG") or f"{DEFAULT} (no P9_CONFIG)",
        "folder": _folder,
        "bus": _bus,
        "lake": _lake,
    }
    if network:
        checks["venues"] = _venues
    failed = False
    for name, check in checks.items():
        try:
            click.echo(f"ok    {name:<9} {check(settings)}")
        except (_Finding, OSError, FusionError) as error:
            failed = True
            for line in str(error).splitlines():
                click.echo(f"FAIL  {name:<9} {line}")
    sys.exit(1 if failed else 0)


def _python(settings: Settings) -> str:
    import sys

    return sys.version.split()[0]


def _packages(settings: Settings) -> str:
    from importlib.metadata import version

    fastapi, alchemy = version("fastapi"), version("sqlalchemy")
    if tuple(map(int, fastapi.split(".")[:2])) >= (0, 151) or not alchemy.startswith("2.0."):
        raise _Finding(f"fastapi {fastapi} and sqlalchemy {alchemy} do not fit Prefect; install requirements.lock")
    return f"prefect {version('prefect')}, fastapi {fastapi}, sqlalchemy {alchemy}"


def _folder(settings: Settings) -> str:
    import shutil

    home = settings.home.absolute()
    try:
        home.mkdir(parents=True, exist_ok=True)
        (home / ".doctor").touch()
        (home / ".doctor").unlink()
    except OSError as error:
        raise _Finding(f"{home}: cannot write here: {error.strerror}; set home or P9_HOME") from None
    free = shutil.disk_usage(home).free / 2**30
    if free < NEEDS_GIB:
        raise _Finding(f"{home}: only {free:.1f} GiB free; make room, or set home or P9_HOME")
    return f"{home}, {free:.0f} GiB free"


def _bus(settings: Settings) -> str:
    from realtime.bus import alive, server_binary

    if settings.bus.url is None:
        running = "runs now" if alive(settings.bus_url) else "starts with p9 up"
        return f"embedded, {running}: {server_binary()}"
    if not alive(settings.bus.url):
        raise _Finding(f"no answer at {settings.bus.url}; start that server, or leave bus.url empty")
    return settings.bus.url


def _lake(settings: Settings) -> str:
    from pathlib import Path

    from warehouse.store import Lake

    if "://" not in settings.lake_root and not Path(settings.lake_root).is_dir():
        return f"none yet at {settings.lake_root}"
    lake = Lake(settings.lake_root, settings.lake.storage_options, settings.realm)
    return f"{lake.root}, {settings.realm}"


def _venues(settings: Settings) -> str:
    import asyncio

    from p9.probe import probe

    found = asyncio.run(probe(settings))
    if bad := [f"{name}: {why}" for name, why in found.items() if why]:
        raise _Finding("\n".join(bad))
    return f"{', '.join(found)} answer"
