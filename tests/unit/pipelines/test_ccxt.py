"""Real ccxt against a server made by hand: what is asked, and what a venue's refusals become."""

from __future__ import annotations

import json
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from pipelines.sources import base
from pipelines.sources.base import Blocked, Unreachable, backoff
from pipelines.sources.ccxt import LONG, CcxtSource
from warehouse.budgets.own import OwnBudget
from warehouse.clock import SECOND
from warehouse.errors import ConfigError, RateLimited, Rejected
from warehouse.venues.answers import read
from warehouse.venues.base import Fetch

Answer = Callable[[web.Request], web.Response]

KLINES = Fetch(
    purpose="candles", base="rest_spot", path="/api/v3/klines", query={"symbol": "BTCUSDT", "interval": "1m"},
    ccxt="publicGetKlines", weight=2,
)  # fmt: skip
FAPI = Fetch(purpose="candles", base="rest_perp", path="/fapi/v1/klines", query={}, ccxt="fapiPublicGetKlines")
BYBIT = Fetch(purpose="time", base="rest", path="/v5/market/time", query={}, ccxt="publicGetV5MarketTime")
OKX = Fetch(
    purpose="trades", base="rest", path="/api/v5/market/history-trades", query={"instId": "BTC-USDT"},
    ccxt="publicGetMarketHistoryTrades",
)  # fmt: skip


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "backoff", lambda *_: 0.0)


@asynccontextmanager
async def source(venue: str, answer: Answer, realm: str = "live") -> AsyncIterator[CcxtSource]:
    async def handle(request: web.Request) -> web.Response:
        return answer(request)

    app = web.Application()
    app.router.add_get("/{path:.*}", handle)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    made = CcxtSource(venue, lambda key: f"{url}/{key}", realm, OwnBudget(venue, 1000.0))
    try:
        yield made
    finally:
        await made.close()
        await runner.cleanup()


def always(status: int, body: str, **headers: str) -> Answer:
    return lambda _: web.Response(
        status=status, text=body, content_type="application/json",
        headers={name.replace("_", "-"): value for name, value in headers.items()},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("venue", "fetch", "path"),
    [
        ("binance", KLINES, "/rest_spot/api/v3/klines"),
        ("binance", FAPI, "/rest_perp/fapi/v1/klines"),
        ("bybit", BYBIT, "/rest/v5/market/time"),
        ("okx", OKX, "/rest/api/v5/market/history-trades"),
    ],
)
async def test_the_venues_own_request_is_sent_and_its_json_comes_back_whole(
    venue: str, fetch: Fetch, path: str
) -> None:
    seen: list[tuple[str, dict[str, str]]] = []

    def answer(request: web.Request) -> web.Response:
        seen.append((request.path, dict(request.query)))
        return web.json_response({"retCode": 0, "code": "0", "data": [["1", "0.10"]]})

    async with source(venue, answer) as asked:
        assert await asked.ask(fetch) == {"retCode": 0, "code": "0", "data": [["1", "0.10"]]}
    assert seen == [(path, fetch.query)]


async def test_a_long_answer_comes_as_the_venues_own_text() -> None:
    body = json.dumps([[1, "0.10"]] * LONG)
    async with source("binance", always(200, body)) as asked:
        answer = await asked.ask(KLINES)
    assert answer == body
    assert read(answer, list[tuple[int, float]]) == [(1, 0.1)] * LONG


async def test_an_unknown_symbol_is_refused_once() -> None:
    calls: list[int] = []

    def answer(_: web.Request) -> web.Response:
        calls.append(1)
        return web.json_response({"code": -1121, "msg": "Invalid symbol."}, status=400)

    async with source("binance", answer) as asked:
        with pytest.raises(Rejected) as caught:
            await asked.ask(KLINES)
    assert (caught.value.code, len(calls)) == ("-1121", 1)


@pytest.mark.parametrize(("status", "venue", "fetch"), [(451, "binance", KLINES), (403, "bybit", BYBIT)])
async def test_a_geo_block_says_what_to_do_and_is_not_retried(status: int, venue: str, fetch: Fetch) -> None:
    async with source(venue, always(status, "<html>restricted location</html>")) as asked:
        with pytest.raises(Blocked, match="another network") as caught:
            await asked.ask(fetch)
    assert not caught.value.transient


