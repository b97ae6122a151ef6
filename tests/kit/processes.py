"""`p9` as an operator starts it, and what of it is left afterwards."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import psutil

from warehouse.clock import monotonic


async def start(
    home: Path, *arguments: str, environment: Mapping[str, str] | None = None
) -> asyncio.subprocess.Process:
    """Start `p9` for the installation in `home`, with its words in one pipe and a process group of its own."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("P9_", "PREFECT_"))}
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "p9", *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        env={**plain, "P9_HOME": str(home), **(environment or {})}, start_new_session=True,
    )  # fmt: skip


async def run(
    home: Path, *arguments: str, environment: Mapping[str, str] | None = None, seconds: float = 60
) -> tuple[int, str]:
    """Run `p9` to its end: exit code and words."""
    process = await start(home, *arguments, environment=environment)
    words, _ = await asyncio.wait_for(process.communicate(), seconds)
    assert process.returncode is not None
    return process.returncode, words.decode()


def left(home: Path) -> list[str]:
    """Command lines of living processes that belong to `home`: named in their arguments, or configured from it."""
    found = []
    for process in psutil.process_iter():
        try:
            words = process.cmdline()
            told = [process.environ().get(name, "") for name in ("P9_HOME", "P9_CONFIG", "PREFECT_HOME")]
            if process.pid == os.getpid() or process.status() == psutil.STATUS_ZOMBIE:
                continue
            if any(str(home) in word for word in (*words, *told)):
                found.append(" ".join(words))
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


async def wait_for(condition: Callable[[], bool], seconds: float) -> bool:
    """Whether `condition()` comes true within so many seconds."""
    end = monotonic() + seconds
    while monotonic() < end:
        if condition():
            return True
        await asyncio.sleep(0.05)
    return condition()
