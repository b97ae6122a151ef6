"""The walks over REST against OKX's own side: everything in range, nothing twice, and no promise too many."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TypeVar

import ccxt
import msgspec
import pytest

from tests.unit.venues.okx_market import NOW, SPOT, SWAP, Market
from warehouse.clock import DAY, HOUR, MINUTE, SECOND, Micros
from warehouse.errors import DecodeError, RateLimited, Rejected
from warehouse.instruments import TIMEFRAMES, timeframe_us
from warehouse.records import Candle, FundingRate, Trade
from warehouse.venues.base import Answer, Fetch
from warehouse.venues.okx import history, requests
from warehouse.venues.okx.emulate import EmulatedOkx

Result = TypeVar("Result")


def walk(
    steps: Generator[Fetch, object, Result], market: Market, spoil: Callable[[Fetch, bytes], bytes] | None = None
) -> tuple[Result, list[Fetch]]:
    """Drive a walk, one second between requests; `spoil` may change an answer on its way."""
    venue, asked, at = EmulatedOkx(market), [], market.at
    try:
        fetch = next(steps)
        while True:
            at += SECOND
            asked.append(fetch)
            body = venue.rest(fetch.base, fetch.path, fetch.query, at).body
            fetch = steps.send(msgspec.json.decode(body if spoil is None else spoil(fetch, body)))
    except StopIteration as done:
        return done.value, asked


def test_every_request_names_a_method_that_ccxt_has() -> None:
    client = ccxt.okx()
    made = [
        requests.book("BTC-USDT", "BTC-USDT", ""),
        requests.newest_trades("BTC-USDT", "BTC-USDT"),
        requests.trades_below("BTC-USDT", "BTC-USDT", 7),
        requests.candles("BTC-USDT", "BTC-USDT", "1m", 7, deep=True),
        requests.candles("BTC-USDT", "BTC-USDT", "1m", 7, deep=False),
        requests.funding("BTC-USDT-SWAP", "BTC-USDT-PERP", 7),
        requests.instruments("SPOT"),
        requests.server_time(),
    ]
    for fetch in made:
        assert callable(getattr(client, fetch.ccxt)), fetch.ccxt


def test_instruments_come_as_rules_in_the_order_asked_and_unlisted_ones_not() -> None:
    rules, asked = walk(history.instruments(["BTC-USDT-PERP", "DOGE-USDT", "BTC-USDT"], NOW), Market())
    assert [one.instrument for one in rules] == ["BTC-USDT-PERP", "BTC-USDT"]
    assert rules[0] == msgspec.structs.replace(SWAP, min_size="0.01")
    assert rules[1] == SPOT
    assert [fetch.query["instType"] for fetch in asked] == ["SPOT", "SWAP"]


def test_contract_value_is_the_exact_product_and_inverse_swaps_are_left_out() -> None:
    steps = history.instruments(["X-USDT-PERP", "Y-USDT-PERP"], NOW)
    next(steps)
    row = {"instType": "SWAP", "tickSz": "0.1", "lotSz": "1", "state": "live", "ctVal": "0.1", "ctMult": "0.1"}
    rows = [{**row, "instId": "X-USDT-SWAP", "ctType": "linear"}, {**row, "instId": "Y-USDT-SWAP", "ctType": "inverse"}]
    with pytest.raises(StopIteration) as done:
        steps.send({"code": "0", "msg": "", "data": rows})
    assert [(one.instrument, one.contract_value) for one in done.value.value] == [("X-USDT-PERP", "0.01")]


def test_server_time() -> None:
    at, _ = walk(history.server_time("spot"), Market())
    assert at == NOW + SECOND


@pytest.mark.parametrize("timeframe", TIMEFRAMES)
def test_candles_of_every_timeframe_are_whole_and_ascending(timeframe: str) -> None:
    market, step = Market(), timeframe_us(timeframe)
    end = NOW // step * step - 2 * step
    start = end - 250 * step
    answer, _ = walk(history.candles(SPOT, timeframe, start, end, NOW), market)
    assert [one.open_time for one in rows(answer, Candle)] == list(range(start, end, step))
    assert (answer.complete_from, answer.complete_to) == (start, end)
    assert rows(answer, Candle)[0].volume == 0.5
    assert rows(answer, Candle)[0].quote_volume == 45_000.25


def test_candles_page_downward_from_the_recent_into_the_deep_endpoint() -> None:
    start, end = NOW - 2000 * MINUTE, NOW
    answer, asked = walk(history.candles(SWAP, "1m", start, end, NOW), Market())
    assert len(answer.records) == 2000
    assert [fetch.ccxt.removeprefix("publicGetMarket") for fetch in asked] == ["Candles"] * 3 + ["HistoryCandles"] * 4
    assert all("before" not in fetch.query for fetch in asked)


def test_the_forming_candle_is_returned_open_and_outside_what_is_complete() -> None:
    at = NOW // MINUTE * MINUTE + 20 * SECOND
    answer, _ = walk(history.candles(SPOT, "1m", at - 10 * MINUTE, at + MINUTE, at), Market(at=at))
    candles = rows(answer, Candle)
    assert [one.closed for one in candles[-2:]] == [True, False]
    assert answer.complete_to == candles[-1].open_time


def test_candles_before_the_listing_end_the_walk_with_a_note() -> None:
    answer, _ = walk(history.candles(SPOT, "1d", NOW - 500 * DAY, NOW - 390 * DAY, NOW), Market())
    assert len(answer.records) == 11
    assert answer.complete_from == NOW - 500 * DAY
    assert "history begins" in (answer.note or "")


def test_a_bar_off_the_utc_grid_is_refused() -> None:
    def shifted(fetch: Fetch, body: bytes) -> bytes:
        return b'{"code":"0","msg":"","data":[["1763683200001","1","1","1","1","1","1","1","1"]]}'

    with pytest.raises(DecodeError, match="off the UTC grid"):
        walk(history.candles(SPOT, "1d", NOW - 5 * DAY, NOW, NOW), Market(), shifted)


def test_trades_are_entered_by_time_and_walked_by_id() -> None:
    market = Market()
    made = market.trade(SWAP, 730, apart=SECOND)
    now = market.at + 10 * MINUTE
    market.at = now
    start, end = made[50].ts_event, made[700].ts_event
    answer, asked = walk(history.trades(SWAP, start, end, now), market)
    got = rows(answer, Trade)
    assert got == [msgspec.structs.replace(one, ts_recv=now, origin="rest") for one in made[50:700]]
    assert (answer.complete_from, answer.complete_to, answer.note) == (start, end, None)
    assert [fetch.query["type"] for fetch in asked] == ["2"] + ["1"] * 6


def test_the_newest_trades_are_complete_only_up_to_the_last_one() -> None:
    market = Market()
    made = market.trade(SPOT, 20, apart=SECOND)
    answer, _ = walk(history.trades(SPOT, made[5].ts_event, market.at + HOUR, market.at), market)
    assert rows(answer, Trade)[-1].trade_seq == made[-1].trade_seq
    assert answer.complete_to == made[-1].ts_event


def test_trades_older_than_the_venue_serves_are_not_promised() -> None:
    market = Market()
    made = market.trade(SPOT, 30, apart=SECOND)
    market.at += 10 * MINUTE
    answer, _ = walk(history.trades(SPOT, made[0].ts_event - DAY, made[-1].ts_event, market.at), market)
    assert answer.complete_from == made[0].ts_event + 1000
    assert "no trades before id 5000" in (answer.note or "")


def test_ids_that_the_venue_leaves_out_bound_what_is_complete() -> None:
    market = Market()
    made = market.trade(SPOT, 150, apart=SECOND)
    del market.tape["BTC-USDT"][95:98]
    market.at += 10 * MINUTE
    answer, _ = walk(history.trades(SPOT, made[10].ts_event, made[149].ts_event, market.at), market)
    assert answer.complete_from == made[98].ts_event + 1000
    assert "leaves out ids 5095 to 5097" in (answer.note or "")
    assert len(answer.records) == 136


def test_funding_is_paged_downward_with_intervals_and_its_reach_is_said() -> None:
    answer, asked = walk(history.funding(SWAP, NOW - 100 * DAY, NOW, NOW), Market())
    rates = rows(answer, FundingRate)
    assert len(rates) == 270
    assert [one.interval_us for one in rates] == [None] + [8 * HOUR] * 269
    assert answer.complete_from == rates[0].ts_event
    assert "no earlier settlement" in (answer.note or "")
    assert all("before" not in fetch.query for fetch in asked)


def test_funding_in_the_middle_knows_the_interval_of_its_first_row() -> None:
    start = NOW - 10 * DAY
    answer, _ = walk(history.funding(SWAP, start, NOW - DAY, NOW), Market())
    assert {one.interval_us for one in rows(answer, FundingRate)} == {8 * HOUR}
    assert (answer.complete_from, answer.complete_to) == (start, NOW - DAY)
    empty, asked = walk(history.funding(SPOT, start, NOW, NOW), Market())
    assert (empty.records, asked) == ([], [])


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({"code": "50011", "msg": "Too Many Requests", "data": []}, RateLimited),
        ({"code": "51001", "msg": "Instrument ID does not exist", "data": []}, Rejected),
        ({"code": "0", "msg": "", "data": [{"tradeId": "x"}]}, DecodeError),
        ({"nothing": "of the kind"}, DecodeError),
        ([1, 2], DecodeError),
    ],
)
def test_refusals_and_nonsense_are_told_apart(body: object, error: type[Exception]) -> None:
    steps = history.trades(SPOT, NOW - HOUR, NOW, NOW)
    next(steps)
    with pytest.raises(error):
        steps.send(body)


Kind = TypeVar("Kind", Candle, Trade, FundingRate)


def rows(answer: Answer, kind: type[Kind]) -> list[Kind]:
    """The records, all of one kind, in ascending order."""
    out = [one for one in answer.records if isinstance(one, kind)]
    assert len(out) == len(answer.records)
    times: list[Micros] = [one.ts_event for one in out]
    assert times == sorted(times)
    return out
