"""The seeded market: the same under any hash seed, exact under any grouping, without a seam at `t0`."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from functools import cache
from itertools import pairwise

import msgspec
import pytest

from realtime.emulator.bars import merged, minute_of
from realtime.emulator.listings import COINS, listings
from realtime.emulator.market import Market
from realtime.emulator.path import Path
from warehouse.clock import DAY, HOUR, MINUTE, SECOND, Micros
from warehouse.instruments import TIMEFRAMES, Listing, timeframe_us
from warehouse.records import BestQuote, BookUpdate, Candle, Record, Trade

T0: Micros = 1_795_000_020_000_000
LOOKBACK = 30 * MINUTE
BTC = Listing("binance", "BTC", "USDT", "spot")
SWAP = Listing("okx", "BTC", "USDT", "perp")


@cache
def path(base: str) -> Path:
    return Path(7, base)


def market(listing: Listing, rate: float = 20.0) -> Market:
    made = Market(7, listing, path(listing.base), T0, LOOKBACK, rate)
    made.prepare()
    return made


@pytest.fixture(scope="module")
def lived() -> tuple[Market, list[Record]]:
    """Two and a half minutes of a live market."""
    made = market(SWAP)
    return made, made.flow.advance(T0 + 150 * SECOND)


def digest() -> str:
    """Everything that one small market says, as one number."""
    one = Market(11, BTC, Path(11, "BTC"), T0, 5 * MINUTE, 20.0)
    one.prepare()
    said: list[object] = [one.flow.advance(T0 + 20 * SECOND), one.flow.snapshot()]
    said += [one.candles(timeframe, 0, T0 + HOUR, 20, True) for timeframe in TIMEFRAMES]
    said += [one.trades_by_time(0, T0 + HOUR, 1000, False), one.ticker(), one.status()]
    return hashlib.sha256(msgspec.json.encode(said)).hexdigest()


def test_same_seed_same_market_under_any_hash_seed() -> None:
    code = f"from {__name__} import digest; print(digest())"
    seen = [
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for hash_seed in ("1", "999")
    ]
    assert seen == [digest(), digest()]


def test_other_seeds_are_other_markets() -> None:
    one, other = (Path(seed, "BTC").price(T0) for seed in (1, 2))
    assert one != other


def test_every_venue_lists_five_coins_on_both_markets_within_a_percent() -> None:
    assert len(listings("bybit")) == 10
    for base in COINS:
        prices = [
            made.rules.grid.price(round(made.flow.fair(T0)))
            for venue in ("binance", "bybit", "okx")
            for made in [Market(7, Listing(venue, base, "USDT", "perp"), path(base), T0, LOOKBACK, 1.0)]
        ]
        assert max(prices) / min(prices) < 1.01
        assert 0.5 * COINS[base].anchor < prices[0] < 2 * COINS[base].anchor


@pytest.mark.parametrize("timeframe", TIMEFRAMES)
def test_a_thousand_rows_of_every_timeframe_ending_with_the_open_one(
    timeframe: str, lived: tuple[Market, list[Record]]
) -> None:
    rows = lived[0].candles(timeframe, 0, T0 + DAY, 1000, True)
    span = timeframe_us(timeframe)
    assert len(rows) == 1000
    assert [row.open_time for row in rows] == list(range(rows[0].open_time, rows[-1].open_time + span, span))
    assert [row.closed for row in rows] == [True] * 999 + [False]
    assert rows[-1].open_time <= T0 + 150 * SECOND < rows[-1].open_time + span
    assert all(row.low <= min(row.open, row.close) and max(row.open, row.close) <= row.high for row in rows)


@pytest.mark.parametrize(("coarse", "fine"), [("1d", "12h"), ("12h", "4h"), ("6h", "2h"), ("4h", "1h"), ("1h", "3m")])
def test_coarse_candles_are_the_sums_of_fine_ones(coarse: str, fine: str, lived: tuple[Market, list[Record]]) -> None:
    made = lived[0]
    span, step = timeframe_us(coarse) // MINUTE, timeframe_us(fine) // MINUTE
    for row in made.candles(coarse, 0, T0 - DAY, 50, True):
        first = minute_of(row.open_time)
        whole = made.bar(first, span)
        assert whole == merged(made.bar(minute, step) for minute in range(first, first + span, step))
        assert whole == merged(made.bar(minute, 1) for minute in range(first, first + span))


def test_the_open_day_is_the_sum_of_history_zone_and_live_minutes(lived: tuple[Market, list[Record]]) -> None:
    made = lived[0]
    day = made.candles("1d", T0 // DAY * DAY, T0 + DAY, 1, True)[0]
    minutes = made.candles("1m", day.open_time, T0 + DAY, 1440, False)
    assert (day.open, day.close) == (minutes[0].open, next(row.close for row in reversed(minutes) if row.trade_count))
    assert day.high == max(row.high for row in minutes)
    assert day.trade_count == sum(row.trade_count or 0 for row in minutes)
    assert day.volume == pytest.approx(sum(row.volume for row in minutes), rel=1e-12)


def test_candles_of_the_look_back_zone_are_its_trades(lived: tuple[Market, list[Record]]) -> None:
    made = lived[0]
    grid = made.rules.grid
    for row in made.candles("1m", T0 - LOOKBACK, T0 + 2 * MINUTE, 100, False):
        trades = made.trades_by_time(row.open_time, row.open_time + MINUTE, 10_000, False)
        assert row.trade_count == len(trades) > 0
        assert (row.open, row.close) == (trades[0].price, trades[-1].price)
        assert (row.high, row.low) == (max(t.price for t in trades), min(t.price for t in trades))
        assert row.volume == grid.size(sum(t.lots for t in trades))
        assert row.quote_volume == grid.notional(sum(t.lots * t.ticks for t in trades))
        assert row.taker_buy_volume == grid.size(sum(t.lots for t in trades if t.taker_side == "buy"))


def test_ids_count_without_a_hole_from_the_zone_into_live_trades(lived: tuple[Market, list[Record]]) -> None:
    made, records = lived
    seq, trades = 0, list[Trade]()
    while page := made.trades_by_id(seq, 700):
        trades += page
        seq = (page[-1].trade_seq or 0) + 1
    ids = [trade.trade_seq for trade in trades]
    assert ids == list(range(ids[0] or 0, (ids[0] or 0) + len(ids)))
    assert trades == made.trades_by_time(0, T0 + HOUR, 1 << 40, False)
    assert trades[0].ts_event >= T0 - LOOKBACK == made.trades_from
    live = [record for record in records if isinstance(record, Trade)]
    assert trades[-len(live) :] == live
    assert trades[-len(live) - 1].ts_event < T0 <= live[0].ts_event
    assert all(one.ts_event <= two.ts_event for one, two in pairwise(trades))
    fills = [(trade.first_fill or 0, trade.last_fill or 0) for trade in trades]
    assert all(one[1] + 1 == two[0] and two[0] <= two[1] for one, two in pairwise(fills))


def test_pages_by_time_are_slices_of_one_list(lived: tuple[Market, list[Record]]) -> None:
    made = lived[0]
    every = made.trades_by_time(0, T0 + HOUR, 1 << 40, False)
    for start, end in ((T0 - 3 * MINUTE, T0 + MINUTE), (T0 + SECOND, T0 + 9 * SECOND), (0, T0), (T0, T0)):
        within = [trade for trade in every if start <= trade.ts_event < end]
        assert made.trades_by_time(start, end, 100, False) == within[:100]
        assert made.trades_by_time(start, end, 100, True) == within[-100:]


def test_live_candles_quotes_and_updates_agree_with_the_trades(lived: tuple[Market, list[Record]]) -> None:
    made, records = lived
    closed = [record for record in records if isinstance(record, Candle) and record.closed]
    served = made.candles("1m", T0, T0 + 2 * MINUTE, 10, False)
    assert [row.open_time for row in closed] == [T0, T0 + MINUTE]
    assert [msgspec.structs.replace(row, ts_event=0) for row in closed] == [
        msgspec.structs.replace(row, ts_event=0) for row in served
    ]
    assert all(record.ts_event <= T0 + 150 * SECOND for record in records)


@pytest.mark.parametrize("listing", [BTC, SWAP, Listing("bybit", "XRP", "USDT", "spot")])
def test_updates_chain_onto_any_snapshot_and_never_cross(listing: Listing) -> None:
    made = market(listing)
    bids, asks = (dict(side) for side in (made.flow.snapshot().bids, made.flow.snapshot().asks))
    last, quotes = made.flow.snapshot().update_id, list[BestQuote]()
    for step in range(1, 91):
        for record in made.flow.advance(T0 + step * SECOND):
            if isinstance(record, BestQuote):
                quotes.append(record)
            if not isinstance(record, BookUpdate):
                continue
            assert record.previous_id == last < record.update_id
            assert record.ts_event % 100_000 == 0
            last = record.update_id
            for side, levels in ((bids, record.bids), (asks, record.asks)):
                for price, size in levels:
                    made.rules.grid.ticks(price)
                    made.rules.grid.lots(size)
                    if size:
                        side[price] = size
                    else:
                        side.pop(price, None)
            assert max(bids) < min(asks)
        snapshot = made.flow.snapshot()
        assert snapshot.update_id == last
        assert snapshot.bids == sorted(bids.items(), reverse=True)
        assert snapshot.asks == sorted(asks.items())
        assert min(len(bids), len(asks)) >= 200
    assert all(quote.best_bid < quote.best_ask for quote in quotes)
    contract = float(made.rules.contract_value)
    assert quotes[-1].best_bid == max(bids)
    assert quotes[-1].best_bid_size == pytest.approx(bids[max(bids)] * contract)


def test_what_happens_does_not_depend_on_how_often_one_looks() -> None:
    whole = market(BTC).flow.advance(T0 + 30 * SECOND)
    stepped = market(BTC)
    parts = [record for step in range(1, 3001) for record in stepped.flow.advance(T0 + step * SECOND // 100)]
    relived = market(BTC)
    relived.flow.relive(T0 + 30 * SECOND)
    assert parts == whole
    assert relived.flow.snapshot() == stepped.flow.snapshot()
    assert list(relived.lived()) == list(stepped.lived())


def test_the_live_market_stays_near_the_path() -> None:
    for listing in (BTC, Listing("bybit", "ETH", "USDT", "perp")):
        flow = market(listing).flow
        for minute in range(1, 31):
            flow.relive(T0 + minute * MINUTE)
            bid, _, ask, _ = flow.book.top()
            assert abs((bid + ask) / 2 / flow.fair(T0 + minute * MINUTE) - 1) < 0.001


def test_nothing_is_served_from_before_the_zone_and_before_2020() -> None:
    made = market(BTC)
    assert made.trades_by_time(T0 - DAY, T0 - LOOKBACK, 10, False) == []
    assert made.candles("1d", 0, 1_577_836_800_000_000, 10, False) == []
    assert len(made.candles("1d", 0, 1_577_836_800_000_000 + DAY, 10, False)) == 1
