"""The benchmark: its frames have the proportions they claim, and a wrong answer is named whatever its speed."""

from __future__ import annotations

import asyncio
from collections import Counter
from functools import lru_cache

import msgspec
import pytest
from click.testing import CliRunner

from p9.bench import archives, journey, measure, mixes
from p9.bench.frames import FRAME, TICK, Recording, kind_of, wanted
from p9.bench.journey import Step
from p9.bench.sender import framed, received
from p9.commands.bench import bench


@lru_cache(maxsize=1)
def recording() -> Recording:
    return mixes.emulated(mixes.MIXES[0], 0.2, bars=0)


def test_the_usual_mix_is_as_recorded() -> None:
    counts = Counter(kind_of(frame) for _, frame in recording().frames)
    assert counts["quote"] / counts["book"] == pytest.approx(6.8, rel=0.25)
    assert counts["trade"] / counts["book"] == pytest.approx(0.9, rel=0.4)
    assert "books of 5" in recording().describe()


def test_with_and_without_messages_of_trades_and_other_feeds_the_answer_is_one() -> None:
    makers, _ = measure.contestants()
    mine = {name: makers[name] for name in (measure.MEASURED, measure.PUBLISHED, measure.WHOLE)}
    results = measure.run(recording(), mine, 1)
    assert [one.wrong for one in results] == ["", "", ""]
    assert results[0].ratio == 1.0
    assert all(one.per_second > 1000 and one.timer_us > 0 for one in results)
    assert [list(one.kinds) for one in results] == [["quote", "trade", "book"]] * 2 + [[]]


def test_every_other_feed_is_among_the_whole() -> None:
    others = [entry for entry in recording().whole if entry.kind == FRAME and not wanted(entry)]
    streams = {entry.payload[:48].partition(b"@")[2].partition(b'"')[0].partition(b"@")[0] for entry in others}
    assert streams >= {b"markPrice", b"kline_1m"}
    assert [entry for entry in recording().whole if entry.kind == TICK or wanted(entry)] == recording().entries


def test_a_core_full_of_frames_has_its_ten_timers_too() -> None:
    assert measure.Cost(frame=5.0, timer=0.0).per_second == 200_000
    assert measure.Cost(frame=5.0, timer=10_000.0).per_second == 180_000


def test_a_faster_wrong_answer_is_named() -> None:
    makers, _ = measure.contestants()
    _, truth = measure.raced({"": makers[measure.MEASURED]}, recording())[""]
    assert truth.trades > 50
    rules = recording().rules
    assert not measure.differs(rules, truth, truth)
    fewer = msgspec.structs.replace(truth, trades=truth.trades - 1)
    assert measure.differs(rules, truth, fewer) == f"{truth.trades - 1} trades, not {truth.trades}"
    bids, asks = truth.tops["BTCUSDT"]
    worse = msgspec.structs.replace(truth, tops={**truth.tops, "BTCUSDT": (bids[1:], asks)})
    assert measure.differs(rules, truth, worse) == "best levels differ: BTCUSDT"


@pytest.mark.slow
def test_the_command_measures_us_beside_ccxt_and_both_agree() -> None:
    done = CliRunner().invoke(
        bench, ["--part", "libraries", "--mix", "usual", "--seconds", "0.2", "--rounds", "1"], catch_exceptions=False
    )
    assert done.exit_code == 0
    assert "usual (as recorded of BTCUSDT on 2023-04-04" in done.output
    rows = [line for line in done.output.splitlines() if "ccxt" in line]
    assert [row.rstrip(" │").endswith("yes") for row in rows] == [True]


def step(ms: list[float], *, reached: float = 1000.0, lost: int = 0) -> Step:
    return Step(1000.0, reached, ms, lost, 0.0, {})


def test_a_queue_that_grows_is_seen_in_the_last_quarter() -> None:
    assert step([1.0] * 100).keeps_up
    assert step([90.0] * 70 + [1.0] * 30).keeps_up
    assert not step([float(n) for n in range(100)]).keeps_up
    assert not step([1.0] * 100, reached=900.0).keeps_up
    assert not step([1.0] * 100, lost=1).keeps_up
    assert [step([float(n) for n in range(100)]).percentile(share) for share in (0.0, 0.5, 0.99, 1.0)] == [
        0,
        50,
        99,
        99,
    ]


@pytest.mark.parametrize("size", [0, 125, 126, 70_000])
def test_a_masked_message_of_a_client_is_read(size: int) -> None:
    payload = bytes(n % 251 for n in range(size))
    mask = b"\x01\x02\x03\x04"
    length = {0: b"\x80", 125: b"\xfd", 126: b"\xfe\x00\x7e", 70_000: b"\xff" + size.to_bytes(8, "big")}[size]
    wire = b"\x81" + length + mask + bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))

    async def read() -> bytes | None:
        reader = asyncio.StreamReader()
        reader.feed_data(b"\x89\x80" + mask + wire)  # a ping before it
        return await received(reader)

    assert asyncio.run(read()) == payload


def test_frames_on_the_wire_state_their_length() -> None:
    assert framed(b"a" * 125)[:2] == b"\x81\x7d"
    assert framed(b"a" * 300)[:4] == b"\x81\x7e\x01\x2c"


@pytest.mark.slow
def test_every_trade_travels_from_the_wire_to_the_subscriber() -> None:
    found = journey.run(2000.0, 1.0, lambda words: None)
    for one in (found.steady, *found.search):
        assert not one.lost
        assert one.ms
        assert all(ms > 0 for ms in one.ms)
        assert one.cores["worker"] > 0
    assert found.largest in (0.0, *(one.rate for one in (found.steady, *found.search)))


def test_a_bulk_file_of_trades_lands_whole_and_once() -> None:
    said: list[str] = []
    found = archives.run(20_000, said.append)
    assert (found.found, found.rows) == (20_000, 20_200)  # every hundredth row stands twice in the file
    assert found.cpu_s > 0
    assert said == ["making a file of 20,000 trades"]
