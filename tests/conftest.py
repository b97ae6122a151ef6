"""What holds for every test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import structlog
from hypothesis import settings

# a busy machine takes its time over an example; that says nothing about the example
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")


@pytest.fixture(autouse=True)
def _log_as_ever() -> Iterator[None]:
    """A command that ran inside a test leaves no log level behind."""
    yield
    structlog.reset_defaults()