@pytest.mark.parametrize(
    ("venue", "fetch", "status", "body"),
    [
        ("binance", KLINES, 429, '{"code":-1003,"msg":"Too many requests"}'),
        ("binance", KLINES, 418, '{"code":-1003,"msg":"banned"}'),
        ("okx", OKX, 429, '{"code":"50011","msg":"Too Many Requests","data":[]}'),
        ("okx", OKX, 200, '{"code":"50011","msg":"Too Many Requests","data":[]}'),
        ("bybit", BYBIT, 200, '{"retCode":10006,"retMsg":"Too many visits!"}'),
    ],
)
async def test_too_many_requests_become_a_wait_as_long_as_the_venue_says(
    venue: str, fetch: Fetch, status: int, body: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    paused: list[int] = []

    async def pause(self: OwnBudget, limit: object, us: int) -> None:
        paused.append(us)

    monkeypatch.setattr(OwnBudget, "pause", pause)
    async with source(venue, always(status, body, Retry_After="7")) as asked:
        with pytest.raises(RateLimited):
            await asked.ask(fetch)
    assert paused == [7 * SECOND] * 3


async def test_bybit_asked_too_often_cools_down_for_ten_minutes() -> None:
    async with source("bybit", always(403, "access too frequent")) as asked:
        with pytest.raises(RateLimited) as caught:
            await asked.ask(BYBIT)
    assert caught.value.retry_after_us == 600 * SECOND


@pytest.mark.parametrize(
    ("venue", "fetch", "status", "body"),
    [
        ("binance", KLINES, 503, "unavailable"),
        ("bybit", BYBIT, 200, '{"retCode":10016,"retMsg":"server error"}'),
        ("okx", OKX, 503, '{"code":"50001","msg":"Service temporarily unavailable","data":[]}'),
    ],
)
async def test_what_may_succeed_later_is_asked_again(venue: str, fetch: Fetch, status: int, body: str) -> None:
    replies = iter([web.Response(status=status, text=body), web.json_response({"code": "0", "retCode": 0})])
    async with source(venue, lambda _: next(replies)) as asked:
        assert await asked.ask(fetch) == {"code": "0", "retCode": 0}


async def test_a_reply_that_breaks_off_is_no_refusal_and_is_asked_again() -> None:
    calls: list[int] = []

    def answer(request: web.Request) -> web.Response:
        calls.append(1)
        assert request.transport is not None
        request.transport.write(b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"data":')
        request.transport.close()
        return web.Response()

    async with source("binance", answer) as asked:
        with pytest.raises(Unreachable, match="no usable reply"):
            await asked.ask(KLINES)
    assert len(calls) > 1


async def test_nobody_there_is_said_in_words_with_something_to_do() -> None:
    asked = CcxtSource("okx", lambda _: "http://127.0.0.1:9", "live", OwnBudget("okx", 1000.0))
    with pytest.raises(Unreachable, match="nothing listens there"):
        await asked.ask(OKX)
    await asked.close()


async def test_an_emulator_is_never_taken_for_the_venue() -> None:
    async with source("okx", always(200, '{"code":"0"}', X_P9_Realm="emulated"), "live") as asked:
        with pytest.raises(ConfigError, match="emulated"):
            await asked.ask(OKX)
    async with source("okx", always(200, '{"code":"0"}'), "emulated") as asked:
        with pytest.raises(ConfigError, match="live"):
            await asked.ask(OKX)


def test_pauses_grow_with_jitter_and_follow_the_venue() -> None:
    chance = random.Random(1)
    lost = Unreachable("okx", "down")
    assert 0.25 <= backoff(0, lost, chance) <= 0.5
    assert 4.0 <= backoff(4, lost, chance) <= 8.0
    assert backoff(30, lost, chance) <= 20.0
    assert 7.0 <= backoff(0, RateLimited("okx", 7 * SECOND), chance) <= 7.5
