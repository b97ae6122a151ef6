"""For every input: a session never raises, and what it lets through is in step."""

from __future__ import annotations

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.venues.okx_market import NOW, SPOT, Market, session
from tests.unit.venues.test_okx_golden import frames
from tests.unit.venues.test_okx_session import Line
from warehouse.clock import SECOND
from warehouse.records import BookUpdate, SequenceGap, Trade
from warehouse.venues.base import Fetch

KNOWN = [
    *frames("public"),
    *frames("feeds"),
    *frames("business"),
    *frames("aggregated"),
    *frames("refused"),
    *frames("silent"),
]
DATED_AT = 1_652_459_225_000_000


@st.composite
def bent(draw: st.DrawFn) -> bytes:
    """A frame that was known once: cut, with bytes changed, or two run together."""
    frame = bytearray(draw(st.sampled_from(KNOWN)))
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(frame) - 1))
        frame[at : at + draw(st.integers(0, 6))] = draw(st.binary(max_size=4))
        frame = frame or bytearray(b" ")
    return bytes(frame[: draw(st.integers(0, len(frame)))] if draw(st.booleans()) else frame)


@given(st.lists(st.one_of(bent(), st.binary(max_size=40), st.sampled_from(KNOWN)), max_size=12))
def test_no_frame_makes_a_session_raise(given_frames: list[bytes]) -> None:
    kinds = [
        session("okx.public"),
        session("okx.business"),
        session("okx.public", "books", "trades", "bbo-tbt", at=DATED_AT),
    ]
    for one in kinds:
        one.connected(NOW)
        for at, frame in enumerate(given_frames):
            one.receive(frame, NOW + at)
            one.tick(NOW + at * SECOND)
        msgspec.json.encode(one.state())


@given(st.integers(0, 600), bent() | st.binary(max_size=60))
def test_no_answer_makes_a_session_raise(status: int, body: bytes) -> None:
    joined = Line(session("okx.business"), Market())
    joined.connect()
    joined.happen(*joined.market.trade(SPOT, 1))
    joined.market.trade(SPOT, 2)
    frame = joined.far.event(joined.market.trade(SPOT, 1)[0], joined.market.at)[0]
    fetch = joined.session.receive(frame, joined.market.at)[-1]
    assert isinstance(fetch, Fetch)
    joined.session.answer(fetch, status, body, joined.market.at)
    quiet = Line(session("okx.public"), Market())
    quiet.mute_books = quiet.offline = True
    quiet.connect()
    for each in quiet.session.tick(NOW + 5 * SECOND):
        if isinstance(each, Fetch):
            quiet.session.answer(each, status, body, NOW + 5 * SECOND)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.booleans(), min_size=1, max_size=60), st.lists(st.booleans(), max_size=20))
def test_whatever_is_lost_the_tape_stays_whole_and_the_book_in_chain(heard: list[bool], served: list[bool]) -> None:
    market = Market()
    public, business = Line(session("okx.public"), market), Line(session("okx.business"), market)
    public.connect()
    business.connect()
    luck = [*served, True]
    for at, arrives in enumerate([True, *heard, True]):
        business.offline = not luck[min(at, len(luck) - 1)]
        update = market.update(SPOT)
        trade = market.trade(SPOT)[0]
        if arrives:
            public.happen(update)
            business.happen(trade)
        business.wait(SECOND, SECOND // 2)
    business.offline = False
    business.wait(60 * SECOND, SECOND // 2)
    seen = [one.trade_seq for one in business.records if isinstance(one, Trade)]
    assert seen == list(range(5000, 5000 + len(heard) + 2))
    gaps = [one for one in business.records if isinstance(one, SequenceGap)]
    assert [one.state for one in gaps] == ["open", "repaired"] * (len(gaps) // 2)
    book: int | None = None
    for one in public.records:
        if isinstance(one, BookUpdate) and one.instrument == "BTC-USDT":
            assert one.snapshot or one.previous_id == book
            book = one.update_id
