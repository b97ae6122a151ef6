"""Bulk files that are on this machine already: told by their names and folders, held against a checksum beside them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import msgspec

from pipelines.sources.archive.sums import bad_checksum, checksum, digest, no_checksum
from warehouse.errors import ConfigError
from warehouse.instruments import Rules
from warehouse.venues import archive
from warehouse.venues import venue as venue_module
from warehouse.venues.archives import ArchiveFile, ArchiveKind

if TYPE_CHECKING:
    from configs.settings import Settings
    from pipelines.scope import Scope

SUFFIXES = (".zip", ".csv", ".csv.gz")


def found(paths: Iterable[str]) -> list[Path]:
    """The bulk files among paths and in the folders among them, in order. Raises ConfigError for what is not there."""
    files: list[Path] = []
    for text in paths:
        path = Path(text).expanduser()
        if path.is_dir():
            inside = sorted(one for one in path.rglob("*") if one.is_file() and one.name.endswith(SUFFIXES))
            if not inside:
                raise ConfigError(f"{path}: no bulk file ({', '.join(SUFFIXES)}) in this folder")
            files += inside
        elif path.is_file():
            files.append(path)
        else:
            raise ConfigError(f"{path}: no such file or folder")
    return list(dict.fromkeys(file.resolve() for file in files))


def recognised(path: Path, venues: Sequence[str], rules: Sequence[Rules], kinds: Sequence[ArchiveKind]) -> ArchiveFile:
    """What a file is; its `path` becomes a `file:` URL. `rules` are of the instruments that it may be of.

    Raises ConfigError when its name tells nothing, or leaves more than one instrument or kind.
    """
    told = [
        one
        for venue in venues
        for one in archive(venue).recognised(path.as_posix(), [rule for rule in rules if rule.venue == venue])
        if not kinds or one.kind in kinds
    ]
    if len(told) == 1:
        return msgspec.structs.replace(told[0], path=path.as_uri())
    if not told:
        raise ConfigError(
            f"{path}: its name is none that {', '.join(venues)} give to files of the chosen instruments and kinds; "
            "give it the venue's own name, or choose others"
        )
    several = ", ".join(f"{one.venue} {one.instrument} {one.kind}" for one in told)
    raise ConfigError(
        f"{path}: may be {several}; put it in the venue's own folders (spot, futures/um), or name --symbol"
    )


def named(settings: Settings, venue: str, scope: Scope) -> list[ArchiveFile]:
    """The files of this machine that the scope names and that are of this venue. Raises ConfigError as above."""
    venues, rules = scope.chosen(settings), _listed(settings, scope)
    told = [recognised(path, venues, rules, scope.archives) for path in found(scope.files)]
    return [file for file in told if file.venue == venue]


def check(settings: Settings, scope: Scope) -> None:
    """Raises ConfigError for a file of the scope that is not there, or of which nobody can tell what it is."""
    for venue in scope.chosen(settings) if scope.files else ():
        named(settings, venue, scope)


def _listed(settings: Settings, scope: Scope) -> list[Rules]:
    """The chosen instruments with the venues' spellings, which is all that names of files tell."""
    listings = [one for name in scope.chosen(settings) for one in scope.listings(settings, name)]
    return [
        Rules(
            venue=one.venue,
            instrument=one.instrument,
            symbol=venue_module(one.venue).symbol(one.base, one.quote, one.market),
            market=one.market,
            tick="1",
            lot="1",
        )
        for one in listings
    ]


def path_of(file: ArchiveFile) -> Path | None:
    """Where a file of this machine is; None for one that must be fetched."""
    parts = urlsplit(file.path)
    return Path(unquote(parts.path)) if parts.scheme == "file" else None


def digested(path: Path, venue: str) -> str:
    """A file's SHA-256. Raises BadFile when the `.CHECKSUM` beside it tells another."""
    sums = path.with_name(path.name + ".CHECKSUM")
    sha256 = digest(path)
    if sums.exists():
        told = checksum(sums.read_text(), path.name)
        if told is None:
            raise no_checksum(venue, str(sums), path.name)
        if told != sha256:
            raise bad_checksum(venue, str(path), told, sha256)
    return sha256
