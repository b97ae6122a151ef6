"""The session against the venue's own side: in step from the start, and again after everything that can break."""

from __future__ import annotations

import msgspec
import pytest

from tests.unit.venues.bybit_market import ETH, NOW, PERP, RULES, SPOT, Client, Market, only, session
from tests.unit.venues.test_bybit_golden import remembered
from warehouse.book import Book
from warehouse.clock import SECOND
from warehouse.instruments import Rules
from warehouse.records import (
    BestQuote,
    BookInvalid,
    BookUpdate,
    Candle,
    Connected,
    Disconnected,
    Record,
    SequenceGap,
    Trade,
    Undecodable,
    VenueNotice,
)
from warehouse.venues.base import Dialect, Fetch
from warehouse.venues.bybit import NAME, sessions
from warehouse.venues.bybit.executions import ATTEMPTS
from warehouse.venues.bybit.ring import RING, Ring
from warehouse.venues.bybit.spelling import execution_id


def client(market_name: str = "perp", *streams: str) -> Client:
    """A connected client whose instruments have all joined their trades."""
    one = Client(session(market_name, *streams), Market())
    one.connect()
    one.pass_time(3 * SECOND)
    return one


def trades(records: list[Record]) -> list[Trade]:
    return [record for record in records if isinstance(record, Trade)]


def gaps(records: list[Record], stream: str) -> list[SequenceGap]:
    return [record for record in records if isinstance(record, SequenceGap) and record.stream == stream]


def ids(happened: list[Trade], rules: Rules) -> list[str]:
    return [execution_id(trade, rules.market) for trade in happened]


def test_only_markets_with_rules_have_a_session() -> None:
    assert [one.name for one in sessions(RULES)] == ["bybit.spot", "bybit.perp", "bybit.status"]
    assert [one.name for one in sessions([PERP])] == ["bybit.perp", "bybit.status"]
    assert [one.name for one in sessions(RULES, Dialect(streams=("tickers",)))] == ["bybit.spot", "bybit.perp"]
    assert sessions([]) == []
    assert [(one.base, one.path) for one in sessions(RULES)] == [
        ("ws_spot", "/v5/public/spot"),
        ("ws_perp", "/v5/public/linear"),
        ("ws_status", "/v5/public/misc/status"),
    ]
    assert NAME == "bybit"


def test_spot_asks_for_at_most_ten_topics_at_once() -> None:
    rules = [msgspec.structs.replace(SPOT, instrument=f"C{n}-USDT", symbol=f"C{n}USDT") for n in range(5)]
    one, _ = sessions(rules)
    sent = [msgspec.json.decode(out.frame)["args"] for out in one.connected(NOW) if hasattr(out, "frame")]
    assert [len(args) for args in sent] == [10, 10, 5]


def test_ready_when_every_topic_is_acknowledged() -> None:
    one = Client(session("perp"), Market())
    assert not one.session.ready
    one.connect()
    assert one.session.ready
    assert [record.connection for record in one.records if isinstance(record, Connected)] == ["bybit.perp"]
    assert list(one.side.streams) == [
        f"{stream}.{rules.symbol}"
        for stream in ("publicTrade", "orderbook.1", "orderbook.200", "kline.1", "tickers", "allLiquidation")
        for rules in (PERP, ETH)
    ] + ["insurance.USDT"]
    one.disconnect()
    assert not one.session.ready


def test_a_dialect_restricts_the_streams() -> None:
    one = session("spot", "orderbook.50", "nonsense", "kline.60")
    args = [
        topic for out in one.connected(NOW) if hasattr(out, "frame") for topic in msgspec.json.decode(out.frame)["args"]
    ]
    assert args == ["orderbook.50.BTCUSDT", "kline.60.BTCUSDT"]
    assert sessions([SPOT], Dialect(streams=()))[0].connected(NOW)[1:] == []


