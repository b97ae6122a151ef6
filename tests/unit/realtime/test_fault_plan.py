"""Plans are read, completed, drawn from a seed, and refused in words; every kind is explained and can be run."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from realtime.emulator.faults.desk import FaultLog, read
from realtime.emulator.faults.kinds import KINDS
from realtime.emulator.faults.parts import STREAM_OF, Asked, Fault, Injected
from realtime.emulator.faults.plan import Chaos, Plan, each, possible
from realtime.emulator.faults.wording import KIND_OF
from tests.kit.faultbed import Bed
from warehouse.errors import ConfigError
from warehouse.venues import VENUES

NAMES = ["BTC-USDT", "BTC-USDT-PERP"]

PLAN = """
seed: 7
faults:
  - {kind: dropped, venue: binance, stream: trades, instrument: BTC-USDT, at: 12.5, count: 2}
  - {kind: closed, venue: okx, base: ws_public, after: 400, code: 4004}
chaos: {per_minute: 30, start: 20, seconds: 120}
"""


def test_a_plan_is_read_from_yaml_and_from_json(tmp_path: Path) -> None:
    (tmp_path / "plan.yaml").write_text(PLAN)
    plan = Plan.read(tmp_path / "plan.yaml")
    (tmp_path / "plan.json").write_bytes(msgspec.json.encode(plan))
    assert Plan.read(tmp_path / "plan.json") == plan
    drawn = plan.drawn(VENUES, NAMES)
    assert [(one.id, one.at, one.after, one.count, one.code) for one in drawn[:2]] == [
        ("001-dropped-binance", 12.5, None, 2, None),
        ("002-closed-okx", None, 400, 1, 4004),
    ]
    assert 30 < len(drawn) < 100
    assert len({one.id for one in drawn}) == len(drawn)


def test_chaos_is_the_same_for_the_same_seed_and_keeps_to_its_time_kinds_and_venues() -> None:
    chaos = Chaos(per_minute=60, start=5, seconds=100, venues=("okx",), kinds=("closed", "equal_ids", "day_cut"))
    drawn = Plan(seed=3, chaos=chaos).drawn(VENUES, NAMES)
    assert drawn == Plan(seed=3, chaos=chaos).drawn(VENUES, NAMES)
    assert drawn != Plan(seed=4, chaos=chaos).drawn(VENUES, NAMES)
    assert {(one.kind, one.venue) for one in drawn} == {("closed", "okx"), ("equal_ids", "okx")}
    assert all(5 <= (one.at or 0) < 105 for one in drawn)
    unasked = Plan(seed=3, chaos=Chaos(per_minute=600, seconds=100)).drawn(VENUES, NAMES)
    assert {one.kind for one in unasked} == {name for name, kind in KINDS.items() if kind.at_random}
    on_tape = Plan(seed=3, chaos=Chaos(per_minute=600, seconds=100)).drawn(VENUES, NAMES, tape=True)
    assert not any(KINDS[one.kind].changes_market for one in on_tape)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (Fault(kind="droped", venue="okx"), "unknown kind 'droped'; known: dropped"),
        (Fault(kind="dropped", venue="kraken"), "'kraken' is not emulated"),
        (Fault(kind="day_cut", venue="okx"), "day_cut cannot happen at okx"),
        (Fault(kind="dropped", venue="okx", instrument="DOGE-USDT"), "'DOGE-USDT' is not listed"),
        (Fault(kind="sequence_gap", venue="okx"), "sequence_gap needs an instrument"),
        (Fault(kind="dropped", venue="okx", at=1.0, after=1), "not both"),
        (Fault(kind="burst", venue="okx", after=1), "give `at`"),
        (Fault(kind="dropped", venue="okx", count=-1), "count must not be negative"),
        (Fault(kind="timed_out", venue="okx", amount=-1.0), "amount must not be negative"),
    ],
)
def test_what_cannot_be_is_refused_in_words(fault: Fault, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        Plan(faults=(fault,)).drawn(VENUES, NAMES)


def test_a_tape_cannot_be_changed_and_ids_are_unique() -> None:
    with pytest.raises(ConfigError, match="on a tape"):
        Plan(faults=(Fault(kind="burst", venue="okx"),)).drawn(VENUES, NAMES, tape=True)
    twice = Fault(kind="dropped", venue="okx", id="a")
    with pytest.raises(ConfigError, match="two of this id"):
        Plan(faults=(twice, twice)).drawn(VENUES, NAMES)
    with pytest.raises(ConfigError, match="not positive"):
        Plan(chaos=Chaos(per_minute=0)).drawn(VENUES, NAMES)
    with pytest.raises(ConfigError, match="unknown kind 'x'"):
        Plan(chaos=Chaos(per_minute=1, kinds=("x",))).drawn(VENUES, NAMES)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("faults: [{kind: dropped}]", "venue"),
        ("fault: []", "unknown field `fault`"),
        ("a: [", "not YAML"),
        ("[]", "obj"),
    ],
)
def test_a_bad_file_is_refused_with_its_name(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "plan.yaml").write_text(text)
    with pytest.raises(ConfigError, match=rf"plan\.yaml: .*{words}"):
        Plan.read(tmp_path / "plan.yaml")
    with pytest.raises(ConfigError, match="cannot be read"):
        Plan.read(tmp_path / "none.yaml")


def test_every_kind_is_explained_and_each_venue_has_most_of_them() -> None:
    assert len(KINDS) >= 24
    for name, kind in KINDS.items():
        assert kind.name == name
        assert len(kind.doc) > 20
        assert kind.doc != KINDS["dropped"].make.__mro__[1].__doc__
        assert set(kind.venues) <= set(VENUES)
    for venue in VENUES:
        assert sum(possible(kind, venue) for kind in KINDS.values()) >= 30
        assert {stream for _, stream in KIND_OF[venue]} <= set(STREAM_OF.values())
    plan = each(VENUES, NAMES, 1, 5.0, 2.0)
    assert len(plan.faults) == sum(len(kind.venues) for kind in KINDS.values())
    assert plan == each(VENUES, NAMES, 1, 5.0, 2.0)
    plan.drawn(VENUES, NAMES)


REQUESTS = {
    "binance": Asked(base="rest_spot", path="/api/v3/depth", query={"symbol": "BTCUSDT"}),
    "bybit": Asked(base="rest", path="/v5/market/orderbook", query={"category": "spot", "symbol": "BTCUSDT"}),
    "okx": Asked(base="rest", path="/api/v5/market/books", query={"instId": "BTC-USDT"}),
}
SUBSCRIBE = {
    "binance": {
        "method": "SUBSCRIBE",
        "params": ["btcusdt@trade", "btcusdt@depth@100ms", "btcusdt@bookTicker", "btcusdt@kline_1m", "btcusdt@ticker"],
        "id": 1,
    },
    "bybit": {
        "op": "subscribe",
        "args": ["publicTrade.BTCUSDT", "orderbook.50.BTCUSDT", "orderbook.1.BTCUSDT", "kline.1.BTCUSDT"],
    },
    "okx": {
        "op": "subscribe",
        "args": [{"channel": name, "instId": "BTC-USDT"} for name in ("trades", "books", "bbo-tbt", "tickers")],
    },
}
SOCKET = {
    "binance": ("ws_spot", "/stream"),
    "bybit": ("ws_spot", "/v5/public/spot"),
    "okx": ("ws_public", "/ws/v5/public"),
}


@pytest.mark.parametrize("venue", VENUES)
def test_every_kind_begins_acts_and_ends_beside_all_others(venue: str) -> None:
    plan = each([venue], ["BTC-USDT"], 5, 0.5, 0.5)
    small = {"oversized": 1.0, "burst": 2.0}
    bed = Bed(venue, [msgspec.structs.replace(one, amount=small.get(one.kind)) for one in plan.faults])
    bed.view.markets["BTC-USDT"].prepare()
    for _ in range(40):
        open_ = [wire for wire in bed.wires if wire in bed._links()]
        if len(open_) < 2:
            bed.ask(bed.connect(*SOCKET[venue]), SUBSCRIBE[venue])
        bed.desk.handshake(SOCKET[venue][0], bed.clock.now())
        bed.get(REQUESTS[venue])
        bed.run(1)
    bed.desk.close(bed.clock.now())
    entries = bed.log.entries
    assert [entry.kind for entry in entries.values()] == [fault.kind for fault in plan.faults]
    assert all(entry.state == "over" and entry.until is not None for entry in entries.values())
    met = [entry.kind for entry in entries.values() if entry.connections or entry.hidden or entry.touched]
    assert len(met) > len(entries) / 2


def test_the_log_says_when_a_fault_began_and_when_it_was_over(tmp_path: Path) -> None:
    log = FaultLog(tmp_path / "log" / "faults.jsonl")
    first = Injected(id="1", kind="dropped", venue="okx", state="begun", at=5)
    second = Injected(id="2", kind="closed", venue="okx", state="begun", at=6)
    log.write(first)
    log.write(second)
    assert list(read(tmp_path / "log" / "faults.jsonl").values()) == [first, second]
    over = msgspec.structs.replace(first, state="over", until=9, hidden=[{"trade_id": "4"}])
    log.write(over)
    log.close()
    assert read(tmp_path / "log" / "faults.jsonl") == {"1": over, "2": second}
    assert len((tmp_path / "log" / "faults.jsonl").read_bytes().splitlines()) == 3
