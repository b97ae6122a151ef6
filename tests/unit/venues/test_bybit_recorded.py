"""Frames that Bybit sent: those of v5 are understood, older formats are refused one by one."""

from __future__ import annotations

import gzip
from pathlib import Path

import msgspec

from tests.kit.recordings import recordings
from tests.unit.venues.bybit_market import NOW, PERP, SPOT
from warehouse.instruments import Rules
from warehouse.records import (
    BestQuote,
    BookUpdate,
    FundingRate,
    Liquidation,
    MarkPrice,
    OpenInterest,
    Ticker,
    Trade,
    Undecodable,
)
from warehouse.venues.base import Dialect
from warehouse.venues.bybit import decode_feeds, tickers
from warehouse.venues.bybit.envelope import opened
from warehouse.venues.bybit.session import SNAPSHOTS_ONLY, BybitSession
from warehouse.venues.bybit.wire_feeds import PerpTickerRows

STREAMS = ("publicTrade", "orderbook.1", "orderbook.50", "orderbook.200", "kline.1")


def lines(path: Path) -> list[bytes]:
    return [line for line in path.read_bytes().splitlines() if line]


def hearing(market: str, rules: list[Rules], at: int | None = None) -> BybitSession:
    """A session that never connected, so that it holds nothing back."""
    return BybitSession("spot" if market == "spot" else "perp", rules, Dialect(streams=STREAMS, at=at))


def test_a_recorded_spot_book_and_its_next_delta_are_followed() -> None:
    frames = lines(recordings("bybit", "spot", "v5_book_20231224", "frames.jsonl"))
    one = hearing("spot", [SPOT])
    outputs = [output for frame in frames for output in one.receive(frame, NOW)]
    assert not [output for output in outputs if isinstance(output, Undecodable)]
    first, second = (output for output in outputs if isinstance(output, BookUpdate))
    assert first.snapshot
    assert (len(first.bids), len(first.asks)) == (200, 200)
    assert (second.previous_id, second.update_id, second.ts_event) == (5179079, 5179080, 1_703_430_557_847_000)
    trades = [output for output in outputs if isinstance(output, Trade)]
    assert [(trade.trade_id, trade.price, trade.taker_side) for trade in trades] == [
        ("2290000000090712222", 43774.0, "sell"),
        ("2290000000090712223", 43774.01, "buy"),
    ]


def test_recorded_frames_of_v5_decode_and_older_ones_do_not() -> None:
    rules = [
        msgspec.structs.replace(PERP, instrument=f"{base}-USDT-PERP", symbol=symbol, lot="0.001")
        for base, symbol in (("BTC", "BTCUSDT"), ("BTCPERP", "BTCPERP"))
    ]
    inverse = msgspec.structs.replace(PERP, instrument="BTC-USD-PERP", symbol="BTCUSD", lot="1")
    usdc = msgspec.structs.replace(SPOT, instrument="BTC-USDC", symbol="BTCUSDC")
    counted: dict[tuple[str, str], int] = {}
    for folder, one in (
        ("derivatives", hearing("perp", [*rules, inverse], SNAPSHOTS_ONLY - 1)),
        ("spot", hearing("spot", [SPOT, usdc], SNAPSHOTS_ONLY - 1)),
    ):
        for frame in lines(recordings("bybit", folder, "frames_tardis", "frames.jsonl")):
            for output in one.receive(frame, NOW):
                name = type(output).__name__
                counted[folder, name] = counted.get((folder, name), 0) + 1
                if isinstance(output, Undecodable):
                    assert b'"topic":"publicTrade' not in frame
                    assert b'"topic":"orderbook.' not in frame
                if isinstance(output, BestQuote):
                    assert output.best_bid < output.best_ask
    assert counted["derivatives", "Trade"] >= 2
    assert counted["derivatives", "BestQuote"] == 1
    assert counted["derivatives", "BookUpdate"] == 1
    assert counted["spot", "Trade"] == 1


def test_recorded_tickers_and_liquidations_are_understood() -> None:
    pippin = msgspec.structs.replace(PERP, instrument="PIPPIN-USDT-PERP", symbol="PIPPINUSDT", tick="0.00001", lot="1")
    one = BybitSession("perp", [PERP, pippin], Dialect(streams=("tickers", "allLiquidation")))
    frames = lines(recordings("bybit", "derivatives", "frames_tardis", "frames.jsonl"))
    outputs = [output for frame in frames for output in one.receive(frame, NOW) if not isinstance(output, Undecodable)]
    mark, rate, interest, ticker, liquidation = outputs
    assert isinstance(mark, MarkPrice)
    assert (mark.mark_price, mark.index_price, mark.ts_event) == (28552.81, 28562.25, 1_680_673_821_770_000)
    assert isinstance(rate, FundingRate)
    assert (rate.funding_rate, rate.interval_us, rate.next_funding_at) == (0.0001, None, 1_680_681_600_000_000)
    assert isinstance(interest, OpenInterest)
    assert (interest.open_interest, interest.open_interest_quote) == (52774.528 / 2, 1506861070.82 / 2)
    assert isinstance(ticker, Ticker)
    assert (ticker.last_price, ticker.open, ticker.volume) == (28550.7, 27899.7, 151185.516)
    assert isinstance(liquidation, Liquidation)
    assert (liquidation.liquidated_side, liquidation.price, liquidation.size) == ("short", 0.02456, 2846.0)


def test_a_recorded_list_of_tickers_is_understood() -> None:
    with gzip.open(recordings("bybit", "mixed", "rest_recorded", "responses.jsonl.gz"), "rb") as stream:
        replies = [msgspec.json.decode(line) for line in stream]
    (reply,) = [reply["response"] for reply in replies if reply["query"] == "category=linear"]
    page, _ = opened(reply, PerpTickerRows)
    assert len(page.rows) > 200
    facts = [tickers.facts(row) for row in page.rows]
    marks = [decode_feeds.mark_price(each, "", 0, 0, "rest") for each in facts]
    assert all(mark is not None and mark.mark_price and mark.index_price for mark in marks)
    rates = [rate for each in facts if (rate := decode_feeds.accruing(each, "", 0, 0)) is not None]
    assert 0 < len(rates) <= len(facts)