def test_a_refused_batch_is_asked_for_one_by_one_and_the_bad_topic_again_later() -> None:
    rules = [*RULES, msgspec.structs.replace(PERP, instrument="NO-USDT-PERP", symbol="NOUSDT")]
    one = Client(session("perp", "publicTrade", rules=rules), Market())
    one.connect()
    notices = [record for record in one.take() if isinstance(record, VenueNotice)]
    assert [notice.code for notice in notices] == ["subscribe", "subscribe"]
    assert "publicTrade.NOUSDT" in notices[-1].words
    assert list(one.side.streams) == ["publicTrade.BTCUSDT", "publicTrade.ETHUSDT"]
    assert not one.session.ready
    one.pass_time(61 * SECOND)
    notices = [record for record in one.take() if isinstance(record, VenueNotice)]
    assert [notice.words for notice in notices if notice.code == "subscribe"] == [
        "Invalid topic: publicTrade.NOUSDT (publicTrade.NOUSDT)"
    ]
    assert not [notice for notice in notices if notice.code == "silent" and "NOUSDT" in notice.words]


def test_pings_keep_the_connection_and_silence_ends_it() -> None:
    one = Client(session("spot", "publicTrade"), Market())
    one.connect()
    one.pass_time(100 * SECOND)
    assert sum(b'"ping"' in frame for frame in one.sent) == 5
    assert not one.reconnects
    one.lose = lambda frame: True
    one.pass_time(100 * SECOND)
    assert [command.why for command in one.reconnects] == ["no frame and no pong for 60 s"]


def test_a_subscription_without_acknowledgement_ends_the_connection() -> None:
    one = Client(session("spot"), Market())
    one.lose = lambda frame: b'"op":"subscribe"' in frame
    one.connect()
    one.pass_time(11 * SECOND)
    assert not one.session.ready
    assert len(one.reconnects) == 1


@pytest.mark.parametrize(("market_name", "rules"), [("spot", SPOT), ("perp", PERP)])
def test_trades_arrive_as_they_happened(market_name: str, rules: Rules) -> None:
    one = client(market_name)
    happened = one.market.trade(rules, 20)
    one.happen(*happened)
    got = trades(one.take())
    assert [trade.trade_id for trade in got] == ids(happened, rules)
    for mine, theirs in zip(got, happened, strict=True):
        same = ("instrument", "ts_event", "price", "size", "taker_side", "ticks", "lots", "rpi", "kind")
        assert [getattr(mine, name) for name in same] == [getattr(theirs, name) for name in same]
        assert (mine.trade_seq, mine.origin) == (None, "stream")


def test_the_first_page_and_the_stream_join_without_a_double() -> None:
    one = Client(session("perp", "publicTrade"), Market())
    before = one.market.trade(PERP, 30)
    one.connect()
    assert not one.fetched
    live = one.market.trade(PERP, 1)
    one.happen(*live)
    assert [fetch.instrument for fetch in one.fetched] == ["BTC-USDT-PERP"]
    got = trades(one.take())
    assert [trade.trade_id for trade in got] == ids([*before, *live], PERP)
    assert [trade.origin for trade in got] == ["rest"] * 30 + ["stream"]


def test_a_doubled_trade_frame_counts_once() -> None:
    one = client()
    happened = one.market.trade(PERP, 3)
    frames = [frame for trade in happened for frame in one.side.event(trade, one.market.at)]
    one.hear(*frames, *frames)
    assert [trade.trade_id for trade in trades(one.take())] == ids(happened, PERP)


@pytest.mark.parametrize(("market_name", "rules"), [("spot", SPOT), ("perp", PERP)])
def test_a_reconnect_fills_what_was_missed(market_name: str, rules: Rules) -> None:
    one = client(market_name, "publicTrade")
    first = one.market.trade(rules, 5)
    one.happen(*first)
    one.take()
    one.disconnect()
    (opened,) = gaps(one.records, "trades")
    assert (opened.state, opened.from_ts, opened.cause) == ("open", first[-1].ts_event, "disconnected")
    assert only(Disconnected, one.take())
    missed = one.market.trade(rules, 7)
    one.connect()
    live = one.market.trade(rules, 2)
    one.happen(*live)
    records = one.take()
    assert [trade.trade_id for trade in trades(records)] == ids([*missed, *live], rules)
    assert [trade.origin for trade in trades(records)][:7] == ["rest"] * 7
    (closed,) = gaps(records, "trades")
    assert (closed.state, closed.opened_at, closed.from_id) == ("repaired", opened.opened_at, opened.from_id)


