"""The mark that keeps emulated data out of a live lake, set by whoever comes first."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from deltalake import DeltaTable

from warehouse.frames import arrow_schema
from warehouse.tables import table

REALM_FILE = "_realm"
"""In a folder a file with one word; in an object store an empty table, whose description is the word."""


def mark(root: str, realm: str, storage_options: dict[str, str] | None = None) -> str:
    """The realm of the lake at `root`, set to `realm` when it has none yet. Safe when several come first at once."""
    if "://" in root:
        uri = f"{root}/{REALM_FILE}"
        schema = arrow_schema(table("outcomes"))
        DeltaTable.create(uri, schema, mode="ignore", description=realm, storage_options=storage_options)
        return DeltaTable(uri, storage_options=storage_options).metadata().description or ""
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
