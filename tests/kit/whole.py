"""What a lake is held against after interruptions: one clean run, what the emulated market did, and itself."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from configs.settings import Settings
from pipelines import past
from pipelines.load import CHANGES, changes
from pipelines.plan import INTEREST_STEP, PICTURE_EVERY, Span, missing
from pipelines.scope import Scope
from realtime.emulator.emulator import Emulator
from tests.kit.torn import Blow, Errand
from warehouse.clock import DAY, HOUR, MINUTE, Micros
from warehouse.frames import integers
from warehouse.records import Record
from warehouse.store import Lake
from warehouse.tables import table

SPANS: dict[str, Micros] = {
    "candles": 8 * HOUR, "price_candles": 8 * HOUR, "open_interest": 8 * HOUR, "funding": 20 * DAY,
    "trades": 4 * MINUTE,
}  # fmt: skip
"""How much is wanted of each dataset of the past, before the market's beginning."""

NOW = ("books", "insurance", "calendar")


def span(job: str, t0: Micros) -> Span:
    """What is wanted of a dataset of the past, closed for sure when the market begins."""
    end = t0 - t0 % INTEREST_STEP if job == "open_interest" else t0
    return end - SPANS[job], end


def everything(t0: Micros) -> Blow:
    """One run that is left in peace."""
    spans = [span(job, t0) for job in SPANS]
    wanted = [Scope(since=start, until=end) for start, end in spans]
    return Blow((Errand((*SPANS, *NOW), (*wanted, *[Scope()] * len(NOW))),), (None,))


def rows(settings: Settings, name: str, before: Micros | None = None) -> pl.DataFrame:
    """A table without receipt times, in one order; up to a time where one is given."""
    declared = table(name)
    data = Lake(settings.lake_root, realm="emulated").read(name, end=before).drop("ts_recv", strict=False)
    return data.sort(declared.key)


def differing(clean: Settings, torn: Settings, t0: Micros) -> list[str]:
    """Tables of the past that are not what one clean run leaves. Bybit's newest page is another one each time."""
    found = []
    for name in ("instruments", *SPANS):
        one, other = [rows(each, name, t0) for each in (clean, torn)]
        if name == "trades":
            one, other = [data.filter(pl.col("venue") != "bybit") for data in (one, other)]
        if not one.equals(other):
            found.append(f"{name}: {one.height} rows in one run, {other.height} in many")
    return found


def untrue(settings: Settings, emulator: Emulator) -> list[str]:
    """Trades that never happened or were otherwise, and trades that are missing from what is said to be complete."""
    found = []
    lake = Lake(settings.lake_root, realm="emulated")
    for venue in settings.enabled():
        known = integers(lake.read("trades", venue=venue))
        complete = past.covered(lake, venue)
        for name in settings.instruments:
            held = {row["trade_id"]: row for row in known.filter(pl.col("instrument") == name).iter_rows(named=True)}
            happened = emulator.source.view(venue).trades_by_time(name, 0, 1 << 60, 1 << 30, False)
            real = {trade.trade_id: trade for trade in happened}
            for trade_id, row in held.items():
                wrong = [
                    field for field in ("ts_event", "price", "size", "taker_side", "ticks", "lots")
                    if trade_id not in real or row[field] != getattr(real[trade_id], field)
                ]  # fmt: skip
                found += [f"{venue} {name} {trade_id}: {wrong}"] if wrong else []
            spans = complete.get(name, [])
            found += [
                f"{venue} {name} {trade.trade_id} is missing"
                for trade in happened
                if trade.trade_id not in held and not missing((trade.ts_event, trade.ts_event + 1), spans)
            ]
    return found


def doubled(settings: Settings) -> list[str]:
    """Rows that stand there twice, states told again, and two pictures of one book in one of its periods."""
    lake = Lake(settings.lake_root, realm="emulated")
    found = []
    for name in (*SPANS, *NOW, "instruments", "notices"):
        data = lake.read(name)
        if data.height != data.unique(list(table(name).key)).height:
            found.append(name)
    for name, what in CHANGES.items():
        told = [row for row in lake.rows(name) if isinstance(row, Record)]
        if changes([], told, what) != sorted(told, key=lambda row: row.ts_event):
            found.append(f"{name} tells a state again")
    books = integers(lake.read("books")).with_columns(pl.col("ts_event") // PICTURE_EVERY)
    if books.height != books.unique(["venue", "instrument", "ts_event"]).height:
        found.append("two pictures of a book in one period")
    return found


def fresh(settings: Settings, folder: Path) -> Settings:
    """The same installation with a lake of its own."""
    return settings.model_copy(update={"lake": settings.lake.model_copy(update={"root": str(folder)})})
