"""The README is done as it is written: the demo, what is asked of it while it runs, and what of it afterwards."""

from __future__ import annotations

import asyncio
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from tests.kit.processes import left, start, wait_for
from tests.kit.readme import Command, blocks, commands

LIVE_S = 90

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]


def _environment(command: Command) -> dict[str, str]:
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("P9_", "PREFECT_"))}
    return {**plain, **command.environment}


def _do(command: Command, folder: Path, *more: str) -> str:
    """Run a line of ours in `folder`, on a plain terminal of 80 columns; its words. It must succeed."""
    ours, theirs = pty.openpty()
    environment = {**_environment(command), "TERM": "dumb"}
    process = subprocess.Popen(
        [sys.executable, "-m", "p9", *command.arguments, *more], cwd=folder, env=environment, stdout=theirs,
        stderr=theirs,
    )  # fmt: skip
    os.close(theirs)
    words = b""
    while True:
        try:
            found = os.read(ours, 65536)
        except OSError:  # the other end is closed
            break
        if not found:
            break
        words += found
    os.close(ours)
    text = words.decode().replace("\r\n", "\n")
    assert process.wait(60) == 0, text
    return text


def _line(first: str, *others: str) -> Command:
    """The one command of the README that has all these words."""
    found = [
        command
        for block in blocks("sh")
        for command in commands(block)
        if command.arguments[: 1 + len(others)] == [first, *others]
    ]
    assert len(found) == 1, (first, others)
    return found[0]


def _squeezed(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines() if line.strip()]


async def test_the_demo_and_everything_that_is_asked_of_it(tmp_path: Path) -> None:
    home = tmp_path / "p9-demo"
    process = await start(tmp_path, "demo", "--seconds", str(LIVE_S), "--home", str(home))
    try:
        assert await wait_for(lambda: (home / "lake" / "contexts").is_dir() or process.returncode is not None, 600)
        assert process.returncode is None, (await process.communicate())[0].decode()
        (snippet,) = [block for block in blocks("python")]
        piece = [sys.executable, "-c", snippet.body]
        told, proven, seen, printed = await asyncio.gather(
            asyncio.to_thread(_do, _line("status"), tmp_path),
            asyncio.to_thread(_do, _line("verify", "parity"), tmp_path, "--seconds", "3"),
            asyncio.to_thread(_do, _line("watch", "fusion_data:*"), tmp_path, "--count", "40"),
            asyncio.to_thread(subprocess.run, piece, cwd=tmp_path, capture_output=True, text=True),
        )
        words = (await asyncio.wait_for(process.communicate(), LIVE_S + 300))[0].decode()
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()
    assert "emulated, ready" in told
    assert "journal entries replayed" in proven
    assert "fusion_data:binance:btcusdt" in seen
    assert printed.returncode == 0, printed.stderr
    assert float(printed.stdout.split()[0]) > 0
    assert process.returncode == 0, words
    assert "330 of 330 candle series hold 1000 closed candles" in words
    assert "all promises held" in words
    assert left(home) == []

    for block in blocks("sh"):
        for command in commands(block):
            if command.arguments[:1] in (["verify"], ["sql"]) and "parity" not in command.arguments:
                found = await asyncio.to_thread(_do, command, tmp_path)
                if block.output is not None:
                    assert _squeezed(found) == _squeezed(block.output)
                assert "FAIL" not in found
