"""A session's further feeds against the venue's own side: streams, polls, and streams that fall silent."""

from __future__ import annotations

from typing import TypeVar

import msgspec
import pytest

from tests.unit.venues.binance_market import PERP, SPOT, START, ListedMarket, Wire, trade
from warehouse.clock import HOUR, MINUTE, SECOND, Micros
from warehouse.instruments import Rules
from warehouse.records import (
    FundingRate,
    InstrumentStatus,
    InsuranceFund,
    LiquidatedSide,
    Liquidation,
    MarkPrice,
    OpenInterest,
    Record,
    Ticker,
    Trade,
    VenueNotice,
    VenueStatus,
)
from warehouse.venues.base import Dialect, Fetch, Send
from warehouse.venues.binance import emulated
from warehouse.venues.binance.session import BinanceSession, sessions

R = TypeVar("R", bound=Record)
MARK = MarkPrice(
    venue="binance",
    instrument=PERP.instrument,
    ts_event=START,
    ts_recv=START,
    mark_price=60_000.1,
    index_price=60_010.25,
)
RATE = FundingRate(
    venue="binance",
    instrument=PERP.instrument,
    ts_event=START,
    ts_recv=START,
    funding_rate=0.0000125,
    settled=False,
    interval_us=4 * HOUR,
    next_funding_at=START + HOUR,
    mark_price=60_000.1,
)


def open_market(*rules: Rules, root: str = "binance.perp.market", dialect: Dialect | None = None) -> Wire:
    """A session of one root, connected."""
    market = ListedMarket(*rules)
    market.listed.marks, market.listed.funding_now = [MARK], [RATE]
    market.listed.open_interest_now = [
        OpenInterest(
            venue="binance",
            instrument=PERP.instrument,
            ts_event=START,
            ts_recv=START,
            open_interest=80_000.125,
            open_interest_quote=None,
            origin="rest",
        )
    ]
    market.listed.insurance = [
        InsuranceFund(
            venue="binance",
            instrument="",
            ts_event=START,
            ts_recv=START,
            pool="BTCUSDT,ETHUSDT",
            asset="USDT",
            balance=7.5e8,
            balance_usd=None,
            origin="rest",
        )
    ]
    found = {one.name: one for one in (sessions(rules, dialect) if dialect else sessions(rules))}
    return Wire(found[root], emulated(market), market)


def seen(wire: Wire, kind: type[R]) -> list[R]:
    return [record for record in wire.records if isinstance(record, kind)]


def liquidation(at: Micros, side: LiquidatedSide = "long", price: float = 59_900.1) -> Liquidation:
    return Liquidation(
        venue="binance",
        instrument=PERP.instrument,
        ts_event=at,
        ts_recv=at,
        liquidated_side=side,
        price=price,
        size=0.25,
        ticks=PERP.grid.ticks(price),
        lots=250,
        price_basis="fill",
        sampled=True,
    )


def silent(wire: Wire) -> list[str]:
    return [notice.words for notice in seen(wire, VenueNotice) if notice.code == "silent"]


def alive(wire: Wire, seconds: int) -> None:
    """Let time pass while every stream gives a sign of life, if only a frame that cannot be read."""
    for _ in range(seconds):
        for stream in wire.session.streams:
            wire.session.receive(b'{"stream":"%s","data":{}}' % stream.encode(), wire.market.at)
        wire.wait()


def test_a_mark_price_brings_the_rate_that_accrues() -> None:
    wire = open_market(PERP)
    wire.publish(MARK)
    assert seen(wire, MarkPrice) == [MARK]
    assert seen(wire, FundingRate) == [msgspec.structs.replace(RATE, interval_us=None)]


