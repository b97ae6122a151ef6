"""Walks of derivatives, states, dates and books against the venue's own side."""

from __future__ import annotations

import msgspec
import pytest

from tests.unit.venues.binance_market import PERP, SPOT, START, ListedMarket, candle, walk
from warehouse.clock import DAY, HOUR, MINUTE, SECOND, Micros
from warehouse.errors import DecodeError
from warehouse.instruments import Rules
from warehouse.records import BookUpdate, Candle, InstrumentStatus, InsuranceFund, OpenInterest, TradingState
from warehouse.venues.base import MarkKind
from warehouse.venues.binance import emulated, history

NOW: Micros = START // HOUR * HOUR


def interest(at: Micros, period: Micros = 5 * MINUTE) -> OpenInterest:
    return OpenInterest(
        venue="binance",
        instrument=PERP.instrument,
        ts_event=at,
        ts_recv=NOW,
        open_interest=80_000.125,
        open_interest_quote=7.3e9,
        period_us=period,
        origin="rest",
    )


def state(rules: Rules, word: TradingState) -> InstrumentStatus:
    return InstrumentStatus(
        venue="binance", instrument=rules.instrument, ts_event=NOW, ts_recv=NOW, state=word, code=word
    )


@pytest.mark.parametrize("kind", ["mark", "index"])
def test_mark_and_index_candles_come_in_pages_without_volumes(kind: MarkKind) -> None:
    market = ListedMarket(PERP)
    bars = [candle(PERP, NOW - n * MINUTE) for n in range(2500, 0, -1)]
    market.listed.mark_candles[kind] = bars
    start = NOW - 2400 * MINUTE
    answer, asked = walk(history.mark_candles(PERP, kind, "1m", start, NOW, NOW), emulated(market), NOW)
    assert [fetch.path for fetch in asked] == [f"/fapi/v1/{kind}PriceKlines"] * 5
    assert [fetch.weight for fetch in asked] == [2] * 5
    found = [row for row in answer.records if isinstance(row, Candle)]
    assert [row.open_time for row in found] == [bar.open_time for bar in bars[100:]]
    assert (found[0].open, found[0].high, found[0].volume, found[0].trade_count) == (60_000.5, 60_010.5, 0.0, None)
    assert (answer.complete_from, answer.complete_to, answer.note) == (start, NOW, None)


def test_a_hole_in_mark_candles_is_noted() -> None:
    market = ListedMarket(PERP)
    market.listed.mark_candles["mark"] = [candle(PERP, NOW - n * MINUTE) for n in (5, 4, 2, 1)]
    answer, _ = walk(history.mark_candles(PERP, "mark", "1m", NOW - 5 * MINUTE, NOW, NOW), emulated(market), NOW)
    assert answer.note == "binance serves 4 of 5 1m bars"


def test_open_interest_comes_in_windows_with_base_and_quote() -> None:
    market = ListedMarket(PERP)
    market.listed.open_interest = [interest(NOW - n * 5 * MINUTE) for n in range(1300, -1, -1)]
    start = NOW - 1200 * 5 * MINUTE
    answer, asked = walk(history.open_interest(PERP, "5m", start, NOW, NOW), emulated(market), NOW)
    assert [(fetch.base, fetch.weight) for fetch in asked] == [("rest_perp", 0)] * 3
    assert answer.records == market.listed.open_interest[100:1300]
    assert (answer.complete_from, answer.complete_to, answer.note) == (start, NOW - 5 * MINUTE + 1, None)


def test_old_open_interest_is_out_of_reach_and_the_answer_says_so() -> None:
    market = ListedMarket(PERP)
    market.listed.open_interest = [interest(NOW - n * HOUR, HOUR) for n in range(40 * 24, 0, -1)]
    walked = history.open_interest(PERP, "1h", NOW - 40 * DAY, NOW - 2 * HOUR, NOW)
    answer, _ = walk(walked, emulated(market), NOW)
    assert answer.note == "binance serves open interest of the last 30 days only"
    assert answer.complete_from == NOW - 30 * DAY + MINUTE
    assert answer.complete_to == NOW - 2 * HOUR
    assert len(answer.records) == 30 * 24 - 1 - 2


