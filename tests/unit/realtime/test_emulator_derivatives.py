"""What a seeded market states beside trades and book agrees with itself, with its history and with its flow."""

from __future__ import annotations

from functools import cache
from itertools import pairwise
from pathlib import Path as File

import msgspec
import pytest

from realtime.emulator.listings import COINS
from realtime.emulator.path import Path
from realtime.emulator.seeded import Seeded, Terms
from realtime.emulator.truth import Truth, read
from realtime.emulator.view import SeededView
from warehouse.clock import DAY, HOUR, MINUTE, SECOND, ManualClock, Micros
from warehouse.instruments import TIMEFRAMES, timeframe_us
from warehouse.records import (
    FundingRate,
    InsuranceFund,
    Liquidation,
    MarkPrice,
    OpenInterest,
    Record,
    Ticker,
    Trade,
)

T0: Micros = 1_795_000_020_000_000
FOREVER = 1 << 62
PERP = "BTC-USDT-PERP"
VENUES = ("binance", "bybit", "okx")


@cache
def paths() -> dict[str, Path]:
    drawn = {base: Path(7, base) for base in COINS}
    for path in drawn.values():
        path.price(T0 + 30 * DAY)
    return drawn


def view(venue: str) -> SeededView:
    return SeededView(venue, 7, paths(), ManualClock(T0), T0, 10 * MINUTE, 20.0)


@pytest.fixture(scope="module", params=VENUES)
def lived(request: pytest.FixtureRequest) -> tuple[SeededView, dict[str, list[Record]]]:
    """Two markets of a venue, ten and a half minutes old, and all they said."""
    made = view(request.param)
    said = {}
    for name in (PERP, "ETH-USDT"):
        made.markets[name].prepare()
        said[name] = made.markets[name].advance(T0 + 630 * SECOND)
    return made, said


def of(records: list[Record], kind: type[Record]) -> list[Record]:
    return [record for record in records if type(record) is kind]


def test_the_index_is_the_path_and_the_mark_price_stays_near_it(
    lived: tuple[SeededView, dict[str, list[Record]]],
) -> None:
    made, said = lived
    marks = [one for one in said[PERP] if isinstance(one, MarkPrice)]
    assert [one.ts_event for one in marks] == list(range(T0 + SECOND, T0 + 631 * SECOND, SECOND))
    market = made.markets[PERP]
    for one in marks[::10]:
        assert one.mark_price is not None
        assert one.index_price is not None
        assert abs(one.mark_price / one.index_price - 1) < 0.002
        fair = market.flow.fair(one.ts_event) * market.rules.grid.tick
        assert abs(one.index_price / fair - 1) < 0.0005
    assert made.mark_price(PERP) == marks[-1]
    threes = [marks[at : at + 3] for at in range(len(marks) - 2)]
    assert all(len({one.mark_price for one in three}) > 1 for three in threes)
    assert all(len({one.index_price for one in three}) > 1 for three in threes)


