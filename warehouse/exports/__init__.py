"""The lake in the formats of two backtesting packages, written by their published layouts, without the packages."""

from __future__ import annotations

from warehouse.exports.hftbacktest import export_hftbacktest
from warehouse.exports.nautilus import export_nautilus

__all__ = ["export_hftbacktest", "export_nautilus"]
