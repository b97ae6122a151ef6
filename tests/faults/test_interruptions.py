"""Flows interrupted at random: kill -9, again, overlapping ranges, two at once. The lake has the rows of one clean run.

A failure is repeated with its seed: `P9_CHAOS_SEED=4711 P9_CHAOS_KILLS=200 make chaos`.
"""

from __future__ import annotations

import os
import random
import secrets
from pathlib import Path

import polars as pl
import pytest

import warehouse
from configs.settings import Settings
from pipelines import past
from pipelines.load import CHANGES, changes
from pipelines.plan import INTEREST_STEP, PICTURE_EVERY, Span, missing
from pipelines.scope import Scope
from realtime.emulator.emulator import Emulator, Options
from realtime.emulator.seeded import Seeded
from tests.kit.installation import bench
from tests.kit.torn import CHORES, Blow, Errand, strike
from warehouse.clock import DAY, HOUR, MINUTE, Micros
from warehouse.frames import integers
from warehouse.reading import audits
from warehouse.records import Record
from warehouse.store import Lake
from warehouse.tables import table

SPANS: dict[str, Micros] = {
    "candles": 8 * HOUR, "price_candles": 8 * HOUR, "open_interest": 8 * HOUR, "funding": 20 * DAY,
    "trades": 4 * MINUTE,
}  # fmt: skip
"""How much is wanted of each dataset of the past, before the market's beginning."""

NOW = ("books", "insurance", "calendar")
LONGEST_S = 4.0
"""Seconds that an errand about a single dataset takes."""

PER_LAKE = 10
"""Kills of one lake: by then it has nearly everything, and a fresh one has more to lose."""


def plan(dice: random.Random, t0: Micros) -> Blow:
    """One to three errands at the same time, most of them to be killed within seconds, or as they write."""
    errands: list[Errand] = []
    ends: list[float | None] = []
    for _ in range(dice.choice((1, 1, 1, 2, 2, 3))):
        if dice.random() < 0.2:
            chore = dice.choice(CHORES)
            errands.append(Errand((chore,), (Scope(),)))
        else:
            jobs = tuple(name for name in (*SPANS, *NOW) if dice.random() < 0.6) or ("candles",)
            errands.append(Errand(jobs, tuple(scope(dice, job, t0) for job in jobs)))
        ends.append(dice.choice((dice.uniform(0.0, LONGEST_S), -dice.randint(1, 60), -dice.randint(1, 60))))
    if len(ends) > 1 and dice.random() < 0.4:
        ends[0] = None
    return Blow(tuple(errands), tuple(ends))


def scope(dice: random.Random, job: str, t0: Micros) -> Scope:
    """All of a dataset's span, or some of it; trades often up to now, and now and then of one coin alone."""
    if job in NOW:
        return Scope()
    start, end = span(job, t0)
    if dice.random() < 0.6:
        start, end = sorted(dice.sample(range(start, end + MINUTE, MINUTE), 2))
    symbols = ("BTC",) if dice.random() < 0.3 else ()
    return Scope(since=start, until=None if job == "trades" and dice.random() < 0.5 else end, symbols=symbols)


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


def versions(settings: Settings) -> dict[str, int]:
    """The version of each table of the past."""
    lake = Lake(settings.lake_root, realm="emulated")
    return {name: lake.version(name) for name in SPANS}


@pytest.mark.slow
@pytest.mark.timeout(3600)
async def test_any_interruptions_leave_the_rows_of_one_clean_run(tmp_path: Path) -> None:
    """`P9_CHAOS_KILLS` kills of processes that are at work, 20 by default."""
    seed = int(os.environ.get("P9_CHAOS_SEED") or secrets.randbelow(1_000_000))
    wanted = int(os.environ.get("P9_CHAOS_KILLS") or 20)
    print(f"P9_CHAOS_SEED={seed}")  # noqa: T201
    dice = random.Random(seed)
    options = Options(seed=seed, lookback_us=5 * MINUTE, rate=20.0)
    instruments = [f"{base}-USDT{suffix}" for base in ("BTC", "ETH") for suffix in ("", "-PERP")]
    async with bench(tmp_path, options, instruments=instruments, timeframes=["1m", "1h"]) as here:
        assert isinstance(here.emulator.source, Seeded)
        t0 = here.emulator.source.market.t0
        log = tmp_path / "work.log"
        clean = fresh(here.settings, tmp_path / "clean")
        await strike(clean, everything(t0), log)
        assert all(rows(clean, name).height for name in (*SPANS, *NOW))
        kills = 0
        while kills < wanted:
            torn = fresh(here.settings, tmp_path / f"torn{kills}")
            enough = min(kills + PER_LAKE, wanted)
            while kills < enough:
                kills += await strike(torn, plan(dice, t0), log)
            await strike(torn, everything(t0), log)
            left = versions(torn)
            await strike(torn, everything(t0), log)
            assert versions(torn) == left
            assert differing(clean, torn, t0) == []
            assert untrue(torn, here.emulator) == []
            assert doubled(torn) == []
            assert Lake(torn.lake_root, realm="emulated").read("corrections").height == 0
            with warehouse.connect(torn.lake_root) as lake:
                assert [(name, bad) for name, count, bad in audits(lake) if count] == []
                assert lake.execute("select * from gaps_open").fetchall() == []
            print(f"{kills} kills")  # noqa: T201


def fresh(settings: Settings, folder: Path) -> Settings:
    """The same installation with a lake of its own."""
    return settings.model_copy(update={"lake": settings.lake.model_copy(update={"root": str(folder)})})
