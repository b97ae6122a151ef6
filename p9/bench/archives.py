"""A bulk file of many trades into a lake of its own: how long from the file on disk to the first answer of a query."""

from __future__ import annotations

import resource
import tempfile
import zipfile
from collections.abc import Callable
from os import times
from pathlib import Path

import msgspec
import polars as pl

from pipelines.bulk import Bulk
from pipelines.load import Lander
from pipelines.sources.archive.reading import read
from pipelines.sources.archive.sums import digest
from warehouse.clock import DAY, monotonic
from warehouse.instruments import Rules
from warehouse.reading import connect
from warehouse.store import Lake
from warehouse.venues.archives import ArchiveFile
from warehouse.venues.binance.archive import recognised

RULES = Rules(venue="binance", instrument="BTC-USDT-PERP", symbol="BTCUSDT", market="perp", tick="0.1", lot="0.001")
NAME = "data/futures/um/daily/aggTrades/BTCUSDT/BTCUSDT-aggTrades-2025-11-20.zip"
NOW = 1_763_733_600_000_000
BATCH = 1_000_000

DOUBLED = 100
"""Of so many rows one stands twice in the file."""


class Sheet(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured: seconds of each step, processor seconds of all, MiB of the file and of memory at its most."""

    trades: int
    rows: int
    file_mib: float
    read_s: float
    land_s: float
    query_s: float
    cpu_s: float
    memory_mib: float
    lake_mib: float
    found: int

    @property
    def total_s(self) -> float:
        """From the file on disk to the answer of a query."""
        return self.read_s + self.land_s + self.query_s


def run(trades: int, say: Callable[[str], None]) -> Sheet:
    """Make a file of so many trades, land it, ask the lake how many there are; AssertionError for a wrong number."""
    with tempfile.TemporaryDirectory(prefix="p9-bench-") as name:
        folder = Path(name)
        say(f"making a file of {trades:,} trades")
        path, rows = made(folder, trades)
        (file,) = recognised(path.as_posix(), [RULES])
        return _measured(folder, path, file, trades, rows)


def _measured(folder: Path, path: Path, file: ArchiveFile, trades: int, rows: int) -> Sheet:
    lake = Lake(folder / "lake", realm="emulated")
    spools = folder / "rows"
    spools.mkdir()
    cpu, began = _cpu(), monotonic()
    sha256 = digest(path)
    spool = read(path, file, RULES, spools)
    read_at = monotonic()
    outcome = Bulk(lake, Lander(lake, "bench"), "bench").land(file, RULES, spool, sha256, NOW, NOW)
    landed_at = monotonic()
    with connect(lake.root) as connection:
        (answer,) = connection.sql("SELECT count(*), count(DISTINCT trade_seq) FROM trades").fetchall()
    end = monotonic()
    assert answer == (trades, trades), f"{trades} trades were in the file, {answer} are in the lake"
    assert outcome.landed == trades, f"{outcome.landed} landed"
    return Sheet(
        trades=trades,
        rows=rows,
        file_mib=path.stat().st_size / 2**20,
        read_s=read_at - began,
        land_s=landed_at - read_at,
        query_s=end - landed_at,
        cpu_s=_cpu() - cpu,
        memory_mib=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        lake_mib=sum(one.stat().st_size for one in Path(lake.root).rglob("*.parquet")) / 2**20,
        found=answer[0],
    )


def made(folder: Path, trades: int) -> tuple[Path, int]:
    """A day's file of aggregates in Binance's layout, some rows doubled; its path and how many rows it has."""
    path = folder / NAME
    path.parent.mkdir(parents=True)
    rows = 0
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as packed,
        packed.open(path.name.replace(".zip", ".csv"), "w", force_zip64=True) as out,
    ):
        for first in range(0, trades, BATCH):
            part = _rows(first, min(BATCH, trades - first), trades)
            out.write(part.write_csv(include_header=first == 0).encode())
            rows += part.height
    return path, rows


def _rows(first: int, count: int, trades: int) -> pl.DataFrame:
    """Trades of a price that wanders, spread evenly over the day."""
    number = pl.int_range(first, first + count, eager=True)
    draw = number.hash(seed=7)
    at = number * (DAY // 1000) // trades
    frame = pl.DataFrame(
        {
            "agg_trade_id": number + 2_500_000_000,
            "price": (900_000 + (draw % 3).cast(pl.Int64).cum_sum() - number + first) / 10,
            "quantity": (1 + draw % 5000).cast(pl.Int64) / 1000,
            "first_trade_id": number * 2 + 5_000_000_000,
            "last_trade_id": number * 2 + 5_000_000_001,
            "transact_time": at + 1_763_596_800_000,
            "is_buyer_maker": draw % 2 == 0,
        }
    )
    place = pl.int_range(pl.len())
    doubled = frame.with_columns(place.alias("place")).filter(pl.col("place") % DOUBLED == 0)
    return (
        pl.concat([frame.with_columns(place.alias("place")), doubled]).sort("place", maintain_order=True).drop("place")
    )


def _cpu() -> float:
    used = times()
    return used.user + used.system