def test_the_interval_of_funding_is_asked_for_and_then_known_to_the_stream() -> None:
    other = msgspec.structs.replace(PERP, instrument="ETH-USDT-PERP", symbol="ETHUSDT")
    wire = open_market(PERP, other)
    wire.wait()
    assert wire.polls[0].path == "/fapi/v1/fundingInfo"
    wire.answer(polls=True)
    wire.market.listed.marks.append(msgspec.structs.replace(MARK, instrument=other.instrument))
    wire.market.listed.funding_now.append(msgspec.structs.replace(RATE, instrument=other.instrument, interval_us=None))
    for mark in wire.market.listed.marks:
        wire.publish(mark)
    told = {rate.instrument: rate.interval_us for rate in seen(wire, FundingRate)}
    assert told == {PERP.instrument: 4 * HOUR, other.instrument: 8 * HOUR}, (
        "a symbol that is not listed settles each 8 hours"
    )


def test_a_successor_knows_the_intervals_too() -> None:
    wire = open_market(PERP)
    wire.wait()
    wire.answer(polls=True)
    (_, heir) = sessions([PERP])
    heir.connected(wire.market.at)
    heir.adopt(wire.session.state())
    (frame,) = [f for f in wire.connection.event(MARK, wire.market.at) if b"markPrice" in f]
    assert [one.interval_us for one in heir.receive(frame, START) if isinstance(one, FundingRate)] == [4 * HOUR]


def test_liquidations_come_once_a_second_the_latest_of_them() -> None:
    wire = open_market(PERP)
    wire.publish(liquidation(START))
    wire.publish(liquidation(START + 1, "short", 59_901.1))
    wire.publish(liquidation(START + 2, "short", 59_902.1))
    assert [one.price for one in seen(wire, Liquidation)] == [59_900.1]
    wire.market.at += SECOND
    for frame in wire.connection.tick(wire.market.at):
        wire.take(wire.session.receive(frame, wire.market.at))
    told = [(one.price, one.liquidated_side, one.ts_event) for one in seen(wire, Liquidation)]
    assert told == [(59_900.1, "long", START), (59_902.1, "short", START)]
    assert list(wire.connection.tick(wire.market.at + 5 * SECOND)) == []


def test_a_ticker_keeps_its_numbers() -> None:
    for rules, root in ((SPOT, "binance.spot"), (PERP, "binance.perp.market")):
        wire = open_market(rules, root=root)
        row = Ticker(
            venue="binance",
            instrument=rules.instrument,
            ts_event=START,
            ts_recv=START,
            last_price=60_000.5,
            open=61_000.0,
            high=61_500.5,
            low=59_000.5,
            volume=1234.567,
            quote_volume=7.4e7,
            trade_count=98_765,
        )
        wire.publish(row)
        assert seen(wire, Ticker) == [row]


def test_a_block_trade_leaves_the_chain_alone() -> None:
    wire = open_market(SPOT, root="binance.spot")
    block = msgspec.structs.replace(
        trade(SPOT, 7, START), trade_id="block-7", trade_seq=None, kind="block", first_fill=None, last_fill=None
    )
    wire.publish(trade(SPOT, 6, START))
    wire.publish(block)
    wire.publish(trade(SPOT, 7, START))
    assert [one.trade_id for one in seen(wire, Trade)] == ["6", "block-7", "7"]
    assert seen(wire, Trade)[1] == block
    assert wire.pending == [], "nothing is missing"


def test_the_state_of_a_contract_is_pushed_when_it_changes() -> None:
    wire = open_market(PERP)
    status = InstrumentStatus(
        venue="binance",
        instrument=PERP.instrument,
        ts_event=START,
        ts_recv=START,
        state="delisted",
        code="CLOSE",
        listed_at=START - HOUR,
        delisting_at=START,
    )
    wire.publish(status)
    assert seen(wire, InstrumentStatus) == [status]


