"""Each fault of REST, of a venue's clock and of its markets does what it says."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import msgspec
import pytest

from realtime.emulator.budgets import FIRST, PATIENCE, Budget
from realtime.emulator.faults.parts import Asked, Close, Fault
from realtime.emulator.seeded import Seeded, Terms
from tests.kit.faultbed import T0, Bed
from warehouse.clock import HOUR, MINUTE, SECOND, ManualClock
from warehouse.records import BestQuote, BookUpdate, InstrumentStatus, Record, Trade
from warehouse.venues.base import Reply

VENUES = ("binance", "bybit", "okx")
KLINES = {
    "binance": Asked(base="rest_spot", path="/api/v3/klines", query={"symbol": "BTCUSDT", "interval": "1m"}),
    "bybit": Asked(
        base="rest", path="/v5/market/kline", query={"category": "spot", "symbol": "BTCUSDT", "interval": "1"}
    ),
    "okx": Asked(base="rest", path="/api/v5/market/history-candles", query={"instId": "BTC-USDT", "bar": "1m"}),
}
OTHER = {
    "binance": Asked(base="rest_perp", path="/fapi/v1/klines", query={"symbol": "BTCUSDT", "interval": "1m"}),
    "bybit": Asked(
        base="rest", path="/v5/market/kline", query={"category": "linear", "symbol": "BTCUSDT", "interval": "1"}
    ),
    "okx": Asked(base="rest", path="/api/v5/market/history-candles", query={"instId": "BTC-USDT-SWAP", "bar": "1m"}),
}


def started(venue: str, kind: str, **more: Any) -> Bed:
    bed = Bed(venue, [Fault(kind=kind, venue=venue, **more)])
    bed.view.markets["BTC-USDT"].prepare()
    bed.run(0.1)
    return bed


def rows(venue: str, reply: Reply) -> list[Any]:
    body = msgspec.json.decode(reply.body)
    found: list[Any] = body if venue == "binance" else body["result"]["list"] if venue == "bybit" else body["data"]
    return found


@pytest.mark.parametrize(
    ("kind", "venue", "status", "mark"),
    [
        ("too_many_requests", "binance", 429, b"-1003"),
        ("too_many_requests", "bybit", 429, b"10429"),
        ("too_many_requests", "okx", 429, b"50011"),
        ("banned", "binance", 418, b"banned until"),
        ("banned", "bybit", 403, b"access too frequent"),
        ("geo_blocked", "binance", 451, b"restricted location"),
        ("geo_blocked", "bybit", 403, b"ERROR"),
    ],
)
def test_requests_are_refused_as_the_venue_refuses_them(kind: str, venue: str, status: int, mark: bytes) -> None:
    bed = started(venue, kind, count=2, amount=7, instrument="BTC-USDT")
    assert bed.get(OTHER[venue])[0] is None
    for _ in range(2):
        _, reply = bed.get(KLINES[venue])
        assert reply.status == status
        assert mark in reply.body
        if venue == "binance" and kind != "geo_blocked":
            assert reply.headers["Retry-After"] == "7"
    treatment, reply = bed.get(KLINES[venue])
    assert (treatment, reply.status) == (None, 200)
    bed.run(0.1)
    entry = bed.log.entries[f"001-{kind}-{venue}"]
    assert entry.state == "over"
    assert entry.hidden == [{"path": KLINES[venue].path, "query": KLINES[venue].query}] * 2


@pytest.mark.parametrize("venue", VENUES)
def test_a_venue_breaks_in_its_own_words_or_its_proxys(venue: str) -> None:
    bed = started(venue, "server_error", count=30)
    replies = [bed.get(KLINES[venue])[1] for _ in range(30)]
    assert len({reply.body for reply in replies}) == 4
    assert {reply.status for reply in replies} >= {500, 502, 504}
    bed = started(venue, "server_error", code=502)
    assert bed.get(KLINES[venue])[1].status == 502


@pytest.mark.parametrize("venue", VENUES)
def test_a_reply_is_late_empty_or_has_a_hole(venue: str) -> None:
    whole = rows(venue, started(venue, "timed_out").get(OTHER[venue])[1])
    assert len(whole) > 50
    treatment, _ = started(venue, "timed_out", amount=12).get(KLINES[venue])
    assert treatment is not None
    assert treatment.wait == 12

    bed = started(venue, "empty_page", path=KLINES[venue].path, instrument="BTC-USDT")
    first, again = (rows(venue, bed.get(KLINES[venue])[1]) for _ in range(2))
    assert first == []
    assert len(again) > 50
    assert bed.log.entries[f"001-empty_page-{venue}"].touched == again

    bed = started(venue, "holed_page", instrument="BTC-USDT")
    first, again = (rows(venue, bed.get(KLINES[venue])[1]) for _ in range(2))
    gone = [row for row in again if row not in first]
    assert gone == bed.log.entries[f"001-holed_page-{venue}"].touched
    assert 0 < len(gone) < len(again) / 4
    assert first[0] == again[0]
    assert first[-1] == again[-1]
    at = again.index(gone[0])
    assert again[at : at + len(gone)] == gone


def test_depth_pages_of_binance_are_old_after_a_lost_update_and_stale_from_a_cache() -> None:
    depth = Asked(base="rest_spot", path="/api/v3/depth", query={"symbol": "BTCUSDT", "limit": "5000"})

    def last(bed: Bed) -> int:
        found: int = msgspec.json.decode(bed.get(depth)[1].body)["lastUpdateId"]
        return found

    bed = Bed("binance", [Fault(kind="old_snapshot", venue="binance", instrument="BTC-USDT", at=1.0, count=2)])
    wire = bed.connect("ws_spot", "/stream")
    bed.ask(wire, {"method": "SUBSCRIBE", "params": ["btcusdt@depth@100ms"], "id": 1})
    bed.run(3)
    updates = [msgspec.json.decode(frame)["data"] for frame in wire.of("btcusdt@depth@100ms")]
    holes = [(one["u"], two["U"]) for one, two in pairwise(updates) if two["U"] != one["u"] + 1]
    assert len(holes) == 1
    assert last(bed) == last(bed) < holes[0][1]
    assert last(bed) == updates[-1]["u"]

    bed = Bed("binance", [Fault(kind="stale_snapshot", venue="binance", instrument="BTC-USDT", seconds=5)])
    bed.run(0.2)
    first = last(bed)
    bed.run(3)
    assert last(bed) == first
    bed.run(3)
    assert last(bed) > first


@pytest.mark.parametrize("venue", VENUES)
def test_a_stepping_clock_moves_messages_and_not_trades(venue: str) -> None:
    told: list[Record] = []
    bed = Bed(venue, [Fault(kind="stepping_clock", venue=venue, at=1.0, seconds=2, amount=-4)])
    market = bed.view.markets["BTC-USDT"]
    for step in range(1, 101):
        now = T0 + step * SECOND // 20
        bed.desk.turn(now)
        for one in market.advance(now):
            shifted = bed.desk.happened(one, now)
            assert isinstance(shifted, Record)
            engine = isinstance(one, Trade)
            off = -4 * SECOND if 1 * SECOND <= now - T0 < 3 * SECOND and not engine else 0
            if type(one) in (BookUpdate, BestQuote, Trade):
                assert shifted.ts_event - one.ts_event == off
                told.append(shifted)
        assert bed.desk.stamp(now) - now == (-4 * SECOND if 1 * SECOND <= now - T0 < 3 * SECOND else 0)
    assert len(told) > 50


def test_a_skewed_venue_lives_ahead_of_the_others() -> None:
    clock = ManualClock(T0 + 30 * SECOND)
    terms = Terms(seed=5, rate=1.0, lookback_us=MINUTE, t0=T0)
    source = Seeded(clock, 0, ["binance", "okx"], terms, skews={"okx": -3 * SECOND})
    source.open()
    clock.advance(10 * SECOND)
    latest: dict[str, int] = {}
    for venue, one in source.advance(clock.now()):
        if isinstance(one, Record) and one.instrument:
            latest[venue] = max(latest.get(venue, 0), one.ts_event)
    assert latest == {"binance": T0 + 40 * SECOND, "okx": T0 + 37 * SECOND}
    assert source.clock("okx").now() == source.view("okx").now() == clock.now() - 3 * SECOND


@pytest.mark.parametrize("venue", VENUES)
def test_a_maintenance_is_announced_begins_and_ends(venue: str) -> None:
    bed = Bed(venue, [Fault(kind="maintenance", venue=venue, at=1.0, amount=2, seconds=4)])
    socket = {
        "binance": ("ws_spot", "/stream"),
        "bybit": ("ws_status", "/v5/public/misc/status"),
        "okx": ("ws_public", "/ws/v5/public"),
    }
    wire = bed.connect(*socket[venue])
    if venue == "bybit":
        bed.ask(wire, {"op": "subscribe", "args": ["system.status"]})
    if venue == "okx":
        bed.ask(wire, {"op": "subscribe", "args": [{"channel": "status"}]})
    start = len(wire.got)
    bed.run(2.5)
    assert bed.desk.handshake(wire.base, bed.clock.now()) is None
    assert bed.get(KLINES[venue])[0] is None
    assert (venue == "binance") == (len(wire.got) == start)
    bed.run(1)
    assert isinstance(wire.got[-1], Close)
    refusal = bed.desk.handshake(wire.base, bed.clock.now())
    assert refusal is not None
    assert refusal.status == 503
    assert bed.get(KLINES[venue])[0] is not None
    bed.run(2.5)
    assert bed.desk.handshake(wire.base, bed.clock.now()) is None
    assert [entry.state for entry in bed.log.entries.values()] == ["over"]


def test_a_burst_is_twenty_times_the_usual_rate_and_passes() -> None:
    bed = Bed("binance", [Fault(kind="burst", venue="binance", instrument="BTC-USDT", at=10.0, seconds=5, amount=20)])
    flow = bed.view.markets["BTC-USDT"].flow
    counts = []
    for _ in range(4):
        before = len(flow.times)
        bed.run(5)
        counts.append(len(flow.times) - before)
    assert counts[2] > 8 * max(counts[0], counts[1], counts[3])
    assert bed.log.entries["001-burst-binance"].state == "over"


@pytest.mark.parametrize("venue", VENUES)
def test_an_instrument_is_announced_to_end_ends_and_is_gone(venue: str) -> None:
    bed = Bed(venue, [Fault(kind="delisted", venue=venue, instrument="BTC-USDT-PERP", at=2.0, seconds=10)])
    market = bed.view.markets["BTC-USDT-PERP"]
    said = [one for step in range(1, 31) for one in market.advance(T0 + step * SECOND // 2)]
    states = [one for one in said if isinstance(one, InstrumentStatus)]
    end = T0 + 7 * SECOND
    assert [(one.ts_event, one.state, one.delisting_at) for one in states] == [
        (T0 + 2 * SECOND, "trading", end),
        (end, "delisted", end),
    ]
    assert max(one.ts_event for one in said) == end
    assert bed.view.status("BTC-USDT-PERP").state == "delisted"
    assert "BTC-USDT-PERP" not in [rule.instrument for rule in bed.view.rules()]
    relived = Bed(venue, [Fault(kind="delisted", venue=venue, instrument="BTC-USDT-PERP", at=2.0, seconds=10)])
    relived.view.markets["BTC-USDT-PERP"].relive(T0 + 15 * SECOND)
    assert list(relived.view.markets["BTC-USDT-PERP"].lived()) == list(market.lived())


@pytest.mark.parametrize(
    ("venue", "name"), [("binance", "BTC-USDT"), ("bybit", "XRP-USDT-PERP"), ("okx", "ETH-USDT-PERP")]
)
def test_a_finer_tick_comes_in_the_midst_of_the_stream(venue: str, name: str) -> None:
    plan = [Fault(kind="tick_changed", venue=venue, instrument=name, at=30.0)]
    bed, plain = Bed(venue, plan), Bed(venue, [])
    market = bed.view.markets[name]
    market.prepare()
    plain.view.markets[name].prepare()
    old = market.rules
    before = market.advance(T0 + 30 * SECOND - 1)
    assert before == plain.view.markets[name].advance(T0 + 30 * SECOND - 1)
    candles = market.candles("1h", T0 - 5 * HOUR, T0 - HOUR, 10, False)
    trades = market.trades_by_time(0, T0 + HOUR, 1 << 30, False)
    after = market.advance(T0 + 90 * SECOND)
    assert [one.ts_event for one in after if isinstance(one, InstrumentStatus)] == [T0 + 30 * SECOND]
    assert float(market.rules.tick) == pytest.approx(float(old.tick) / 10)
    assert market.rules.valid_from == T0 + 30 * SECOND
    fine = [one for one in after if isinstance(one, Trade)]
    for one in fine:
        assert one.ticks == market.rules.grid.ticks(one.price)
    assert any(one.ticks % 10 for one in fine)
    later = market.candles("1h", T0 - 5 * HOUR, T0 - HOUR, 10, False)
    assert [(one.open, one.high, one.low, one.close, one.volume) for one in later] == [
        (one.open, one.high, one.low, one.close, one.volume) for one in candles
    ]
    again = market.trades_by_time(0, T0 + 30 * SECOND - 1, 1 << 30, False)
    assert [(one.trade_id, one.price, one.lots) for one in again] == [
        (one.trade_id, one.price, one.lots) for one in trades
    ]
    made = market.candles("1m", T0, T0 + 90 * SECOND, 10, False)
    assert made[0].trade_count == len([one for one in market.trades_by_time(T0, T0 + MINUTE, 1 << 30, False)])
    bids, asks = bed.view.book(name).bids, bed.view.book(name).asks
    assert bids[0][0] < asks[0][0]


def test_who_goes_on_after_a_429_is_banned_and_each_ban_is_longer() -> None:
    budget, now = Budget("binance"), T0
    refused = Reply(status=429, body=b"{}", headers={"Retry-After": "30"})
    fine = Reply(status=200, body=b"{}")
    for length in (FIRST, 2 * FIRST):
        assert budget.before(now) is None
        replies = [budget.after(refused, now + at * SECOND) for at in range(PATIENCE + 1)]
        assert [reply.status for reply in replies] == [429] * PATIENCE + [418]
        assert replies[-1].headers["Retry-After"] == str(length)
        still = budget.before(now + length * SECOND)
        assert still is not None
        assert still.status == 418
        now += (length + PATIENCE) * SECOND
        assert budget.before(now) is None
        assert budget.after(fine, now) == fine
    waited = Budget("binance")
    replies = [waited.after(refused, now + at * 31 * SECOND) for at in range(10)]
    assert {reply.status for reply in replies} == {429}
    assert {Budget("okx").after(refused, now + at).status for at in range(10)} == {429}