def test_missing_readings_are_noted() -> None:
    market = ListedMarket(PERP)
    market.listed.open_interest = [interest(NOW - n * HOUR, HOUR) for n in (9, 8, 5, 4)]
    answer, _ = walk(history.open_interest(PERP, "1h", NOW - 9 * HOUR, NOW - 3 * HOUR, NOW), emulated(market), NOW)
    assert answer.note == "binance serves 4 of 6 1h readings"


def test_insurance_is_every_asset_of_every_pool() -> None:
    market = ListedMarket(PERP)
    funds = [
        InsuranceFund(
            venue="binance",
            instrument="",
            ts_event=NOW - SECOND,
            ts_recv=NOW,
            pool=pool,
            asset=asset,
            balance=balance,
            balance_usd=None,
            origin="rest",
        )
        for pool, asset, balance in (
            ("BTCUSDT,ETHUSDT", "USDT", 7.9e8),
            ("BTCUSDT,ETHUSDT", "BTC", 61.5),
            ("X", "Y", -2.0),
        )
    ]
    market.listed.insurance = funds
    answer, asked = walk(history.insurance(NOW), emulated(market), NOW)
    assert answer.records == funds
    assert len(asked) == 1


def test_states_are_told_in_our_words_and_the_venues() -> None:
    market = ListedMarket(SPOT, PERP)
    market.listed.states = [state(SPOT, "halted"), state(PERP, "pre_launch")]
    names = ["BTC-USDT", "BTC-USDT-PERP", "XRP-USDT-PERP"]
    answer, asked = walk(history.statuses(names, NOW), emulated(market), NOW)
    assert [fetch.path for fetch in asked] == ["/api/v3/exchangeInfo", "/fapi/v1/exchangeInfo"]
    told = [(r.instrument, r.state, r.code) for r in answer.records if isinstance(r, InstrumentStatus)]
    assert told == [("BTC-USDT", "halted", "HALT"), ("BTC-USDT-PERP", "pre_launch", "PENDING_TRADING")]


def test_the_calendar_holds_what_lies_ahead() -> None:
    old = msgspec.structs.replace(PERP, instrument="OLD-USDT-PERP", symbol="OLDUSDT", delisting_at=NOW + 7 * DAY)
    new = msgspec.structs.replace(PERP, instrument="NEW-USDT-PERP", symbol="NEWUSDT", listed_at=NOW + DAY)
    answer, _ = walk(history.calendar(NOW), emulated(ListedMarket(PERP, old, new)), NOW)
    found = [(r.instrument, r.listed_at, r.delisting_at) for r in answer.records if isinstance(r, InstrumentStatus)]
    assert [name for name, _, _ in found] == ["OLD-USDT-PERP", "NEW-USDT-PERP"]
    assert (found[0][2], found[1][1]) == (NOW + 7 * DAY, NOW + DAY)
    assert answer.note is not None
    assert "spot" in answer.note


@pytest.mark.parametrize("rules", [SPOT, PERP])
def test_a_book_is_one_snapshot(rules: Rules) -> None:
    market = ListedMarket(rules)
    answer, asked = walk(history.book(rules, NOW), emulated(market), NOW)
    (book,) = answer.records
    assert isinstance(book, BookUpdate)
    assert (book.snapshot, book.bids, book.asks) == (
        True,
        [(60_000.0, 2.0), (59_999.0, 3.0)],
        [(60_001.0, 1.0), (60_002.0, 4.0)],
    )
    assert asked[0].query["limit"] == "1000"


def test_what_spot_does_not_have_is_answered_with_a_note() -> None:
    venue = emulated(ListedMarket(SPOT))
    for steps in (
        history.mark_candles(SPOT, "mark", "1m", 0, NOW, NOW),
        history.open_interest(SPOT, "5m", 0, NOW, NOW),
        history.open_interest(PERP, "1m", 0, NOW, NOW),
    ):
        answer, asked = walk(steps, venue, NOW)
        assert (answer.records, asked) == ([], [])
        assert answer.note


@pytest.mark.parametrize("page", [None, {}, [{"sumOpenInterest": "x"}], [{"timestamp": 5}]])
def test_a_page_that_cannot_be_read_is_a_decode_error(page: object) -> None:
    steps = history.open_interest(PERP, "5m", NOW - HOUR, NOW, NOW)
    next(steps)
    with pytest.raises(DecodeError):
        steps.send(page)
