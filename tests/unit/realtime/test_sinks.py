"""Every message is delivered, superseded or counted as lost, in memory, in a file and on a real server."""

from __future__ import annotations

import asyncio
import io
from typing import Any, cast

import msgspec
import pytest

from realtime.message import Delivery, Message
from realtime.sinks.base import Receipt, receipt
from realtime.sinks.jsonl import JsonlSink
from realtime.sinks.memory import MemorySink
from realtime.sinks.redis import RedisSink
from realtime.sinks.resp import address, pack
from tests.kit.bus import Bus, bus
from warehouse.clock import ManualClock
from warehouse.errors import ConfigError, PublishError

__all__ = ["bus"]

TRADE = "trade:okx:btc-usdt"
STATE = "fusion_data:okx:btc-usdt"


def message(channel: str, seq: int, delivery: Delivery = "lossless", epoch: int = 1, price: float = 1.5) -> Message:
    head = b'{"v":1,"channel":"%b","epoch":%d,"seq":%d' % (channel.encode(), epoch, seq)
    return Message(channel, delivery, epoch, seq, 40 + seq, delivery == "state", head, b',"price":%.1f}' % price)


def trades(*numbers: int) -> list[Message]:
    return [message(TRADE, number) for number in numbers]


def states(*numbers: int) -> list[Message]:
    return [message(STATE, number, "state") for number in numbers]


def read(body: bytes) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.json.decode(body)
    return found


def sink(bus: Bus, **options: Any) -> RedisSink:
    return RedisSink(bus.url, realm="live", clock=ManualClock(99), patience=5.0, **options)


def balanced(found: Receipt) -> bool:
    return found.produced == found.delivered + found.superseded + found.lost


async def test_memory_supersedes_unsent_state_and_accounts_for_it() -> None:
    memory = MemorySink(held=True)
    memory.put([*states(1, 2), *trades(1, 2), *states(3)])
    memory.release()
    assert [channel for channel, _ in memory.sent] == [TRADE, TRADE, STATE]
    newest = read(memory.last[STATE])
    assert (newest["seq"], newest["prev"], newest["ts_pub"]) == (3, 0, 43)
    assert receipt(memory.accounts) == Receipt(5, 3, 2, 0)
    memory.put(states(4))
    await memory.close()
    assert receipt(memory.accounts) == Receipt(6, 3, 2, 1)


async def test_lines_begin_with_their_record() -> None:
    out = io.BytesIO()
    assert await JsonlSink(out).write(trades(1, 2)) == Receipt(2, 2, 0, 0)
    lines = [read(line) for line in out.getvalue().splitlines()]
    assert [next(iter(line.items())) for line in lines] == [("record", "trade")] * 2
    assert [line["prev"] for line in lines] == [0, 1]
    assert lines[0]["ts_pub"] == 41


async def test_state_is_kept_published_and_superseded(bus: Bus) -> None:
    one = sink(bus)
    await one.start()
    assert await one.write([*states(1, 2, 3)]) == Receipt(3, 1, 2, 0)
    newest = read(bus.redis.get(f"last:{STATE}"))  # type: ignore[arg-type]
    assert (newest["seq"], newest["prev"], newest["ts_pub"], newest["source"]) == (3, 0, 99, "live")
    assert await one.write(states(4)) == Receipt(4, 2, 2, 0)
    assert read(bus.redis.get(f"last:{STATE}"))["prev"] == 3  # type: ignore[arg-type]
    await one.close()


async def test_subscribers_get_everything_in_order(bus: Bus) -> None:
    hub = bus.redis.pubsub(ignore_subscribe_messages=True)  # type: ignore[no-untyped-call]
    hub.subscribe(TRADE)
    hub.get_message(timeout=1)
    one = sink(bus)
    await one.start()
    await one.write(trades(*range(1, 51)))
    await one.close()
    bodies = [read(hub.get_message(timeout=1)["data"]) for _ in range(50)]
    assert [(body["seq"], body["prev"]) for body in bodies] == [(n, n - 1) for n in range(1, 51)]


async def test_a_repeated_entry_is_confirmed_only_by_equal_bytes(bus: Bus) -> None:
    one = sink(bus)
    await one.start()
    await one.write(trades(1, 2, 3))
    await one.close()
    again = sink(bus)
    await again.start()
    assert await again.write(trades(2, 3, 4)) == Receipt(3, 3, 0, 0)
    assert await again.write([message(TRADE, 3, price=9.5)]) == Receipt(4, 3, 0, 1)
    assert "holds other bytes" in str(again.error)
    await again.close()
    entries = bus.redis.xrange(f"stream:{TRADE}")
    assert [name for name, _ in entries] == [b"1-1", b"1-2", b"1-3", b"1-4"]  # type: ignore[union-attr]


