"""What must hold for every input: reading never raises, the sequencer never lets a hole pass, faults leave no lie."""

from __future__ import annotations

from collections import deque

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.venues.bybit_market import NOW, PERP, SPOT, Client, Market, session
from tests.unit.venues.test_bybit_golden import frames, joined
from warehouse.book import Book
from warehouse.clock import SECOND
from warehouse.instruments import Rules
from warehouse.records import BookInvalid, BookUpdate, Record, SequenceGap, Trade
from warehouse.venues import bybit
from warehouse.venues.bybit.readings import Readings, Socket
from warehouse.venues.bybit.ring import Ring
from warehouse.venues.bybit.sequence import Sequencer, Step
from warehouse.venues.bybit.spelling import execution_id
from warehouse.venues.bybit.works import Works

FILES = ("spot", "linear", "silent", "refused", "spot_feeds", "linear_feeds", "status")
REAL = [frame for name in FILES for frame in frames(name)]

leaves = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["BTCUSDT", "Buy", "snapshot", "delta", "1.5", "0", "-1", "NaN", "1e999"])
)
trees = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4)
)
shaped = st.fixed_dictionaries(
    {
        "topic": st.sampled_from(
            [
                "publicTrade.BTCUSDT",
                "orderbook.1.BTCUSDT",
                "orderbook.200.BTCUSDT",
                "kline.1.BTCUSDT",
                "tickers.BTCUSDT",
                "allLiquidation.BTCUSDT",
                "insurance.USDT",
                "system.status",
            ]
        )
    },
    optional={
        "type": st.sampled_from(["snapshot", "delta"]) | leaves,
        "ts": st.integers(0, 2**70) | leaves,
        "cts": leaves,
        "data": trees
        | st.fixed_dictionaries(
            {"b": st.lists(st.tuples(leaves, leaves), max_size=3), "a": trees, "u": st.integers(-1, 2**70)}
        )
        | st.lists(st.fixed_dictionaries({"T": leaves, "S": leaves, "v": leaves, "p": leaves, "i": leaves}), max_size=3)
        | st.fixed_dictionaries({}, optional={"markPrice": leaves, "fundingRate": leaves, "nextFundingTime": leaves})
        | st.lists(
            st.fixed_dictionaries({"id": leaves, "state": leaves, "coin": leaves, "symbols": leaves, "balance": leaves})
        ),
    },
)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.binary(max_size=60) | shaped.map(lambda tree: msgspec.json.encode(_plain(tree))), max_size=4))
def test_no_frame_raises(received: list[bytes]) -> None:
    for market in ("perp", "status"):
        one = joined(market)
        for frame in received:
            for output in one.receive(frame, NOW):
                assert isinstance(output, Record) or frame
        one.restore(msgspec.json.decode(msgspec.json.encode(one.state())))


@settings(max_examples=150, deadline=None)
@given(
    st.binary(max_size=80)
    | st.fixed_dictionaries(
        {"retCode": st.sampled_from([0, "0", 10001, 10006]), "result": trees | st.fixed_dictionaries({"list": trees})},
        optional={"retMsg": st.sampled_from(["symbol invalid", "OK"]), "time": leaves},
    ).map(lambda tree: msgspec.json.encode(_plain(tree))),
    st.sampled_from(["mark_price", "insurance", "status"]),
    st.sampled_from([0, 200, 403]),
)
def test_no_reading_raises(body: bytes, purpose: str, status: int) -> None:
    sockets: list[tuple[Socket, list[Rules]]] = [("perp", [PERP]), ("spot", [SPOT]), ("status", [])]
    answered = 0
    for socket, rules in sockets:
        readings = Readings(socket, rules, Works())
        readings.start(NOW)
        for fetch in [fetch for fetch in readings.due(NOW + 60 * SECOND) if fetch.purpose == purpose]:
            answered += 1
            records, why = readings.answer(fetch, status, body, NOW + 61 * SECOND)
            assert why is None or not records
        twin = Readings(socket, rules, Works())
        twin.restore(msgspec.json.decode(msgspec.json.encode(readings.state())))
        assert twin.state() == readings.state()
    assert answered == {"mark_price": 1, "insurance": 1, "status": 3}[purpose]


def _plain(tree: object) -> object:
    """Integers that JSON writers refuse become text; the readers take either."""
    if isinstance(tree, dict):
        return {key: _plain(value) for key, value in tree.items()}
    if isinstance(tree, list | tuple):
        return [_plain(value) for value in tree]
    return str(tree) if isinstance(tree, int) and abs(tree) >= 2**63 else tree


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(REAL), st.integers(0, 400), st.binary(max_size=3), st.integers(0, 5))
def test_no_damaged_frame_raises(frame: bytes, at: int, put: bytes, cut: int) -> None:
    damaged = frame[:at] + put + frame[at + cut :]
    for market in ("spot", "perp", "status"):
        for output in joined(market).receive(damaged, NOW):
            if isinstance(output, Trade):
                assert output.price > 0
                assert output.lots > 0


