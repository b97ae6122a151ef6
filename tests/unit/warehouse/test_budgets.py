"""Budgets never let more through than a venue's share, and pass on to everybody what the venue asks for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from random import Random

import msgspec
import pytest
import structlog
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.kit.bus import Bus, bus
from warehouse import keys
from warehouse.budgets import shared
from warehouse.budgets.limits import CHARGES, Limit, told_to_wait
from warehouse.budgets.own import PATIENCE, Bucket, Budget, OwnBudget
from warehouse.budgets.shared import SharedBudget
from warehouse.clock import HOUR, MINUTE, SECOND, ManualClock, Micros, monotonic
from warehouse.errors import RateLimited
from warehouse.venues.base import Fetch
from warehouse.venues.okx.emulate import LIMITS, WINDOW

__all__ = ["bus"]

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
    bucket.empty(10 * SECOND)
    assert bucket.take(1, 0) >= 10 * SECOND
    assert bucket.take(1, 11 * SECOND) > 0 or bucket.take(1, 11 * SECOND) > 0


async def test_the_own_budget_sleeps_exactly_what_the_bucket_says() -> None:
    clock, slept = ManualClock(1), []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        clock.advance(int(seconds * SECOND))

    budget = OwnBudget("okx", 0.6, clock.now, sleep)
    for _ in range(24):
        await budget.admit(FAST, 1)
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


def test_our_limits_at_okx_are_those_of_its_emulated_side() -> None:
    for path, (amount, _) in LIMITS.items():
        fetch = Fetch(purpose="status", base="rest", path=path, query={}, ccxt="")
        limit, cost = CHARGES["okx"](fetch)
        assert (limit.name, cost) == (path.removeprefix("/api/v5/"), 1)
        assert limit.amount == amount
        assert limit.per_us >= WINDOW


def test_a_reply_that_forbids_to_ask_says_for_how_long() -> None:
    assert told_to_wait(200, b"", {"Retry-After": "9"}, 0) is None
    assert told_to_wait(429, b"", {"retry-after": "9"}, 0) == 9 * SECOND
    assert told_to_wait(418, b"", {"Retry-After": "120"}, 0) == 2 * MINUTE
    assert told_to_wait(403, b"403, access too frequent.", {}, 0) == 10 * MINUTE
    assert told_to_wait(403, b"not from your country", {}, 0) is None


async def test_who_is_told_to_wait_longer_than_anybody_would_is_told_so() -> None:
    budget = OwnBudget("binance")
    await budget.pause(SLOW, PATIENCE + 10 * SECOND)
    with pytest.raises(RateLimited) as caught:
        await budget.admit(FAST, 1)  # another limit, but the same gate
    assert PATIENCE < caught.value.retry_after_us <= PATIENCE + 10 * SECOND
    await budget.admit(msgspec.structs.replace(FAST, gate="elsewhere"), 1)


class Full(Exception):
    """Somebody has to wait."""


def refusing(waited: list[float]) -> Callable[[float], Awaitable[None]]:
    async def sleep(seconds: float) -> None:
        waited.append(seconds)
        raise Full

    return sleep


async def spend(budget: Budget, limit: Limit, cost: int) -> int:
    """How much is admitted before there is a wait."""
    admitted = 0
    try:
        while True:
            await once(budget, limit, cost)
            admitted += cost
    except Full:
        return admitted


async def once(budget: Budget, limit: Limit, cost: int = 1) -> None:
    """A request that is answered at once."""
    async with budget.spend(limit, cost):
        pass


async def test_processes_share_the_bucket_in_the_bus_and_leave_the_worker_its_part(bus: Bus) -> None:
    limit, waited = Limit("shared", 3158, MINUTE), list[float]()
    budgets = [SharedBudget(OwnBudget("okx"), bus.url, sleep=refusing(waited)) for _ in range(2)]
    worker = SharedBudget(OwnBudget("okx", 0.3), bus.url, True, refusing([]))
    for _ in range(10):
        for budget in budgets:
            await once(budget, limit, 10)
    assert 100 <= await spend(budgets[0], limit, 10) <= 130  # of a bucket of 450, 30 % is reserved
    assert await spend(budgets[1], limit, 10) <= 10
    assert 0 < waited[0] < 2
    assert 120 <= await spend(worker, limit, 10) <= 150
    for budget in (*budgets, worker):
        await budget.close()


@pytest.mark.parametrize(("amount", "flows", "worker"), [(600, 542, 28), (20, 18, 1), (5, 3, 1), (2, 1, 0), (1, 1, 0)])
async def test_of_a_limit_over_seconds_flows_leave_the_worker_at_least_one_request(
    bus: Bus, amount: int, flows: int, worker: int
) -> None:
    limit = Limit(f"seconds-{amount}", amount, 20 * SECOND)
    first = SharedBudget(OwnBudget("okx"), bus.url, sleep=refusing([]))
    second = SharedBudget(OwnBudget("okx"), bus.url, worker=True, sleep=refusing([]))
    assert (await spend(first, limit, 1), await spend(second, limit, 1)) == (flows, worker)
    await first.close()
    await second.close()


async def test_a_pause_in_the_bus_reaches_every_limit_of_the_gate_in_other_processes(bus: Bus) -> None:
    waited: list[float] = []
    one, other = (SharedBudget(OwnBudget("okx"), bus.url, sleep=refusing(waited)) for _ in range(2))
    await one.pause(SLOW, 7 * SECOND)
    with pytest.raises(Full):
        await once(other, FAST)
    assert 6.5 < waited[0] <= 7.0
    await once(other, msgspec.structs.replace(FAST, gate="elsewhere"))
    await one.pause(SLOW, PATIENCE + MINUTE)
    for limit in (FAST, SLOW):
        with pytest.raises(RateLimited):
            await once(other, limit)
    await one.close()
    await other.close()


async def test_without_the_bus_the_process_goes_on_with_its_own_share_and_tells_the_bus_later(
    bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit, clock = Limit("away", 3158, MINUTE), ManualClock(HOUR)
    monkeypatch.setattr(shared, "AWAY_S", 0.0)
    own = OwnBudget("okx", 0.6, clock.now, refusing([]))
    budget = SharedBudget(own, bus.url, sleep=refusing([]))
    assert await spend(budget, limit, 10) > 300
    bus.stop()
    with structlog.testing.capture_logs() as told:
        assert await spend(budget, limit, 10) == 0  # its own bucket begins empty: the common one was just spent
        clock.advance(3_600_000)
        assert 80 <= await spend(budget, limit, 10) <= 100
    assert [line["event"] for line in told] == ["budget_without_bus"]
    bus.start()
    assert await spend(budget, limit, 10) == 0  # a new bucket, less what was spent of the last minute
    left = bus.redis.hget(keys.bucket("okx", "away"), "tokens")
    assert left is not None
    assert float(left) == pytest.approx(450 - 390 - 10, abs=60)
    clock.advance(MINUTE)
    other = SharedBudget(OwnBudget("okx", 0.6, clock.now), bus.url, True, refusing([]))
    assert await spend(other, limit, 10) <= 120
    await budget.close()
    await other.close()


async def test_no_window_of_seconds_holds_more_than_the_limit_however_long_requests_are_held_up(bus: Bus) -> None:
    limit, arrived, chance = Limit("short", 10, 300_000), list[float](), Random(4)
    machines = [SharedBudget(OwnBudget("okx"), bus.url) for _ in range(2)]

    async def request(budget: SharedBudget) -> None:
        async with budget.spend(limit, 1):
            await asyncio.sleep(chance.uniform(0.0, 0.25))
            arrived.append(monotonic())
            await asyncio.sleep(chance.uniform(0.0, 0.05))

    await asyncio.gather(*(request(budget) for _ in range(16) for budget in machines))
    assert len(arrived) == 32
    assert all(sum(at <= other < at + 0.3 for other in arrived) <= 10 for at in arrived)
    for budget in machines:
        await budget.close()


async def test_who_dies_while_asking_holds_his_place_only_for_a_while(
    bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit = Limit("dying", 1, 50_000)
    monkeypatch.setattr(shared, "UNDER_WAY", 200_000)
    dying, living = (SharedBudget(OwnBudget("okx"), bus.url) for _ in range(2))
    asking = dying.spend(limit, 1)
    await asking.__aenter__()
    began = monotonic()
    await once(living, limit)
    assert 0.2 <= monotonic() - began < 2
    await asking.__aexit__(None, None, None)
    await dying.close()
    await living.close()
