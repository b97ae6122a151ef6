"""Tickers, liquidations, insurance, states and silence: a session against the venue's own side."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.venues.bybit_market import ETH, NOW, PERP, SPOT, Client, Market, only, session
from warehouse.clock import DAY, HOUR, MINUTE, SECOND, Micros
from warehouse.instruments import Rules
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
    VenueNotice,
    VenueState,
    VenueStatus,
)
from warehouse.venues import bybit
from warehouse.venues.base import Fetch
from warehouse.venues.bybit.tickers import TickerMemory

KINDS = (MarkPrice, FundingRate, OpenInterest, Ticker)


def mark(price: float, rules: Rules = PERP, at: Micros = NOW) -> MarkPrice:
    return MarkPrice(
        venue="bybit",
        instrument=rules.instrument,
        ts_event=at,
        ts_recv=0,
        mark_price=price,
        index_price=price + 0.5,
    )


def rate(value: float, rules: Rules = PERP, at: Micros = NOW) -> FundingRate:
    return FundingRate(
        venue="bybit",
        instrument=rules.instrument,
        ts_event=at,
        ts_recv=0,
        funding_rate=value,
        settled=False,
        interval_us=4 * HOUR,
        next_funding_at=NOW + HOUR,
    )


def interest(size: float, rules: Rules = PERP, at: Micros = NOW) -> OpenInterest:
    return OpenInterest(
        venue="bybit",
        instrument=rules.instrument,
        ts_event=at,
        ts_recv=0,
        open_interest=size,
        open_interest_quote=size * 90_000,
    )


def day(last: float, rules: Rules = PERP, at: Micros = NOW) -> Ticker:
    return Ticker(
        venue="bybit",
        instrument=rules.instrument,
        ts_event=at,
        ts_recv=0,
        last_price=last,
        open=90_100.0,
        high=91_000.0,
        low=89_000.5,
        volume=1234.567,
        quote_volume=111_111_111.5,
    )


def pool(name: str, balance: float = 1_000_000.25, asset: str = "USDT") -> InsuranceFund:
    return InsuranceFund(
        venue="bybit",
        instrument="",
        ts_event=NOW - MINUTE,
        ts_recv=0,
        pool=name,
        asset=asset,
        balance=balance,
        balance_usd=balance * 2,
    )


def state(word: str, code: str, rules: Rules = PERP, ends: Micros | None = None) -> InstrumentStatus:
    return InstrumentStatus(
        venue="bybit",
        instrument=rules.instrument,
        ts_event=NOW,
        ts_recv=0,
        state=word,  # type: ignore[arg-type]
        code=code,
        listed_at=rules.listed_at,
        delisting_at=ends,
    )


def told(market: Market, rules: Rules = PERP) -> Market:
    """A market that knows an instrument's figures."""
    market.listed.marks.append(mark(90_000.0, rules))
    market.listed.funding_now.append(rate(0.0001, rules))
    market.listed.open_interest_now.append(interest(500.5, rules))
    market.listed.tickers.append(day(90_000.1, rules))
    return market


def client(name: str = "perp", *streams: str, market: Market | None = None) -> Client:
    one = Client(session(name, *streams), market or Market())
    one.connect()
    return one