@settings(max_examples=100, deadline=None)
@given(
    st.binary(max_size=80) | trees.map(lambda tree: msgspec.json.encode(_plain(tree))),
    st.sampled_from([0, 200, 403, 500]),
)
def test_no_answer_raises(body: bytes, status: int) -> None:
    one = Client(session("perp", "publicTrade"), Market())
    one.answering = False
    one.connect()
    one.happen(*one.market.trade(PERP, 2))
    one.session.answer(one.fetched[-1], status, body, one.market.at)


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 6)), max_size=40))
def test_every_applied_update_follows_the_one_before(messages: list[tuple[bool, int]]) -> None:
    machine = Sequencer()
    held: int | None = None
    for snapshot, u in messages:
        step = machine.snapshot(u) if snapshot else machine.delta(u)
        if snapshot:
            assert step is Step.REPLACE
            held = u
        elif held is None:
            assert step is Step.WAIT
        elif u == held + 1:
            assert step is Step.APPLY
            held = u
        elif u == held:
            assert step is Step.REPEAT
        else:
            assert step is Step.BREAK
            held = None
        assert machine.last == (held or 0)


@given(st.lists(st.integers(0, 12)), st.integers(1, 6))
def test_the_ring_is_the_last_ids(ids: list[int], size: int) -> None:
    ring, last = Ring(size), deque[str](maxlen=size)
    for number in ids:
        name = str(number)
        assert ring.add(name) == (name not in last)
        if name not in last:
            last.append(name)
        assert ring.state() == list(last)


@given(st.lists(st.integers(0, 2**61), unique=True, max_size=50))
def test_execution_ids_are_unique(numbers: list[int]) -> None:
    (one,) = Market().trade(PERP)
    for market in ("spot", "perp"):
        made = [
            execution_id(msgspec.structs.replace(one, trade_seq=number), "spot" if market == "spot" else "perp")
            for number in numbers
        ]
        assert len(dict.fromkeys(made)) == len(numbers)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(["pass", "lose", "double", "swap", "drop", "wait"]), max_size=30))
def test_whatever_happens_to_frames_a_valid_book_is_the_venues(faults: list[str]) -> None:
    one = Client(session("spot", "orderbook.200"), Market())
    one.connect()
    book, late = Book(SPOT.grid), list[bytes]()
    for fault in [*faults, "pass", "wait", "pass"]:
        if fault == "drop":
            one.disconnect()
            one.connect()
        elif fault == "wait":
            one.pass_time(70 * SECOND)
        else:
            sent = list(one.side.event(one.market.update(SPOT), one.market.at))
            if fault == "swap" and not late:
                late = sent
            elif fault != "lose":
                one.hear(*sent, *(sent if fault == "double" else []), *late)
                late = []
        if one.reconnects:
            one.reconnects.clear()
            one.disconnect()
            one.connect()
        for record in one.take():
            if isinstance(record, BookInvalid) or (isinstance(record, SequenceGap) and record.state == "open"):
                book.invalidate("open")
            elif isinstance(record, BookUpdate):
                assert record.snapshot or record.previous_id == book.update_id
                book.apply(record)
        view = one.market.books["BTC-USDT"]
        if book.valid and fault in ("pass", "double") and not late:
            assert book.levels() == (sorted(view[0].items(), reverse=True)[:200], sorted(view[1].items())[:200])
    assert book.valid


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["live", "away", "double"]), st.integers(1, 30)), min_size=1, max_size=8))
def test_every_execution_is_delivered_once_in_order_or_declared_lost(parts: list[tuple[str, int]]) -> None:
    one = Client(session("spot", "publicTrade"), Market())
    one.connect()
    happened: list[Trade] = []
    for manner, count in parts:
        if manner == "away":
            one.disconnect()
            happened += one.market.trade(SPOT, count)
            one.connect()
            one.pass_time(3 * SECOND)
        else:
            made = one.market.trade(SPOT, count)
            happened += made
            sent = [frame for trade in made for frame in one.side.event(trade, one.market.at)]
            one.hear(*sent, *(sent if manner == "double" else []))
    got = [record.trade_id for record in one.records if isinstance(record, Trade)]
    assert len(dict.fromkeys(got)) == len(got)
    gaps = [record for record in one.records if isinstance(record, SequenceGap)]
    lost = sum(gap.state == "unrecoverable" for gap in gaps)
    expected = [execution_id(trade, "spot") for trade in happened]
    assert [name for name in expected if name in got] == got
    if not lost:
        assert got == expected
    states = [gap.state for gap in gaps]
    assert states.count("open") == len(states) - states.count("open")


def test_two_clients_of_one_venue_hear_the_same_counter() -> None:
    market = Market()
    venue = bybit.emulated(market)
    sides = [venue.connect("ws_perp", "/v5/public/linear", {}, NOW) for _ in range(2)]
    ask = b'{"op":"subscribe","args":["orderbook.50.BTCUSDT","orderbook.200.BTCUSDT"]}'
    sides[0].receive(ask, NOW)
    for _ in range(3):
        sides[0].event(market.update(PERP), NOW)
    _, *snapshots = sides[1].receive(ask, NOW)
    updates = [market.update(PERP) for _ in range(2)]
    heard = [[frame for update in updates for frame in side.event(update, NOW)] for side in sides]
    assert heard[0] == heard[1]
    first = [msgspec.json.decode(frame)["data"]["u"] for frame in snapshots]
    then = [msgspec.json.decode(frame)["data"]["u"] for frame in heard[0][:2]]
    assert [u + 1 for u in first] == then
