"""Faults as a client meets them: on real sockets, over real HTTP, from the command line."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
from click.testing import CliRunner
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosedError, InvalidStatus

from p9.commands.emulate import emulate
from realtime.emulator.budgets import PATIENCE
from realtime.emulator.emulator import Emulator, Options
from realtime.emulator.faults.desk import read
from realtime.emulator.faults.kinds import KINDS
from realtime.emulator.faults.parts import Fault
from realtime.emulator.faults.plan import Plan
from warehouse.clock import MINUTE, SECOND, SystemClock
from warehouse.errors import ConfigError

QUICK = Options(seed=7, venues=("binance",), lookback_us=MINUTE, rate=20.0, faults=Plan())
DEPTH = "/stream?streams=btcusdt@depth@100ms"


async def until(true: Callable[[], bool], seconds: float = 20.0) -> None:
    async with asyncio.timeout(seconds):
        while not true():  # noqa: ASYNC110 the other side is a socket, which sets no event
            await asyncio.sleep(0.01)


async def started(emulator: Emulator, kind: str, **more: Any) -> str:
    return emulator.inject(Fault(kind=kind, venue="binance", **more))


async def get(url: str, **query: str) -> tuple[int, Any, dict[str, str]]:
    async with aiohttp.ClientSession() as http, http.get(url, params=query) as reply:
        return reply.status, await reply.json(content_type=None), dict(reply.headers)


async def end_of(socket: ClientConnection) -> ConnectionClosedError:
    try:
        async with asyncio.timeout(10):
            while True:
                await socket.recv()
    except ConnectionClosedError as ended:
        return ended


async def test_connections_are_refused_frozen_reset_and_closed() -> None:
    async with Emulator(QUICK) as emulator:
        url = emulator.endpoints["binance"]["ws_spot"] + DEPTH
        name = await started(emulator, "refused_handshake", count=1, code=503)
        with pytest.raises(InvalidStatus, match="503"):
            await connect(url)
        await until(lambda: emulator.fault_log.entries[name].state == "over")

        await started(emulator, "refused_handshake", count=1, code=0)
        with pytest.raises(TimeoutError):
            await connect(url, open_timeout=0.5)

        await started(emulator, "half_open", count=1)
        async with connect(url, close_timeout=0.1, ping_interval=None) as socket:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(socket.recv(), 0.7)
            pong = await socket.ping()
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(pong, 0.3)
        async with connect(url) as socket:
            await asyncio.wait_for(socket.recv(), 5)
            await started(emulator, "socket_reset")
            assert (await end_of(socket)).rcvd is None
        async with connect(url) as socket:
            await asyncio.wait_for(socket.recv(), 5)
            await started(emulator, "closed", code=1008)
            ended = (await end_of(socket)).rcvd
            assert ended is not None
            assert (ended.code, ended.reason) == (1008, "Pong timeout")
        async with connect(url, max_size=1 << 27) as socket:
            await started(emulator, "oversized", amount=8)
            async with asyncio.timeout(20):
                while len(await socket.recv(decode=False)) < 8 << 20:
                    pass


async def test_requests_meet_faults_and_who_ignores_a_429_is_banned() -> None:
    # Weights are counted by the minute: this one has just begun.
    offset = 2 * SECOND - SystemClock(0).now() % MINUTE
    async with Emulator(msgspec.structs.replace(QUICK, clock_offset_us=offset)) as emulator:
        base = emulator.endpoints["binance"]["rest_spot"]
        await started(emulator, "too_many_requests", count=1, amount=9)
        status, body, headers = await get(base + "/api/v3/time")
        assert (status, body["code"], headers["Retry-After"]) == (429, -1003, "9")
        await started(emulator, "timed_out", count=1, amount=0.7)
        start = asyncio.get_running_loop().time()
        assert (await get(base + "/api/v3/time"))[0] == 200
        assert asyncio.get_running_loop().time() - start >= 0.7

        for _ in range(24):
            assert (await get(base + "/api/v3/depth", symbol="BTCUSDT", limit="5000"))[0] in (200, 429)
        seen = [(await get(base + "/api/v3/depth", symbol="BTCUSDT", limit="5000"))[0] for _ in range(PATIENCE + 2)]
        assert seen[-1] == 418
        status, _, headers = await get(base + "/api/v3/time")
        assert status == 418
        assert 0 < int(headers["Retry-After"]) <= 121


async def test_a_finer_tick_reaches_those_who_are_connected_and_an_ended_instrument_is_refused() -> None:
    async with Emulator(QUICK) as emulator:
        bases = emulator.endpoints["binance"]
        prices: list[str] = []
        async with connect(bases["ws_perp"] + "/public/stream") as socket, asyncio.timeout(20):
            await socket.send('{"method":"SUBSCRIBE","params":["ethusdt@depth@100ms"],"id":1}')
            while not prices:  # a change of the book may be one of asks alone
                prices += bids(await socket.recv())
            await started(emulator, "tick_changed", instrument="ETH-USDT-PERP")
            while not any(decimals(price) == 3 and price[-1] != "0" for price in prices):
                prices += bids(await socket.recv())
        first = next(at for at, price in enumerate(prices) if decimals(price) == 3)
        assert {decimals(price) for price in prices[:first]} == {2}
        assert {decimals(price) for price in prices[first:]} == {3}
        listed = (await get(bases["rest_perp"] + "/fapi/v1/exchangeInfo"))[1]["symbols"]
        ticks = {one["symbol"]: one["filters"][0]["tickSize"] for one in listed}
        assert ticks["ETHUSDT"] == "0.001"

        name = await started(emulator, "delisted", instrument="BTC-USDT", seconds=2)
        view = emulator.source.view("binance")
        await until(lambda: "BTC-USDT" not in [rule.instrument for rule in view.rules()])
        await until(lambda: emulator.fault_log.entries[name].state == "over")
        await asyncio.sleep(0.3)
        status, body, _ = await get(bases["rest_spot"] + "/api/v3/depth", symbol="BTCUSDT")
        assert (status, body["code"]) == (400, -1121)


def bids(frame: str | bytes) -> list[str]:
    """The prices of a book update's bids; none of other frames."""
    return [price for price, _ in msgspec.json.decode(frame).get("data", {}).get("b", ())]


