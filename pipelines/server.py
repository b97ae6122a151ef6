"""A Prefect server of this installation: scheduler and API on a loopback port, shared by every flow that starts later.

Without one, each process that runs a flow starts a temporary server of its own (ten seconds), and nothing is scheduled.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipelines.prefect_env import DEFAULTS, address_file, answers, folder
from warehouse.clock import monotonic
from warehouse.errors import ConfigError

START_S = 120


@contextmanager
def local_server(home: Path, host: str = "127.0.0.1", port: int = 0) -> Iterator[str]:
    """Run a server while inside; its API's URL. Processes of the same home find it by themselves.

    Port 0 is any free one. Its database is a file in the home folder, unless PREFECT_SERVER_DATABASE_CONNECTION_URL
    names a PostgreSQL server. Raises ConfigError when it does not answer within two minutes.
    """
    port = port or _free_port()
    url = f"http://{'127.0.0.1' if host == '0.0.0.0' else host}:{port}/api"
    where = folder(home)
    environment = {"PREFECT_UI_API_URL": url, **DEFAULTS, **os.environ, "PREFECT_HOME": str(where)}
    environment.pop("PREFECT_API_URL", None)
    command = [sys.executable, "-m", "uvicorn", "--factory", "prefect.server.api.server:create_app"]
    command += ["--host", host, "--port", str(port), "--log-level", "error", "--timeout-keep-alive", "5"]
    with (where / "server.log").open("ab") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    try:
        _wait(process, url, where)
        address_file(home).write_text(url)
        yield url
    finally:
        address_file(home).unlink(missing_ok=True)
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