async def test_after_a_restart_of_the_bus_all_is_there_again(bus: Bus) -> None:
    one = sink(bus)
    await one.start()
    await one.write([*states(1), *trades(1)])
    bus.stop()
    await asyncio.sleep(0.05)
    one.put([*states(2), *trades(2), *states(3), *trades(3)])
    assert not one.connected
    bus.start()
    assert await one.settled(5)
    assert receipt(one.accounts) == Receipt(6, 5, 1, 0)
    assert one.reconnects == 1
    assert read(bus.redis.get(f"last:{STATE}"))["seq"] == 3  # type: ignore[arg-type]
    assert bus.redis.get("p9:realm") == b"live"
    assert bus.redis.xlen(f"stream:{TRADE}") == 2
    await one.close()


async def test_without_a_bus_the_oldest_are_lost_and_counted(bus: Bus) -> None:
    one = sink(bus, held=5)
    await one.start()
    bus.stop()
    await asyncio.sleep(0.05)
    one.put([*trades(*range(1, 11)), *states(1)])
    assert one.accounts[TRADE].lost == 6
    assert one.accounts[STATE].outstanding == 1
    await one.close()
    assert balanced(receipt(one.accounts))
    assert receipt(one.accounts).lost == 11


async def test_without_a_bus_reading_goes_on_and_all_that_was_held_is_sent_in_order_after_it(bus: Bus) -> None:
    one, replay = sink(bus, window=10, held=128), sink(bus, window=10, prefix="replay:", ts_pub_is_recv=True)
    for each in (one, replay):
        await each.start()
    bus.stop()
    await asyncio.sleep(0.05)
    for number in range(1, 201):
        one.put([*trades(number), *states(number)])
        assert not one.congested, "what is not read from the venue is missing in the journal"
    replay.put(trades(*range(1, 21)))
    assert replay.congested, "a replay has time"
    await replay.close()
    lost = one.accounts[TRADE].lost
    assert 200 - 128 < lost <= 200 - 128 + 3
    assert (one.accounts[STATE].superseded, one.accounts[STATE].outstanding) == (199, 1)
    bus.start()
    assert await one.settled(5)
    entries = cast("list[tuple[bytes, dict[bytes, bytes]]]", bus.redis.xrange(f"stream:{TRADE}"))
    found = [read(next(iter(fields.values()))) for _, fields in entries]
    assert [(body["seq"], body["prev"]) for body in found] == [
        (number, number - 1 if number > lost + 1 else 0) for number in range(lost + 1, 201)
    ]
    assert receipt(one.accounts) == Receipt(400, 201 - lost, 199, lost)
    await one.close()


async def test_too_many_unanswered_messages_are_congestion(bus: Bus) -> None:
    one = sink(bus, window=10)
    await one.start()
    one.put(trades(*range(1, 21)))
    assert one.congested
    assert await one.settled(5)
    assert not one.congested
    await one.close()


async def test_a_refusing_server_means_lost(bus: Bus) -> None:
    one = sink(bus)
    await one.start()
    bus.redis.set(f"stream:{TRADE}", "not a stream")
    assert await one.write(trades(1)) == Receipt(1, 0, 0, 1)
    assert "WRONGTYPE" in str(one.error)
    await one.close()


async def test_the_other_realm_is_refused(bus: Bus) -> None:
    bus.redis.set("p9:realm", "emulated")
    with pytest.raises(ConfigError, match="realm emulated"):
        await sink(bus).start()


async def test_a_prefix_keeps_a_replay_apart(bus: Bus) -> None:
    bus.redis.set("p9:realm", "emulated")
    one = sink(bus, prefix="replay:", ts_pub_is_recv=True)
    await one.start()
    await one.write(states(1))
    await one.close()
    assert read(bus.redis.get(f"replay:last:{STATE}"))["ts_pub"] == 41  # type: ignore[arg-type]


async def test_streams_share_half_of_the_servers_memory(bus: Bus) -> None:
    one = sink(bus, streams=100_000, maxlen=1_000_000)
    await one.start()
    await one.write(trades(*range(1, 2001)))
    await one.close()
    assert bus.redis.xlen(f"stream:{TRADE}") < 2000


async def test_no_bus_is_said_in_words() -> None:
    with pytest.raises(PublishError, match="no bus at unix:///nowhere"):
        await RedisSink("unix:///nowhere/bus.sock", realm="live", clock=ManualClock(1)).start()


def test_urls() -> None:
    found = address("rediss://me:secret%21@example.org/3")
    assert (found.host, found.port, found.tls, found.db) == ("example.org", 6379, True, 3)
    assert found.greeting == [pack(b"AUTH", b"me", b"secret!"), pack(b"SELECT", b"3")]
    assert address("unix:///tmp/a.sock").path == "/tmp/a.sock"
    with pytest.raises(ConfigError, match="is not a bus"):
        address("http://example.org")
