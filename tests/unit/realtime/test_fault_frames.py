"""Each fault of frames, books, connections and subscriptions does what it says, and its log names what was hidden."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import msgspec
import pytest

from realtime.emulator.faults.parts import Abort, Close, Fault, Freeze
from tests.kit.faultbed import T0, Bed, Wire
from warehouse.clock import SECOND

VENUES = ("binance", "bybit", "okx")
SPOT = {
    "binance": ("ws_spot", "/stream"),
    "bybit": ("ws_spot", "/v5/public/spot"),
    "okx": ("ws_public", "/ws/v5/public"),
}
TRADES = {"binance": "btcusdt@trade", "bybit": "publicTrade.BTCUSDT", "okx": "trades:BTC-USDT"}
DEPTH = {"binance": "btcusdt@depth@100ms", "bybit": "orderbook.50.BTCUSDT", "okx": "books:BTC-USDT"}


def subscribe(venue: str, *names: str) -> dict[str, object]:
    if venue == "binance":
        return {"method": "SUBSCRIBE", "params": list(names), "id": 1}
    if venue == "bybit":
        return {"op": "subscribe", "args": list(names), "req_id": "1"}
    parts = (name.split(":") for name in names)
    return {"op": "subscribe", "args": [{"channel": channel, "instId": about} for channel, about in parts]}


def joined(venue: str, *faults: Fault, names: tuple[str, ...] | None = None) -> tuple[Bed, Wire]:
    """A bed with a connection that holds trades and book of BTC-USDT."""
    bed = Bed(venue, faults)
    wire = bed.connect(*SPOT[venue])
    bed.ask(wire, subscribe(venue, *(names or (TRADES[venue], DEPTH[venue]))))
    return bed, wire


def bare(venue: str, seconds: float) -> list[bytes]:
    """What the same connection is sent when nothing goes wrong."""
    bed, wire = joined(venue)
    bed.run(seconds)
    return wire.frames


def fault(kind: str, venue: str, **more: Any) -> Fault:
    return Fault(kind=kind, venue=venue, **more)


@pytest.mark.parametrize("venue", VENUES)
def test_dropped_frames_are_those_that_the_log_names(venue: str) -> None:
    bed, wire = joined(venue, fault("dropped", venue, stream="trades", instrument="BTC-USDT", after=5, count=2))
    bed.run(15)
    rest = bare(venue, 15)
    gone = [frame for frame in rest if frame not in wire.frames]
    assert len(gone) == 2
    assert [frame for frame in rest if frame not in gone] == wire.frames
    entry = bed.log.entries[f"001-dropped-{venue}"]
    assert (entry.state, entry.connections, entry.stream) == (
        "over",
        ["ws_spot#1" if venue != "okx" else "ws_public#1"],
        "trades",
    )
    bed.view.markets["BTC-USDT"].prepare()
    trades = bed.view.trades_by_time("BTC-USDT", T0, T0 + 60 * SECOND, 100, False)
    assert [one["trade_id"] for one in entry.hidden if isinstance(one, dict)] == [t.trade_id for t in trades[5:7]]
    for one, frame in zip(trades[5:7], gone, strict=True):
        assert (one.trade_id if venue == "bybit" else str(one.trade_seq)).encode() in frame


@pytest.mark.parametrize("venue", VENUES)
def test_the_same_plan_and_seed_is_the_same_faults_at_the_same_points(venue: str) -> None:
    plan = [
        fault("garbage", venue, at=1.0, count=4),
        fault("truncated", venue, stream="depth", after=20),
        fault("reordered", venue, stream="depth", at=4.0),
        fault("delayed", venue, stream="trades", at=5.0, seconds=3),
    ]
    runs = []
    for _ in range(2):
        bed, wire = joined(venue, *plan)
        bed.run(12)
        runs.append((wire.got, msgspec.json.encode(list(bed.log.entries.values()))))
    assert runs[0] == runs[1]
    assert len(bed.log.entries) == 4
    assert all(entry.state == "over" for entry in bed.log.entries.values())


@pytest.mark.parametrize("venue", VENUES)
def test_duplicated_and_reordered_frames_lose_nothing(venue: str) -> None:
    rest = bare(venue, 6)
    bed, wire = joined(venue, fault("duplicated", venue, stream="depth", at=1.0, count=2))
    bed.run(6)
    assert len(wire.frames) == len(rest) + 2
    assert list(dict.fromkeys(wire.frames)) == rest
    bed, wire = joined(venue, fault("reordered", venue, stream="depth", at=1.0, count=2))
    bed.run(6)
    assert wire.frames != rest
    assert sorted(wire.frames) == sorted(rest)
    entry = next(iter(bed.log.entries.values()))
    assert len(entry.touched) == 2
    assert entry.hidden == []


@pytest.mark.parametrize("venue", VENUES)
def test_a_delayed_stream_comes_late_in_its_order_and_others_in_time(venue: str) -> None:
    bed, wire = joined(venue, fault("delayed", venue, stream="depth", at=2.0, seconds=2, amount=1.5))
    bed.run(2)
    before = len(wire.of(DEPTH[venue]))
    bed.run(1.4)
    assert len(wire.of(DEPTH[venue])) == before
    bed.run(8)
    rest = bare(venue, 11.4)
    assert wire.of(DEPTH[venue]) == [frame for frame in rest if frame in wire.of(DEPTH[venue])]
    assert sorted(wire.frames) == sorted(rest)
    assert [entry.state for entry in bed.log.entries.values()] == ["over"]


@pytest.mark.parametrize("venue", VENUES)
def test_truncated_garbage_and_oversized_frames_stand_where_real_ones_do(venue: str) -> None:
    rest = bare(venue, 5)
    bed, wire = joined(venue, fault("truncated", venue, stream="depth", at=1.0, count=3))
    bed.run(5)
    strange = [(frame, rest[at]) for at, frame in enumerate(wire.frames) if frame != rest[at]]
    assert len(strange) == 3
    assert all(whole.startswith(frame) and len(frame) < len(whole) for frame, whole in strange)
    bed, wire = joined(venue, fault("garbage", venue, at=1.0, count=3))
    bed.run(5)
    assert len(wire.frames) == len(rest) + 3
    bed, wire = joined(venue, fault("oversized", venue, at=1.0, amount=2))
    bed.run(5)
    large = [frame for frame in wire.frames if len(frame) == 2 << 20]
    assert len(large) == 1
    assert list(msgspec.json.decode(large[0])) == ["padding"]


@pytest.mark.parametrize("venue", VENUES)
def test_one_silent_stream_among_lively_ones(venue: str) -> None:
    bed, wire = joined(venue, fault("silent_stream", venue, stream="depth", instrument="BTC-USDT", at=1.0, seconds=3))
    bed.run(1)
    before = {name: len(wire.of(name)) for name in (TRADES[venue], DEPTH[venue])}
    bed.run(2.9)
    assert len(wire.of(DEPTH[venue])) == before[DEPTH[venue]]
    assert len(wire.of(TRADES[venue])) > before[TRADES[venue]]
    bed.run(2)
    assert len(wire.of(DEPTH[venue])) > before[DEPTH[venue]]
    entry = next(iter(bed.log.entries.values()))
    assert all(isinstance(one, dict) and one["record"] == "BookUpdate" for one in entry.hidden)
    assert len(entry.hidden) > 10


@pytest.mark.parametrize("venue", VENUES)
def test_a_silent_connection_does_not_even_answer(venue: str) -> None:
    bed, wire = joined(venue, fault("silent_connection", venue, at=1.0, seconds=3))
    bed.run(1.1)
    before = len(wire.got)
    assert bed.ask(wire, subscribe(venue, TRADES[venue].lower())) == []
    bed.run(2.8)
    assert len(wire.got) == before
    bed.run(2)
    assert len(wire.got) > before


def ids(venue: str, frame: bytes) -> tuple[int, int]:
    """The id an update follows and its own."""
    found = msgspec.json.decode(frame)
    if venue == "binance":
        return found["data"]["U"] - 1, found["data"]["u"]
    if venue == "bybit":
        return found["data"]["u"] - 1, found["data"]["u"]
    return found["data"][0]["prevSeqId"], found["data"][0]["seqId"]


def broken(venue: str, frames: list[bytes]) -> int:
    """How often an update does not follow the one before it."""
    told = pairwise([(*ids(venue, frame), b'"snapshot"' in frame) for frame in frames])
    return sum(one[1] != two[0] and not two[2] for one, two in told)


@pytest.mark.parametrize("venue", VENUES)
def test_a_sequence_gap_is_a_hole_in_the_numbers(venue: str) -> None:
    assert broken(venue, joined_depth(venue, None)) == 0
    frames = joined_depth(venue, fault("sequence_gap", venue, stream="depth", instrument="BTC-USDT", after=10, count=2))
    assert broken(venue, frames) == 1


def joined_depth(venue: str, one: Fault | None) -> list[bytes]:
    bed, wire = joined(venue, *(() if one is None else (one,)))
    bed.run(5)
    return wire.of(DEPTH[venue])


def test_a_sequence_reset_of_bybit_is_a_snapshot_numbered_one_and_goes_on_from_there() -> None:
    one = fault("sequence_reset", "bybit", stream="depth", instrument="BTC-USDT", after=10)
    bed, wire = joined("bybit", one)
    bed.run(3)
    frames = wire.of(DEPTH["bybit"])
    numbers = [ids("bybit", frame)[1] for frame in frames]
    at = numbers.index(1)
    assert b'"snapshot"' in frames[at]
    assert numbers[at:] == list(range(1, len(numbers) - at + 1))
    assert len(msgspec.json.decode(frames[at])["data"]["b"]) == 50
    again = bed.ask(wire, subscribe("bybit", DEPTH["bybit"]))
    assert ids("bybit", again[-1])[1] > 1000
    bed.run(1)
    assert broken("bybit", wire.of(DEPTH["bybit"])[len(frames) :]) == 0


def test_a_sequence_reset_of_okx_goes_back_once_and_follows_itself() -> None:
    frames = joined_depth("okx", fault("sequence_reset", "okx", stream="depth", instrument="BTC-USDT", after=10))
    told = [ids("okx", frame) for frame in frames]
    back = [(previous, own) for previous, own in told if own < previous]
    assert len(back) == 1
    assert broken("okx", frames) == 0


def test_equal_ids_of_okx_change_nothing() -> None:
    frames = joined_depth("okx", fault("equal_ids", "okx", stream="depth", instrument="BTC-USDT", after=10, count=2))
    still = [frame for frame in frames if ids("okx", frame)[0] == ids("okx", frame)[1]]
    assert len(still) == 2
    assert all(msgspec.json.decode(frame)["data"][0]["bids"] == [] for frame in still)
    assert broken("okx", frames) == 0


@pytest.mark.parametrize("venue", ["bybit", "okx"])
def test_an_old_snapshot_is_not_followed_by_the_next_update(venue: str) -> None:
    bed, wire = joined(venue, fault("old_snapshot", venue, instrument="BTC-USDT", stream="depth", after=5, count=2))
    bed.run(3)
    assert broken(venue, wire.of(DEPTH[venue])) == 1
    for again in (1, 1, 0):
        start = len(wire.of(DEPTH[venue]))
        bed.ask(wire, subscribe(venue, DEPTH[venue]))
        bed.run(1)
        assert broken(venue, wire.of(DEPTH[venue])[start:]) == again
    assert len(next(iter(bed.log.entries.values())).hidden) == 3


@pytest.mark.parametrize("venue", ["bybit", "okx"])
def test_a_stale_snapshot_comes_again_on_the_living_stream(venue: str) -> None:
    bed, wire = joined(venue, fault("stale_snapshot", venue, instrument="BTC-USDT", stream="depth", at=1.0))
    bed.run(5)
    snapshots = [frame for frame in wire.of(DEPTH[venue]) if b'"snapshot"' in frame]
    assert len(snapshots) == 2
    assert ids(venue, snapshots[0])[1] < ids(venue, snapshots[1])[1] < ids(venue, wire.of(DEPTH[venue])[-1])[1]
    assert broken(venue, wire.of(DEPTH[venue])) == 1


@pytest.mark.parametrize("venue", VENUES)
def test_connections_are_cut_closed_and_frozen(venue: str) -> None:
    base = SPOT[venue][0]
    bed, wire = joined(venue, fault("socket_reset", venue, base=base, at=1.0))
    bed.run(3)
    assert wire.got[-1] == Abort()
    bed, wire = joined(venue, fault("closed", venue, at=1.0, code=1008))
    bed.run(3)
    last = wire.got[-1]
    assert isinstance(last, Close)
    assert last.code == 1008
    assert next(iter(bed.log.entries.values())).said["code"] == 1008
    bed = Bed(venue, [fault("half_open", venue, at=0.0)])
    bed.run(0.1)
    first, second = bed.connect(*SPOT[venue]), bed.connect(*SPOT[venue])
    assert first.got == [Freeze()]
    assert second.got == []


def test_a_day_ends_early_at_binance() -> None:
    bed, wire = joined("binance", fault("day_cut", "binance", at=1.0))
    bed.run(2)
    assert wire.got[-1] == Close(1001)


@pytest.mark.parametrize(("venue", "words"), [("binance", "serverShutdown"), ("okx", "64008")])
def test_a_shutdown_is_told_before_it_happens(venue: str, words: str) -> None:
    bed, wire = joined(venue, fault("shutdown_notice", venue, at=1.0, amount=2))
    bed.run(2)
    told = [frame for frame in wire.frames if words.encode() in frame]
    assert len(told) == 1
    later = bed.connect(*SPOT[venue])
    bed.run(2)
    assert isinstance(wire.got[-1], Close)
    assert later.got == []
    assert wire.frames.index(told[0]) < len(wire.frames) - 5


@pytest.mark.parametrize("venue", VENUES)
def test_handshakes_are_refused_as_often_as_planned(venue: str) -> None:
    bed = Bed(venue, [fault("refused_handshake", venue, base="ws_spot", count=2)])
    bed.run(0.1)
    now = bed.clock.now()
    assert bed.desk.handshake("ws_other", now) is None
    refused = [bed.desk.handshake("ws_spot", now) for _ in range(3)]
    assert [one is None for one in refused] == [False, False, True]
    assert all(one is None or one.status >= 400 for one in refused)


@pytest.mark.parametrize("venue", VENUES)
def test_subscriptions_are_ignored_rejected_or_acknowledged_in_vain(venue: str) -> None:
    wanted = subscribe(venue, TRADES[venue])
    bed = Bed(venue, [fault("ignored_subscription", venue, stream="trades", instrument="BTC-USDT")])
    bed.run(0.1)
    wire = bed.connect(*SPOT[venue])
    assert bed.ask(wire, subscribe(venue, DEPTH[venue])) != []
    assert bed.ask(wire, wanted) == []
    assert TRADES[venue] not in wire.side.streams
    assert bed.ask(wire, wanted) != []

    bed = Bed(venue, [fault("rejected_subscription", venue)])
    bed.run(0.1)
    wire = bed.connect(*SPOT[venue])
    answer = msgspec.json.decode(bed.ask(wire, wanted)[0])
    assert (answer.get("code"), answer.get("success"), answer.get("event")) in (
        (2, None, None),
        (None, False, None),
        ("60018", None, "error"),
    )
    assert TRADES[venue] not in wire.side.streams

    bed = Bed(venue, [fault("silent_acknowledgement", venue, stream="trades")])
    bed.run(0.1)
    wire = bed.connect(*SPOT[venue])
    assert len(bed.ask(wire, wanted)) == 1
    bed.run(4)
    assert wire.of(TRADES[venue]) == []
    assert len(next(iter(bed.log.entries.values())).hidden) > 2
    bed.ask(wire, wanted)
    bed.run(4)
    assert len(wire.of(TRADES[venue])) > 2


def test_faults_of_one_instrument_leave_the_others_alone() -> None:
    one = fault("silent_stream", "binance", instrument="BTC-USDT-PERP", at=0.0, seconds=60)
    bed = Bed("binance", [one], ("BTC-USDT", "BTC-USDT-PERP"))
    spot, perp = bed.connect("ws_spot", "/stream"), bed.connect("ws_perp", "/market/stream")
    bed.ask(spot, subscribe("binance", "btcusdt@aggTrade"))
    bed.ask(perp, subscribe("binance", "btcusdt@aggTrade"))
    bed.run(10)
    assert len(spot.of("btcusdt@aggTrade")) > 5
    assert perp.of("btcusdt@aggTrade") == []


@pytest.mark.parametrize("venue", VENUES)
def test_what_is_wrong_at_the_end_is_logged_as_it_stands(venue: str) -> None:
    bed, _ = joined(venue, fault("silent_stream", venue, stream="trades", seconds=600))
    bed.run(3)
    entry = bed.log.entries[f"001-silent_stream-{venue}"]
    assert entry.state == "begun"
    bed.desk.close(bed.clock.now())
    assert (entry.state, entry.until) == ("over", bed.clock.now())
