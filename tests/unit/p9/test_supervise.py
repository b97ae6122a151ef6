"""Children are kept alive, told apart, and ended with all they started."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from structlog.testing import capture_logs

from p9.sole import at_home, sole
from p9.supervise import Child, Supervisor, unless
from tests.kit.processes import wait_for
from warehouse.errors import ConfigError
from warehouse.guard import PARENT

DIES = ["no-such-command"]
STAYS = ["emulate", "--venues", "okx"]


async def test_what_dies_is_started_again_and_what_was_for_once_is_not(tmp_path: Path) -> None:
    supervisor = Supervisor(tmp_path, {})
    again = supervisor.start(Child("again", DIES, first_pause=0.01))
    once = supervisor.start(Child("once", DIES, once=True))
    await asyncio.wait_for(once.done.wait(), 20)
    assert await wait_for(lambda: again.starts > 1, 20)
    await supervisor.stop()
    assert (once.code, once.starts) == (2, 1)
    assert "Did you mean" in supervisor.tail("once") or "lists them" in supervisor.tail("once")
    assert again.pid is None


async def test_what_cannot_be_started_is_tried_again(tmp_path: Path) -> None:
    supervisor = Supervisor(tmp_path, {})
    (tmp_path / "again.log").mkdir()
    with capture_logs() as said:
        again = supervisor.start(Child("again", DIES, first_pause=0.01))
        assert await wait_for(lambda: len(said) > 1, 20)
    assert {(one["event"], one["child"]) for one in said} == {("child_not_started", "again")}
    assert "Is a directory" in said[0]["why"]
    assert (again.starts, again.done.is_set()) == (0, False)
    (tmp_path / "again.log").rmdir()
    assert await wait_for(lambda: again.starts > 0, 20)
    await supervisor.stop()


async def test_what_is_ended_while_it_waits_to_be_restarted_stays_ended(tmp_path: Path) -> None:
    supervisor = Supervisor(tmp_path, {})
    child = supervisor.start(Child("recorder", DIES, first_pause=0.3))
    assert await wait_for(lambda: child.code is not None, 20)
    await supervisor.end("recorder")
    await asyncio.wait_for(child.done.wait(), 5)
    await asyncio.sleep(0.5)
    assert (child.starts, child.pid) == (1, None)
    await supervisor.stop()


async def test_stopping_at_any_moment_leaves_no_process(tmp_path: Path) -> None:
    for pause in (0.0, 0.01, 0.3):
        supervisor = Supervisor(tmp_path, {})
        children = [supervisor.start(Child(f"c{n}", STAYS)) for n in range(2)]
        await asyncio.sleep(pause)
        await supervisor.stop(last=("c1",))
        assert [child.pid for child in children] == [None, None]
    assert [child for child in psutil.Process().children(recursive=True) if "emulate" in child.cmdline()] == []


async def test_stop_comes_before_work_or_work_before_stop() -> None:
    stop = asyncio.Event()

    async def work() -> int:
        return 7

    assert await unless(stop, work()) == 7
    asyncio.get_running_loop().call_later(0.01, stop.set)
    assert await unless(stop, asyncio.sleep(30, 8)) is None


async def test_an_error_while_ending_is_not_swallowed() -> None:
    stop = asyncio.Event()
    stop.set()

    async def work() -> None:
        try:
            await asyncio.sleep(30)
        finally:
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        await unless(stop, work())


def test_a_child_ends_when_its_supervisor_is_gone() -> None:
    child = "from warehouse.guard import guard; guard(); import threading; threading.Event().wait(60)"
    parent = (
        "import os, subprocess, sys; environment = {**os.environ, sys.argv[2]: str(os.getpid())};"
        "print(subprocess.Popen([sys.executable, '-c', sys.argv[1]], env=environment, stdout=2).pid)"
    )
    found = subprocess.run([sys.executable, "-c", parent, child, PARENT], stdout=subprocess.PIPE, text=True, check=True)
    process = psutil.Process(int(found.stdout))
    assert process.wait(10) in (None, -signal.SIGTERM)


def test_a_lock_says_who_holds_it_and_is_free_afterwards(tmp_path: Path) -> None:
    with at_home(tmp_path), pytest.raises(ConfigError, match=f"process {os.getpid()} runs this installation already"):
        at_home(tmp_path).__enter__()
    with at_home(tmp_path):
        assert (tmp_path / "p9.lock").read_text() == str(os.getpid())


def test_a_lock_where_nothing_can_be_written_is_told_in_words() -> None:
    with pytest.raises(ConfigError, match="/proc/nowhere: cannot write here: "):
        sole(Path("/proc/nowhere/x.lock"), "does it", "elsewhere").__enter__()
