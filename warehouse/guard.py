"""A process that another one started for itself ends when that one is gone, however that went."""

from __future__ import annotations

import os
import signal
import threading

PARENT = "P9_SUPERVISOR"
"""Environment variable by which it is told the other's process number."""


def guard() -> None:
    """Where `PARENT` names the process that started this one: SIGTERM to itself within a second of its death."""
    parent = os.environ.pop(PARENT, None)
    if parent is None:
        return

    def watch() -> None:
        never = threading.Event()
        while os.getppid() == int(parent):
            never.wait(0.5)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="guard", daemon=True).start()
