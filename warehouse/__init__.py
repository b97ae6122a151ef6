"""What the market means and where it is kept: records, venues, metrics, structure; below them the lake.

`connect`, `scan` and `export` are the notebook's three verbs. They load only when asked for, so importing a record
never imports a database.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from warehouse.reading import connect, export, scan

__all__ = ["connect", "scan", "export"]


def __getattr__(name: str) -> object:
    if name in __all__:
        from warehouse import reading

        return getattr(reading, name)
    raise AttributeError(f"module 'warehouse' has no attribute {name!r}")
