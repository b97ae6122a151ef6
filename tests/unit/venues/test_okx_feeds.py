"""Every slower feed of a session against OKX's own side: what happens arrives, what is silent is asked for anew."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.venues.okx_market import NOW, RULES, SPOT, SWAP, Market, session
from tests.unit.venues.test_okx_session import Line
from warehouse.clock import DAY, HOUR, MINUTE, SECOND, Micros
from warehouse.records import (
    FundingRate,
    InstrumentStatus,
    InsuranceFund,
    Liquidation,
    MarkPrice,
    OpenInterest,
    Record,
    SequenceGap,
    Ticker,
    Trade,
    Undecodable,
    VenueNotice,
    VenueStatus,
)
from warehouse.venues.base import Fetch, Reconnect, Send
from warehouse.venues.okx.channels import STREAMS, Controls, patience
from warehouse.venues.okx.session import sessions

PERP, PAIR = "BTC-USDT-PERP", "BTC-USDT"
EVENT: Micros = NOW - SECOND // 2


def facts(instrument: str, at: Micros = EVENT) -> dict[str, object]:
    return {"venue": "okx", "instrument": instrument, "ts_event": at, "ts_recv": NOW}


MARK = MarkPrice(**facts(PERP), mark_price=91_261.37, index_price=None)  # type: ignore[arg-type]
INDEX = msgspec.structs.replace(MARK, mark_price=None, index_price=91_255.2)
FUNDING = FundingRate(
    **facts(PERP), funding_rate=-0.0000182, settled=False, interval_us=8 * HOUR, next_funding_at=NOW + HOUR,  # type: ignore[arg-type]
)  # fmt: skip
INTEREST = OpenInterest(**facts(PERP), open_interest=22_161.13, open_interest_quote=2_022_445_795.54)  # type: ignore[arg-type]
DAYS = [
    Ticker(
        **facts(rules.instrument), last_price=91_250.1, open=91_700.3, high=92_804.0, low=90_011.4,  # type: ignore[arg-type]
        volume=3310.5, quote_volume=302_140_058.5 if rules is SPOT else None,
    )
    for rules in RULES
]  # fmt: skip
FORCED = Liquidation(
    **facts(PERP), liquidated_side="long", price=90_817.4, size=0.0735, ticks=908_174, lots=735,  # type: ignore[arg-type]
    price_basis="bankruptcy", sampled=True,
)  # fmt: skip
SHORT = msgspec.structs.replace(FORCED, liquidated_side="short", lots=120, size=0.012)


def knowing() -> Market:
    """A market that knows what stands now."""
    market = Market()
    market.listed.marks = [msgspec.structs.replace(MARK, index_price=INDEX.index_price)]
    market.listed.funding_now = [FUNDING]
    market.listed.open_interest_now = [INTEREST]
    market.listed.insurance = [
        InsuranceFund(
            **facts("", NOW - DAY), pool=PAIR, asset="USDT", balance=1e6, balance_usd=999_000.5, origin="rest"  # type: ignore[arg-type]
        )
    ]  # fmt: skip
    return market


def line(market: Market, name: str = "okx.public", *streams: str) -> Line:
    joined = Line(session(name, *streams), market)
    joined.connect()
    return joined


def slower(joined: Line) -> list[Record]:
    kinds = (MarkPrice, FundingRate, OpenInterest, Ticker, Liquidation)
    return [one for one in joined.records if isinstance(one, kinds)]


def test_what_stands_is_told_to_a_new_subscriber() -> None:
    joined = line(knowing())
    assert slower(joined) == [MARK, INDEX, FUNDING, INTEREST]
    states = [(one.instrument, one.state, one.code) for one in joined.records if isinstance(one, InstrumentStatus)]
    assert states == [(PAIR, "trading", "live"), (PERP, "trading", "live")]
    assert joined.session.ready


@pytest.mark.parametrize(
    "event", [MARK, INDEX, FUNDING, INTEREST, *DAYS, FORCED, SHORT], ids=lambda one: repr(one)[:24]
)
def test_what_happens_arrives_as_it_happened(event: Record) -> None:
    joined = line(Market())
    joined.happen(event)
    assert slower(joined) == [event]


def test_an_index_and_a_mark_that_come_together_arrive_apart() -> None:
    joined = line(Market())
    joined.happen(msgspec.structs.replace(MARK, index_price=INDEX.index_price))
    assert slower(joined) == [MARK, INDEX]


def test_settled_rates_and_past_readings_are_no_pushes() -> None:
    joined = line(Market())
    joined.happen(msgspec.structs.replace(FUNDING, settled=True), msgspec.structs.replace(INTEREST, period_us=MINUTE))
    assert slower(joined) == []


def test_a_delisting_and_a_maintenance_arrive() -> None:
    joined = line(Market())
    ending = InstrumentStatus(
        **facts(PERP, NOW), state="halted", code="suspend", listed_at=SWAP.listed_at, delisting_at=NOW + DAY  # type: ignore[arg-type]
    )  # fmt: skip
    work = VenueStatus(**facts(""), state="announced", words="upgrade", from_ts=NOW + HOUR, to_ts=NOW + DAY)  # type: ignore[arg-type]
    joined.happen(ending, work)
    assert joined.records[-2] == ending
    told = joined.records[-1]
    assert told == msgspec.structs.replace(work, words="upgrade (scheduled, service 5)")
    late = line(joined.market)
    late.venue = joined.venue
    late.connect()
    assert told in late.records, "a later connection is told the latest maintenance"


def test_polls_check_the_streams_and_bring_what_has_none() -> None:
    market = knowing()
    joined = line(market)
    joined.records.clear()
    joined.commands.clear()
    joined.wait(60 * SECOND)
    asked = [one.tag for one in joined.commands if isinstance(one, Fetch)]
    counts = {tag: asked.count(tag) for tag in dict.fromkeys(asked)}
    assert counts == {
        "mark:BTC-USDT-SWAP": 7, f"index:{PERP}": 6, "funding:BTC-USDT-SWAP": 2, "open_interest:BTC-USDT-SWAP": 4,
        "insurance:BTC-USDT": 1, "status": 1,
    }  # fmt: skip
    polled = [one for one in joined.records if getattr(one, "origin", "") == "rest"]
    bare = {msgspec.structs.replace(one, ts_recv=NOW, origin="stream"): None for one in slower(joined) if one in polled}
    assert list(bare) == [MARK, INDEX, INTEREST, FUNDING]
    funds = [one for one in joined.records if isinstance(one, InsuranceFund)]
    assert [(one.pool, one.balance, one.balance_usd) for one in funds] == [(PAIR, 1e6, 999_000.5)]
    calm = [one for one in joined.records if isinstance(one, VenueStatus)]
    assert [(one.state, one.words) for one in calm] == [("ok", "no maintenance is announced")]
    assert not [one for one in joined.records if isinstance(one, VenueNotice | Undecodable) and "books" not in repr(one)
                and "bbo" not in repr(one) and "tickers" not in repr(one)]  # fmt: skip


def test_a_recorded_set_of_streams_asks_nothing_and_waits_for_nothing() -> None:
    joined = line(knowing(), "okx.public", "tickers", "mark-price")
    joined.commands.clear()
    joined.far.receive(b'{"op":"unsubscribe","args":[{"channel":"mark-price","instId":"BTC-USDT-SWAP"}]}', NOW)
    joined.wait(120 * SECOND, SECOND)
    assert {one.frame for one in joined.commands if isinstance(one, Send)} == {b"ping"}


def test_a_refused_poll_is_asked_again_later_each_time() -> None:
    joined = line(knowing())
    joined.offline = True
    joined.commands.clear()
    joined.wait(200 * SECOND, SECOND)
    asked = [one.tag for one in joined.commands if isinstance(one, Fetch)]
    assert asked.count("mark:BTC-USDT-SWAP") == 4
    assert not [one for one in joined.records if isinstance(one, Undecodable)]


def test_an_unreadable_answer_is_one_undecodable_and_an_unknown_one_nothing() -> None:
    one = session("okx.public")
    one.connected(NOW)
    fetch = next(each for each in one.tick(NOW + SECOND) if isinstance(each, Fetch))
    (told,) = one.answer(fetch, 200, b'{"code":"0","data":[{"markPx":"-1","ts":"1"}]}', NOW + SECOND)
    assert isinstance(told, Undecodable)
    assert fetch.path in told.why
    assert not one.answer(msgspec.structs.replace(fetch, tag="other"), 200, b"{}", NOW + SECOND)
    assert not one.answer(fetch, 200, b'{"code":"50011","msg":"Too Many Requests","data":[]}', NOW + SECOND)


def test_a_block_trade_is_a_trade_of_its_own_and_leaves_the_tape_alone() -> None:
    joined = line(Market(), "okx.business")
    before, block, after = joined.market.trade(SWAP, 3)
    block = msgspec.structs.replace(
        block, trade_id="block-633971452580106242", trade_seq=None, kind="block", price=91_250.04, ticks=912_500,
        ts_event=NOW - 15 * MINUTE,
    )  # fmt: skip
    after = msgspec.structs.replace(after, trade_id="5001", trade_seq=5001)
    joined.happen(before, block, after)
    got = [one for one in joined.records if isinstance(one, Trade)]
    assert got == [msgspec.structs.replace(one, ts_recv=joined.market.at) for one in (before, block, after)]
    assert not [one for one in joined.records if isinstance(one, SequenceGap)]


def quiet(joined: Line) -> list[str]:
    return [one.words for one in joined.records if isinstance(one, VenueNotice) and one.code == "silent"]


def test_one_silent_stream_is_subscribed_anew_and_no_other() -> None:
    joined = line(knowing())
    joined.far.receive(b'{"op":"unsubscribe","args":[{"channel":"mark-price","instId":"BTC-USDT-SWAP"}]}', NOW)
    joined.commands.clear()
    joined.records.clear()
    joined.wait(9 * SECOND)
    assert quiet(joined) == []
    joined.wait(7 * SECOND)
    assert [words for words in quiet(joined) if "mark" in words] == ["mark-price BTC-USDT-SWAP: nothing for 15 s"]
    frames = [one.frame for one in joined.commands if isinstance(one, Send) and b"mark" in one.frame]
    arg = b'"args":[{"channel":"mark-price","instId":"BTC-USDT-SWAP"}]}'
    assert frames == [b'{"op":"unsubscribe",' + arg, b'{"op":"subscribe",' + arg]
    assert [one.origin for one in joined.records if isinstance(one, MarkPrice)][-1] == "stream"
    joined.wait(60 * SECOND)
    assert len([words for words in quiet(joined) if "mark" in words]) == 1, "it speaks again"


def test_a_stream_that_stays_silent_ends_the_connection() -> None:
    market = Market()
    joined = line(market, "okx.business")
    for _ in range(240):
        joined.market.at += SECOND
        joined.hear(joined.far.event(market.trade(SPOT, 1, 0)[0], market.at))
        joined.obey(joined.session.tick(market.at))
        if any(isinstance(one, Reconnect) for one in joined.commands):
            break
    ends = [one.why for one in joined.commands if isinstance(one, Reconnect)]
    assert ends == ["trades-all BTC-USDT-SWAP: nothing for 31 s"]
    assert [words for words in quiet(joined) if "BTC-USDT:" in words and "trades" in words] == []


def test_a_silent_book_is_invalid_and_resynced_with_a_notice() -> None:
    joined = line(knowing())
    joined.far.receive(b'{"op":"unsubscribe","args":[{"channel":"books","instId":"BTC-USDT"}]}', NOW)
    joined.wait(80 * SECOND, SECOND)
    assert "books BTC-USDT: nothing for 76 s" in quiet(joined)
    rows = [one for one in joined.records if isinstance(one, SequenceGap) and one.instrument == PAIR]
    assert [(one.cause, one.state) for one in rows] == [("silent", "open"), ("silent", "repaired")]


def test_the_hour_of_a_connection_has_room_for_so_many_control_messages() -> None:
    controls = Controls()
    assert all(controls.spend(1, NOW + at * SECOND) for at in range(Controls.LIMIT))
    assert not controls.spend(1, NOW + Controls.LIMIT * SECOND)
    assert controls.spend(1, NOW + HOUR), "the first of them is an hour old"
    assert Controls.LIMIT < 480


def test_a_feed_that_okx_does_not_serve_is_done_without_and_a_book_is_not() -> None:
    for refused, ready in (("open-interest", True), ("books", False)):
        joined = Line(session("okx.public"), knowing())
        joined.far = joined.venue.connect("ws", joined.session.path, {}, NOW)
        joined.far.channels = tuple(channel for channel in joined.far.channels if channel != refused)
        joined.obey(joined.session.connected(NOW))
        assert not joined.session.ready
        joined.wait(200 * SECOND, SECOND)
        assert joined.session.ready == ready
        notices = [one for one in joined.records if isinstance(one, VenueNotice) and one.code == "unavailable"]
        words = [one.words for one in notices]
        assert words == (["open-interest BTC-USDT-SWAP: never acknowledged"] if ready else [])
        assert not [one for one in joined.commands if isinstance(one, Reconnect) and "open-interest" in one.why]


def test_quiet_streams_leave_half_of_the_hour_to_books_that_break() -> None:
    joined = line(knowing())
    joined.session.controls.sent = [NOW] * (Controls.FOR_QUIET - 1)
    joined.commands.clear()
    joined.wait(12 * SECOND)
    assert len(quiet(joined)) == 2, "best quotes that nobody moves"
    assert not [one for one in joined.commands if isinstance(one, Send | Reconnect)]
    joined.market.update(SPOT)
    joined.happen(joined.market.update(SPOT))
    assert len([one for one in joined.commands if isinstance(one, Send)]) == 2


def test_how_long_a_channel_may_be_quiet_follows_how_often_okx_pushes_it() -> None:
    coin = msgspec.structs.replace(SPOT, instrument="BNB-USDT", symbol="BNB-USDT")
    seconds = {channel: (patience(channel, [SWAP]), patience(channel, [coin])) for channel in STREAMS}
    assert {channel: (a // SECOND, b // SECOND) for channel, (a, b) in seconds.items() if a and b} == {
        "bbo-tbt": (10, 30), "books": (75, 75), "tickers": (60, 60), "mark-price": (15, 15), "index-tickers": (75, 75),
        "funding-rate": (180, 180), "open-interest": (30, 30), "trades-all": (30, 60), "candle1m": (70, 70),
    }  # fmt: skip
    never = [channel for channel, pair in seconds.items() if pair == (None, None)]
    assert never == ["liquidation-orders", "instruments", "status", "public-block-trades"]


def test_a_book_that_never_stays_whole_costs_the_connection_and_not_the_budget() -> None:
    joined = line(knowing())
    joined.session.controls.sent = [NOW] * (Controls.LIMIT - 1)
    joined.commands.clear()
    joined.market.update(SPOT)
    joined.happen(joined.market.update(SPOT))
    ends = [one for one in joined.commands if isinstance(one, Reconnect)]
    assert [one.why for one in ends] == [f"the {Controls.LIMIT} control messages of this hour are used up"]
    assert not [one for one in joined.commands if isinstance(one, Send)]


def test_books_are_spread_over_connections_and_the_whole_market_is_heard_once() -> None:
    rules = [
        msgspec.structs.replace(each, instrument=f"{base}-{each.instrument[4:]}", symbol=f"{base}-{each.symbol[4:]}")
        for base in (f"C{at}" for at in range(30))
        for each in RULES
    ]
    found = sessions(rules)
    assert [one.name for one in found] == ["okx.public", "okx.public.2", "okx.public.3", "okx.business"]
    assert [len(one.books.streams) for one in found] == [25, 25, 10, 0]
    whole = [arg for one in found for arg in one.args if arg[0] in ("liquidation-orders", "instruments", "status")]
    assert whole == [("liquidation-orders", "SWAP"), ("instruments", "SPOT"), ("instruments", "SWAP"), ("status", "")]
    assert len({arg for one in found for arg in one.args}) == sum(len(one.args) for one in found)
    far = "C29-USDT-SWAP"
    frame = b'{"arg":{"channel":"liquidation-orders","instType":"SWAP"},"data":[{"details":[%b],"instId":"%b"}]}'
    detail = b'{"bkPx":"90817.4","posSide":"long","side":"sell","sz":"7.35","ts":"1763733605500"}'
    (one,) = found[0].receive(frame % (detail, far.encode()), NOW)
    assert isinstance(one, Liquidation)
    assert one.instrument == "C29-USDT-PERP"


def test_state_with_silence_and_polls_goes_through_json_and_continues_the_same() -> None:
    joined = line(knowing())
    joined.wait(12 * SECOND)
    twin = session("okx.public")
    twin.restore(msgspec.json.decode(msgspec.json.encode(joined.session.state())))
    assert twin.state() == joined.session.state()
    for at in range(joined.market.at, joined.market.at + 100 * SECOND, SECOND):
        assert list(twin.tick(at)) == list(joined.session.tick(at))
    assert twin.state() == joined.session.state()


@given(st.data())
def test_no_answer_to_a_poll_makes_a_session_raise(data: st.DataObject) -> None:
    joined = Line(session("okx.public"), knowing())
    one = joined.session
    one.connected(NOW)
    asked = [each for at in range(61) for each in one.tick(NOW + at * SECOND) if isinstance(each, Fetch)]
    fetch = data.draw(st.sampled_from([each for each in asked if each.purpose != "book"]))
    body = bytearray(joined.venue.rest(fetch.base, fetch.path, fetch.query, NOW).body)
    for _ in range(data.draw(st.integers(0, 3))):
        at = data.draw(st.integers(0, len(body) - 1))
        body[at : at + data.draw(st.integers(0, 5))] = data.draw(st.binary(max_size=4))
        body = body or bytearray(b" ")
    for output in one.answer(fetch, 200, bytes(body), NOW):
        assert isinstance(output, Record)
        assert isinstance(output, Undecodable) or getattr(output, "origin", None) == "rest"
