"""A journal that lost its end, or is gone: nothing already stored comes twice, nothing new is taken for stored."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import msgspec
import pytest

from realtime.emulator.emulator import Options
from realtime.journaled import Journaled, Work
from realtime.mailbox import Mailbox
from realtime.message import Message
from realtime.replay import turns
from realtime.tape import Writer, end_of, leave_word, segments, taken
from tests.kit.bus import Bus, bus
from tests.kit.installation import bench
from tests.kit.journals import header, trades_entry, write
from tests.kit.produced import engine
from tests.kit.tapes import tape
from tests.unit.realtime.test_recorder import drain, ids, recorder
from warehouse.clock import MINUTE, ManualClock
from warehouse.errors import JournalError
from warehouse.venues.base import TODAY

__all__ = ["bus"]


def cut(writer: Writer, entries: int) -> int:
    """Take the journal's last blocks away, as a power failure does; returns the number after what remains."""
    data = writer.path.read_bytes()
    for size in range(len(data), 0, -1):
        writer.path.write_bytes(data[:size])
        if end_of(writer.path)[1] == entries + 1:
            return entries + 1
    raise AssertionError("no such block")


def test_a_journal_behind_the_lake_gives_no_number_twice(tmp_path: Path) -> None:
    folder = tmp_path / "journal" / "okx"
    writer = write(folder, [[trades_entry([n])] for n in range(20)])
    drain(recorder(tmp_path))
    assert taken(folder, "okx-1") == 20
    end = cut(writer, 12)
    first = max(end, taken(folder, "okx-1") + 1)
    after = Writer(
        folder, msgspec.structs.replace(header(first_seq=first, run_id="r2"), follows=end), b'{"sessions":{}}'
    )
    for n in range(20, 30):
        after.append([trades_entry([n])])
    one = recorder(tmp_path)
    drain(one)
    assert ids(one) == list(range(30))
    assert one.lake.position("trades", "okx-1/trades") == first + 9


def test_a_recorder_that_read_what_was_lost_stops_and_reads_on_after_its_restart(tmp_path: Path) -> None:
    folder = tmp_path / "journal" / "okx"
    writer = write(folder, [[trades_entry([n])] for n in range(10)])
    drain(recorder(tmp_path))
    one = recorder(tmp_path)
    one._due["commit"] = float("inf")
    for n in range(10, 20):
        writer.append([trades_entry([n])])
    one.step()  # read, not committed
    end = cut(writer, 12)
    after = Writer(folder, msgspec.structs.replace(header(first_seq=end, run_id="r2"), follows=end), b'{"sessions":{}}')
    after.append([trades_entry([20])])
    with pytest.raises(JournalError, match="gives numbers again"):
        one.step()
    two = recorder(tmp_path)
    drain(two)
    assert ids(two) == [*range(12), 20], "what never was committed is lost with the journal, and not doubled"


def test_another_journal_doubles_no_trade_of_the_lost_one(tmp_path: Path) -> None:
    folder = tmp_path / "journal" / "okx"
    write(folder, [[trades_entry([n])] for n in range(10)])
    drain(recorder(tmp_path))
    shutil.rmtree(folder)
    after = Writer(folder, header(journal_id="okx-2"), b'{"sessions":{}}')
    after.append([trades_entry(range(6, 15))])
    one = recorder(tmp_path)
    drain(one)
    assert ids(one) == list(range(15))


async def test_a_worker_begins_behind_what_the_lake_has(tmp_path: Path) -> None:
    rules, entries = tape()
    again: list[Message] = []

    async def resend(messages: object) -> None:
        again.extend(messages)  # type: ignore[arg-type]

    async def epoch(least: int, fresh: bool) -> int:
        return least

    work = Work(
        venue="binance",
        realm="emulated",
        folder=tmp_path,
        config=engine(rules).config,
        rules=list(rules),
        dialect=TODAY,
    )
    first = await Journaled.open(work, ManualClock(), resend, epoch)
    produced = first.run(list(entries[:400])).messages
    first.writer.close()
    leave_word(tmp_path, first.writer.header.journal_id, 450)
    second = await Journaled.open(work, ManualClock(), resend, epoch)
    head = second.writer.header
    assert (second.warm, head.first_seq, head.follows, head.jumps) == (True, 451, 401, True)
    assert again == produced
    produced += second.run(list(entries[400:800])).messages
    second.writer.close()
    assert [one.produced for turn in turns(tmp_path) for one in turn.produced.messages] == [
        one.produced for one in produced
    ]


async def test_epochs_outlive_a_lost_journal(bus: Bus) -> None:
    mailbox = Mailbox(bus.url, "okx", [], lambda *_: None)
    assert [await mailbox.epoch(1, True), await mailbox.epoch(1, True)] == [1, 2]
    assert await mailbox.epoch(1, False) == 1, "a worker that goes on keeps its own"
    assert await mailbox.epoch(1, True) == 3
    assert await mailbox.epoch(9, True) == 9


@pytest.mark.slow
async def test_a_worker_without_its_journal_is_heard_all_the_same(tmp_path: Path) -> None:
    options = Options(seed=3, venues=("okx",), lookback_us=MINUTE, rate=200.0)
    async with bench(tmp_path, options, instruments=["BTC-USDT"]) as small:
        for expected in (1, 2):
            worker = await small.p9("worker", "--venue", "okx")
            await small.ready("worker-okx")
            before = len(small.entries("trade:okx:btc-usdt"))
            while len(small.entries("trade:okx:btc-usdt")) < before + 3:
                assert worker.returncode is None
                await asyncio.sleep(0.05)
            await small.kill(worker)
            epochs = [message["epoch"] for _, message in small.entries("trade:okx:btc-usdt")]
            assert epochs[-1] == expected
            assert epochs == sorted(epochs)  # type: ignore[type-var]
            assert segments(tmp_path / "journal" / "okx") != []
            shutil.rmtree(tmp_path / "journal" / "okx")
