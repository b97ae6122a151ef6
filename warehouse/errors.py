"""Broken promises, as one tree. Expected things (a gap, a verdict) are values, not exceptions.

FusionError                transient: bool   (may the same call succeed later?)
├── ConfigError            file, line, key
├── VenueError             venue
│   ├── DecodeError        the frame's first bytes, and where to add it
│   ├── BadFile            which bulk file, what is wrong with it, what to do
│   ├── Rejected           the venue's code and words
│   └── RateLimited        retry_after_us, transient
├── DataError              table, partition, the check that failed, sample rows
├── LakeError              table, what the disk or the store said
├── JournalError           path, what is wrong with it
└── PublishError           topic, last confirmed seq, transient

A message says what happened, where, and what to do.
"""

from __future__ import annotations

HEAD = 96
"""How many bytes of a bad frame an error quotes."""


class FusionError(Exception):
    """Root of everything this project raises on purpose."""

    transient: bool = False


class ConfigError(FusionError):
    """The configuration is wrong; the text lists every mistake with file, line and key."""


class VenueError(FusionError):
    """A venue did something this project cannot work with."""

    def __init__(self, venue: str, message: str) -> None:
        super().__init__(f"{venue}: {message}")
        self.venue = venue


class DecodeError(VenueError):
    """A frame or page that cannot be read; carries its first bytes."""

    def __init__(self, venue: str, why: str, frame: bytes) -> None:
        head = bytes(frame[:HEAD])
        super().__init__(
            venue,
            f"cannot decode: {why}. First bytes: {head!r}. If {venue} changed its format, add the frame to "
            f"tests/golden/{venue}/ and extend warehouse/venues/{venue}/wire.py.",
        )
        self.why = why
        self.head = head


class BadFile(VenueError):
    """A bulk file that is damaged or written in an unknown way. Nothing of it has landed."""

    def __init__(self, venue: str, file: str, why: str, advice: str) -> None:
        super().__init__(venue, f"{file}: {why}. Nothing of this file has landed. {advice}")
        self.file = file
        self.why = why


class Rejected(VenueError):
    """The venue refused a request, with its own code and words."""

    def __init__(self, venue: str, code: str, words: str) -> None:
        super().__init__(venue, f"request refused with code {code}: {words}")
        self.code = code
        self.words = words


class RateLimited(VenueError):
    """The venue asks us to slow down; `retry_after_us` is how long it wants us to wait."""

    transient = True

    def __init__(self, venue: str, retry_after_us: int) -> None:
        super().__init__(venue, f"rate limited, retry after {retry_after_us / 1e6:.1f} s")
        self.retry_after_us = retry_after_us


class DataError(FusionError):
    """Rows that break a table's check. Nothing of the batch was written."""

    def __init__(self, table: str, check: str, rows: object) -> None:
        super().__init__(f"{table}: rows fail the check {check!r}; nothing was written. First rows: {rows}")
        self.table = table
        self.check = check


class LakeError(FusionError):
    """A commit that the disk or the object store did not take. Nothing of it is stored."""

    def __init__(self, table: str, words: str) -> None:
        super().__init__(
            f"{table}: cannot write the lake: {words}. Nothing of this commit is stored, and nothing before is lost. "
            "See that there is space and that it may be written, then start again."
        )
        self.table = table


class JournalError(FusionError):
    """A journal that cannot be read or written."""


class PublishError(FusionError):
    """The bus did not take a message."""

    transient = True