@pytest.mark.parametrize("kind", ["mark", "index"])
@pytest.mark.parametrize("timeframe", TIMEFRAMES)
def test_candles_of_prices_chain_and_end_where_the_price_is(kind: str, timeframe: str) -> None:
    made = view("okx")
    market = made.markets[PERP]
    market.flow.relive(T0 + 90 * SECOND)
    now, span = market.flow.at, timeframe_us(timeframe)
    rows = made.mark_candles(PERP, "mark" if kind == "mark" else "index", timeframe, 0, FOREVER, 1000, True)
    assert [row.open_time for row in rows] == [(now // span - back) * span for back in range(999, -1, -1)]
    assert [row.closed for row in rows] == [True] * 999 + [False]
    assert all(early.close == late.open for early, late in pairwise(rows))
    assert all(row.low <= min(row.open, row.close) <= max(row.open, row.close) <= row.high for row in rows)
    assert all(row.volume == 0 for row in rows)
    there = market.derivatives
    assert there is not None
    for row in rows[-30:-1]:
        told = there.mark_price(row.open_time + span)
        assert row.close == (told.mark_price if kind == "mark" else told.index_price)
        seconds = range(row.open_time, row.open_time + span, max(SECOND, span // 60 // SECOND * SECOND))
        prices = [there.price("mark" if kind == "mark" else "index", at) for at in seconds]
        assert row.low <= min(prices)
        assert max(prices) <= row.high
        if timeframe == "1m":
            assert (row.high, row.low) == (max(*prices, row.close), min(*prices, row.close))
    assert rows[-1].close == there.price("mark" if kind == "mark" else "index", now)


def test_pages_of_candles_are_slices_of_one_list() -> None:
    made = view("binance")
    every = made.mark_candles(PERP, "mark", "5m", T0 - DAY, T0, FOREVER, False)
    assert len(every) == 288
    assert made.mark_candles(PERP, "mark", "5m", T0 - DAY, T0, 100, False) == every[:100]
    assert made.mark_candles(PERP, "mark", "5m", T0 - DAY, T0, 100, True) == every[-100:]
    assert made.mark_candles(PERP, "mark", "5m", T0 - DAY, T0, 0, True) == []
    assert made.mark_candles("BTC-USDT", "mark", "5m", T0 - DAY, T0, 100, True) == []


@pytest.mark.parametrize(("name", "every"), [(PERP, 8 * HOUR), ("BNB-USDT-PERP", 4 * HOUR)])
def test_the_accruing_rate_ends_as_the_settled_one(name: str, every: Micros) -> None:
    made = view("okx")
    there = made.markets[name].derivatives
    assert there is not None
    settles = (T0 // every + 3) * every
    settled = there.funding(settles, settles + 1, 10, True, settles + HOUR)
    assert [(rate.ts_event, rate.settled, rate.interval_us) for rate in settled] == [(settles, True, every)]
    last = there.funding_now(settles - 1)
    assert (last.settled, last.next_funding_at, last.interval_us) == (False, settles, every)
    assert last.funding_rate == settled[0].funding_rate
    accruing = [there.funding_now(at) for at in range(settles - every, settles, MINUTE)]
    assert len({rate.funding_rate for rate in accruing}) > 100
    assert all(abs(rate.funding_rate) < 0.002 for rate in accruing)
    rates = there.funding(T0 - 90 * DAY, T0, 1000, False, T0)
    assert len(rates) == 90 * DAY // every
    assert all(rate.ts_event % every == 0 and abs(rate.funding_rate) < 0.01 for rate in rates)
    assert rates[0].mark_price == there.mark_price(rates[0].ts_event).mark_price


def test_open_interest_of_history_is_what_was_said_then(lived: tuple[SeededView, dict[str, list[Record]]]) -> None:
    made, said = lived
    told = {one.ts_event: one for one in said[PERP] if isinstance(one, OpenInterest)}
    assert list(told) == list(range(T0 + 3 * SECOND, T0 + 631 * SECOND, 3 * SECOND))
    rows = made.open_interest(PERP, 5 * MINUTE, T0 - DAY, FOREVER, 1000, False)
    assert len(rows) == 290
    assert all(row.ts_event % (5 * MINUTE) == 0 and row.period_us == 5 * MINUTE for row in rows)
    now = rows[-1].ts_event
    assert T0 < now <= made.markets[PERP].flow.at
    assert msgspec.structs.replace(rows[-1], period_us=0) == told[now]
    assert made.open_interest_now(PERP) == told[T0 + 630 * SECOND]
    assert all(0.5 < late.open_interest / early.open_interest < 2 for early, late in pairwise(rows))
    assert all(row.open_interest_quote is not None and row.open_interest_quote > 1e8 for row in rows)
    assert made.open_interest_now("ETH-USDT") is None


@pytest.mark.parametrize("name", [PERP, "ETH-USDT"])
def test_the_ticker_is_the_last_24_hours_of_candles(
    name: str, lived: tuple[SeededView, dict[str, list[Record]]]
) -> None:
    made, said = lived
    ticker = made.ticker(name)
    assert ticker is not None
    minute = made.markets[name].flow.at // MINUTE * MINUTE
    bars = [row for row in made.candles(name, "1m", minute - 1439 * MINUTE, FOREVER, 2000, False) if row.trade_count]
    assert (ticker.open, ticker.last_price) == (bars[0].open, bars[-1].close)
    assert (ticker.high, ticker.low) == (max(row.high for row in bars), min(row.low for row in bars))
    assert ticker.volume == pytest.approx(sum(row.volume for row in bars), rel=1e-12)
    assert ticker.quote_volume == pytest.approx(sum(row.quote_volume or 0 for row in bars), rel=1e-12)
    assert ticker.trade_count == sum(row.trade_count or 0 for row in bars)
    tickers = [one for one in said[name] if isinstance(one, Ticker)]
    assert len(tickers) == 630
    trades = [one for one in said[name] if isinstance(one, Trade)]
    for one in tickers[30::100]:
        assert one.last_price == [trade.price for trade in trades if trade.ts_event <= one.ts_event][-1]


def test_a_liquidation_is_a_real_trade_through_the_real_book(
    lived: tuple[SeededView, dict[str, list[Record]]],
) -> None:
    made, said = lived
    market = made.markets[PERP]
    market.advance(T0 + 40 * MINUTE)
    told = market.flow.liquidations
    assert len(told) > 5
    assert {one.liquidated_side for one in told} == {"long", "short"}
    trades = made.trades_by_time(PERP, T0, FOREVER, 1 << 30, False)
    by_time: dict[Micros, list[Trade]] = {}
    for trade in trades:
        by_time.setdefault(trade.ts_event, []).append(trade)
    for one in told:
        taker = "sell" if one.liquidated_side == "long" else "buy"
        fills = [trade for trade in by_time[one.ts_event] if trade.taker_side == taker]
        assert sum(trade.lots for trade in fills) >= one.lots > 0
        assert one.size == market.rules.grid.size(one.lots)
        if one.price_basis == "fill":
            assert min(trade.price for trade in fills) - 1e-6 <= one.price <= max(trade.price for trade in fills) + 1e-6
        else:
            assert one.ticks == market.rules.grid.ticks(one.price)
            assert (one.price < fills[-1].price) == (one.liquidated_side == "long")
    if told[0].sampled:
        seconds = [one.ts_event // SECOND for one in told]
        assert len(set(seconds)) == len(seconds)
    assert [one for one in said[PERP] if isinstance(one, Liquidation)] == told[: len(of(said[PERP], Liquidation))]
    assert not made.markets["ETH-USDT"].flow.liquidations


def test_bursts_of_liquidations_come_and_go() -> None:
    made = view("bybit")
    forced = made.markets[PERP].flow._forced
    assert forced is not None
    counts = [len(forced.orders(minute)) for minute in range(2000)]
    assert 10 < sum(count >= 6 for count in counts) < 100
    assert min(counts) == 1
    assert 1.1 < sum(count for count in counts if count < 4) / 2000 < 1.4


def test_what_is_said_does_not_depend_on_how_often_one_looks() -> None:
    whole, stepped = view("bybit").markets[PERP], view("bybit").markets[PERP]
    for market in (whole, stepped):
        market.prepare()
    every = whole.advance(T0 + 40 * SECOND)
    parts = [one for step in range(1, 401) for one in stepped.advance(T0 + step * SECOND // 10)]
    assert parts == every
    assert len(of(every, FundingRate)) == 1
    assert len(of(every, Ticker)) == len(of(every, MarkPrice)) == 40


def test_the_source_tells_and_the_truth_file_holds_it(tmp_path: File) -> None:
    clock, truth = ManualClock(T0), Truth(tmp_path / "truth.jsonl")
    terms = Terms(seed=7, rate=1.0, lookback_us=MINUTE, t0=T0)
    source = Seeded(clock, 0, ["binance"], terms, truth)
    source.open()
    assert source.cold() is None
    source.subscribed("binance", [("ws_perp", "btcusdt@ticker"), ("ws_spot", "ethusdt@trade")])
    said = []
    for minute in range(1, 11):
        if minute == 2:
            while (work := source.cold()) is not None:
                work()
        said += [record for _, record in source.advance(T0 + minute * MINUTE) if isinstance(record, Record)]
    truth.close()
    tickers = [one for one in said if isinstance(one, Ticker)]
    assert {one.instrument for one in tickers} == {PERP, "BTC-USDT"}
    assert all(one.ts_event > T0 + MINUTE for one in tickers)
    assert len(of(said, InsuranceFund)) == 2 * 10
    wanted = [one for one in said if isinstance(one, Trade | Liquidation)]
    assert list(read(tmp_path / "truth.jsonl")) == wanted
    assert of(said, Liquidation)
    again = Seeded(ManualClock(T0 + 10 * MINUTE), 0, ["binance"], terms, Truth(tmp_path / "again.jsonl"))
    again.open()
    names = [market.rules.instrument for market in again.view("binance").markets.values()]
    assert list(read(tmp_path / "again.jsonl")) == sorted(wanted, key=lambda one: names.index(one.instrument))


@pytest.mark.parametrize("venue", VENUES)
def test_states_and_pools_are_named_as_the_venue_names_them(venue: str) -> None:
    made = view(venue)
    status = made.status(PERP)
    assert (status.state, status.code) == ("trading", {"binance": "TRADING", "bybit": "Trading", "okx": "live"}[venue])
    pools = made.insurance()
    assert len(pools) == {"binance": 2, "bybit": 3, "okx": 5}[venue]
    assert all(pool.instrument == "" and pool.balance > 1e7 and pool.asset == "USDT" for pool in pools)
    assert pools[-1].pool == {"binance": "BNBUSDT,ETHUSDT,SOLUSDT,XRPUSDT", "bybit": "BNBUSDT,SOLUSDT,XRPUSDT",
                              "okx": "XRP-USDT"}[venue]  # fmt: skip
