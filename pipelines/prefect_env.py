"""Prefect's environment, to be prepared before anything imports Prefect.

Telemetry is on by default in two places, and in Ray; the temporary server's start-up limit of 20 s is too short on a
small machine; and its database belongs into the installation's own folder.
"""

from __future__ import annotations

import os
import urllib.error
import urllib.request
from pathlib import Path

DEFAULTS: dict[str, str] = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
    "PREFECT_LOGGING_LEVEL": "WARNING",
    "PREFECT_SERVER_LOGGING_LEVEL": "WARNING",
    "PREFECT_LOGGING_TO_API_ENABLED": "false",
    "PREFECT_RESULTS_PERSIST_BY_DEFAULT": "false",
    "PREFECT_CLI_PROMPT": "false",
    "RAY_USAGE_STATS_ENABLED": "0",
}
"""What we want unless the caller's environment says otherwise."""


def prepare(home: Path | None = None) -> None:
    """Set the defaults; with `home`, use the installation's own server if one runs, else its own database.

    Values that are already set are kept.
    """
    for name, value in DEFAULTS.items():
        os.environ.setdefault(name, value)
    if home is None:
        return
    os.environ.setdefault("PREFECT_HOME", str(folder(home)))
    if "PREFECT_API_URL" not in os.environ and (url := running(home)):
        os.environ["PREFECT_API_URL"] = url


def folder(home: Path) -> Path:
    """Prefect's folder of an installation. It is made here: the server opens a database in it but does not make it."""
    where = home.absolute() / "prefect"
    where.mkdir(parents=True, exist_ok=True)
    return where


def address_file(home: Path) -> Path:
    """Where a running server of this installation leaves its URL."""
    return folder(home) / "api-url"


def running(home: Path) -> str | None:
    """URL of the installation's own server; None when none answers."""
    try:
        url = address_file(home).read_text().strip()
    except FileNotFoundError:
        return None
    return url if answers(url) else None


def answers(url: str) -> bool:
    """Whether a Prefect server is healthy at `url` (an API's, ending in `/api`), or wants to know who asks."""
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=2) as reply:
            healthy: bool = reply.status == 200
            return healthy
    except urllib.error.HTTPError as error:
        return error.code in (401, 403)
    except (urllib.error.URLError, OSError, ValueError):
        return False
