"""One process at a time: a locked file, which says whose it is, and is free again however its holder ended."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from warehouse.errors import ConfigError

HOME_LOCK = "p9.lock"
"""In a home folder: held by the one process that supervises it."""


@contextmanager
def sole(path: Path, doing: str, instead: str) -> Iterator[None]:
    """Hold the lock file `path` while inside.

    Raises ConfigError when another process holds it ("process 17 {doing}; end it first, or {instead}"), or when the
    folder cannot be made.
    """
    path = path.absolute()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = path.open("a+")
    except OSError as error:
        raise ConfigError(f"{path.parent}: cannot write here: {error.strerror}; {instead}") from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            holder = lock.read().strip() or "unknown"
            raise ConfigError(f"{path.parent}: process {holder} {doing}; end it first, or {instead}") from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


@contextmanager
def at_home(home: Path) -> Iterator[None]:
    """Be the one that supervises the installation in `home`. Raises ConfigError as `sole` does."""
    with sole(home / HOME_LOCK, "runs this installation already", "choose another folder (home, P9_HOME)"):
        yield