def live(one: Client, seconds: int) -> None:
    """Time in which trades, books, quotes, bars and tickers go on."""
    market = one.market
    end = market.at + seconds * SECOND
    while market.at < end:
        for rules in (SPOT, PERP, ETH):
            one.happen(*market.trade(rules), market.update(rules), market.quote(rules))
            one.happen(market.candle(rules.instrument, "1m", market.at // MINUTE * MINUTE))
            one.happen(day(90_000.0 + market.at // SECOND % 50, rules))
        one.pass_time(min(2 * SECOND, max(0, end - market.at)))


def kinds(records: list[Record]) -> list[str]:
    return [type(record).__name__ for record in records if isinstance(record, KINDS)]


def test_a_ticker_begins_with_everything_the_market_tells() -> None:
    one = client("perp", "tickers", market=told(Market()))
    marks, rates, interests, days = (only(kind, one.records)[0] for kind in KINDS)
    assert marks == msgspec.structs.replace(mark(90_000.0), ts_recv=NOW)
    assert rates == msgspec.structs.replace(rate(0.0001), ts_recv=NOW, mark_price=90_000.0)
    assert interests == msgspec.structs.replace(interest(500.5), ts_recv=NOW)
    assert days == msgspec.structs.replace(day(90_000.1), ts_recv=NOW)


def test_a_delta_changes_what_it_names_and_keeps_the_rest() -> None:
    one = client("perp", "tickers", market=told(Market()))
    one.take()
    one.pass_time(2 * SECOND)
    one.happen(mark(90_001.0))
    (found,) = one.take()
    assert isinstance(found, MarkPrice)
    assert (found.mark_price, found.index_price) == (90_001.0, 90_001.5)
    one.pass_time(2 * SECOND)
    one.happen(rate(-0.0002))
    (funding,) = one.take()
    assert isinstance(funding, FundingRate)
    assert (funding.funding_rate, funding.mark_price, funding.interval_us) == (-0.0002, 90_001.0, 4 * HOUR)
    one.happen(rate(-0.0002), mark(90_001.0))
    assert one.take() == []


def test_each_kind_leaves_at_most_once_a_second_and_the_newest_is_never_lost() -> None:
    one = client("perp", "tickers", market=told(Market()))
    one.take()
    for step in range(50):
        one.happen(mark(90_000.0 + step), day(90_000.1 + step, PERP))
        one.pass_time(SECOND // 10)
    one.pass_time(2 * SECOND)
    records = one.take()
    for kind in (MarkPrice, Ticker):
        found = only(kind, records)
        assert 5 <= len(found) <= 6
    last = only(MarkPrice, records)[-1]
    assert isinstance(last, MarkPrice)
    assert last.mark_price == 90_049.0
    assert last.ts_event == last.ts_recv == NOW + 4_900_000
    assert only(FundingRate, records) == only(OpenInterest, records) == []


def test_a_spot_ticker_says_each_change_once() -> None:
    one = client("spot", "tickers", market=told(Market(), SPOT))
    assert kinds(one.take()) == ["Ticker"]
    one.pass_time(2 * SECOND)
    one.happen(day(90_000.1, SPOT), day(90_000.2, SPOT))
    (found,) = one.take()
    assert isinstance(found, Ticker)
    assert (found.last_price, found.instrument) == (90_000.2, "BTC-USDT")


def test_a_market_without_figures_has_no_ticker_until_one_comes() -> None:
    one = client("perp", "tickers")
    assert kinds(one.take()) == []
    one.happen(mark(90_000.0))
    assert kinds(one.take()) == ["MarkPrice"]


def test_after_a_reconnect_a_ticker_means_nothing_until_its_snapshot() -> None:
    one = client("perp", "tickers", market=told(Market()))
    one.take()
    one.disconnect()
    one.lose = lambda frame: b'"snapshot"' in frame
    one.connect()
    one.pass_time(2 * SECOND)
    one.happen(mark(91_000.0))
    assert kinds(one.take()) == []
    one.lose = lambda frame: False
    one.disconnect()
    one.connect()
    assert kinds(one.take()) == ["MarkPrice", "FundingRate", "OpenInterest", "Ticker"]


def test_a_waiting_ticker_survives_a_restart() -> None:
    one = client("perp", "tickers", market=told(Market()))
    one.happen(mark(90_003.0))
    twin = session("perp", "tickers")
    twin.restore(msgspec.json.decode(msgspec.json.encode(one.session.state())))
    later = NOW + 2 * SECOND
    found = list(twin.tick(later))
    assert found == list(one.session.tick(later))
    assert kinds([record for record in found if isinstance(record, Record)]) == ["MarkPrice"]
    assert twin.state() == one.session.state()


FIELDS = {
    "markPrice": ["90000.10", "90000.20"],
    "indexPrice": ["90001.10", "90001.20"],
    "fundingRate": ["0.0001", "-0.0002", ""],
    "openInterest": ["1000.002", "1000.004"],
    "lastPrice": ["89999.90", "90000.00"],
    "bid1Price": ["89999.80"],
}


@settings(max_examples=80, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.booleans(),
            st.fixed_dictionaries({}, optional={name: st.sampled_from(texts) for name, texts in FIELDS.items()}),
            st.integers(0, 3),
        ),
        max_size=30,
    )
)
def test_the_merged_ticker_is_what_a_dict_of_all_fields_says(messages: list[tuple[bool, dict[str, str], int]]) -> None:
    memory, oracle, now = TickerMemory("BTC-USDT-PERP", spot=False), dict[str, str](), NOW
    known, newest, when = False, dict[str, Record](), dict[str, Micros]()
    for snapshot, fields, wait in messages:
        now += wait * SECOND // 2 + 100_000
        frame = {
            "topic": "tickers.BTCUSDT",
            "type": "snapshot" if snapshot else "delta",
            "data": fields,
            "ts": now // 1000,
        }
        found = memory.receive(msgspec.json.encode(frame), now)
        known = known or snapshot
        oracle = fields if snapshot else {**oracle, **fields} if known else {}
        for record in found:
            name = type(record).__name__
            assert now - when.get(name, 0) >= SECOND
            when[name], newest[name] = now, record
    for record in memory.due(now + SECOND):
        newest[type(record).__name__] = record
    assert not memory.waiting
    if "markPrice" in oracle or "indexPrice" in oracle:
        found_mark = newest["MarkPrice"]
        assert isinstance(found_mark, MarkPrice)
        assert found_mark.mark_price == (float(oracle["markPrice"]) if "markPrice" in oracle else None)
        assert found_mark.index_price == (float(oracle["indexPrice"]) if "indexPrice" in oracle else None)
    if "openInterest" in oracle:
        found_interest = newest["OpenInterest"]
        assert isinstance(found_interest, OpenInterest)
        assert found_interest.open_interest == float(oracle["openInterest"]) / 2
    if oracle.get("fundingRate"):
        found_rate = newest["FundingRate"]
        assert isinstance(found_rate, FundingRate)
        assert found_rate.funding_rate == float(oracle["fundingRate"])
    twin = TickerMemory("BTC-USDT-PERP", spot=False)
    twin.restore(msgspec.json.decode(msgspec.json.encode(memory.state())))
    assert twin.state() == memory.state()


@pytest.mark.parametrize(("side", "ticks"), [("long", 901_205), ("short", None)])
def test_a_liquidation_names_the_position_that_was_closed(side: str, ticks: int | None) -> None:
    one = client("perp")
    one.take()
    happened = Liquidation(
        venue="bybit",
        instrument="BTC-USDT-PERP",
        ts_event=NOW,
        ts_recv=0,
        liquidated_side=side,  # type: ignore[arg-type]
        price=90_120.5 if ticks else 90_120.543,
        size=0.25,
        ticks=ticks,
        lots=250,
        price_basis="bankruptcy",
        sampled=False,
    )
    one.happen(happened, msgspec.structs.replace(happened, instrument="DOGE-USDT-PERP"))
    assert only(Liquidation, one.take()) == [msgspec.structs.replace(happened, ts_recv=NOW)]


def test_pools_come_by_stream_or_by_a_poll_and_only_those_that_insure_ours() -> None:
    market = Market()
    market.listed.insurance = [pool("DOGEUSDT"), pool("ETHUSDT,SOLUSDT", 7e7), pool("BTCUSDT", asset="BTC")]
    one = client("perp", market=market)
    one.happen(pool("BTCUSDT", -3.5), pool("DOGEUSDT"), pool("ETHUSDT,SOLUSDT"))
    (found,) = only(InsuranceFund, one.take())
    assert isinstance(found, InsuranceFund)
    assert (found.pool, found.balance, found.balance_usd, found.origin) == ("BTCUSDT", -3.5, None, "stream")
    live(one, 62)
    polled = [record for record in one.take() if isinstance(record, InsuranceFund)]
    assert {(record.pool, record.balance, record.balance_usd, record.origin) for record in polled} == {
        ("ETHUSDT,SOLUSDT", 7e7, 14e7, "rest")
    }
    assert {record.ts_event for record in polled} == {NOW - MINUTE}


def test_figures_are_read_again_each_ten_seconds() -> None:
    one = client("perp", market=told(Market()))
    one.take()
    live(one, 25)
    records = [record for record in one.take() if isinstance(record, KINDS) and record.origin == "rest"]
    assert kinds(list(records)) == ["MarkPrice", "FundingRate", "OpenInterest"] * 3
    first = records[0]
    assert isinstance(first, MarkPrice)
    assert (first.mark_price, first.index_price) == (90_000.0, 90_000.5)
    notices = [record for record in one.records if isinstance(record, VenueNotice) and record.code == "poll"]
    assert notices == []


def test_what_cannot_be_read_is_said_and_asked_for_more_rarely() -> None:
    one = client("perp")
    live(one, 100)
    words = [record.words for record in one.take() if isinstance(record, VenueNotice) and record.code == "poll"]
    assert words
    assert all("0 tickers for one instrument" in word for word in words)
    asked = [fetch for fetch in one.fetched if fetch.tag == "mark_price BTC-USDT-PERP"]
    assert 3 <= len(asked) <= 5


def test_a_state_is_told_at_first_and_when_it_changes() -> None:
    market = Market()
    one = client("perp", market=market)
    live(one, 62)
    first = [record for record in one.take() if isinstance(record, InstrumentStatus)]
    assert [(record.instrument, record.state, record.code, record.origin) for record in first] == [
        ("BTC-USDT-PERP", "trading", "Trading", "rest"),
        ("ETH-USDT-PERP", "trading", "Trading", "rest"),
    ]
    assert first[0].listed_at == PERP.listed_at
    live(one, 62)
    assert only(InstrumentStatus, one.take()) == []
    ends = one.market.at + HOUR
    market.listed.states.append(state("trading", "Trading", ends=ends))
    live(one, 62)
    (announced,) = only(InstrumentStatus, one.take())
    assert isinstance(announced, InstrumentStatus)
    assert (announced.state, announced.delisting_at) == ("trading", ends)
    market.listed.states.append(state("halted", "Delivering", ends=ends))
    live(one, 62)
    (halted,) = only(InstrumentStatus, one.take())
    assert isinstance(halted, InstrumentStatus)
    assert (halted.state, halted.code, halted.delisting_at) == ("halted", "unlisted", ends)
    market.listed.states.append(state("delisted", "Closed", ends=ends))
    market.at = ends
    live(one, 62)
    (gone,) = only(InstrumentStatus, one.take())
    assert isinstance(gone, InstrumentStatus)
    assert (gone.state, gone.instrument) == ("delisted", "BTC-USDT-PERP")


def test_a_known_state_survives_a_restart() -> None:
    one = client("spot")
    live(one, 62)
    assert len(only(InstrumentStatus, one.take())) == 1
    successor = Client(session("spot"), one.market)
    successor.session.restore(msgspec.json.decode(msgspec.json.encode(one.session.state())))
    successor.connect()
    live(successor, 62)
    assert only(InstrumentStatus, successor.take()) == []


def work(word: VenueState, words: str = "Upgrade", begin: Micros = NOW + DAY) -> VenueStatus:
    ahead = word != "ok"
    return VenueStatus(
        venue="bybit",
        instrument="",
        ts_event=NOW,
        ts_recv=0,
        state=word,
        words=words,
        from_ts=begin if ahead else None,
        to_ts=begin + HOUR if ahead else None,
    )


def states_of(records: list[Record]) -> list[tuple[str, str, str]]:
    return [(record.state, record.words, record.origin) for record in records if isinstance(record, VenueStatus)]


def test_a_maintenance_is_told_from_its_announcement_to_its_end() -> None:
    one = client("status")
    assert one.session.ready
    one.pass_time(SECOND)
    assert states_of(one.take()) == [("ok", "no maintenance is announced", "rest")]
    one.happen(work("announced"))
    one.happen(work("maintenance"))
    one.pass_time(70 * SECOND)
    one.happen(work("ok"))
    assert states_of(one.take()) == [
        ("announced", "Upgrade", "stream"),
        ("maintenance", "Upgrade", "stream"),
        ("ok", "no maintenance is announced", "stream"),
    ]


def test_a_new_connection_learns_of_a_maintenance_from_the_status_page() -> None:
    market = Market()
    one = client("status", market=market)
    one.happen(work("maintenance", begin=NOW))
    late = Client(session("status"), market)
    late.venue = one.venue
    late.connect()
    late.pass_time(SECOND)
    assert states_of(late.take()) == [("maintenance", "Upgrade", "rest")]


def test_the_status_connection_waits_for_no_acknowledgement() -> None:
    one = Client(session("status"), Market())
    one.lose = lambda frame: b'"subscribe"' in frame
    one.connect()
    one.pass_time(61 * SECOND)
    assert one.session.ready
    assert not one.reconnects
    assert states_of(one.take()) == [("ok", "no maintenance is announced", "rest")]


def test_two_clients_hear_of_one_maintenance() -> None:
    venue = bybit.emulated(Market())
    sides = [venue.connect("ws_status", "/v5/public/misc/status", {}, NOW) for _ in range(2)]
    for side in sides:
        side.receive(b'{"op":"subscribe","args":["system.status"]}', NOW)
    for record in (work("announced"), work("announced", "Later", NOW + 2 * DAY), work("ok")):
        heard = [side.event(record, NOW) for side in sides]
        assert heard[0] == heard[1] != ()
    rows = msgspec.json.decode(venue.rest("rest", "/v5/system/status", {}, NOW).body)["result"]["list"]
    assert [(row["title"], row["state"]) for row in rows] == [("Later", "completed"), ("Upgrade", "scheduled")]
    assert sides[0].receive(b'{"op":"subscribe","args":["tickers.BTCUSDT"]}', NOW)[0].startswith(b'{"success":false')


def quiet_words(records: list[Record]) -> list[str]:
    return [record.words for record in records if isinstance(record, VenueNotice) and record.code == "silent"]


def test_a_quiet_topic_is_subscribed_to_anew_alone_and_at_last_the_connection_is_given_up() -> None:
    one = client("spot", "orderbook.200", "orderbook.1")
    one.take()
    sent = len(one.sent)
    one.pass_time(6 * SECOND)
    assert quiet_words(one.take()) == ["orderbook.200.BTCUSDT: nothing for 5 s"]
    operations = [msgspec.json.decode(frame) for frame in one.sent[sent:]]
    assert [(asked["op"], asked["args"]) for asked in operations] == [
        ("unsubscribe", ["orderbook.200.BTCUSDT"]),
        ("subscribe", ["orderbook.200.BTCUSDT"]),
    ]
    one.lose = lambda frame: b"orderbook.200" in frame
    one.pass_time(20 * SECOND)
    assert len(one.reconnects) == 1
    assert "orderbook.200.BTCUSDT" in one.reconnects[0].why


def test_a_book_that_was_quiet_and_unchanged_has_no_hole() -> None:
    one = client("spot", "orderbook.200")
    one.happen(one.market.update(SPOT))
    one.take()
    one.pass_time(6 * SECOND)
    assert only(SequenceGap, one.take()) == []
    one.happen(one.market.update(SPOT))
    assert only(SequenceGap, one.take()) == []


def test_a_book_that_lost_messages_in_silence_has_a_repaired_hole() -> None:
    one = client("spot", "orderbook.200")
    one.happen(one.market.update(SPOT))
    one.take()
    one.lose = lambda frame: True
    for _ in range(3):
        one.happen(one.market.update(SPOT))
    one.lose = lambda frame: False
    one.pass_time(6 * SECOND)
    (gap,) = only(SequenceGap, one.take())
    assert isinstance(gap, SequenceGap)
    assert (gap.state, gap.cause, gap.reason) == ("repaired", "silent", "resynced from snapshot")


def test_trades_that_a_quiet_topic_left_out_are_filled_in() -> None:
    one = client("perp", "publicTrade")
    one.pass_time(3 * SECOND)
    one.happen(*one.market.trade(PERP, 2))
    one.take()
    lost = one.market.trade(PERP, 3)
    one.pass_time(35 * SECOND)
    records = [record for record in one.take() if record.instrument == "BTC-USDT-PERP"]
    assert [record.size for record in records if isinstance(record, Trade)] == [trade.size for trade in lost]
    gaps = [(record.state, record.cause) for record in records if isinstance(record, SequenceGap)]
    assert gaps == [("open", "silent"), ("repaired", "silent")]
    assert quiet_words(records) == ["publicTrade.BTCUSDT: nothing for 30 s"]


def test_liquidations_insurance_and_status_may_be_quiet_for_ever() -> None:
    for name, streams in (("perp", ("allLiquidation", "insurance.USDT")), ("status", ())):
        one = client(name, *streams)
        one.pass_time(200 * SECOND)
        assert quiet_words(one.take()) == []
        assert not one.reconnects


def test_polls_are_made_only_where_no_streams_are_named() -> None:
    one = client("perp", "tickers")
    one.pass_time(61 * SECOND)
    assert one.fetched == []
    other = client("perp")
    live(other, 62)
    purposes = {fetch.purpose for fetch in other.fetched}
    assert purposes == {"trades", "mark_price", "insurance", "status"}
    fetch = Fetch(purpose="status", base="rest", path="/", query={}, ccxt="", tag="status DOGE-USDT")
    before = other.session.state()
    assert list(other.session.answer(fetch, 200, b"{}", other.market.at)) == []
    assert other.session.state() == before


def test_six_minutes_of_everything_stay_within_the_venues_limits() -> None:
    rules = [msgspec.structs.replace(PERP, instrument=f"C{n}-USDT-PERP", symbol=f"C{n}USDT") for n in range(5)]
    one = session("perp", rules=rules)
    one.connected(NOW)
    asked = [
        at
        for at in range(NOW, NOW + 6 * MINUTE, SECOND // 10)
        for output in one.tick(at)
        if isinstance(output, Fetch) and output.purpose != "trades"
    ]
    assert max(sum(start <= at < start + 5 * SECOND for at in asked) for start in asked) < 60
