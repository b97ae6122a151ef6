"""Why a venue is out of reach is told in words that say what to do."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from aiohttp import web

from configs.load import DEFAULT, load
from configs.settings import Settings
from p9 import probe
from realtime.feed import explain


@pytest_asyncio.fixture
async def server() -> AsyncIterator[str]:
    """Answers `/<status>/...` with that status, and `/hang/...` never."""
    never = asyncio.Event()

    async def answer(request: web.Request) -> web.Response:
        first = request.path.split("/")[1]
        if first == "hang":
            await never.wait()
        return web.Response(status=int(first), text="<html>")

    app = web.Application()
    app.add_routes([web.get("/{tail:.*}", answer)])
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


def _settings(rest: str) -> Settings:
    venues = {"okx": {"endpoints": {"rest": rest}}, "binance": {"enabled": False}, "bybit": {"enabled": False}}
    return load(DEFAULT, venues=venues)


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("/451", "HTTP 451: this address is geo-blocked or banned there; use another network"),
        ("/403", "HTTP 403: this address is geo-blocked or banned there; use another network"),
        ("/429", "HTTP 429: too many requests from this address; wait some minutes"),
        ("/503", "HTTP 503: the venue has a fault, or the endpoint is another server's"),
    ],
)
async def test_a_refusal_is_named_by_its_status(server: str, path: str, told: str) -> None:
    assert await probe.probe(_settings(server + path)) == {"okx": f"{server}{path}: {told}"}


async def test_an_answer_is_an_empty_text(server: str) -> None:
    assert await probe.probe(_settings(server + "/200")) == {"okx": ""}


async def test_silence_is_named(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "TIMEOUT_S", 0.2)
    found = await probe.probe(_settings(server + "/hang"))
    assert found["okx"].endswith("no answer in time; check the network")


async def test_a_name_that_nobody_knows_is_named() -> None:
    found = await probe.probe(_settings("https://venue.invalid"))
    assert found["okx"] == "https://venue.invalid: name not found; check the network, DNS and the endpoint's spelling"


async def test_a_closed_port_is_named_whatever_its_digits() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        found = await probe.probe(_settings(url))
    assert found["okx"] == f"{url}: connection refused; nothing listens there"
    assert "refused; nothing" in explain(ConnectionRefusedError(111, "Connect call failed ('127.0.0.1', 45103)"))


async def test_every_market_in_use_is_asked(server: str) -> None:
    endpoints = {"rest_spot": f"{server}/200", "rest_perp": f"{server}/451"}
    others = {"bybit": {"enabled": False}, "okx": {"enabled": False}}
    both = load(DEFAULT, venues={"binance": {"endpoints": endpoints}, **others})
    spot = load(DEFAULT, venues={"binance": {"endpoints": endpoints}, **others}, instruments=["BTC-USDT"])
    assert "HTTP 451" in (await probe.probe(both))["binance"]
    assert await probe.probe(spot) == {"binance": ""}


def test_a_handshake_that_was_refused_is_read_from_its_words() -> None:
    words = "handshake refused: expected upgrade response with status 101 Switching Protocols, but received 451"
    assert explain(OSError(words)).startswith("HTTP 451: this address is geo-blocked")
    assert explain(OSError("server rejected WebSocket connection: HTTP 403")).startswith("HTTP 403: this address")
    assert explain(OSError("something else")) == "something else"
