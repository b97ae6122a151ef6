"""A bus that answers and refuses to be written: told once, waited for, and said in words at the start."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import msgspec
import pytest
import redis
from structlog.testing import capture_logs

from realtime.board import CHANNEL, Board
from realtime.bus import alive, claim
from realtime.mailbox import Mailbox
from realtime.recording.voice import Voice
from realtime.sinks.base import Receipt, receipt
from realtime.sinks.redis import RedisSink
from tests.kit.bus import Bus, bus
from tests.unit.realtime.test_sinks import sink, states, trades
from warehouse import keys
from warehouse.clock import ManualClock, SystemClock, monotonic
from warehouse.errors import ConfigError
from warehouse.journal import Kind

__all__ = ["bus"]

Refuse = Callable[[Bus], None]


def full(bus: Bus) -> None:
    """More is stored than may be."""
    bus.redis.config_set("maxmemory", 1)


def replica(bus: Bus) -> None:
    """As after a failover: somebody else is written to now."""
    bus.redis.execute_command("REPLICAOF", "127.0.0.1", "1")  # type: ignore[no-untyped-call]


def reader(bus: Bus) -> None:
    """The user may read, and publish."""
    bus.redis.execute_command("ACL", "SETUSER", "default", "-set")  # type: ignore[no-untyped-call]


def unsaved(bus: Bus) -> None:
    """The disk takes nothing more: where the dump should go stands a folder."""
    (bus.socket.parent / "dump.rdb").mkdir()
    bus.redis.config_set("save", "3600 1")
    bus.redis.set("any", "thing")
    bus.redis.bgsave()
    end = monotonic() + 5
    while bus.redis.info("persistence")["rdb_last_bgsave_status"] == "ok" and monotonic() < end:
        pass


def well(bus: Bus) -> None:
    """All of it is over."""
    bus.redis.config_set("maxmemory", "128mb")
    bus.redis.execute_command("REPLICAOF", "NO", "ONE")  # type: ignore[no-untyped-call]
    bus.redis.execute_command("ACL", "SETUSER", "default", "+set")  # type: ignore[no-untyped-call]
    bus.redis.config_set("save", "")


REFUSALS: dict[Refuse, str] = {
    full: "raise its maxmemory",
    replica: "name the primary",
    reader: "rights",
    unsaved: "make room",
}
"""Ways to refuse, and what the message tells to do."""

each = pytest.mark.parametrize("refuse", REFUSALS)
two = pytest.mark.parametrize("refuse", [full, replica])


@contextmanager
def told_once(what: str = "bus_refuses") -> Iterator[None]:
    """One warning of `what` is logged inside, and none of anything else."""
    with capture_logs() as logs:
        yield
    assert [line["event"] for line in logs if line["log_level"] == "warning"] == [what]


async def until(done: Callable[[], object], seconds: float = 10) -> None:
    end = monotonic() + seconds
    while not done():
        assert monotonic() < end
        await asyncio.sleep(0.02)


@asynccontextmanager
async def running(work: Any) -> AsyncIterator[None]:
    """Runs inside; what it died of is raised."""
    task = asyncio.create_task(work)
    try:
        yield
        assert not task.done(), task.exception()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@two
async def test_a_worker_is_told_what_the_bus_holds_and_reports_again_once_it_may(bus: Bus, refuse: Refuse) -> None:
    taken: list[tuple[str, Kind, bytes]] = []
    mailbox = Mailbox(bus.url, "okx", ["BTC-USDT"], lambda *one: taken.append(one))
    asked = 0

    def report() -> dict[str, object]:
        nonlocal asked
        asked += 1
        return {"process": "worker-okx"}

    bus.redis.set(keys.seam("okx", "BTC-USDT"), b"joined")
    refuse(bus)
    with told_once():
        async with running(mailbox.run(report)):
            await until(lambda: asked > 1)
            assert taken == [("BTC-USDT", Kind.SEAM, b"joined")]
            assert not bus.redis.exists(keys.health("worker-okx"))
            well(bus)
            await until(lambda: bus.redis.exists(keys.health("worker-okx")))


@each
def test_the_recorder_goes_on_and_says_it_later(bus: Bus, refuse: Refuse) -> None:
    voice = Voice(bus.url)
    with told_once():
        refuse(bus)
        for _ in range(3):
            voice.health("recorder", {"process": "recorder"})
        well(bus)
        voice.health("recorder", {"process": "recorder"})
    assert bus.redis.exists(keys.health("recorder"))
    bus.stop()
    with told_once("bus_unreachable"):
        voice.health("recorder", {"process": "recorder"})
        voice.health("recorder", {"process": "recorder"})


@two
async def test_the_board_answers_not_ready_and_why_until_it_may_publish_again(bus: Bus, refuse: Refuse) -> None:
    board = Board(bus.url, "live", [], SystemClock())
    refuse(bus)
    with told_once():
        async with running(board.run("127.0.0.1", 0)):
            await until(lambda: board.verdict.reasons[0].startswith("bus: "))
            await asyncio.sleep(1.2)
            assert not board.verdict.ready
            well(bus)
            await until(lambda: board.verdict.ready)
            await until(lambda: bus.redis.exists(f"last:{CHANNEL}"))
    assert msgspec.json.decode(bus.redis.get(f"last:{CHANNEL}"))["ready"]  # type: ignore[arg-type]


@each
async def test_at_the_start_it_is_said_what_refuses_and_what_to_do(bus: Bus, refuse: Refuse) -> None:
    refuse(bus)
    words = f"the bus at {bus.url} answers and refuses: .*; .*{REFUSALS[refuse]}"
    with pytest.raises(ConfigError, match=words):
        claim(bus.url, "live")
    with pytest.raises(ConfigError, match=words):
        await Mailbox(bus.url, "okx", [], lambda *_: None).epoch(1, True)
    with pytest.raises(ConfigError, match=words):
        await sink(bus).start()
    assert alive(bus.url)


def test_who_is_not_let_in_is_not_told_to_start_a_server(bus: Bus) -> None:
    bus.redis.config_set("requirepass", "secret")
    with pytest.raises(ConfigError, match=r"; check user and password in bus\.url"):
        claim(bus.url, "live")
    redis.Redis.from_url(bus.url, password="secret").config_set("requirepass", "")


@each
async def test_a_sink_that_meets_a_refusing_server_comes_again(bus: Bus, refuse: Refuse) -> None:
    one: RedisSink = sink(bus)
    await one.start()
    await one.write([*states(1), *trades(1)])
    refuse(bus)
    bus.redis.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")  # type: ignore[no-untyped-call]
    await until(lambda: "answers and refuses" in str(one.error))
    one.put([*states(2), *trades(2)])
    assert not one.connected
    well(bus)
    assert await one.settled(5)
    assert receipt(one.accounts) == Receipt(4, 4, 0, 0)
    assert bus.redis.xlen("stream:trade:okx:btc-usdt") == 2
    await one.close()


def test_the_other_realm_is_still_the_end(bus: Bus) -> None:
    async def run() -> None:
        one = RedisSink(bus.url, realm="live", clock=ManualClock(1))
        await one.start()
        bus.redis.set(keys.REALM, "emulated")
        bus.redis.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")  # type: ignore[no-untyped-call]
        await until(lambda: one._fatal is not None)
        with pytest.raises(ConfigError, match="realm emulated"):
            one.put(states(1))
        await one.close()

    asyncio.run(run())
