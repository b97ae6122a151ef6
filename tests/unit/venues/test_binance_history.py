"""Walks over REST against the venue's own side: ranges, pages, and what the venue does not give."""

from __future__ import annotations

import msgspec
import pytest

from tests.unit.venues.binance_market import PERP, SPOT, START, ListedMarket, candle, rate, trade, walk
from warehouse.clock import DAY, HOUR, MINUTE, SECOND
from warehouse.errors import DecodeError
from warehouse.instruments import Rules
from warehouse.records import Candle, FundingRate, Trade
from warehouse.venues.base import EmulatedVenue
from warehouse.venues.binance import emulated, history

NOW = START


def venue_with(rules: Rules = SPOT) -> tuple[ListedMarket, EmulatedVenue]:
    market = ListedMarket(rules)
    return market, emulated(market)


def test_rules_survive_the_venues_spelling() -> None:
    venue = emulated(ListedMarket(SPOT, PERP))
    found, asked = walk(history.instruments(["BTC-USDT", "BTC-USDT-PERP"], NOW), venue, NOW)
    assert [fetch.path for fetch in asked] == ["/api/v3/exchangeInfo", "/fapi/v1/exchangeInfo"]
    assert [msgspec.structs.replace(r, valid_from=0, listed_at=None) for r in found] == [SPOT, PERP]


def test_an_unlisted_perpetual_is_left_out() -> None:
    venue = emulated(ListedMarket(PERP))
    found, _ = walk(history.instruments(["XRP-USDT-PERP"], NOW), venue, NOW)
    assert found == []


def test_server_time_is_microseconds() -> None:
    _, venue = venue_with()
    assert walk(history.server_time("spot"), venue, NOW)[0] == NOW


@pytest.mark.parametrize("rules", [SPOT, PERP])
def test_candles_come_in_pages_and_the_open_one_is_flagged(rules: Rules) -> None:
    market, venue = venue_with(rules)
    first = START - 2500 * MINUTE
    market.all_candles = [candle(rules, first + n * MINUTE) for n in range(2501)]
    now = START + 30 * SECOND
    answer, asked = walk(history.candles(rules, "1m", first, START + HOUR, now), venue, now)
    bars = [r for r in answer.records if isinstance(r, Candle)]
    assert [fetch.weight for fetch in asked] == ([2, 2, 2] if rules.market == "spot" else [2, 2, 2, 2, 2, 1])
    assert [b.open_time for b in bars] == [first + n * MINUTE for n in range(2501)]
    assert [b.closed for b in bars] == [True] * 2500 + [False]
    assert (answer.complete_from, answer.complete_to) == (first, START)
    assert bars[0] == msgspec.structs.replace(
        market.all_candles[0], origin="rest", ts_recv=now, ts_event=first + MINUTE
    )


def test_a_bar_that_is_not_served_yet_is_not_said_to_be_there() -> None:
    market, venue = venue_with()
    market.all_candles = [candle(SPOT, START - n * MINUTE) for n in range(10, 1, -1)]
    for later, complete_to in ((SECOND, START - MINUTE), (2 * MINUTE, START)):
        now = START + later
        answer, _ = walk(history.candles(SPOT, "1m", START - 5 * MINUTE, START, now), venue, now)
        assert answer.complete_to == complete_to


def test_candles_keep_to_the_half_open_range() -> None:
    market, venue = venue_with()
    market.all_candles = [candle(SPOT, START - n * MINUTE) for n in range(10, 0, -1)]
    answer, _ = walk(history.candles(SPOT, "1m", START - 5 * MINUTE, START - 2 * MINUTE, NOW), venue, NOW)
    assert [r.open_time for r in answer.records if isinstance(r, Candle)] == [
        START - 5 * MINUTE,
        START - 4 * MINUTE,
        START - 3 * MINUTE,
    ]
    assert answer.complete_to == START - 2 * MINUTE


@pytest.mark.parametrize("rules", [SPOT, PERP])
@pytest.mark.parametrize("raw", [False, True])
def test_trades_are_all_there_once_and_inside_the_range(rules: Rules, raw: bool) -> None:
    market, venue = venue_with(rules)
    fills = [trade(rules, n, START - 3 * HOUR + n * SECOND) for n in range(3 * 3600)]
    if raw:
        fills = [msgspec.structs.replace(t, first_fill=None, last_fill=None) for t in fills]
    market.all_trades[rules.instrument] = fills
    start, end = START - 2 * HOUR, START - HOUR + 500
    answer, asked = walk(history.trades(rules, start, end, NOW, raw=raw), venue, NOW)
    rows = [r for r in answer.records if isinstance(r, Trade)]
    assert [int(r.trade_id) for r in rows] == list(range(3600, 7201))
    assert (answer.complete_from, answer.complete_to, answer.note) == (start, end, None)
    assert all(("fromId" in f.query) == bool(i) for i, f in enumerate(asked))
    assert {f.path.rsplit("/", 1)[1] for f in asked[1:]} == {"historicalTrades" if raw else "aggTrades"}


def test_trades_up_to_now_are_complete_only_to_the_newest_served() -> None:
    market, venue = venue_with()
    market.all_trades[SPOT.instrument] = [trade(SPOT, n, START - HOUR + n * SECOND) for n in range(100)]
    answer, _ = walk(history.trades(SPOT, START - HOUR, START + HOUR, NOW), venue, NOW)
    assert len(answer.records) == 100
    assert answer.complete_to == START - HOUR + 99 * SECOND