def test_a_quiet_reconnect_is_legitimate() -> None:
    one = client("perp", "publicTrade")
    one.happen(*one.market.trade(PERP, 5))
    one.disconnect()
    one.connect()
    one.take()
    one.pass_time(3 * SECOND)
    assert [gap.state for gap in gaps(one.take(), "trades")] == ["legitimate"]


def test_an_outage_longer_than_the_page_is_unrecoverable_and_says_from_when_to_when() -> None:
    one = client("spot", "publicTrade")
    first = one.market.trade(SPOT, 5)
    one.happen(*first)
    one.disconnect()
    missed = one.market.trade(SPOT, 200)
    one.connect()
    one.take()
    live = one.market.trade(SPOT)
    one.happen(*live)
    records = one.take()
    (gap,) = gaps(records, "trades")
    kept = [*missed, *live][-60:]
    assert (gap.state, gap.from_ts, gap.to_ts) == ("unrecoverable", first[-1].ts_event, kept[0].ts_event)
    assert "60" in (gap.reason or "")
    assert [trade.trade_id for trade in trades(records)] == ids(kept, SPOT)
    assert isinstance(records[0], SequenceGap)


def test_live_trades_wait_for_the_page_and_leave_without_it_in_the_end() -> None:
    one = client("perp", "publicTrade")
    one.happen(*one.market.trade(PERP, 2))
    one.disconnect()
    one.connect()
    one.take()
    one.answering = False
    live = one.market.trade(PERP, 3)
    one.happen(*live)
    assert one.take() == []
    for _ in range(ATTEMPTS):
        fetch = next(fetch for fetch in reversed(one.fetched) if fetch.instrument == PERP.instrument)
        one.fail(fetch, b"connection refused")
        one.pass_time(9 * SECOND)
        live += one.market.trade(PERP)  # a quiet stream would be subscribed to anew
        one.happen(live[-1])
    records = one.take()
    (gap,) = gaps(records, "trades")
    assert (gap.state, gap.attempts) == ("unrecoverable", ATTEMPTS)
    assert "connection refused" in (gap.reason or "")
    assert [trade.trade_id for trade in trades(records)] == ids(live, PERP)
    more = one.market.trade(PERP)
    one.happen(*more)
    assert [trade.trade_id for trade in trades(one.take())] == ids(more, PERP)


def test_a_recording_without_a_clock_holds_nothing_back() -> None:
    one = Client(session("perp", "publicTrade"), Market())
    one.ticking = one.answering = False
    one.market.trade(PERP, 4)
    one.connect()
    live = one.market.trade(PERP, 3)
    one.happen(*live)
    assert [trade.trade_id for trade in trades(one.take())] == ids(live, PERP)
    one.answer(one.fetched[-1])
    assert one.take() == []
    one.disconnect()
    missed = one.market.trade(PERP, 2)
    one.connect()
    more = one.market.trade(PERP, 2)
    one.happen(*more)
    one.answer(one.fetched[-1])
    records = one.take()
    assert [trade.trade_id for trade in trades(records)] == ids([*more, *missed], PERP)
    assert [gap.state for gap in gaps(records, "trades")] == ["open", "repaired"]


def test_a_connection_that_ends_before_its_first_page_leaves_a_known_hole() -> None:
    one = Client(session("spot", "publicTrade"), Market())
    one.answering = False
    one.connect()
    first = one.market.trade(SPOT, 3)
    one.happen(*first)
    assert trades(one.take()) == []
    one.disconnect()
    records = one.take()
    assert [trade.trade_id for trade in trades(records)] == ids(first, SPOT)
    assert [(gap.state, gap.from_ts) for gap in gaps(records, "trades")] == [("open", first[-1].ts_event)]
    one.market.trade(SPOT, 100)
    one.answering = True
    one.connect()
    one.pass_time(3 * SECOND)
    assert [gap.state for gap in gaps(one.take(), "trades")] == ["unrecoverable"]


