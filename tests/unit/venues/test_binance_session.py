"""A Binance session against the venue's own side: subscriptions, books, trade ids, and what goes wrong with each."""

from __future__ import annotations

from itertools import pairwise

import msgspec
import pytest

from tests.unit.venues.binance_market import PERP, SPOT, START, ListedMarket, Wire, candle, trade, update
from warehouse.clock import HOUR, MINUTE, SECOND
from warehouse.instruments import Rules
from warehouse.records import (
    BestQuote,
    BookInvalid,
    BookUpdate,
    Candle,
    Connected,
    Disconnected,
    SequenceGap,
    Trade,
    Undecodable,
    VenueNotice,
)
from warehouse.venues.base import Dialect, Send, Succeed
from warehouse.venues.binance import emulated
from warehouse.venues.binance.session import BinanceSession, sessions


def open_wire(rules: Rules = SPOT, index: int = 0, dialect: Dialect | None = None) -> Wire:
    market = ListedMarket(rules)
    found = sessions([rules], dialect) if dialect else sessions([rules])
    return Wire(found[index], emulated(market), market)


def ids(wire: Wire) -> list[int]:
    return [int(r.trade_id) for r in wire.records if isinstance(r, Trade)]


def gaps(wire: Wire, stream: str) -> list[tuple[str, int | None, int | None]]:
    return [(r.state, r.from_id, r.to_id) for r in wire.records if isinstance(r, SequenceGap) and r.stream == stream]


def test_a_session_exists_only_for_a_market_with_rules() -> None:
    assert [s.name for s in sessions([SPOT])] == ["binance.spot"]
    assert [(s.name, s.base, s.path) for s in sessions([PERP])] == [
        ("binance.perp.public", "ws_perp", "/public/stream"),
        ("binance.perp.market", "ws_perp", "/market/stream"),
    ]
    assert sessions([]) == []


def test_each_futures_stream_is_asked_for_on_its_own_root() -> None:
    public, market = sessions([PERP])
    assert public.streams == ("btcusdt@bookTicker", "btcusdt@depth@100ms")
    assert market.streams == (
        "btcusdt@aggTrade",
        "btcusdt@kline_1m",
        "btcusdt@ticker",
        "btcusdt@markPrice@1s",
        "btcusdt@forceOrder",
        "!contractInfo",
    )


def test_a_dialect_names_the_streams_of_both_markets() -> None:
    tape = Dialect(streams=("trade", "depth@0ms", "depth@100ms", "bookTicker"))
    spot, public = sessions([SPOT, PERP], tape)
    assert spot.streams == ("btcusdt@trade", "btcusdt@depth@100ms", "btcusdt@bookTicker")
    assert public.streams == ("btcusdt@trade", "btcusdt@depth@0ms", "btcusdt@bookTicker")


def test_ready_waits_for_the_acknowledgement() -> None:
    (session,) = sessions([SPOT])
    send, up = session.connected(START)
    assert isinstance(send, Send)
    assert isinstance(up, Connected)
    assert msgspec.json.decode(send.frame) == {"method": "SUBSCRIBE", "params": list(session.streams), "id": 1}
    assert not session.ready
    assert session.receive(b'{"result":null,"id":1}', START) == []
    assert session.ready


