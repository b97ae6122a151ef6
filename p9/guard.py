"""A supervised process ends when its supervisor is gone, however that went."""

from __future__ import annotations

import os
import signal
import threading

PARENT = "P9_SUPERVISOR"
"""Environment variable by which a supervisor tells its children its process number."""


def guard() -> None:
    """In a supervised process: SIGTERM to itself within a second of its supervisor's death. Elsewhere: nothing."""
    parent = os.environ.pop(PARENT, None)
    if parent is None:
        return

    def watch() -> None:
        never = threading.Event()
        while os.getppid() == int(parent):
            never.wait(0.5)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="guard", daemon=True).start()
