"""The emulated venues over real loopback sockets, with plain clients."""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import msgspec
import pytest
from websockets.asyncio.client import connect

from configs.load import load
from realtime.emulator.emulator import Emulator, Options
from realtime.emulator.faults.parts import Fault
from realtime.emulator.faults.plan import Plan
from realtime.emulator.truth import trades
from warehouse.clock import MINUTE, SECOND, SystemClock
from warehouse.errors import ConfigError
from warehouse.records import SequenceGap, Trade, Undecodable
from warehouse.venues import venue
from warehouse.venues.base import Fetch, Send, Session

QUICK = Options(seed=7, venues=("binance",), lookback_us=3 * MINUTE)


async def get(url: str, **query: str) -> Any:
    async with aiohttp.ClientSession() as http, http.get(url, params=query) as reply:
        assert reply.headers["X-P9-Realm"] == "emulated"
        assert reply.headers["X-P9-Clock-Offset-Us"].lstrip("-").isdigit()
        assert reply.status == 200, await reply.text()
        return await reply.json()


async def test_every_base_has_a_port_and_says_what_it_is() -> None:
    async with Emulator(QUICK) as emulator:
        assert list(emulator.endpoints) == ["binance"]
        assert list(emulator.endpoints["binance"]) == list(venue("binance").ENDPOINTS)
        for base, url in emulator.endpoints["binance"].items():
            if base.startswith("rest"):
                about = await get(url + "/p9/emulator")
                assert (about["realm"], about["venue"], about["seed"], about["streams"]) == (
                    "emulated",
                    "binance",
                    7,
                    None,
                )