def test_many_streams_are_asked_for_in_portions_and_at_the_venues_pace() -> None:
    rules = [msgspec.structs.replace(SPOT, instrument=f"C{n}-USDT", symbol=f"C{n}USDT") for n in range(60)]
    (session,) = sessions(rules, Dialect(streams=("aggTrade", "bookTicker", "depth@100ms", "kline_1m")))
    sends = [o for o in session.connected(START) if isinstance(o, Send)]
    assert session.tick(START + SECOND // 10) == []
    sends += [o for o in session.tick(START + SECOND) if isinstance(o, Send)]
    assert [len(msgspec.json.decode(send.frame)["params"]) for send in sends] == [200, 40]
    session.receive(b'{"result":null,"id":1}', START)
    assert not session.ready
    session.receive(b'{"result":null,"id":2}', START)
    assert session.ready


@pytest.mark.parametrize(
    "frame",
    [b'{"error":{"code":2,"msg":"no"},"id":1}', b'{"code":2,"msg":"no"}', b'{"id":1,"code":2,"msg":"no"}'],
)
def test_a_refused_subscription_is_told_and_tried_again(frame: bytes) -> None:
    (session,) = sessions([SPOT])
    session.connected(START)
    (notice,) = session.receive(frame, START)
    assert isinstance(notice, VenueNotice)
    assert (notice.code, notice.words) == ("2", "no")
    assert not session.ready
    assert not any(isinstance(o, Send) for o in session.tick(START + 10 * SECOND))
    assert any(isinstance(o, Send) for o in session.tick(START + 31 * SECOND))


def test_silence_age_and_a_missing_acknowledgement_end_a_connection_once() -> None:
    (session,) = sessions([SPOT])
    session.connected(START)
    assert "acknowledged" in str(session.tick(START + 20 * SECOND))
    assert session.tick(START + 21 * SECOND) == []
    wire = open_wire()
    wire.wait(MINUTE + SECOND)
    assert wire.reconnects == ["nothing received for 60 s"]
    wire = open_wire()
    wire.market.at += 23 * HOUR + MINUTE
    wire.publish(candle(SPOT, START))
    found = wire.session.tick(wire.market.at)
    assert [one for one in found if isinstance(one, Succeed)] == [Succeed("the venue ends connections after 24 h")]


def test_a_shutdown_notice_is_a_record_and_a_reason_for_an_heir() -> None:
    session = open_wire().session
    for frame in (
        b'{"stream":"!serverShutdown","data":{"e":"serverShutdown","E":1}}',
        b'{"e":"serverShutdown","E":1770123456789}',
    ):
        notice, wish = session.receive(frame, START)
        assert isinstance(notice, VenueNotice)
        assert (notice.code, type(wish)) == ("serverShutdown", Succeed)


def test_trades_arrive_once_and_in_order() -> None:
    wire = open_wire()
    for number in (7, 8, 8, 7, 9):
        wire.publish(trade(SPOT, number, START))
    assert ids(wire) == [7, 8, 9]
    assert wire.pending == []


@pytest.mark.parametrize(("rules", "index"), [(SPOT, 0), (PERP, 1)])
def test_missing_trades_are_fetched_by_id_while_later_ones_wait(rules: Rules, index: int) -> None:
    wire = open_wire(rules, index)
    chain = [trade(rules, n, START + n * 1000) for n in range(100)]
    wire.market.all_trades[rules.instrument] = chain
    for number in (10, 11, 15, 16):
        wire.publish(chain[number])
    assert ids(wire) == [10, 11]
    (fetch,) = wire.pending
    assert (fetch.query["fromId"], fetch.query["limit"]) == ("12", "3")
    wire.answer()
    assert ids(wire) == [10, 11, 12, 13, 14, 15, 16]
    assert gaps(wire, "trades") == [("open", 12, 14), ("repaired", 12, 14)]
    opened, closed = [r for r in wire.records if isinstance(r, SequenceGap)]
    assert opened.opened_at == closed.opened_at
    assert [r.origin for r in wire.records if isinstance(r, Trade)] == ["stream"] * 2 + ["rest"] * 3 + ["stream"] * 2
    restored = [r for r in wire.records if isinstance(r, Trade)][2]
    assert msgspec.structs.replace(restored, origin="stream", ts_recv=chain[12].ts_recv) == chain[12]


def test_a_second_hole_behind_the_first_is_repaired_too() -> None:
    wire = open_wire()
    chain = [trade(SPOT, n, START + n) for n in range(20)]
    wire.market.all_trades[SPOT.instrument] = chain
    for number in (1, 4, 5, 9):
        wire.publish(chain[number])
    wire.answer()
    assert ids(wire) == [1, 2, 3, 4, 5, 6, 7, 8, 9]
    assert [state for state, _, _ in gaps(wire, "trades")] == ["open", "repaired", "open", "repaired"]


def test_a_hole_is_repaired_page_by_page() -> None:
    wire = open_wire()
    chain = [trade(SPOT, n, START + n) for n in range(3000)]
    wire.market.all_trades[SPOT.instrument] = chain
    wire.publish(chain[0])
    wire.publish(chain[2500])
    wire.answer()
    assert ids(wire) == list(range(2501))


def test_repair_waits_and_tries_again_when_the_venue_is_busy() -> None:
    wire = open_wire()
    chain = [trade(SPOT, n, START) for n in range(10)]
    wire.market.all_trades[SPOT.instrument] = chain
    wire.publish(chain[1])
    wire.publish(chain[4])
    fetch = wire.pending.pop()
    wire.take(wire.session.answer(fetch, 429, b"{}", wire.market.at))
    assert wire.pending == []
    wire.wait()
    fetch = wire.pending.pop()
    wire.take(wire.session.answer(fetch, 0, b"no reply", wire.market.at))
    wire.wait(2 * SECOND)
    wire.answer()
    assert ids(wire) == [1, 2, 3, 4]
    assert [r.attempts for r in wire.records if isinstance(r, SequenceGap)] == [0, 2]


@pytest.mark.parametrize(
    ("status", "body"),
    [(400, b'{"code":-1121,"msg":"Invalid symbol."}'), (401, b'{"code":-2014,"msg":"API-key"}'), (200, b"<html>")],
)
def test_what_the_venue_refuses_is_given_up_and_the_held_trades_go_out(status: int, body: bytes) -> None:
    wire = open_wire()
    for number in (1, 4, 5):
        wire.publish(trade(SPOT, number, START))
    wire.take(wire.session.answer(wire.pending.pop(), status, body, START))
    assert ids(wire) == [1, 4, 5]
    assert gaps(wire, "trades")[-1] == ("unrecoverable", 2, 3)
    wire.publish(trade(SPOT, 6, START))
    assert ids(wire)[-1] == 6


def test_ids_the_venue_no_longer_serves_are_unrecoverable_with_the_reason() -> None:
    wire = open_wire()
    wire.market.all_trades[SPOT.instrument] = [trade(SPOT, n, START) for n in range(5, 20)]
    wire.publish(trade(SPOT, 1, START))
    wire.publish(trade(SPOT, 8, START))
    wire.answer()
    for _ in range(2):
        assert ids(wire) == [1], "a page may lack something by mistake"
        wire.wait(3 * SECOND)
        wire.answer()
    last = [r for r in wire.records if isinstance(r, SequenceGap)][-1]
    assert (last.state, last.reason) == ("unrecoverable", "the venue serves no trades 2..4")
    assert ids(wire) == [1, 8]


def test_a_page_that_lacks_trades_is_asked_for_again() -> None:
    wire = open_wire()
    chain = [trade(SPOT, n, START + n) for n in range(10)]
    wire.market.all_trades[SPOT.instrument] = [*chain[:3], *chain[5:]]
    wire.publish(chain[1])
    wire.publish(chain[8])
    wire.answer()
    wire.market.all_trades[SPOT.instrument] = chain
    wire.wait()
    wire.answer()
    assert ids(wire) == list(range(1, 9))
    assert [state for state, _, _ in gaps(wire, "trades")] == ["open", "repaired"]


def test_a_hole_too_long_to_repair_beside_the_stream_is_left_to_the_backfill() -> None:
    wire = open_wire(PERP, 1)
    wire.publish(trade(PERP, 1, START))
    wire.publish(trade(PERP, 2_000_000, START))
    assert wire.pending == []
    assert [state for state, _, _ in gaps(wire, "trades")] == ["open", "unrecoverable"]
    assert ids(wire) == [1, 2_000_000]


def test_the_first_trade_after_a_reconnect_or_restart_reveals_what_was_missed() -> None:
    wire = open_wire()
    wire.publish(trade(SPOT, 5, START))
    wire.take(wire.session.disconnected(START, "reset by peer"))
    market = wire.market
    market.all_trades[SPOT.instrument] = [trade(SPOT, n, START) for n in range(20)]
    (fresh,) = sessions([SPOT])
    fresh.restore(msgspec.json.decode(msgspec.json.encode(wire.session.state())))
    again = Wire(fresh, wire.venue, market)
    again.publish(trade(SPOT, 9, START))
    again.answer()
    assert ids(again) == [6, 7, 8, 9]
    assert [r.cause for r in again.records if isinstance(r, SequenceGap)] == ["disconnected"] * 2


@pytest.mark.parametrize("told", [False, True])
def test_a_restarted_process_asks_again_for_what_it_had_asked(told: bool) -> None:
    """`told`: the end of the connection is an entry of its own, as a worker writes it when it begins."""
    wire = open_wire()
    chain = [trade(SPOT, n, START) for n in range(9)]
    wire.market.all_trades[SPOT.instrument] = chain
    wire.publish(chain[1])
    wire.publish(chain[4])
    (fresh,) = sessions([SPOT])
    fresh.restore(msgspec.json.decode(msgspec.json.encode(wire.session.state())))
    if told:
        fresh.disconnected(START, "worker restarted")
    again = Wire(fresh, wire.venue, wire.market)
    again.wait()
    again.answer()
    assert ids(again) == [2, 3, 4]
    repaired = next(gap for gap in again.records if isinstance(gap, SequenceGap) and gap.state == "repaired")
    assert repaired.attempts == 0


def test_ids_that_begin_anew_do_not_silence_the_stream() -> None:
    wire = open_wire()
    wire.publish(trade(SPOT, 500, START))
    wire.publish(trade(SPOT, 3, START + MINUTE))
    wire.publish(trade(SPOT, 4, START + MINUTE))
    assert ids(wire) == [500, 3, 4]


def test_an_off_market_print_keeps_the_chain_and_one_without_price_leaves_a_legitimate_gap() -> None:
    wire = open_wire(PERP, 0, Dialect(streams=("trade",)))
    frame = (
        '{{"stream":"btcusdt@trade","data":{{"e":"trade","E":1,"T":1,"s":"BTCUSDT",'
        '"t":{},"p":"{}","q":"{}","X":"{}","m":true}}}}'
    )
    for number, price, size, kind in (
        (1, "60000.1", "0.001", "MARKET"),
        (2, "60000.2", "0.001", "INSURANCE_FUND"),
        (3, "0", "0", "NA"),
        (4, "60000.1", "0.001", "MARKET"),
    ):
        wire.take(wire.session.receive(frame.format(number, price, size, kind).encode(), START))
    assert [r.kind for r in wire.records if isinstance(r, Trade)] == ["market", "off_market", "market"]
    assert gaps(wire, "trades") == [("legitimate", 3, 3)]
    assert wire.pending == []


@pytest.mark.parametrize(("rules", "step"), [(SPOT, 3), (PERP, 90)])
def test_a_book_is_proven_by_its_snapshot_and_then_chains(rules: Rules, step: int) -> None:
    wire = open_wire(rules)
    first = 1000
    for number in range(4):
        wire.publish(update(rules, first + number * step, first + (number + 1) * step, START))
    (fetch,) = wire.pending
    assert (fetch.purpose, fetch.query["limit"]) == ("book", "1000")
    wire.market.update_id = first + step + 1  # inside the second event
    wire.answer()
    book = [r for r in wire.records if isinstance(r, BookUpdate)]
    assert [b.snapshot for b in book] == [True, False, False, False]
    assert book[0].bids[0] == (60_000.0, 2.0)
    for before, after in pairwise(book):
        assert after.previous_id == before.update_id
    wire.publish(update(rules, first + 4 * step, first + 5 * step, START))
    assert wire.records[-1].update_id == first + 5 * step  # type: ignore[attr-defined]


@pytest.mark.parametrize("rules", [SPOT, PERP])
def test_a_snapshot_older_than_the_stream_is_asked_for_again(rules: Rules) -> None:
    wire = open_wire(rules)
    wire.publish(update(rules, 2000, 2010, START))
    wire.market.update_id = 1500
    wire.answer()
    assert not any(isinstance(r, BookUpdate) for r in wire.records)
    wire.publish(update(rules, 2010, 2020, START))
    wire.market.update_id = 2015
    wire.wait()
    wire.answer()
    assert [r.update_id for r in wire.records if isinstance(r, BookUpdate)] == [2015, 2020]


@pytest.mark.parametrize("rules", [SPOT, PERP])
def test_a_break_invalidates_the_book_until_a_new_snapshot(rules: Rules) -> None:
    wire = open_wire(rules)
    wire.market.update_id = 1005
    wire.publish(update(rules, 1000, 1010, START))
    wire.answer()
    wire.market.at += MINUTE
    wire.publish(update(rules, 1020, 1030, START))
    assert isinstance(wire.records[-1], BookInvalid)
    wire.market.update_id = 1025
    wire.answer()
    assert [(state, first) for state, first, _ in gaps(wire, "depth")] == [("open", 1011), ("repaired", 1011)]
    assert [r.update_id for r in wire.records if isinstance(r, BookUpdate)] == [1005, 1010, 1025, 1030]


@pytest.mark.parametrize("rules", [SPOT, PERP])
def test_a_book_is_renewed_while_it_goes_on(rules: Rules) -> None:
    wire = open_wire(rules)
    wire.market.update_id = 1005
    wire.publish(update(rules, 1000, 1010, START))
    wire.answer()
    assert wire.session.renew(rules.instrument, wire.market.at) == []  # it has just been taken
    wire.market.at += MINUTE
    wire.take(wire.session.renew(rules.instrument, wire.market.at))
    assert wire.session.renew(rules.instrument, wire.market.at) == []  # one is under way
    for first in (1010, 1020, 1030):
        wire.publish(update(rules, first, first + 10, START))
    wire.market.update_id = 1005  # older than what was kept: no use, and no harm
    wire.answer()
    wire.publish(update(rules, 1040, 1050, START))
    assert [r.update_id for r in wire.records if isinstance(r, BookUpdate)] == [1005, 1010, 1020, 1030, 1040, 1050]
    wire.wait()
    wire.publish(update(rules, 1050, 1060, START))
    wire.market.update_id = 1055
    twin = sessions([rules])[0]
    twin.restore(msgspec.json.decode(msgspec.json.encode(wire.session.state())))
    assert twin.state() == wire.session.state()
    wire.answer()
    wire.publish(update(rules, 1060, 1070, START))
    taken = [r for r in wire.records if isinstance(r, BookUpdate)][6:]
    assert [(r.update_id, r.snapshot) for r in taken] == [(1060, False), (1055, True), (1060, False), (1070, False)]
    assert not any(isinstance(r, SequenceGap | BookInvalid) for r in wire.records)


def test_a_book_that_breaks_at_once_waits_before_it_asks_again() -> None:
    wire = open_wire()
    wire.market.update_id = 1005
    wire.publish(update(SPOT, 1000, 1010, START))
    wire.answer()
    wire.publish(update(SPOT, 1020, 1030, START))
    assert wire.pending == []
    wire.wait()
    assert len(wire.pending) == 1


def test_one_instruments_resync_never_touches_another() -> None:
    other = msgspec.structs.replace(SPOT, instrument="ETH-USDT", symbol="ETHUSDT")
    market = ListedMarket(SPOT, other)
    (session,) = sessions([SPOT, other])
    wire = Wire(session, emulated(market), market)
    for rules in (SPOT, other):
        wire.publish(update(rules, 999, 1010, START))
    wire.answer()
    wire.records.clear()
    wire.publish(update(SPOT, 1020, 1030, START))
    wire.publish(update(other, 1010, 1020, START))
    assert {r.instrument for r in wire.records if isinstance(r, BookInvalid | SequenceGap)} == {"BTC-USDT"}
    assert isinstance(wire.records[-1], BookUpdate)


def test_a_lost_connection_invalidates_its_books() -> None:
    wire = open_wire()
    wire.market.update_id = 1005
    wire.publish(update(SPOT, 1000, 1010, START))
    wire.answer()
    wire.take(wire.session.disconnected(START, "reset by peer"))
    assert [type(r) for r in wire.records[-3:]] == [Disconnected, SequenceGap, BookInvalid]
    assert not wire.session.ready


def test_a_replay_may_begin_at_any_state() -> None:
    """Whatever is under way (a hole, a buffer, a subscription), restored state goes on to the same outputs."""
    wire = open_wire()
    wire.publish(trade(SPOT, 1, START))
    wire.publish(trade(SPOT, 4, START))
    wire.publish(update(SPOT, 1000, 1010, START))
    state = msgspec.json.decode(msgspec.json.encode(wire.session.state()))
    (twin,) = sessions([SPOT])
    twin.restore(state)
    assert twin.state() == wire.session.state()
    wire.market.all_trades[SPOT.instrument] = [trade(SPOT, n, START) for n in range(9)]
    wire.market.update_id = 1003
    for fetch in wire.pending:
        reply = wire.venue.rest(fetch.base, fetch.path, fetch.query, START)
        given = [s.answer(fetch, reply.status, reply.body, START) for s in (wire.session, twin)]
        assert given[0] == given[1]
        assert given[0]
    assert twin.state() == wire.session.state()


def test_best_quotes_and_candles_keep_the_venues_numbers() -> None:
    wire = open_wire(PERP)
    quote = BestQuote(
        venue="binance",
        instrument=PERP.instrument,
        ts_event=START,
        ts_recv=START,
        best_bid=60_000.1,
        best_bid_size=1.5,
        best_ask=60_000.2,
        best_ask_size=0.002,
        update_id=9,
    )
    wire.publish(quote)
    assert wire.records[-1] == quote
    wire = open_wire(PERP, 1)
    bar = candle(PERP, START)
    wire.publish(bar)
    heard = wire.records[-1]
    assert isinstance(heard, Candle)
    assert msgspec.structs.replace(heard, ts_event=bar.ts_event, ts_recv=bar.ts_recv) == bar


def test_a_stream_on_the_wrong_root_is_acknowledged_and_silent() -> None:
    market = ListedMarket(PERP)
    connection = emulated(market).connect("ws_perp", "/public/stream", {}, START)
    (ack,) = connection.receive(b'{"method":"SUBSCRIBE","params":["btcusdt@aggTrade"],"id":5}', START)
    assert msgspec.json.decode(ack) == {"result": None, "id": 5}
    assert connection.event(trade(PERP, 1, START), START) == []
    assert connection.streams == []


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"[]",
        b"null",
        b"{}",
        b'{"stream":"btcusdt@aggTrade","data":{}}',
        b'{"stream":"dogeusdt@aggTrade","data":{"a":1}}',
        b'{"stream":"btcusdt@aggTrade","data":{"a":1,"p":"nan","q":"1","f":1,"l":1,"T":1,"m":true}}',
        b'{"stream":"btcusdt@aggTrade","data":{"a":1,"p":"0","q":"1","f":1,"l":1,"T":1,"m":true}}',
        b'{"stream":"btcusdt@aggTrade","data":{"a":1,"p":"inf","q":"1","f":1,"l":1,"T":1,"m":true}}',
        b'{"stream":"btcusdt@aggTrade","data":{"a":1,"p":"60000.001","q":"1","f":1,"l":1,"T":1,"m":true}}',
        b'{"stream":"btcusdt@bookTicker","data":{"u":1,"b":"0","B":"1","a":"2","A":"1"}}',
        b'{"stream":"btcusdt@depth@100ms","data":{"E":1,"U":1,"u":2,"b":[["nan","1"]],"a":[]}}',
    ],
)
def test_what_cannot_be_read_is_a_record_and_never_an_exception(frame: bytes) -> None:
    session: BinanceSession = open_wire().session
    (record,) = session.receive(frame, START)
    assert isinstance(record, Undecodable)
    assert record.connection == "binance.spot"


def test_keys_in_another_order_are_read_all_the_same() -> None:
    wire = open_wire()
    frame = b'{"data":{"T":1,"a":7,"p":"60000.01","q":"0.5","f":1,"l":2,"m":false},"stream":"btcusdt@aggTrade"}'
    wire.take(wire.session.receive(frame, START))
    assert ids(wire) == [7]
