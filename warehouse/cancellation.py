"""The end of a task that a library swallowed."""

from __future__ import annotations

import asyncio


def heed() -> None:
    """Raise CancelledError when this task was told to end and runs on: for loops around redis-py, not for clean-up.

    Redis-py sends under `asyncio.wait_for`, which loses a cancellation that comes together with what it waits for
    (https://github.com/python/cpython/issues/86296, mended in Python 3.12), so a loop would never end.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