def test_futures_polls_bring_what_streams_do_not() -> None:
    wire = open_market(PERP)
    paths: dict[str, int] = {}
    for _ in range(60):
        alive(wire, 1)
        for fetch in wire.polls:
            paths[fetch.path] = paths.get(fetch.path, 0) + 1
        wire.answer(polls=True)
    assert paths == {
        "/fapi/v1/fundingInfo": 1,
        "/fapi/v1/exchangeInfo": 1,
        "/fapi/v1/insuranceBalance": 1,
        "/sapi/v1/system/status": 1,
        "/fapi/v1/premiumIndex": 6,
        "/fapi/v1/openInterest": 4,
    }
    assert {one.origin for one in seen(wire, OpenInterest)} == {"rest"}
    assert seen(wire, OpenInterest)[0].open_interest == 80_000.125
    assert seen(wire, InsuranceFund)[0].pool == "BTCUSDT,ETHUSDT"
    assert [(one.state, one.code) for one in seen(wire, InstrumentStatus)] == [("trading", "TRADING")]
    assert [(one.state, one.words) for one in seen(wire, VenueStatus)] == [("ok", "normal")]
    polled = [one for one in seen(wire, FundingRate) if one.origin == "rest"]
    assert polled[0].interval_us == 4 * HOUR
    assert len([one for one in seen(wire, MarkPrice) if one.origin == "rest"]) == 6


def test_spot_asks_for_states_and_leaves_nothing_to_the_futures_root() -> None:
    wire = open_market(SPOT, PERP, root="binance.spot")
    alive(wire, 40)
    assert [fetch.path for fetch in wire.polls][:2] == ["/api/v3/exchangeInfo", "/sapi/v1/system/status"]
    assert wire.polls[0].query == {"symbols": '["BTCUSDT"]'}
    wire.answer(polls=True)
    assert [(one.instrument, one.state) for one in seen(wire, InstrumentStatus)] == [("BTC-USDT", "trading")]
    assert [one.state for one in seen(wire, VenueStatus)] == ["ok"]
    futures = open_market(SPOT, PERP)
    alive(futures, 60)
    assert "/sapi/v1/system/status" not in [fetch.path for fetch in futures.polls]


