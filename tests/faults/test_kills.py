"""`kill -9` of workers and recorder at random moments: the lake is the emulator's truth, less what the ledger names.

A failure is repeated with its seed: `P9_KILL_SEED=4711 P9_KILLS=20 make slow`.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

import warehouse
from realtime.emulator.emulator import Options
from realtime.recorder import LIVE
from tests.kit.installation import bench
from tests.kit.storm import RECORDER, Blow, Storm, plan
from tests.kit.truth import Compared, compare, happened
from warehouse.clock import MINUTE, SECOND
from warehouse.reading import audits
from warehouse.store import Lake
from warehouse.tables import table

ALL = [f"{base}-USDT{suffix}" for base in ("BTC", "ETH", "SOL", "BNB", "XRP") for suffix in ("", "-PERP")]
SEAMS = {"binance": ("proven",), "bybit": ("supported", "unprovable"), "okx": ("proven",)}
"""Bybit's page may come too late to hold anything of the tape's beginning: nothing is proven then, nor broken."""


def seed_of(run: str) -> int:
    """The seed from the environment, or a fresh one; said aloud in either case."""
    seed = int(os.environ.get("P9_KILL_SEED") or secrets.randbelow(1_000_000))
    print(f"{run}: P9_KILL_SEED={seed}")  # noqa: T201
    return seed


async def storm(
    home: Path,
    venues: Sequence[str],
    instruments: Sequence[str],
    seed: int,
    rate: float,
    blows: Sequence[Blow] = (),
    *,
    history: bool = True,
) -> list[Compared]:
    """A demo-like installation, `blows`, and what the lake then has of every instrument.

    Without blows there are `P9_KILLS` random ones, 20 by default. Without `history` no flow runs, so no seam is joined.
    """
    truth = home / "truth.jsonl"
    options = Options(seed=seed, venues=tuple(venues), lookback_us=10 * MINUTE, rate=rate, truth=truth)
    overrides = {
        "instruments": list(instruments), "recorder": {"commit_s": 1.0}, "journal": {"rotate_mb": 1},
        "trades_lookback_minutes": 10,
    }  # fmt: skip
    async with bench(home, options, **overrides) as small:
        one = Storm(small)
        await one.start(*one.names)
        await one.ready()
        if history:
            await small.run("backfill", "trades")
        for blow in blows or plan(seed, int(os.environ.get("P9_KILLS") or 20), one.names):
            print(blow)  # noqa: T201
            await one.blow(blow)
        await one.settle()
        stopped = await one.stop()
        lake = Lake(small.settings.lake_root, realm="emulated")
        found = compare(lake, happened(truth), stopped - 2 * SECOND, one.served)
        print(f"{one.kills} kills")  # noqa: T201
    return [one for one in found if one.instrument in instruments]


def account(found: Sequence[Compared]) -> str:
    """The figures for people."""
    lines = []
    for venue in sorted({one.venue for one in found}):
        held = [one for one in found if one.venue == venue]
        states: dict[str, int] = {}
        for one in held:
            for state, count in one.states.items():
                states[state] = states.get(state, 0) + count
        lines.append(
            f"{venue}: {sum(one.traded for one in held)} traded, {sum(one.stored for one in held)} stored once, "
            f"{sum(one.from_pages for one in held)} of them repaired over REST, {sum(one.lost for one in held)} lost; "
            f"gaps {states}"
        )
    return "\n".join(lines)


def check(home: Path, found: Sequence[Compared], seams: Mapping[str, tuple[str, ...]] = SEAMS) -> None:
    """Nothing lost that could be had, nothing twice, nothing wrong; `seams` are the states expected by venue."""
    print(account(found))  # noqa: T201
    assert not [f"{one.venue} {one.instrument}: {fault}" for one in found for fault in one.faults]
    assert all(one.lost == 0 and not one.states.get("unrecoverable") for one in found if one.venue != "bybit")
    with warehouse.connect(home / "lake") as lake:
        assert lake.execute("select venue, instrument, stream, reason from gaps_open").fetchall() == []
        assert [(name, bad) for name, count, bad in audits(lake) if count] == []
        states = lake.execute("select venue, instrument, state, reason from seams_latest").fetchall()
    assert [row for row in states if row[2] not in seams[row[0]]] == []
    assert len(states) == len(found)
    for name in LIVE:
        assert doubled(home, name) == 0, name


def doubled(home: Path, name: str) -> int:
    """Rows of a table that stand there more than once; of the gap ledger, states of one gap that do."""
    declared = table(name)
    if declared.ledger and name != "gaps":
        return 0  # an interval or a certificate is told again as it grows
    key = [*declared.key, "state"] if name == "gaps" else list(declared.key)
    rows = Lake(home / "lake", realm="emulated").read(name)
    return rows.height - rows.unique(key).height


@pytest.mark.slow
@pytest.mark.timeout(900)
async def test_twenty_kills(tmp_path: Path) -> None:
    check(tmp_path, await storm(tmp_path, ("binance", "bybit", "okx"), ALL, seed_of("twenty kills"), 20.0))


async def test_two_kills(tmp_path: Path) -> None:
    blows = [Blow(0.5, ("worker-bybit",), 0.5), Blow(1.0, ("worker-bybit", RECORDER), 0.0)]
    found = await storm(tmp_path, ("bybit",), ["BTC-USDT", "BTC-USDT-PERP"], 5, 40.0, blows, history=False)
    check(tmp_path, found, {"bybit": ("unprovable",)})
    assert any(one.from_pages and one.states for one in found)


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_what_rest_serves_no_more_is_in_the_ledger(tmp_path: Path) -> None:
    """A busy market and long outages: more trades than Bybit's newest 60 (spot) and 1000 (perpetuals) are missed."""
    worker = ("worker-bybit",)
    blows = [
        Blow(1.0, worker, 2.0),
        Blow(0.4, worker, 1.0),
        Blow(1.2, worker, 0.0),
        Blow(4.0, (*worker, RECORDER), 25.0),
        Blow(1.1, worker, 1.5),
        Blow(3.0, (RECORDER,), 0.0),
    ]
    wanted = ["BTC-USDT", "ETH-USDT", "BTC-USDT-PERP", "ETH-USDT-PERP"]
    seed = seed_of("ledger")
    found = await storm(tmp_path, ("bybit",), wanted, seed, 400.0, blows, history=False)
    check(tmp_path, found, {"bybit": ("unprovable",)})
    assert all(one.lost and one.states.get("unrecoverable") for one in found)
