"""Bulk files made by hand, in the venues' own layouts."""

from __future__ import annotations

import gzip
import zipfile
from pathlib import Path

import polars as pl

from pipelines.sources.archive.reading import read, windows
from warehouse.instruments import Rules
from warehouse.venues import archive
from warehouse.venues.archives import ArchiveFile, ArchiveKind

BINANCE_SPOT = Rules(
    venue="binance", instrument="BTC-USDT", symbol="BTCUSDT", market="spot", tick="0.01", lot="0.00001"
)
BINANCE_PERP = Rules(
    venue="binance", instrument="BTC-USDT-PERP", symbol="BTCUSDT", market="perp", tick="0.1", lot="0.001"
)
BYBIT_SPOT = Rules(venue="bybit", instrument="BTC-USDT", symbol="BTCUSDT", market="spot", tick="0.1", lot="0.000001")
BYBIT_PERP = Rules(venue="bybit", instrument="BTC-USDT-PERP", symbol="BTCUSDT", market="perp", tick="0.1", lot="0.001")
OKX_SPOT = Rules(venue="okx", instrument="BTC-USDT", symbol="BTC-USDT", market="spot", tick="0.1", lot="0.00000001")
OKX_SWAP = Rules(
    venue="okx", instrument="BTC-USDT-PERP", symbol="BTC-USDT-SWAP", market="perp", tick="0.1", lot="0.01",
    contract_value="0.01",
)  # fmt: skip


def packed(folder: Path, name: str, text: str) -> Path:
    """`text` as the file `name` in `folder`: a zip, a gzip, or as it is, by the name's end."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if name.endswith(".zip"):
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
            made.writestr(Path(name).name.replace(".zip", ".csv"), text)
    elif name.endswith(".gz"):
        path.write_bytes(gzip.compress(text.encode()))
    else:
        path.write_text(text)
    return path


def of(path: Path, rules: Rules, kind: ArchiveKind) -> ArchiveFile:
    """What a file is."""
    (file,) = [one for one in archive(rules.venue).recognised(path.as_posix(), [rules]) if one.kind == kind]
    return file


def rows(path: Path, rules: Rules, kind: ArchiveKind, block: int = 1 << 20) -> pl.DataFrame:
    """All rows of a file, in order."""
    folder = path.parent / "rows"
    folder.mkdir(exist_ok=True)
    return pl.concat(list(windows(read(path, of(path, rules, kind), rules, folder, block))))
