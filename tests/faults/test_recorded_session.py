"""Real frames through the whole chain: recording, journal, emulated venue, worker, bus, lake, seam."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

import warehouse
from realtime.emulator.emulator import Options
from tests.kit.installation import Bench, bench
from tests.kit.session import CANDLES, INSTRUMENTS, SYMBOLS, Seen, history, journal, recorded_trades
from warehouse.clock import MINUTE, OFFSET_ENV, SECOND, monotonic

JOIN_AT = 195 * SECOND
"""Where in the session the worker joins: shortly before its busiest half minute."""


@pytest.fixture
async def session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bench]:
    """The session behind an emulated Binance, and an installation in its time."""
    options = Options(
        tapes=tuple(journal(market, tmp_path) for market in SYMBOLS),
        history=history(),
        venues=("binance",),
        preroll_us=-JOIN_AT,
        patience_us=10 * JOIN_AT,
    )
    settings: dict[str, object] = {
        "instruments": list(INSTRUMENTS.values()),
        "trades_lookback_minutes": 10,
        "recorder": {"commit_s": 1.0},
    }
    async with bench(tmp_path, options, **settings) as small:
        monkeypatch.setenv(OFFSET_ENV, str(small.emulator.clock_offset_us))
        yield small


async def test_real_frames_through_the_whole_chain(session: Bench) -> None:
    worker = await session.p9("worker", "--venue", "binance")
    await session.ready("worker-binance")
    recorder = await session.p9("recorder")
    await session.run("backfill", "all")
    await session.run("structure")
    end = monotonic() + 45
    contexts = [f"last:market_context:binance:{symbol}" for symbol in SYMBOLS.values()]
    while not (
        _published(session) >= 1000 and _seams(session) == ["proven"] * 2 and session.bus.exists(*contexts) == 2
    ):
        assert monotonic() < end, (_published(session), _seams(session))
        await asyncio.sleep(0.5)
    assert await session.end(worker) == 0
    await asyncio.sleep(1)
    assert await session.end(recorder) == 0
    for market, symbol in SYMBOLS.items():
        truth = recorded_trades(market)
        _every_trade_once_in_order(session.entries(f"trade:binance:{symbol}"), truth)
        _lake_is_the_recording(session, INSTRUMENTS[market], truth)
        _context_is_as_recorded(session, symbol, INSTRUMENTS[market])
    _only_what_was_recorded(session)


@pytest.mark.slow
def test_the_demo_plays_the_session_and_expects_what_was_recorded(tmp_path: Path) -> None:
    arguments = ["demo", "--seconds", "5", "--home", str(tmp_path / "home")]
    for market in SYMBOLS:
        arguments += ["--tape", str(journal(market, tmp_path))]
    for folder in history():
        arguments += ["--history", folder]
    done = subprocess.run([sys.executable, "-m", "p9", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "emulated from 2 tapes: binance" in done.stdout
    assert "all promises held" in done.stdout
    for (name, frame), count in CANDLES.items():
        row = next(line for line in done.stdout.splitlines() if f" {name} " in line and f" {frame} " in line)
        assert row.count(f" {count} ") == 2


def _published(session: Bench) -> int:
    """Messages on the channel that has fewest."""
    return min(int(session.bus.xlen(f"stream:trade:binance:{symbol}")) for symbol in SYMBOLS.values())


def _seams(session: Bench) -> list[str]:
    if not (Path(session.settings.lake_root) / "seams").exists():
        return []
    lake = warehouse.connect(session.settings.lake_root)
    return [state for (state,) in lake.execute("select state from seams_latest order by instrument").fetchall()]


def _every_trade_once_in_order(rows: list[tuple[str, dict[str, object]]], truth: list[Seen]) -> None:
    """What was published is a run of the recording: nothing missing, nothing twice, nothing changed."""
    assert len(rows) >= 1000
    found = [
        tuple(message[key] for key in ("trade_seq", "price", "size", "taker_side", "ts_event")) for _, message in rows
    ]
    first = [row[0] for row in truth].index(found[0][0])  # type: ignore[arg-type]  # an int, or it is not there
    assert found == truth[first : first + len(found)]
    assert all(message["source"] == "emulated" for _, message in rows)
    assert [message["prev"] for _, message in rows[1:]] == [message["seq"] for _, message in rows[:-1]]


def _lake_is_the_recording(session: Bench, instrument: str, truth: list[Seen]) -> None:
    """History from REST and the tape from the stream together: every trade since the session began, once."""
    lake = warehouse.connect(session.settings.lake_root)
    found = lake.execute(
        "select trade_seq, price, size, taker_side, epoch_us(ts_event) from trades where instrument = ? order by 1",
        [instrument],
    ).fetchall()
    assert len(found) > 1000
    assert found == truth[: len(found)]
    seam = lake.execute(
        "select missing, differing, common > 0, cut is not null from seams_latest where instrument = ?", [instrument]
    ).fetchall()
    assert seam == [(0, 0, True, True)]


def _context_is_as_recorded(session: Bench, symbol: str, instrument: str) -> None:
    """Timeframes with recorded bars speak of just these; the others are null, with the reason."""
    body = session.bus.get(f"last:market_context:binance:{symbol}")
    assert isinstance(body, bytes)
    message = msgspec.json.decode(body)
    for timeframe in ("1d", "12h", "6h", "4h", "2h", "1h", "30m", "15m"):
        told, count = message["timeframes"][timeframe], CANDLES.get((instrument, timeframe))
        if count is None:
            assert told is None
            assert message["reasons"][f"timeframes.{timeframe}"] == "NO_HISTORY"
        else:
            assert told["count"] == count
    assert message["levels"]
    newest = session.bus.get(f"last:fusion_data:binance:{symbol}")
    assert isinstance(newest, bytes)
    fused = msgspec.json.decode(newest)
    assert fused["candles"]["1h"]["open"] is None
    assert fused["reasons"]["atr"] == "NO_HISTORY"


def _only_what_was_recorded(session: Bench) -> None:
    """No bar, instrument or venue that the recording does not hold; what is short says so."""
    lake = warehouse.connect(session.settings.lake_root)
    rows = lake.execute("select venue, instrument, timeframe, count(*) from candles group by all").fetchall()
    # Whole minutes of the session are the sum of its own trades; everything longer is older than the session.
    assert {(name, frame): count for _, name, frame, count in rows if frame not in ("1m", "3m")} == CANDLES
    for market, name in INSTRUMENTS.items():
        bars = lake.execute(
            "select epoch_us(open_time), open, high, low, close from candles where instrument = ? and timeframe = '1m'",
            [name],
        ).fetchall()
        for at, *prices in bars:
            inside = [row[1] for row in recorded_trades(market) if at <= row[4] < at + MINUTE]
            assert prices == [inside[0], max(inside), min(inside), inside[-1]]
    short = {note for (note,) in lake.execute("select note from coverage where note is not null").fetchall()}
    assert {f"binance serves {count} of 1000 {frame} bars" for (_, frame), count in CANDLES.items()} <= short
    assert "binance serves 0 of 1000 1h bars" in short
    assert {(row[0], row[1]) for row in rows} <= {("binance", name) for name in INSTRUMENTS.values()}
    assert not lake.execute("select 1 from gaps_open").fetchall()
    names = [name.decode() for name in session.bus.scan_iter(match="last:*")]
    assert names
    assert all(name.split(":")[2] == "binance" for name in names if name.count(":") > 1)
    assert {name.split(":")[3] for name in names if name.count(":") > 2} == set(SYMBOLS.values())
    for body in session.bus.mget(names):
        assert isinstance(body, bytes)
        assert msgspec.json.decode(body)["source"] == "emulated"
