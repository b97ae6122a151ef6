"""A Prefect server of this installation: scheduler and API on a loopback port, shared by every flow that starts later.

Without one, each process that runs a flow starts a server for itself (ten seconds), and nothing is scheduled. Either
ends with the process that started it, even when that one is killed.
"""

from __future__ import annotations

import atexit
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.prefect_env import DEFAULTS, address_file, answers, folder, prepare
from warehouse.clock import monotonic
from warehouse.errors import ConfigError
from warehouse.guard import PARENT, guard

if TYPE_CHECKING:
    from fastapi import FastAPI

START_S = 120


@contextmanager
def local_server(home: Path, host: str = "127.0.0.1", port: int = 0) -> Iterator[str]:
    """Run a server while inside; its API's URL. Processes of the same home find it by themselves.

    Port 0 is any free one. Its database is a file in the home folder, unless PREFECT_SERVER_DATABASE_CONNECTION_URL
    names a PostgreSQL server. Raises ConfigError when it does not answer within two minutes.
    """
    url, process, where = _start(home, host, port)
    try:
        _wait(process, url, where)
        address_file(home).write_text(url)
        yield url
    finally:
        address_file(home).unlink(missing_ok=True)
        _end(process)


def server_for_here(home: Path) -> Callable[[], None]:
    """See to it that this process's flows find a server: the one that is named, or runs for this home, else a new one,
    which ends with the process. Returns what waits until it answers.

    Prefect reads its environment once. Where it is imported already, it goes on with the server that it has. Raises
    ConfigError when a server is named that does not answer.
    """
    prepare(home)
    if named := os.environ.get("PREFECT_API_URL"):
        if not answers(named):
            raise ConfigError(
                f"no Prefect server answers at {named} (PREFECT_API_URL); start it, or unset the variable"
            )
        return lambda: None
    if "prefect" in sys.modules:
        return lambda: None
    url, process, where = _start(
        home, "127.0.0.1", 0, PREFECT_UI_ENABLED="0", PREFECT__SERVER_EPHEMERAL="1", PREFECT__SERVER_FINAL="1"
    )
    atexit.register(_end, process)
    os.environ["PREFECT_API_URL"] = url
    return lambda: _wait(process, url, where)


def guarded() -> FastAPI:
    """The server's application, in a process that ends with the one that started it."""
    guard()
    from prefect.server.api.server import create_app

    return create_app()


def _start(home: Path, host: str, port: int, **beside: str) -> tuple[str, subprocess.Popen[bytes], Path]:
    """A server's URL, process and folder."""
    port = port or _free_port()
    url = f"http://{'127.0.0.1' if host == '0.0.0.0' else host}:{port}/api"
    where = folder(home)
    environment = {
        "PREFECT_UI_API_URL": url, **DEFAULTS, **os.environ, "PREFECT_HOME": str(where), PARENT: str(os.getpid()),
        **beside,
    }  # fmt: skip
    environment.pop("PREFECT_API_URL", None)
    command = [sys.executable, "-m", "uvicorn", "--factory", "pipelines.server:guarded"]
    command += ["--host", host, "--port", str(port), "--log-level", "error", "--timeout-keep-alive", "5"]
    with (where / "server.log").open("ab") as log:
        return url, subprocess.Popen(command, env=environment, stdout=log, stderr=log), where


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()


def _wait(process: subprocess.Popen[bytes], url: str, where: Path) -> None:
    end = monotonic() + START_S
    while monotonic() < end and process.poll() is None:
        if answers(url):
            return
        try:
            process.wait(0.2)
        except subprocess.TimeoutExpired:
            pass
    raise ConfigError(f"Prefect's server did not start; see {where / 'server.log'}, or set PREFECT_API_URL")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