def test_a_late_or_foreign_answer_changes_nothing() -> None:
    one = client("perp", "publicTrade")
    before = one.session.state()
    fetch = one.fetched[-1]
    assert list(one.session.answer(fetch, 200, b"{}", one.market.at)) == []
    other = Fetch(purpose="trades", base="rest", path="/", query={}, ccxt="", instrument="DOGE-USDT")
    assert list(one.session.answer(other, 200, b"{}", one.market.at)) == []
    assert one.session.state() == before


def follow(book: Book, records: list[Record], rules: Rules) -> None:
    """Apply a book's records, each update to the one it follows."""
    for record in records:
        if record.instrument != rules.instrument:
            continue
        if isinstance(record, BookInvalid):
            book.invalidate(record.why)
        elif isinstance(record, BookUpdate):
            assert record.snapshot or record.previous_id == book.update_id
            assert book.apply(record)


@pytest.mark.parametrize(("market_name", "rules"), [("spot", SPOT), ("perp", PERP)])
def test_the_book_is_the_best_200_levels_at_every_moment(market_name: str, rules: Rules) -> None:
    one = client(market_name)
    book = Book(rules.grid)
    bids, asks = one.market.books[rules.instrument]
    for step in range(120):
        best_bid, best_ask = max(bids), min(asks)
        if step % 3 == 0:
            one.happen(one.market.update(rules, bids=[(best_bid, 0.0)]))
        elif step % 3 == 1:
            one.happen(one.market.update(rules, asks=[(best_ask, rules.grid.size(3 + step)), (max(asks), 0.0)]))
        else:
            one.happen(one.market.update(rules))
        follow(book, one.take(), rules)
        expected = sorted(bids.items(), reverse=True)[:200], sorted(asks.items())[:200]
        assert book.levels() == (list(expected[0]), list(expected[1]))


def test_a_lost_update_breaks_and_heals_one_book_alone() -> None:
    one = client()
    one.happen(one.market.update(PERP), one.market.update(ETH))
    one.take()
    sent = len(one.sent)
    one.lose = lambda frame: b"orderbook.200.BTCUSDT" in frame and b'"delta"' in frame
    one.happen(one.market.update(PERP))
    one.lose = lambda frame: False
    one.happen(one.market.update(PERP))
    records = one.take()
    opened, closed = gaps(records, "depth")
    assert (opened.state, opened.cause, opened.from_id, opened.to_id) == (
        "open",
        "sequence",
        opened.from_id,
        opened.from_id,
    )
    assert (closed.state, closed.reason, closed.opened_at) == ("repaired", "resynced from snapshot", opened.opened_at)
    kinds = [type(record) for record in records]
    assert kinds == [SequenceGap, BookInvalid, SequenceGap, BookUpdate]
    assert {record.instrument for record in records} == {"BTC-USDT-PERP"}
    operations = [msgspec.json.decode(frame) for frame in one.sent[sent:]]
    assert [(operation["op"], operation["args"]) for operation in operations] == [
        ("unsubscribe", ["orderbook.200.BTCUSDT"]),
        ("subscribe", ["orderbook.200.BTCUSDT"]),
    ]
    assert one.session.ready
    one.happen(one.market.update(PERP), one.market.update(ETH))
    assert len(only(BookUpdate, one.take())) == 2