async def test_pages_by_id_run_from_history_into_live_trades() -> None:
    async with Emulator(msgspec.structs.replace(QUICK, rate=400.0)) as emulator:
        url = emulator.endpoints["binance"]["rest_spot"] + "/api/v3/aggTrades"
        since = emulator.clock.now() // MINUTE * MINUTE
        await asyncio.sleep(0.3)
        rows = await get(url, symbol="BTCUSDT", startTime=str((since - 2 * MINUTE) // 1000), limit="1000")
        ids = [row["a"] for row in rows]
        while page := await get(url, symbol="BTCUSDT", fromId=str(ids[-1] + 1), limit="1000"):
            ids += [row["a"] for row in page]
            rows += page
            if page[-1]["T"] * 1000 > since:
                break
        assert ids == list(range(ids[0], ids[0] + len(ids)))
        assert rows[0]["T"] * 1000 < since


async def test_a_stream_goes_on_where_rest_ended() -> None:
    async with Emulator(msgspec.structs.replace(QUICK, rate=200.0)) as emulator:
        bases = emulator.endpoints["binance"]
        async with connect(bases["ws_spot"] + "/ws/btcusdt@aggTrade", compression=None) as stream:
            assert stream.response is not None
            assert stream.response.headers["X-P9-Realm"] == "emulated"
            first = msgspec.json.decode(await asyncio.wait_for(stream.recv(), 10))
            frames = [first] + [msgspec.json.decode(await asyncio.wait_for(stream.recv(), 10)) for _ in range(20)]
            rows = await get(bases["rest_spot"] + "/api/v3/aggTrades", symbol="BTCUSDT", fromId=str(first["a"] - 5))
        seen = {row["a"]: (row["p"], row["q"], row["T"], row["m"]) for row in rows}
        assert [frame["a"] for frame in frames] == list(range(first["a"], first["a"] + 21))
        assert all(seen[frame["a"]] == (frame["p"], frame["q"], frame["T"], frame["m"]) for frame in frames)
        assert first["a"] - 1 in seen


async def listen(emulator: Emulator, session: Session, said: list[object], enough: Callable[[], bool]) -> None:
    """Add to `said` what one of our own sessions makes of the emulated venue on a plain socket, until it is enough."""
    bases, clock = emulator.endpoints[session.venue], emulator.clock
    async with connect(bases[session.base] + session.path, compression=None) as stream, aiohttp.ClientSession() as http:

        async def obey(outputs: Any) -> None:
            for output in outputs:
                said.append(output)
                if isinstance(output, Send):
                    await stream.send(output.frame.decode())
                elif isinstance(output, Fetch):
                    async with http.get(bases[output.base] + output.path, params=output.query) as reply:
                        body = await reply.read()
                    await obey(session.answer(output, reply.status, body, clock.now()))

        await obey(session.connected(clock.now()))
        while not enough():
            await obey(session.tick(clock.now()))
            try:
                async with asyncio.timeout(0.1):
                    frame = await stream.recv(decode=False)
            except TimeoutError:
                continue
            await obey(session.receive(frame, clock.now()))


@pytest.mark.parametrize("name", ["binance", "bybit", "okx"])
async def test_our_sessions_read_what_was_traded_without_a_gap(name: str, tmp_path: Path) -> None:
    options = msgspec.structs.replace(QUICK, venues=(name,), truth=tmp_path / "truth.jsonl")
    async with Emulator(options) as emulator:
        rules = [rule for rule in emulator.source.view(name).rules() if rule.instrument.startswith("BTC-")]
        sessions = venue(name).sessions(rules)
        everything: list[object] = []

        def enough() -> bool:
            told = Counter(one.instrument for one in everything if isinstance(one, Trade))
            spoken = {type(output).__name__ for output in everything} >= {"BookUpdate", "BestQuote", "Candle"}
            return (
                spoken and all(session.settled for session in sessions) and min(told[x.instrument] for x in rules) > 8
            )

        async with asyncio.timeout(50):
            await asyncio.gather(*(listen(emulator, session, everything, enough) for session in sessions))
    assert [output for output in everything if isinstance(output, SequenceGap | Undecodable)] == []
    for rule in rules:
        mine = [x for x in everything if isinstance(x, Trade) and x.instrument == rule.instrument]
        real = [trade for trade in truth(options) if trade.instrument == rule.instrument]
        traded, read = [_of(trade) for trade in real], [_of(t) for t in mine if t.ts_event >= real[0].ts_event]
        places = sorted(traded.index(one) for one in read)
        assert len(places) > 3
        assert places == list(range(places[0], places[0] + len(read)))


def _of(trade: Trade) -> tuple[str, int, int, str]:
    return trade.trade_id, trade.ticks, trade.lots, trade.taker_side


async def test_a_restarted_emulator_has_the_same_past(tmp_path: Path) -> None:
    options = msgspec.structs.replace(QUICK, folder=tmp_path, truth=tmp_path / "truth.jsonl")
    async with Emulator(options) as emulator:
        await asyncio.sleep(0.5)
        now = emulator.clock.now()
        before = emulator.source.view("binance").book("ETH-USDT")
        first = [trade for trade in truth(options) if trade.ts_event < now - SECOND]
    async with Emulator(options) as emulator:
        again = [trade for trade in truth(options) if trade.ts_event < now - SECOND]
        assert emulator.source.view("binance").book("ETH-USDT").update_id >= before.update_id
    assert again == first
    with pytest.raises(ConfigError, match="holds the market of seed 7"):
        Emulator(msgspec.structs.replace(options, seed=8))


def truth(options: Options) -> list[Trade]:
    assert options.truth is not None
    return sorted(trades(options.truth), key=lambda t: (t.instrument, t.ts_event))


async def test_a_client_that_does_not_read_is_disconnected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("realtime.emulator.client.QUEUE", 5)
    async with Emulator(msgspec.structs.replace(QUICK, faults=Plan())) as emulator:
        address = urlsplit(emulator.endpoints["binance"]["ws_spot"])
        names = "/".join(f"{coin}usdt@{kind}" for coin in ("btc", "eth", "sol") for kind in ("depth", "bookTicker"))
        request = f"GET /stream?streams={names} HTTP/1.1\r\nHost: {address.netloc}\r\nUpgrade: websocket\r\n"
        request += "Connection: Upgrade\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
        with socket.socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.connect((address.hostname, address.port))
            client.sendall(f"{request}Sec-WebSocket-Version: 13\r\n\r\n".encode())
            server = emulator.servers["binance"]
            await until(lambda: bool(server.clients))
            emulator.inject(Fault(kind="oversized", venue="binance", count=1, amount=16))
            await until(lambda: not server.clients)


async def until(true: Callable[[], bool], seconds: float = 30.0) -> None:
    async with asyncio.timeout(seconds):
        while not true():  # noqa: ASYNC110 the other side is a socket, which sets no event
            await asyncio.sleep(0.01)


async def test_the_endpoints_file_tells_a_caller_everything(tmp_path: Path) -> None:
    options = msgspec.structs.replace(QUICK, clock_offset_us=-5 * SECOND)
    async with Emulator(options) as emulator:
        emulator.write_endpoints(tmp_path / "endpoints.json")
        told = msgspec.json.decode((tmp_path / "endpoints.json").read_bytes())
        assert told["endpoints"] == emulator.endpoints
        assert told["clock_offset_us"] == -5 * SECOND
        assert told["instruments"][:2] == ["BTC-USDT", "ETH-USDT"]
        assert told["dialects"] == {"binance": {"streams": None, "at": None}}
        served = await get(emulator.endpoints["binance"]["rest_spot"] + "/api/v3/time")
        assert abs(served["serverTime"] * 1000 + 5 * SECOND - SystemClock(0).now()) < 2 * SECOND


async def test_the_configuration_it_writes_leads_every_command_to_it(tmp_path: Path) -> None:
    async with Emulator(QUICK) as emulator:
        emulator.write_config(tmp_path / "emulated.yaml")
        settings = load(tmp_path / "emulated.yaml")
        assert (settings.realm, settings.home, settings.enabled()) == (
            "emulated", tmp_path / "p9-emulated", ["binance"],
        )  # fmt: skip
        assert settings.venues["binance"].endpoints == emulator.endpoints["binance"]


def test_nonsense_is_refused_in_words() -> None:
    with pytest.raises(ConfigError, match="unknown venue 'kraken'"):
        Emulator(Options(venues=("kraken",)))
    with pytest.raises(ConfigError, match="lookback"):
        Emulator(Options(lookback_us=1))
    with pytest.raises(ConfigError, match="rate"):
        Emulator(Options(rate=0.0))
