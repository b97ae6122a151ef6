"""The Redis protocol's client side by hand: commands as bytes, and where a URL leads. No socket here."""

from __future__ import annotations

from urllib.parse import parse_qs, unquote, urlsplit

import msgspec

from warehouse.errors import ConfigError


def pack(*parts: bytes) -> bytes:
    r"""One command.

    >>> pack(b"GET", b"a")
    b'*2\r\n$3\r\nGET\r\n$1\r\na\r\n'
    """
    return b"*%d\r\n" % len(parts) + b"".join([b"$%d\r\n%b\r\n" % (len(part), part) for part in parts])


class Address(msgspec.Struct, frozen=True):
    """Where a bus is: `path` of a unix socket, else host and port; what to say first to be let in."""

    path: str | None
    host: str
    port: int
    tls: bool
    user: str | None
    password: str | None
    db: int

    @property
    def greeting(self) -> list[bytes]:
        """Commands to send before all others; each must be answered with OK."""
        words = []
        if self.password is not None:
            user = [self.user.encode()] if self.user else []
            words.append(pack(b"AUTH", *user, self.password.encode()))
        if self.db:
            words.append(pack(b"SELECT", b"%d" % self.db))
        return words


def address(url: str) -> Address:
    """The parts of `unix:///path?db=0`, `redis://user:password@host:6379/0` or `rediss://...`. Raises ConfigError."""
    parts = urlsplit(url)
    user = unquote(parts.username) if parts.username else None
    password = unquote(parts.password) if parts.password else None
    if parts.scheme == "unix":
        db = parse_qs(parts.query).get("db", ["0"])[0]
        return Address(unquote(parts.path), "", 0, False, user, password, int(db))
    if parts.scheme in ("redis", "rediss") and parts.hostname:
        db = parts.path.strip("/") or "0"
        return Address(None, parts.hostname, parts.port or 6379, parts.scheme == "rediss", user, password, int(db))
    raise ConfigError(
        f"bus.url: {url!r} is not a bus; write redis://host:6379/0, rediss://... or unix:///path/bus.sock"
    )


class Packer:
    """The bytes that publish on one channel: SET and PUBLISH, or XADD and PUBLISH, around a body packed once.

    `maxlen` bounds the stream (`MAXLEN ~`). `prefix` goes before every name, for a replay beside a live run.
    """

    __slots__ = ("_add", "_publish", "_set", "stream")

    def __init__(self, channel: str, prefix: str, maxlen: int) -> None:
        name = (prefix + channel).encode()
        last = f"{prefix}last:{channel}".encode()
        self.stream = f"{prefix}stream:{channel}".encode()
        bound = b"%d" % maxlen
        self._set = b"*3\r\n$3\r\nSET\r\n$%d\r\n%b\r\n" % (len(last), last)
        self._publish = b"*3\r\n$7\r\nPUBLISH\r\n$%d\r\n%b\r\n" % (len(name), name)
        self._add = b"*8\r\n$4\r\nXADD\r\n$%d\r\n%b\r\n$6\r\nMAXLEN\r\n$1\r\n~\r\n$%d\r\n%b\r\n" % (
            len(self.stream),
            self.stream,
            len(bound),
            bound,
        )

    def publish(self, body: bytes, *, keep: bool, entry: bytes | None) -> tuple[bytes, int]:
        """The commands for one message and how many replies they bring. `entry` is the stream id, None: no stream."""
        value = b"$%d\r\n%b\r\n" % (len(body), body)
        data, replies = self._publish + value, 1
        if keep:
            data, replies = self._set + value + data, replies + 1
        if entry is not None:
            added = b"%b$%d\r\n%b\r\n$7\r\nmessage\r\n%b" % (self._add, len(entry), entry, value)
            data, replies = added + data, replies + 1
        return data, replies

    def keep(self, body: bytes) -> bytes:
        """Only `last:` again, after the bus has lost its memory."""
        return self._set + b"$%d\r\n%b\r\n" % (len(body), body)

    def look(self, entry: bytes) -> bytes:
        """Ask for one stream entry."""
        return pack(b"XRANGE", self.stream, entry, entry)
