"""What the market means and where it is kept: records, venues, metrics, structure; below them the lake.

`connect`, `scan` and `export` are the notebook's three verbs; `export_nautilus` and `export_hftbacktest` write for two
backtesting packages. They load only when asked for, so importing a record never imports a database.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from warehouse.exports import export_hftbacktest, export_nautilus
    from warehouse.reading import connect, export, scan

__all__ = ["connect", "scan", "export", "export_nautilus", "export_hftbacktest"]


def __getattr__(name: str) -> object:
    if name in __all__:
        from warehouse import exports, reading

        return getattr(exports if name in exports.__all__ else reading, name)
    raise AttributeError(f"module 'warehouse' has no attribute {name!r}")
