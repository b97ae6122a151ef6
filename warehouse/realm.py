"""The mark that keeps emulated data out of a live lake, set by whoever comes first."""

from __future__ import annotations

import os
import re
import secrets
from pathlib import Path

import polars as pl
from deltalake import DeltaTable, write_deltalake
from deltalake.exceptions import CommitFailedError, DeltaError

from warehouse.errors import ConfigError
from warehouse.layout import ensure

REALM_FILE = "_realm"
"""In a folder a file with one word; in an object store an empty table, whose description is the word."""

_COLOUR = re.compile(r"\x1b\[\d*m")
_NOTHING = pl.DataFrame(schema={"nothing": pl.Int64()}).to_arrow()


def mark(root: str, realm: str, storage_options: dict[str, str] | None = None) -> str:
    """The realm of the lake at `root`, set to `realm` when it has none yet. Safe when several come first at once.

    Raises ConfigError for an object store that does not let us in, or lets two writers commit the same version.
    """
    if "://" in root:
        uri = f"{root}/{REALM_FILE}"
        try:
            return _in_store(uri, realm, storage_options)
        except (DeltaError, OSError) as error:
            words = " ".join(_COLOUR.sub("", str(error)).split())
            raise ConfigError(
                f"the object store of {uri} cannot be used: {words}. Check lake.root, lake.storage_options and the "
                "credentials in the environment (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_ENDPOINT_URL, ...)"
            ) from None
    path = Path(root) / REALM_FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f"{REALM_FILE}.{secrets.token_hex(4)}")
    fresh.write_text(realm)
    try:
        os.link(fresh, path)
    except FileExistsError:
        pass  # marked before: that mark is the answer
    finally:
        fresh.unlink()
    return path.read_text().strip()


def _in_store(uri: str, realm: str, storage_options: dict[str, str] | None) -> str:
    found = ensure(uri, _NOTHING.schema, storage_options, description=realm)
    if found.version() == 0:
        _prove(uri, storage_options)
    return found.metadata().description or ""


def _prove(uri: str, storage_options: dict[str, str] | None) -> None:
    """Commit twice from one version: a store that keeps the first makes the second a version of its own."""
    writers = [DeltaTable(uri, storage_options=storage_options) for _ in range(2)]
    before = writers[0].version()
    for held in writers:
        try:
            write_deltalake(held, _NOTHING, mode="append")
        except CommitFailedError:
            return  # somebody else was faster, and the store said so
    if DeltaTable(uri, storage_options=storage_options).version() < before + 2:
        raise ConfigError(
            f"the object store of {uri} overwrites an object that must not be there yet (no conditional put): two "
            "writers would lose each other's rows. Use a store that has it, or a folder."
        )
