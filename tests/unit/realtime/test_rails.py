"""Rails: what opens them, what closes them, and that a message made of a bad input says so."""

from __future__ import annotations

import asyncio
import struct
from typing import Any

import msgspec
import pytest

from realtime import ntp
from realtime.engine import EngineConfig
from realtime.inputs import Inputs
from realtime.lab.scenes import Scene
from realtime.lab.stage import perform
from realtime.pulse import Pulse
from realtime.rails.clocks import ClockRail, Health, Vitals
from realtime.rails.condition import ConditionRail
from realtime.rails.jump import JumpRail
from realtime.rails.latency import LatencyRail
from tests.kit.wires import START, Bench
from warehouse.clock import SECOND, ManualClock, Micros
from warehouse.errors import ConfigError
from warehouse.journal import Kind
from warehouse.metrics.base import Reason
from warehouse.metrics.top import BookTop

NOW = START


def test_a_breaker_opens_at_once_and_closes_when_it_has_been_calm() -> None:
    rail = LatencyRail("trades", 2 * SECOND, SECOND, 2 * SECOND)
    rail.observe(3 * SECOND, NOW)
    assert not rail.verdict(NOW).ok
    for after, age in ((1, 0), (2, 3 * SECOND // 2), (3, 0), (4, 0)):
        rail.observe(age, NOW + after * SECOND)
        assert not rail.verdict(NOW).ok, "between the thresholds, and before it was calm long enough, it stays open"
    rail.observe(0, NOW + 5 * SECOND)
    assert rail.verdict(NOW).ok
    assert rail.times == 1


def test_what_is_stamped_with_a_time_to_come_is_no_better_than_what_is_late() -> None:
    rail = LatencyRail("depth", 2 * SECOND, SECOND, 2 * SECOND)
    rail.observe(-SECOND, NOW)
    assert rail.verdict(NOW).ok
    rail.observe(-4 * SECOND, NOW)
    assert rail.verdict(NOW).reason == "depth early: stamped 4.0 s ahead of its receipt"
    for after in (1, 2, 3):
        rail.observe(0, NOW + after * SECOND)
    assert rail.verdict(NOW + 3 * SECOND).ok


def test_best_quotes_that_the_book_has_left_behind_are_stale() -> None:
    inputs = Inputs(EngineConfig(), Vitals(SECOND, SECOND))
    inputs.quoted(NOW, agrees=False)
    assert inputs.verdict("bbo", NOW + 9 * SECOND).ok, "without a book nobody knows whether silence means anything"
    inputs.carrier["depth"] = "binance.spot"
    for after in range(1, 5):
        inputs.stale["depth"].observe("update", NOW + after * SECOND)
        inputs.quoted(NOW, agrees=True)
        assert inputs.verdict("bbo", NOW + after * SECOND).ok, "the book says the same, again and again"
    inputs.stale["depth"].observe("update", NOW + 7 * SECOND)
    inputs.quoted(NOW, agrees=False)
    assert inputs.verdict("bbo", NOW + 7 * SECOND).reason == "bbo stale: last seen 3.0 s ago"


@pytest.mark.parametrize("stream", ["depth", "bbo"])
def test_a_stream_that_falls_silent_is_said_to_be_incomplete_within_moments(stream: str) -> None:
    silent = Scene(kind="silent_stream", stream=stream, lasts=5)
    row = perform(silent, "bybit", "BTC-USDT-PERP", 1, minutes=0.15)
    assert row.broken == [], row
    assert row.detected_s is not None
    assert row.detected_s < 2.5


def test_a_condition_is_told_when_it_lasts_and_acted_on_each_time_patience_ends() -> None:
    rail = ConditionRail("the book has been crossed", SECOND, 3 * SECOND)
    rail.observe(True, NOW)
    assert rail.verdict(NOW + SECOND - 1).ok
    assert rail.verdict(NOW + SECOND).reason == "the book has been crossed for 1.0 s"
    assert [rail.overdue(NOW + after * SECOND) for after in range(8)] == [False] * 3 + [True, False, False, True, False]
    rail.observe(False, NOW + 9 * SECOND)
    assert rail.verdict(NOW + 9 * SECOND).ok


def test_an_impossible_price_is_remembered_for_a_while() -> None:
    rail = JumpRail(0.2, 10 * SECOND)
    rail.observe(5000, NOW)
    assert rail.verdict(NOW).ok, "nothing to measure it by"
    rail.refer(1000)
    assert (rail.low, rail.high) == (800, 1200)
    rail.observe(1199, NOW)
    assert rail.verdict(NOW).ok
    rail.observe(1201, NOW)
    assert not rail.verdict(NOW + 9 * SECOND).ok
    assert rail.verdict(NOW + 10 * SECOND).ok


def test_only_what_exceeds_the_uncertainty_is_held_against_our_clock() -> None:
    rail = ClockRail(SECOND)
    rail.observe(Health(offset_us=3 * SECOND // 2, uncertainty_us=SECOND), NOW)
    assert rail.verdict(NOW).ok
    rail.observe(Health(offset_us=-3 * SECOND, uncertainty_us=SECOND, ntp_offset_us=-2_900_000), NOW)
    assert rail.verdict(NOW).reason == "our clock is 3.00 s ahead of the venue's (-2.90 s by NTP)"


def inputs() -> Inputs:
    return Inputs(EngineConfig(), Vitals(SECOND, SECOND))


@pytest.mark.parametrize(
    ("top", "last", "words"),
    [
        (BookTop([101], [1], [100], [1], Reason.CROSSED), None, "crossed"),
        (BookTop([1000], [1], [1001], [1], None), 900, "printed outside the book"),
    ],
)
def test_a_book_that_cannot_be_right_is_asked_for_anew(top: BookTop, last: int | None, words: str) -> None:
    rails = inputs()
    found = [rails.judge(top, last, NOW + after * SECOND // 2) for after in range(8)]
    assert words in next(filter(None, found))
    rails.stale["depth"].observe("update", NOW + 4 * SECOND)
    assert words in rails.verdict("depth", NOW + 4 * SECOND).reason
    rails.judge(BookTop([1000], [1], [1001], [1], None), 1000, NOW + 5 * SECOND)
    rails.fresh()
    assert rails.verdict("depth", NOW + 5 * SECOND).ok
    other = inputs()
    other.restore(msgspec.json.decode(msgspec.json.encode(rails.state())))
    assert other.state() == rails.state()


def shown(bench: Bench, kind: str) -> dict[str, Any]:
    """The newest message of a kind."""
    found: list[dict[str, Any]] = []

    def take(produced: Any) -> None:
        found.extend(
            msgspec.json.decode(one.produced) for one in produced.messages if one.channel.startswith(f"{kind}:")
        )

    bench.heard = take
    bench.run(SECOND)
    return found[-1]


def test_a_clock_beyond_the_limit_makes_every_state_incomplete_and_warns_the_bot() -> None:
    bench = Bench("bybit", 5, rate=30.0, instruments=("BTC-USDT-PERP",))
    bench.run(4 * SECOND)
    assert shown(bench, "fusion_data")["incomplete"] == ["context missing"] or shown(bench, "fusion_data")["complete"]
    bench.take("", Kind.HEALTH, msgspec.msgpack.encode(Health(offset_us=5 * SECOND, uncertainty_us=1000)))
    fused, bot = shown(bench, "fusion_data"), shown(bench, "precision9_context")
    assert not fused["complete"]
    assert "our clock is 5.00 s behind the venue's" in fused["incomplete"]
    assert "STALE_VENUE" in bot["risk_flags"]
    bench.take("", Kind.HEALTH, msgspec.msgpack.encode(Health(offset_us=1000, uncertainty_us=1000)))
    assert not [one for one in shown(bench, "fusion_data")["incomplete"] if "clock" in one]


def test_a_slow_worker_says_so_until_it_has_caught_up() -> None:
    vitals = Vitals(SECOND, SECOND)
    vitals.observe(Health(lag_us=2 * SECOND), NOW)
    assert vitals.complaints(NOW) == ["this worker late: 2.0 s behind the venue"]
    for after in range(1, 5):
        vitals.observe(Health(), NOW + after * SECOND)
    assert vitals.complaints(NOW + 5 * SECOND) == []


async def test_the_quickest_answer_says_how_far_the_venues_clock_is() -> None:
    clock = ManualClock(NOW)
    trips = iter([400_000, 20_000, 300_000])
    accepted: list[tuple[str, Kind, bytes]] = []

    async def told() -> Micros:
        trip = next(trips, None)
        if trip is None:
            raise ConfigError("nobody there")
        clock.advance(trip // 4)
        answer = clock.now() + 70_000
        clock.advance(trip - trip // 4)
        return answer

    pulse = Pulse(told, lambda *entry: accepted.append(entry), clock)
    for _ in range(4):
        await pulse.measure()
    health = pulse.health()
    assert health.uncertainty_us == 10_000
    assert health.offset_us == pytest.approx(70_000, abs=10_000)
    pulse.worked(5)
    pulse.worked(3)
    assert pulse.health().lag_us == 5


class TimeServer(asyncio.DatagramProtocol):
    """A time server that is two seconds ahead, or one that talks nonsense."""

    def __init__(self, clock: ManualClock, sane: bool) -> None:
        self.clock, self.sane = clock, sane

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        words = struct.unpack("!BBbb11I", data)
        at = self.clock.now() + 2 * SECOND
        stamp = (at // SECOND + ntp.EPOCH, (at % SECOND << 32) // SECOND)
        mode = 0x24 if self.sane else 0x23
        answer = struct.pack("!BBbb11I", mode, 2, 0, 0, 0, 0, 0, 0, 0, *words[13:15], *stamp, *stamp)
        self.transport.sendto(answer, addr)


@pytest.mark.parametrize("sane", [True, False])
async def test_a_time_server_says_how_far_our_own_clock_is(sane: bool) -> None:
    clock = ManualClock(NOW)
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: TimeServer(clock, sane), local_addr=("127.0.0.1", 0))
    try:
        port = transport.get_extra_info("sockname")[1]
        found = await ntp.offset("127.0.0.1", clock, port=port)
    finally:
        transport.close()
    if sane:
        assert found is not None
        assert found[0] == pytest.approx(2 * SECOND, abs=2)
    else:
        assert found is None
