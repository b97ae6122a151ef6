"""The throttle never lets more through than a venue's share, and passes on what the venue asks for."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.sources.limits import CHARGES, Limit
from pipelines.sources.throttle import Bucket, CommonThrottle, OwnThrottle
from realtime.bus import start_embedded
from warehouse import keys
from warehouse.clock import MINUTE, SECOND, ManualClock, Micros
from warehouse.venues.base import Fetch

FAST = Limit("fast", 20, 2 * SECOND)
SLOW = Limit("slow", 2400, MINUTE)


@settings(max_examples=60)
@given(st.sampled_from([FAST, SLOW]), st.lists(st.tuples(st.integers(1, 5), st.integers(0, 400_000)), max_size=120))
def test_no_window_holds_more_than_the_share(limit: Limit, asked: list[tuple[int, int]]) -> None:
    bucket, now = Bucket(limit, 0.6, 0), 0
    sent: list[tuple[Micros, int]] = []
    for cost, pause in asked:
        now += pause
        sent.append((now + bucket.take(cost, now), cost))
    for at, _ in sent:
        window = sum(cost for when, cost in sent if at <= when < at + limit.per_us)
        assert window <= 0.6 * limit.amount + 5  # one request more than fits may straddle the edge


def test_requests_beyond_the_burst_wait_their_turn_in_order() -> None:
    bucket = Bucket(FAST, 0.6, 0)
    waits = [bucket.take(1, 0) for _ in range(12)]
    assert waits[0] == 0
    assert waits == sorted(waits)
    assert waits[-1] <= 2.2 * SECOND


def test_a_pause_holds_everybody_back_and_saves_nothing_up() -> None:
    bucket = Bucket(FAST, 0.6, 0)
    bucket.pause(10 * SECOND, 0)
    assert bucket.take(1, 0) >= 10 * SECOND
    assert bucket.take(1, 11 * SECOND) > 0 or bucket.take(1, 11 * SECOND) > 0


async def test_the_own_throttle_sleeps_exactly_what_the_bucket_says() -> None:
    clock, slept = ManualClock(1), []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        clock.advance(int(seconds * SECOND))

    throttle = OwnThrottle("okx", 0.6, clock.now, sleep)
    for _ in range(24):
        await throttle.admit(FAST, 1)
    assert 3.5 < sum(slept) < 4.5  # 24 requests at 12 a window of two seconds, less the burst


def test_costs_are_the_venues_own() -> None:
    def charge(venue: str, **facts: object) -> tuple[str, int]:
        fetch = Fetch(**{"purpose": "candles", "base": "rest", "path": "", "query": {}, "ccxt": ""} | facts)  # type: ignore[arg-type]
        limit, cost = CHARGES[venue](fetch)
        return limit.name, cost

    assert charge("binance", base="rest_perp", weight=20) == ("weight.perp", 20)
    assert charge("binance", base="rest_spot", weight=4) == ("weight.spot", 4)
    assert charge("binance", base="rest_perp", purpose="funding", weight=1) == ("requests.funding", 1)
    assert charge("bybit", weight=7) == ("requests", 1)
    assert charge("okx", path="/api/v5/market/history-trades") == ("market/history-trades", 1)


@pytest.fixture(scope="module")
def bus_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    socket: Path = tmp_path_factory.mktemp("b") / "bus.sock"
    process = start_embedded(socket)
    yield f"unix://{socket}"
    if process is not None:
        process.terminate()
        process.wait(5)


async def test_two_processes_share_the_bucket_in_the_bus_and_leave_the_worker_its_part(bus_url: str) -> None:
    limit = Limit("shared", 1000, MINUTE)
    waited: list[float] = []

    class Full(Exception):
        pass

    async def sleep(seconds: float) -> None:
        waited.append(seconds)
        raise Full

    throttles = [CommonThrottle("okx", bus_url, sleep=sleep) for _ in range(2)]
    admitted = 0
    try:
        for _ in range(100):
            for throttle in throttles:
                await throttle.admit(limit, 10)
                admitted += 10
    except Full:
        pass
    assert 300 <= admitted <= 330  # of a bucket of 450, 30 % is reserved
    left = redis.Redis.from_url(bus_url).hget(keys.bucket("okx", "shared"), "tokens")
    assert left is not None
    assert float(left) >= 0.3 * 450
    assert 0 < waited[0] < 2
    for throttle in throttles:
        await throttle.close()


async def test_a_pause_in_the_bus_reaches_the_other_process(bus_url: str) -> None:
    limit = Limit("paused", 1000, MINUTE)
    waited: list[float] = []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)
        raise asyncio.CancelledError

    one, other = (CommonThrottle("okx", bus_url, sleep=sleep) for _ in range(2))
    await one.pause(limit, 7 * SECOND)
    with pytest.raises(asyncio.CancelledError):
        await other.admit(limit, 1)
    assert 6.5 < waited[0] <= 7.0
    await one.close()
    await other.close()


async def test_without_a_bus_the_process_goes_on_with_its_own_bucket(tmp_path: Path) -> None:
    asked: list[str] = []

    class Own(OwnThrottle):
        async def admit(self, limit: Limit, cost: int) -> None:
            asked.append(limit.name)

    throttle = CommonThrottle("okx", f"unix://{tmp_path}/none.sock", Own("okx"))
    await throttle.admit(FAST, 1)
    await throttle.admit(FAST, 1)
    assert asked == ["fast", "fast"]
