"""Who reads the lake while others write it: over and over, and what was wrong with what was read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from statistics import median

import duckdb
import polars as pl

import warehouse
from warehouse.clock import HOUR, Micros, monotonic
from warehouse.reading import scan
from warehouse.store import Lake
from warehouse.tables import TABLES, table

Counts = dict[tuple[str, str], tuple[int, int]]
"""By venue and instrument: rows, and different keys among them."""

KEYED = ("trades", "candles", "price_candles", "funding", "open_interest", "books", "marks")
RECORDED = """
SELECT venue, instrument, count(*), max(trade_seq) - min(trade_seq) + 1
FROM trades WHERE log_seq IS NOT NULL AND trade_seq IS NOT NULL GROUP BY ALL
"""
QUESTIONS = (
    "FROM freshness", "FROM gaps_open", "FROM seams_latest", "FROM coverage_matrix", "FROM ohlcv('BTC-USDT', '1m', 60)",
)  # fmt: skip


def read(root: str, number: int, seconds: float, found: Path) -> None:
    """Read for so long, odd numbers with DuckDB and even ones with polars; what was wrong goes to `found` as JSON."""
    faults: list[str] = []
    before: dict[str, Counts] = {}
    end, reads = monotonic() + seconds, 0
    while monotonic() < end:
        try:
            counts = _with_duckdb(root, faults) if number % 2 else _with_polars(root)
        except Exception as error:  # noqa: BLE001  whatever surfaces is what this looks for
            faults.append(f"{type(error).__name__}: {error}")
            continue
        faults += _wrong(counts, before)
        before, reads = counts, reads + 1
    found.write_text(json.dumps({"reads": reads, "faults": faults}))


def _with_duckdb(root: str, faults: list[str]) -> dict[str, Counts]:
    with warehouse.connect(root) as lake:
        lake.execute("SET enable_progress_bar = false")
        first = {name: _counted(lake, name) for name in KEYED}
        for venue, instrument, rows, ids in lake.execute(RECORDED).fetchall():
            if rows != ids:
                faults.append(f"trades of {venue} {instrument}: {rows} recorded, {ids} numbers from first to last")
        for question in QUESTIONS:
            lake.execute(question).fetchall()
        if first != {name: _counted(lake, name) for name in KEYED}:
            faults.append("one snapshot said two things")
    return first


def _counted(lake: duckdb.DuckDBPyConnection, name: str) -> Counts:
    key = ", ".join(f'"{column}"' for column in table(name).key)
    asked = f"SELECT venue, instrument, count(*), count(DISTINCT ({key})) FROM {name} GROUP BY ALL"
    return {(venue, instrument): (rows, keys) for venue, instrument, rows, keys in lake.execute(asked).fetchall()}


def _with_polars(root: str) -> dict[str, Counts]:
    found: dict[str, Counts] = {}
    for name in KEYED:
        rows = (
            scan(name, root)
            .group_by("venue", "instrument")
            .agg(pl.len(), pl.struct(table(name).key).n_unique().alias("keys"))
        )
        found[name] = {(venue, instrument): (count, keys) for venue, instrument, count, keys in rows.collect().rows()}
    return found


def _wrong(now: Mapping[str, Counts], before: Mapping[str, Counts]) -> list[str]:
    """Rows that are there twice, and rows that are gone."""
    found = []
    for name, counts in now.items():
        found += [
            f"{name} of {key}: {rows} rows of {keys} keys" for key, (rows, keys) in counts.items() if rows != keys
        ]
        found += [
            f"{name} of {key}: {rows} rows before, {counts.get(key, (0, 0))[0]} now"
            for key, (rows, _) in before.get(name, {}).items()
            if counts.get(key, (0, 0))[0] < rows
        ]
    return found


def files(lake: Lake) -> dict[str, int]:
    """The most files of one partition, which is a day or more, of each table."""
    most = {}
    for one in TABLES:
        if lake.exists(one.name):
            folders = [uri.rpartition("/")[0] for uri in lake.handle(one.name).file_uris()]
            most[one.name] = max((folders.count(folder) for folder in dict.fromkeys(folders)), default=0)
    return most


def against_one_file(lake: Lake, sorted_file: Path, since: Micros, rounds: int = 15) -> dict[str, float]:
    """How many times longer questions about trades take than of a single well-sorted file with the same rows.

    Lake and file are asked in turns; the median of the rounds counts. `since` is where the hour begins that is asked
    about.
    """
    rows = lake.read("trades").sort("venue", "instrument", "ts_event")
    rows.write_parquet(sorted_file, compression="zstd", row_group_size=122_880)
    hour = f"ts_event >= make_timestamptz({since}) AND ts_event < make_timestamptz({since + HOUR})"
    asked = {
        "all": "SELECT venue, instrument, count(*), sum(price * size), max(ts_event) FROM {} GROUP BY ALL",
        "an instrument": "SELECT count(*), sum(price * size) FROM {} WHERE venue = 'okx' AND instrument = 'BTC-USDT'",
        "its hour": f"SELECT * FROM {{}} WHERE venue = 'okx' AND instrument = 'BTC-USDT' AND {hour}",
    }
    found = {}
    with warehouse.connect(lake.root) as connection:
        for name, query in asked.items():
            ratios = []
            for _ in range(rounds):
                ours, theirs = (
                    _seconds(connection, query.format(source))
                    for source in ("trades", f"read_parquet('{sorted_file}')")
                )
                ratios.append(ours / theirs)
            found[name] = median(ratios)
    return found


def _seconds(connection: duckdb.DuckDBPyConnection, query: str) -> float:
    start = monotonic()
    connection.sql(query).to_arrow_table()
    return monotonic() - start
