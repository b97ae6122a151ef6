"""Flows interrupted at random: kill -9, again, overlapping ranges, two at once. The lake has the rows of one clean run.

A failure is repeated with its seed: `P9_CHAOS_SEED=4711 P9_CHAOS_KILLS=200 make chaos`.
"""

from __future__ import annotations

import os
import random
import secrets
from pathlib import Path

import pytest

import warehouse
from configs.settings import Settings
from pipelines.scope import Scope
from realtime.emulator.emulator import Options
from realtime.emulator.seeded import Seeded
from tests.kit.installation import bench
from tests.kit.torn import CHORES, Blow, Errand, strike
from tests.kit.whole import NOW, SPANS, differing, doubled, everything, fresh, rows, span, untrue
from warehouse.clock import MINUTE, Micros
from warehouse.reading import audits
from warehouse.store import Lake

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