def test_maintenance_is_a_state_of_the_venue() -> None:
    wire = open_market(SPOT, root="binance.spot")
    wire.wait(MINUTE // 2)
    wire.wait(MINUTE // 2)
    fetch = next(one for one in wire.polls if one.path.startswith("/sapi"))
    wire.take(wire.session.answer(fetch, 200, b'{"status":1,"msg":"system_maintenance"}', START))
    assert [(one.state, one.words) for one in seen(wire, VenueStatus)] == [("maintenance", "system_maintenance")]


@pytest.mark.parametrize(
    ("status", "body"), [(0, b"no route"), (500, b"{}"), (200, b"[]"), (200, b"{"), (200, b'{"symbols":[{}]}')]
)
def test_a_poll_without_a_readable_answer_is_told_and_waits_longer(status: int, body: bytes) -> None:
    wire = open_market(SPOT, root="binance.spot")
    wire.wait()
    (fetch,) = wire.polls
    wire.take(wire.session.answer(fetch, status, body, wire.market.at))
    (notice,) = seen(wire, VenueNotice)
    assert notice.code == "poll"
    assert notice.words.startswith("/api/v3/exchangeInfo: ")
    wire.take(wire.session.answer(Fetch(purpose="status", base="", path="", query={}, ccxt="", tag="x"), 200, b"", 1))
    assert len(seen(wire, VenueNotice)) == 1, "an answer to nobody's question says nothing"


def test_a_dialect_asks_nothing_and_may_name_the_further_streams() -> None:
    wire = open_market(PERP, dialect=Dialect(streams=("trade", "markPrice@1s", "forceOrder", "blockTrade")))
    assert wire.session.streams == ("btcusdt@markPrice@1s", "btcusdt@forceOrder")
    for _ in range(4):
        wire.wait()
    assert wire.polls == []


def asked_for(wire: Wire) -> list[tuple[str, list[str]]]:
    """SUBSCRIBE and UNSUBSCRIBE sent with the next ticks of two seconds."""
    messages = []
    for _ in range(4):
        wire.market.at += SECOND // 2
        for output in wire.session.tick(wire.market.at):
            if isinstance(output, Send):
                message = msgspec.json.decode(output.frame)
                messages.append((message["method"], message["params"]))
            wire.take([output])
    return messages


def test_a_stream_that_falls_silent_is_subscribed_to_anew_alone() -> None:
    wire = open_market(PERP, dialect=Dialect(streams=("markPrice@1s", "ticker")))
    for _ in range(4):
        wire.wait()
        wire.publish(MARK)
    wire.market.at += 2 * SECOND
    assert asked_for(wire) == []
    wire.publish(MARK)
    wire.market.at += 2 * SECOND
    assert asked_for(wire) == [("UNSUBSCRIBE", ["btcusdt@ticker"]), ("SUBSCRIBE", ["btcusdt@ticker"])]
    assert silent(wire) == ["btcusdt@ticker: nothing for 10 s"]
    assert wire.session.ready, "the other streams are as good as before"


def test_a_stream_that_stays_silent_costs_the_connection_after_two_tries() -> None:
    wire = open_market(PERP, dialect=Dialect(streams=("markPrice@1s", "forceOrder")))
    told = []
    while not wire.reconnects:
        wire.wait(SECOND // 2)
        told.append(len(silent(wire)))
        assert wire.market.at < START + 30 * SECOND
    assert told[-1] == 3
    assert wire.reconnects == ["btcusdt@markPrice@1s stays silent after new subscriptions"]
    assert wire.market.at <= START + 18 * SECOND
    wire.take(wire.session.disconnected(wire.market.at, "reconnect"))
    wire.wait(MINUTE)
    assert len(silent(wire)) == 3, "nothing is expected while it is down"


def test_liquidations_and_states_may_be_silent_for_ever() -> None:
    wire = open_market(PERP, dialect=Dialect(streams=("forceOrder", "!contractInfo")))
    for _ in range(50):
        wire.wait()
    assert silent(wire) == []


def test_a_refused_resubscription_is_told_and_tried_again() -> None:
    wire = open_market(PERP, dialect=Dialect(streams=("markPrice@1s",)))
    wire.market.at += 6 * SECOND
    (notice, leave) = wire.session.tick(wire.market.at)
    assert isinstance(notice, VenueNotice)
    assert isinstance(leave, Send)
    refusal = b'{"error":{"code":2,"msg":"no"},"id":%d}' % msgspec.json.decode(leave.frame)["id"]
    wire.take(wire.session.receive(refusal, wire.market.at))
    assert asked_for(wire)[0] == ("SUBSCRIBE", ["btcusdt@markPrice@1s"]), (
        "what is not left is subscribed to all the same"
    )


def test_timers_and_polls_go_on_where_they_were() -> None:
    wire = open_market(PERP)
    for _ in range(3):
        wire.wait()
    wire.answer(polls=True)
    state = msgspec.json.decode(msgspec.json.encode(wire.session.state()))
    (_, twin) = sessions([PERP])
    twin.restore(state)
    assert twin.state() == wire.session.state()
    for second in range(1, 40):
        at = wire.market.at + second * SECOND
        assert twin.tick(at) == wire.session.tick(at)


def test_two_streams_that_begin_alike_are_told_apart_by_name() -> None:
    long = msgspec.structs.replace(PERP, instrument="LONG-USDT-PERP", symbol="A" * 40 + "USDT")
    longer = msgspec.structs.replace(PERP, instrument="LONGER-USDT-PERP", symbol="A" * 41 + "USDT")
    short = msgspec.structs.replace(PERP, instrument="S-USDT-PERP", symbol="SUSDT")
    wire = open_market(long, longer, short, dialect=Dialect(streams=("markPrice@1s",)))
    assert isinstance(wire.session, BinanceSession)
    for rules in (long, longer, short):
        wire.publish(msgspec.structs.replace(MARK, instrument=rules.instrument))
    assert [mark.instrument for mark in seen(wire, MarkPrice)] == [
        "LONG-USDT-PERP",
        "LONGER-USDT-PERP",
        "S-USDT-PERP",
    ]
    for _ in range(3):
        wire.wait(2 * SECOND)
    assert len(silent(wire)) == 3
