"""A real Valkey server for a test, on a unix socket of its own."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis

from realtime.bus import client, server_binary
from warehouse.clock import monotonic


class Bus:
    """A server that a test may stop and start again; it forgets everything between."""

    def __init__(self, folder: Path) -> None:
        self.socket = folder / "bus.sock"
        self.url = f"unix://{self.socket}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start and wait until it answers."""
        options = ["--port", "0", "--unixsocket", str(self.socket), "--save", "", "--dir", str(self.socket.parent)]
        limits = ["--maxmemory", "128mb", "--maxmemory-policy", "noeviction"]
        self._process = subprocess.Popen([server_binary(), *options, *limits], stdout=subprocess.DEVNULL)
        end = monotonic() + 10
        while monotonic() < end:
            try:
                if client(self.url).ping():
                    return
            except redis.ConnectionError:
                pass
        raise RuntimeError(f"no server on {self.socket}")

    def stop(self) -> None:
        """Kill it, as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
            self.socket.unlink(missing_ok=True)

    @property
    def redis(self) -> redis.Redis:
        """A client to look at what is there."""
        return client(self.url)


@contextmanager
def running_bus() -> Iterator[Bus]:
    """A bus in a short temporary path (a socket's path is limited to 108 bytes)."""
    with tempfile.TemporaryDirectory(prefix="p9bus") as folder:
        bus = Bus(Path(folder))
        bus.start()
        try:
            yield bus
        finally:
            bus.stop()


@pytest.fixture
def bus() -> Iterator[Bus]:
    """`running_bus` as a fixture; import it into the test module."""
    with running_bus() as found:
        yield found
