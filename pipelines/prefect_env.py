"""Prefect's environment, to be prepared before anything imports Prefect.

Telemetry is on by default in two places; the temporary server's start-up limit of 20 s is too short on a small
machine; and its database belongs into the installation's own folder.
"""

from __future__ import annotations

import os
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
}
"""What we want unless the caller's environment says otherwise."""


def prepare(home: Path | None = None) -> None:
    """Set the defaults; with `home`, keep Prefect's database and profiles under it. Values already set are kept."""
    for name, value in DEFAULTS.items():
        os.environ.setdefault(name, value)
    if home is not None:
        folder = Path(os.environ.setdefault("PREFECT_HOME", str(home.absolute() / "prefect")))
        folder.mkdir(parents=True, exist_ok=True)  # the server opens a database in it and does not make it