def test_quiet_hours_are_crossed_by_windows_shorter_than_an_hour() -> None:
    market, venue = venue_with(PERP)
    market.all_trades[PERP.instrument] = [trade(PERP, 1, START - MINUTE)]
    answer, asked = walk(history.trades(PERP, START - 5 * HOUR, NOW, NOW), venue, NOW)
    assert len(answer.records) == 1
    spans = [int(f.query["endTime"]) - int(f.query["startTime"]) for f in asked if "startTime" in f.query]
    assert len(spans) == 5
    assert max(spans) < 3_600_000


def test_nothing_traded_is_a_complete_answer() -> None:
    _, venue = venue_with()
    answer, _ = walk(history.trades(SPOT, START - HOUR, START, NOW), venue, NOW)
    assert (answer.records, answer.complete_from, answer.complete_to) == ([], START - HOUR, START)


def test_futures_aggregates_reach_back_two_days_and_the_answer_says_so() -> None:
    market, venue = venue_with(PERP)
    market.all_trades[PERP.instrument] = [trade(PERP, n, START - 60 * HOUR + n * HOUR) for n in range(60)]
    answer, _ = walk(history.trades(PERP, START - 60 * HOUR, START, NOW), venue, NOW)
    assert answer.note is not None
    assert "48 h" in answer.note
    assert answer.complete_from == START - 48 * HOUR + MINUTE
    assert next(r.trade_id for r in answer.records if isinstance(r, Trade)) == "13"


def test_rows_of_another_time_than_asked_are_refused() -> None:
    """Out of reach, the venue has answered with its newest rows instead of an error (freqtrade#10941)."""
    steps = history.trades(SPOT, START - HOUR, START, NOW)
    next(steps)
    row = {"a": 1, "p": "60000.01", "q": "1", "f": 1, "l": 1, "T": START // 1000 + 99, "m": True}
    with pytest.raises(StopIteration) as done:
        steps.send([row])
    assert done.value.value.records == []
    assert done.value.value.complete_to is None
    assert "another time" in done.value.value.note


def test_a_hole_in_the_ids_ends_what_is_complete() -> None:
    market, venue = venue_with()
    market.all_trades[SPOT.instrument] = [
        trade(SPOT, n, START - HOUR + n * SECOND) for n in range(100) if n not in (40, 41)
    ]
    answer, _ = walk(history.trades(SPOT, START - HOUR, START, NOW), venue, NOW)
    assert answer.note == "binance serves no trades 40..41"
    assert answer.complete_to == START - HOUR + 39 * SECOND
    assert len(answer.records) == 98


def test_placeholders_of_old_aggregates_take_an_id_and_give_no_trade() -> None:
    steps = history.trades(SPOT, START - HOUR, START - MINUTE, NOW)
    next(steps)
    at = (START - HOUR) // 1000
    rows = [
        {"a": 1, "p": "60000.01", "q": "1", "f": 1, "l": 1, "T": at, "m": True},
        {"a": 2, "p": "0.00000000", "q": "0.00000000", "f": -1, "l": -1, "T": at, "m": True},
        {"a": 3, "p": "60000.01", "q": "1", "f": 2, "l": 2, "T": at + 1, "m": True},
    ]
    assert steps.send(rows).query["fromId"] == "4"
    with pytest.raises(StopIteration) as done:
        steps.send([])
    assert [r.trade_id for r in done.value.value.records] == ["1", "3"]
    assert done.value.value.note is None


def test_funding_is_rounded_to_the_second_and_knows_its_interval() -> None:
    market, venue = venue_with(PERP)
    first = START // HOUR * HOUR - 10 * DAY
    market.all_funding = [rate(PERP, first + n * 8 * HOUR) for n in range(10)]
    market.all_funding += [rate(PERP, first + 72 * HOUR + n * 4 * HOUR) for n in range(1, 5)]
    start = first + 8 * HOUR
    answer, _ = walk(history.funding(PERP, start, NOW, NOW), venue, NOW)
    rows = [r for r in answer.records if isinstance(r, FundingRate)]
    assert [r.ts_event for r in rows] == [r.ts_event for r in market.all_funding[1:]]
    assert [r.interval_us for r in rows] == [8 * HOUR] * 9 + [4 * HOUR] * 4
    assert rows[0].mark_price == 60_000.5
    assert (answer.complete_from, answer.complete_to) == (start, NOW)


def test_the_first_rate_of_all_has_no_interval() -> None:
    market, venue = venue_with(PERP)
    market.all_funding = [rate(PERP, START - HOUR)]
    answer, _ = walk(history.funding(PERP, START - DAY, NOW, NOW), venue, NOW)
    (row,) = answer.records
    assert isinstance(row, FundingRate)
    assert row.interval_us is None


def test_spot_has_no_funding() -> None:
    _, venue = venue_with()
    answer, asked = walk(history.funding(SPOT, START - DAY, NOW, NOW), venue, NOW)
    assert (answer.records, asked, answer.note) == ([], [], "spot has no funding")


@pytest.mark.parametrize("page", [None, {}, [{"a": 1}], "text", [[1, 2]]])
def test_a_page_that_cannot_be_read_is_a_decode_error(page: object) -> None:
    steps = history.trades(SPOT, START - HOUR, START, NOW)
    next(steps)
    with pytest.raises(DecodeError, match="binance"):
        steps.send(page)