def test_breaks_that_follow_one_another_wait_longer_each_time() -> None:
    one = client()
    for expected in (0, 1, 2, 4):
        one.lose = lambda frame: b'"delta"' in frame
        one.happen(one.market.update(PERP))
        one.lose = lambda frame: False
        one.happen(one.market.update(PERP))
        at = one.market.at
        while not any(gap.state == "repaired" for gap in gaps(one.take(), "depth")) and expected:
            one.pass_time(SECOND // 10)
        assert abs(one.market.at - at - expected * SECOND) <= SECOND // 10


def test_a_snapshot_that_does_not_come_is_asked_for_again() -> None:
    one = client()
    one.take()
    one.lose = lambda frame: b'"delta"' in frame or b"orderbook.200" in frame
    one.happen(one.market.update(PERP))
    one.lose = lambda frame: b"orderbook.200" in frame and b'"snapshot"' in frame
    one.happen(one.market.update(PERP))
    one.pass_time(11 * SECOND // 2)
    one.lose = lambda frame: False
    one.pass_time(SECOND)
    assert [(gap.state, gap.attempts) for gap in gaps(one.take(), "depth")] == [("open", 0), ("repaired", 2)]


def test_a_restart_of_the_service_replaces_the_book() -> None:
    one = client()
    one.happen(one.market.update(PERP))
    one.take()
    restart = (
        b'{"topic":"orderbook.200.BTCUSDT","type":"delta","ts":1763733604000,"data":{"s":"BTCUSDT",'
        b'"b":[["90000.00","1.000"]],"a":[["90001.00","2.000"]],"u":1,"seq":9},"cts":1763733603999}'
    )
    one.hear(restart, restart.replace(b'"u":1,', b'"u":2,'))
    gap, snapshot, delta = one.take()
    assert isinstance(gap, SequenceGap)
    assert (gap.state, gap.cause) == ("legitimate", "service_restart")
    assert isinstance(snapshot, BookUpdate)
    assert snapshot.snapshot
    assert isinstance(delta, BookUpdate)
    assert (delta.update_id, delta.previous_id, delta.snapshot) == (2, 1, False)


def test_a_doubled_update_counts_once() -> None:
    one = client()
    (frame,) = one.side.event(one.market.update(PERP), one.market.at)
    one.take()
    one.hear(frame, frame)
    assert len(one.take()) == 1


def test_a_reconnect_opens_and_closes_a_hole_in_depth() -> None:
    one = client()
    one.happen(one.market.update(PERP))
    one.take()
    one.disconnect()
    assert {gap.instrument: gap.state for gap in gaps(one.take(), "depth")} == {
        "BTC-USDT-PERP": "open",
        "ETH-USDT-PERP": "open",
    }
    one.market.update(PERP)
    one.connect()
    closed = gaps(one.take(), "depth")
    assert [(gap.instrument, gap.state) for gap in closed] == [
        ("BTC-USDT-PERP", "repaired"),
        ("ETH-USDT-PERP", "repaired"),
    ]


def test_quotes_and_candles_say_what_the_market_says() -> None:
    one = client()
    one.take()
    one.happen(one.market.update(PERP))
    quote, candle = (
        one.market.quote(PERP),
        one.market.candle("BTC-USDT-PERP", "1m", one.market.at // 60_000_000 * 60_000_000),
    )
    one.happen(quote, candle, msgspec.structs.replace(candle, closed=True))
    records = one.take()
    (got,) = [record for record in records if isinstance(record, BestQuote)]
    same = ("instrument", "ts_event", "best_bid", "best_bid_size", "best_ask", "best_ask_size")
    assert [getattr(got, name) for name in same] == [getattr(quote, name) for name in same]
    bars = [record for record in records if isinstance(record, Candle)]
    assert [bar.closed for bar in bars] == [False, True]
    alike = ("open_time", "timeframe", "open", "high", "low", "close", "volume", "quote_volume")
    assert [getattr(bars[0], name) for name in alike] == [getattr(candle, name) for name in alike]


def test_an_unchanged_quote_comes_again_after_three_seconds() -> None:
    one = client("perp", "orderbook.1")
    one.take()
    one.pass_time(4 * SECOND)
    assert [quote.instrument for quote in one.take()] == ["BTC-USDT-PERP", "ETH-USDT-PERP"]


def test_an_unreadable_frame_is_a_record_and_nothing_else() -> None:
    one = client()
    before = remembered(one.session)
    for frame in (
        b"",
        b"\xff\x00",
        b"[" * 5000,
        b'{"topic":"publicTrade.BTCUSDT","type":"snapshot","ts":1,"data":[{"T":1}]}',
        b'{"topic":"publicTrade.DOGEUSDT","data":[]}',
        b'{"op":"dance"}',
    ):
        (record,) = one.session.receive(frame, one.market.at)
        assert isinstance(record, Undecodable), frame
    assert remembered(one.session) == before


@pytest.mark.parametrize(("market_name", "rules"), [("spot", SPOT), ("perp", PERP)])
def test_the_executions_of_a_frame_that_cannot_be_read_are_asked_for(market_name: str, rules: Rules) -> None:
    one = client(market_name, "publicTrade")
    first, missed, live = (one.market.trade(rules, count) for count in (5, 2, 3))
    one.happen(*first)
    one.take()
    for record in missed:
        one.hear(*(frame[: len(frame) // 2] for frame in one.side.event(record, one.market.at)))
    assert [gap.state for gap in gaps(one.records, "trades")] == ["open"]
    one.happen(*live)
    one.pass_time(SECOND)
    records = one.take()
    assert [trade.trade_id for trade in trades(records)] == ids([*missed, *live], rules)
    assert [(gap.state, gap.cause) for gap in gaps(records, "trades")] == [
        ("open", "undecodable"),
        ("repaired", "undecodable"),
    ]


@pytest.mark.parametrize("market_name", ["spot", "perp"])
def test_a_session_restored_at_any_moment_goes_on_alike(market_name: str) -> None:
    rules = SPOT if market_name == "spot" else PERP
    one = client(market_name)
    one.happen(*one.market.trade(rules, 3), one.market.update(rules))
    one.disconnect()
    one.answering = False
    one.connect()
    one.happen(*one.market.trade(rules, 3), one.market.update(rules))
    twin = session(market_name)
    twin.restore(msgspec.json.decode(msgspec.json.encode(one.session.state())))
    assert twin.state() == one.session.state()
    fetch = one.fetched[-1]
    reply = one.venue.rest(fetch.base, fetch.path, fetch.query, one.market.at)
    at = one.market.at
    ends = [
        [*each.answer(fetch, reply.status, reply.body, at), *each.tick(at + 30 * SECOND), *each.disconnected(at, "end")]
        for each in (twin, one.session)
    ]
    assert ends[0] == ends[1]
    assert only(Trade, [output for output in ends[0] if isinstance(output, Record)])
    assert twin.state() == one.session.state()


def test_a_restarted_worker_finds_what_it_missed() -> None:
    one = client("perp", "publicTrade", "orderbook.200")
    one.happen(*one.market.trade(PERP, 3), one.market.update(PERP))
    kept = one.session.state()
    missed = one.market.trade(PERP, 4)
    successor = Client(session("perp", "publicTrade", "orderbook.200"), one.market)
    successor.session.restore(kept)
    successor.connect()
    live = one.market.trade(PERP, 1)
    successor.happen(*live)
    records = successor.take()
    assert [trade.trade_id for trade in trades(records)] == ids([*missed, *live], PERP)
    assert [(gap.state, gap.cause) for gap in gaps(records, "trades")] == [("open", "restart"), ("repaired", "restart")]
    states = [(gap.state, gap.cause) for gap in gaps(records, "depth") if gap.instrument == "BTC-USDT-PERP"]
    assert states == [("open", "restart"), ("repaired", "restart")]


def test_the_ring_forgets_the_oldest_and_keeps_its_order() -> None:
    ring = Ring(4)
    assert all(ring.add(name) for name in "abcde")
    assert not ring.add("b")
    assert ring.add("a")
    assert ring.state() == ["c", "d", "e", "a"]
    twin = Ring(4)
    twin.restore(ring.state())
    assert twin.add("x")
    assert ring.add("x")
    assert twin.state() == ring.state()
    assert Ring().size == RING