def decimals(price: str) -> int:
    return len(price.partition(".")[2])


async def test_a_restart_does_not_repeat_what_went_wrong_before(tmp_path: Path) -> None:
    faults = (
        Fault(kind="garbage", venue="binance", at=0.0, count=1, id="past"),
        Fault(kind="garbage", venue="binance", after=3, count=1, id="counted"),
        Fault(kind="garbage", venue="binance", at=3600.0, count=1, id="future"),
    )
    log = tmp_path / "log.jsonl"
    options = msgspec.structs.replace(QUICK, faults=Plan(faults=faults), fault_log=log, folder=tmp_path)
    async with Emulator(options) as emulator:
        await until(lambda: sorted(emulator.fault_log.entries) == ["counted", "past"])
    async with Emulator(options) as emulator:
        seen: list[object] = []
        async with connect(emulator.endpoints["binance"]["ws_spot"] + DEPTH) as socket:
            seen += [await asyncio.wait_for(socket.recv(), 10) for _ in range(5)]
        assert emulator.fault_log.entries == {}
    assert sorted(read(log)) == ["counted", "past"]


async def test_what_cannot_be_injected_now_is_refused() -> None:
    async with Emulator(QUICK) as emulator:
        with pytest.raises(ConfigError, match="must be planned"):
            await started(emulator, "skewed_clock")
        with pytest.raises(ConfigError, match="no faults here"):
            emulator.inject(Fault(kind="closed", venue="okx"))
    async with Emulator(msgspec.structs.replace(QUICK, faults=None)) as emulator:
        with pytest.raises(ConfigError, match="give the emulator a plan"):
            await started(emulator, "closed")


def test_the_command_runs_a_plan_and_logs_it(tmp_path: Path) -> None:
    plan = tmp_path / "plan.yaml"
    plan.write_text("seed: 3\nfaults:\n  - {kind: garbage, venue: okx, at: 0.2, count: 1}\n")
    endpoints = tmp_path / "endpoints.json"
    code = "from p9.commands.emulate import emulate; emulate()"
    arguments = ["--venues", "okx", "--endpoints", str(endpoints), "--lookback", "2", "--faults", str(plan)]
    process = subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert process.stdout is not None
    seen = b""
    while b"state=begun" not in seen:
        line = process.stdout.readline()
        assert line, seen.decode()
        seen += line
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 0
    entry = read(tmp_path / "plan.injected.jsonl")["001-garbage-okx"]
    assert (entry.state, entry.kind, entry.venue) == ("over", "garbage", "okx")


def test_the_command_lists_what_can_go_wrong() -> None:
    told = CliRunner().invoke(emulate, ["--list-faults"])
    assert told.exit_code == 0
    assert "sequence_reset (bybit, okx; count=1)" in told.output
    assert all(name in told.output for name in KINDS)
