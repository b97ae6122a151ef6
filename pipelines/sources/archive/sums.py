"""Checksums of bulk files: as they are told, as they are, and what is said when these differ."""

from __future__ import annotations

import hashlib
from pathlib import Path

from warehouse.errors import BadFile


def digest(path: Path) -> str:
    """A file's SHA-256."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def checksum(text: str, name: str) -> str | None:
    """The SHA-256 that a list of sums tells for a name: `{sum}  {name}`; None when it does not."""
    for line in text.splitlines():
        words = line.split()
        if len(words) == 2 and words[1].lstrip("*").rpartition("/")[2] == name:
            return words[0].lower()
    return None


def no_checksum(venue: str, where: str, name: str) -> BadFile:
    """A list of sums does not tell the file's."""
    return BadFile(venue, where, f"it tells no SHA-256 of {name}", "Fetch it again later, or see what the venue says.")


def bad_checksum(venue: str, where: str, told: str, found: str) -> BadFile:
    """A file is not the one its checksum is of."""
    return BadFile(
        venue, where, f"its SHA-256 is {found} and not {told}, as the checksum says",
        "Fetch file and checksum again later; when they still disagree, the venue's own copy is damaged.",
    )  # fmt: skip
