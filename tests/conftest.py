"""What holds for every test."""

from __future__ import annotations

from hypothesis import settings

# a busy machine takes its time over an example; that says nothing about the example
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")
