"""For every input: a session never raises, and what it lets through is in step."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.venues.binance_market import PERP, SPOT, START, ListedMarket, Wire, trade
from tests.unit.venues.test_binance_golden import RECEIVED, frames, session
from warehouse.clock import SECOND
from warehouse.records import SequenceGap, Trade
from warehouse.venues.base import Fetch
from warehouse.venues.binance import emulated
from warehouse.venues.binance.sequence import PerpSequence, SpotSequence
from warehouse.venues.binance.session import sessions

NAMES = (
    "spot", "public", "market", "fills", "refused", "silent", "feeds_spot", "feeds_perp", "feeds_refused",
)  # fmt: skip
KNOWN = [frame for name in NAMES for frame in frames(name)]


@st.composite
def bent(draw: st.DrawFn) -> bytes:
    """A frame that was known once: cut, or with bytes changed."""
    frame = bytearray(draw(st.sampled_from(KNOWN)))
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(frame) - 1))
        frame[at : at + draw(st.integers(0, 6))] = draw(st.binary(max_size=4))
        frame = frame or bytearray(b" ")
    return bytes(frame[: draw(st.integers(0, len(frame)))] if draw(st.booleans()) else frame)


@given(st.lists(st.one_of(bent(), st.binary(max_size=40), st.sampled_from(KNOWN)), max_size=12))
def test_no_frame_makes_a_session_raise(lines: list[bytes]) -> None:
    for one in (session("binance.spot"), session("binance.perp.public"), session("binance.perp.market")):
        for at, frame in enumerate(lines):
            one.receive(frame, RECEIVED + at)
            one.tick(RECEIVED + at * SECOND)
        state = msgspec.json.decode(msgspec.json.encode(one.state()))
        one.restore(state)
        assert msgspec.json.decode(msgspec.json.encode(one.state())) == state


@given(st.integers(0, 600), bent() | st.binary(max_size=60))
def test_no_answer_makes_a_session_raise(status: int, body: bytes) -> None:
    one = session("binance.spot")
    asked = []
    for frame in [line for line in frames("spot") if b"serverShutdown" not in line]:
        asked += [output for output in one.receive(frame, RECEIVED) if isinstance(output, Fetch)]
    assert {fetch.purpose for fetch in asked} == {"book", "trades"}
    for fetch in asked:
        one.answer(fetch, status, body, RECEIVED)


@given(
    st.lists(st.sampled_from(["deliver", "deliver", "deliver", "drop", "double", "answer", "reconnect"]), max_size=60)
)
def test_whatever_is_dropped_or_doubled_every_trade_comes_out_once_in_order(fate: list[str]) -> None:
    market = ListedMarket(SPOT)
    (one,) = sessions([SPOT])
    wire = Wire(one, emulated(market), market)
    number = 0
    wire.publish(trade(SPOT, 0, START))
    market.all_trades[SPOT.instrument].append(trade(SPOT, 0, START))
    for step in [*fate, "deliver", "answer"]:
        if step == "answer":
            wire.answer()
        elif step == "reconnect":
            wire.take(one.disconnected(market.at, "reset by peer"))
            wire = _again(wire)
        else:
            number += 1
            each = trade(SPOT, number, START + number)
            market.all_trades[SPOT.instrument].append(each)
            for _ in range({"deliver": 1, "double": 2, "drop": 0}[step]):
                wire.publish(each)
    assert [int(r.trade_id) for r in wire.records if isinstance(r, Trade)] == list(range(number + 1))
    opened = [r.opened_at for r in wire.records if isinstance(r, SequenceGap) and r.state == "open"]
    closed = [r.opened_at for r in wire.records if isinstance(r, SequenceGap) and r.state == "repaired"]
    assert opened == closed


def _again(wire: Wire) -> Wire:
    """The next connection of the same session, with the records and requests of the one before."""
    pending, records = wire.pending, wire.records
    wire = Wire(wire.session, wire.venue, wire.market)
    wire.pending, wire.records = pending + wire.pending, records + wire.records
    return wire


@given(st.lists(st.integers(1, 5), min_size=2, max_size=40), st.data())
def test_a_spot_book_applies_each_id_exactly_once(widths: list[int], data: st.DataObject) -> None:
    """From any snapshot inside the stream, whatever is lost afterwards is either noticed or was not needed."""
    events, at = [], 100
    for width in widths:
        events.append((at + 1, at + width))
        at += width
    book = SpotSequence()
    book.start(data.draw(st.integers(100, at)))
    missing = data.draw(st.integers(0, len(events) - 1))
    held = book.last
    for position, (first, final) in enumerate(events):
        if position == missing and final > held:
            continue
        step = book.step(first, final, None)
        if step == "gap":
            assert position == missing + 1
            return
        assert step == ("apply" if final > held else "ignore")
        held = max(held, final)
    assert book.last == held


@given(st.lists(st.tuples(st.integers(1, 5), st.integers(0, 50)), min_size=2, max_size=40), st.data())
def test_a_futures_book_chains_by_its_predecessor(widths: list[tuple[int, int]], data: st.DataObject) -> None:
    """Ids jump between events; a lost one is noticed by the next."""
    events, at = [], 100
    for width, jump in widths:
        events.append((at, at + jump + 1, at + jump + width))
        at += jump + width
    book = PerpSequence()
    book.start(data.draw(st.integers(100, at)))
    missing = data.draw(st.integers(0, len(events) - 1))
    held = book.last
    for position, (previous, first, final) in enumerate(events):
        if position == missing and final > held:
            continue
        step = book.step(first, final, previous)
        if step == "gap":
            assert position == missing + 1
            return
        assert step == ("apply" if final > held else "ignore")
        held = max(held, final)
    assert book.last == held


@given(st.floats(allow_nan=True, allow_infinity=True), st.floats(allow_nan=True, allow_infinity=True))
def test_only_prices_and_sizes_on_the_grid_become_trades(price: float, size: float) -> None:
    (_, one) = sessions([PERP])
    one.connected(START)
    row = f'"a":1,"p":"{price}","q":"{size}","f":1,"l":1,"T":1,"m":true'
    for output in one.receive(f'{{"stream":"btcusdt@aggTrade","data":{{{row}}}}}'.encode(), START):
        if isinstance(output, Trade):
            assert (output.price, output.size) == (price, size)
            assert output.ticks > 0
            assert abs(output.ticks * 0.1 - price) < 1e-4
