"""One Prefect server for all tests of this folder that need the engine: starting it costs ten seconds."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from prefect.testing.utilities import prefect_test_harness

from pipelines.prefect_env import DEFAULTS


@pytest.fixture(scope="session")
def prefect_server() -> Iterator[None]:
    """While inside: flows run on a temporary server and database of their own."""
    with prefect_test_harness(int(DEFAULTS["PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS"])):
        yield
