"""A tape plays recorded frames in its own time; what REST says before and beside them is the same record."""

from __future__ import annotations

import asyncio
import gzip
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
from websockets.asyncio.client import connect

from p9.imports import convert
from realtime.emulator.emulator import Emulator, Options
from realtime.emulator.faults.desk import Desk, FaultLog
from realtime.emulator.faults.parts import Fault, Tools
from realtime.emulator.faults.plan import Plan
from realtime.emulator.listings import COINS
from realtime.emulator.listings import rules as rules_of
from realtime.emulator.market import Market
from realtime.emulator.path import Path as Prices
from realtime.emulator.playback import TapeView
from realtime.emulator.recorded import Shelf
from realtime.emulator.source import Played
from realtime.emulator.tape import REST_ONLY, Recorded, Tape, stream_of
from realtime.emulator.view import SeededView
from tests.kit.faultbed import Wire
from tests.kit.recordings import read_format_a, recordings
from warehouse.clock import DAY, HOUR, MINUTE, SECOND, ManualClock, Micros
from warehouse.errors import ConfigError
from warehouse.instruments import Listing
from warehouse.records import (
    FundingRate,
    InstrumentStatus,
    InsuranceFund,
    MarkPrice,
    OpenInterest,
    Ticker,
    Trade,
)
from warehouse.venues import venue
from warehouse.venues.base import Reply

T0: Micros = 1_795_000_020_000_000
BTC = Listing("binance", "BTC", "USDT", "spot")
STREAMS = "btcusdt@aggTrade/btcusdt@depth@100ms/btcusdt@bookTicker"


def record(folder: Path, seconds: int, start: Micros = T0) -> Market:
    """A recording of an emulated market, in the text layout of other recorders, and the market it is of."""
    view = SeededView("binance", 3, {base: Prices(3, base) for base in ("BTC", "ETH", "SOL", "BNB", "XRP")},
                      ManualClock(start), start, MINUTE, 20.0)  # fmt: skip
    market = view.markets["BTC-USDT"]
    venue_side = venue("binance").emulated(view)
    connection = venue_side.connect("ws_spot", "/stream", {"streams": STREAMS}, start)
    lines: list[tuple[Micros, bytes]] = []
    for ms in range(0, seconds * 1000, 10):
        now = start + ms * 1000
        if ms == 500:
            depth = venue_side.rest("rest_spot", "/api/v3/depth", {"symbol": "BTCUSDT", "limit": "1000"}, now)
            lines.append((now, depth.body))
        for event in market.flow.advance(now):
            lines += [(now, frame) for frame in connection.event(event, now)]
    with gzip.open(folder / "recording.gz", "wb") as file:
        file.writelines(b"%d000 %b\n" % line for line in lines)
    convert("binance", "spot", [], None, [folder / "recording.gz"], folder / "journal")
    return market


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Market]:
    folder = tmp_path_factory.mktemp("tape")
    return folder / "journal", record(folder, 40)


def player(folder: Path) -> tuple[Recorded, ManualClock]:
    tape = Tape.read([folder], ["binance"], ())
    clock = ManualClock(tape.start)
    source = Recorded(clock, 0, tape, 20 * SECOND)
    source.open()
    return source, clock


def test_frames_wait_for_ten_seconds_and_for_their_subscribers(recorded: tuple[Path, Market]) -> None:
    source, _ = player(recorded[0])
    start = source.tape.start
    assert start - T0 < SECOND
    assert list(source.advance(start + REST_ONLY + SECOND)) == []
    source.subscribed("binance", [("ws_spot", stream) for stream in STREAMS.split("/")])
    played = [frame for _, frame in source.advance(start + REST_ONLY + 2 * SECOND)]
    assert all(isinstance(frame, Played) and frame.stream in STREAMS for frame in played)
    assert len(played) > 10


def test_frames_do_not_wait_for_ever(recorded: tuple[Path, Market]) -> None:
    source, _ = player(recorded[0])
    assert list(source.advance(source.tape.start + 19 * SECOND)) == []
    assert list(source.advance(source.tape.start + 21 * SECOND)) != []
    source.subscribed("binance", [])
    assert list(source.advance(source.tape.end)) != []
    assert source.done


def test_rest_serves_exactly_what_the_tape_has_shown(recorded: tuple[Path, Market]) -> None:
    source, clock = player(recorded[0])
    market, view = recorded[1], source.view("binance")
    truth = [_of(trade) for trade in market.lived() if isinstance(trade, Trade)]
    assert view.trades_by_time("BTC-USDT", 0, T0 + DAY, 1000, False) == []
    for seconds in (5, 25, 39):
        now = source.tape.start + seconds * SECOND
        clock.advance(now - clock.now())
        list(source.advance(now))
        shown = view.trades_by_time("BTC-USDT", 0, T0 + DAY, 10_000, False)
        first = truth.index(_of(shown[0]))
        assert first < 5
        assert [_of(trade) for trade in shown] == truth[first : first + len(shown)]
        assert shown[-1].ts_event > now - 5 * SECOND
        assert view.trades_by_id("BTC-USDT", shown[-3].trade_seq or 0, 2) == shown[-3:-1]
        book = view.book("BTC-USDT")
        assert book.update_id > 0
        assert book.bids[0][0] < book.asks[0][0]
    list(source.advance(source.tape.end))
    final, real = view.book("BTC-USDT"), market.flow.snapshot()
    if final.update_id == real.update_id:
        assert (final.bids[:100], final.asks[:100]) == (real.bids[:100], real.asks[:100])


def _of(trade: Trade) -> tuple[str, int, int, str, Micros]:
    return trade.trade_id, trade.ticks, trade.lots, trade.taker_side, trade.ts_event


def test_candles_of_a_tape_are_recorded_ones_then_its_trades(recorded: tuple[Path, Market], tmp_path: Path) -> None:
    folder = tmp_path / "binance" / "spot"
    folder.mkdir(parents=True)
    first = (T0 - 3 * MINUTE) // 1000
    rows = [f"{first + 60_000 * n},10.5,11,10,10.75,3.5" for n in range(3)]
    (folder / "BTCUSDT-1m.csv").write_text("\n".join(["open_time_ms,open,high,low,close,volume", *rows]) + "\n")
    (folder / "BTCUSDT-1m-mark.csv").write_text(f"open_time_ms,open,high,low,close\n{first},1,1,1,1\n")
    tape = Tape.read([recorded[0]], ["binance"], (str(tmp_path),))
    clock = ManualClock(tape.start + 30 * SECOND)
    source = Recorded(clock, 0, tape, 0)
    source.open()
    list(source.advance(clock.now()))
    candles = source.view("binance").candles("BTC-USDT", "1m", 0, T0 + DAY, 1000, True)
    assert [candle.open_time for candle in candles] == [T0 - (3 - n) * MINUTE for n in range(3)]
    assert (candles[0].open, candles[0].close, candles[0].volume, candles[0].trade_count) == (10.5, 10.75, 3.5, None)
    assert source.view("binance").candles("BTC-USDT", "5m", 0, T0 + DAY, 1000, True) == []
    assert sorted(source.about("binance").streams or ()) == ["aggTrade", "bookTicker", "depth@100ms"]


async def test_a_client_sees_the_recorded_frames_in_their_own_time(recorded: tuple[Path, Market]) -> None:
    options = Options(tapes=(recorded[0],), preroll_us=-9 * SECOND)
    async with Emulator(options) as emulator:
        bases = emulator.endpoints["binance"]
        assert abs(emulator.clock.now() - T0 - 9 * SECOND) < 3 * SECOND
        frames: list[bytes] = []
        async with connect(bases["ws_spot"] + "/stream?streams=" + STREAMS, compression=None) as socket:
            for _ in range(30):
                frames.append(await asyncio.wait_for(socket.recv(decode=False), 10))
                now = emulator.clock.now()
        first = next(frame for frame in frames if b"aggTrade" in frame)
        number = msgspec.json.decode(first)["data"]["a"]
        async with aiohttp.ClientSession() as http:
            query = {"symbol": "BTCUSDT", "fromId": str(number - 3), "limit": "4"}
            async with http.get(bases["rest_spot"] + "/api/v3/aggTrades", params=query) as reply:
                rows = await reply.json()
        assert [row["a"] for row in rows] == [number - 3, number - 2, number - 1, number]
        assert now >= T0 + REST_ONLY
    lines = gzip.decompress((recorded[0].parent / "recording.gz").read_bytes())
    assert all(frame in lines for frame in frames)


def test_a_tape_knows_what_its_records_said_and_nothing_else(tmp_path: Path) -> None:
    rule = rules_of(Listing("okx", "BTC", "USDT", "perp"))
    folder = tmp_path / "okx" / "linear"
    folder.mkdir(parents=True)
    times = [(T0 // HOUR - back) * HOUR for back in (3, 2, 1)]
    rows = [f"{at // 1000},10,12,9,{11 + number}" for number, at in enumerate(times)]
    (folder / "BTC-USDT-SWAP-1h-mark.csv").write_text("\n".join(["open_time_ms,open,high,low,close", *rows]) + "\n")
    clock = ManualClock(T0)
    view = TapeView([rule], Shelf.read([str(tmp_path)], [rule], T0), clock, T0)
    name = rule.instrument
    assert (view.funding_now(name), view.mark_price(name), view.open_interest_now(name)) == (None, None, None)
    assert (view.ticker(name), view.insurance(), view.open_interest(name, HOUR, 0, T0, 9, True)) == (None, [], [])
    assert view.status(name).state == "trading"
    marks = view.mark_candles(name, "mark", "1h", 0, T0, 2, True)
    assert [(one.open_time, one.high, one.close, one.closed) for one in marks] == [
        (times[1], 12, 12, True),
        (times[2], 12, 13, True),
    ]
    assert view.mark_candles(name, "index", "1h", 0, T0, 2, True) == []
    assert view.candles(name, "1h", 0, T0, 9, True) == []

    of: dict[str, Any] = {"venue": "okx", "instrument": name, "ts_event": T0, "ts_recv": T0}
    mark = MarkPrice(**of, mark_price=10.5, index_price=None)
    rate = FundingRate(**of, funding_rate=0.0001, settled=False)
    reading = OpenInterest(**of, open_interest=5.0, open_interest_quote=None)
    row = OpenInterest(**of, open_interest=4.0, open_interest_quote=None, period_us=HOUR, origin="rest")
    ticker = Ticker(**of, last_price=1, open=1, high=1, low=1, volume=1, quote_volume=1)
    halted = InstrumentStatus(**of, state="halted", code="suspend")
    fund = InsuranceFund(**{**of, "instrument": ""}, pool="BTC-USDT", asset="USDT", balance=3.0, balance_usd=None)
    told = [
        mark,
        MarkPrice(**of, mark_price=None, index_price=10.4),
        rate,
        FundingRate(**of, funding_rate=0.0002, settled=True),
        reading,
        row,
        ticker,
        halted,
        fund,
    ]
    for one in told:
        view.take(one)
    assert view.mark_price(name) == MarkPrice(**of, mark_price=10.5, index_price=10.4)
    assert (view.funding_now(name), view.open_interest_now(name), view.ticker(name)) == (rate, reading, ticker)
    assert view.open_interest(name, HOUR, 0, T0 + 1, 9, True) == [row]
    assert (view.status(name), view.insurance()) == (halted, [fund])


def test_faults_of_a_tape_find_their_frames_by_the_names_of_streams() -> None:
    rules = {one.instrument: one for one in (rules_of(BTC), rules_of(Listing("binance", "BTC", "USDT", "perp")))}
    fault = Fault(kind="dropped", venue="binance", instrument="BTC-USDT", stream="trades", after=1, count=1)
    plan = Plan(faults=(fault,))
    log = FaultLog()
    desk = Desk("binance", plan.drawn(["binance"], list(rules), tape=True), 1, log)
    nothing = Reply(status=200, body=b"")
    desk.start(T0, Tools(venue="binance", rules=rules, fresh=lambda *_: [], rest=lambda *_: nothing, links=list))
    view = SeededView("binance", 3, {base: Prices(3, base) for base in COINS}, ManualClock(T0), T0, MINUTE, 20.0)
    emulated = venue("binance").emulated(view)
    spot, perp = (
        Wire(at, base, "/stream", emulated.connect(base, "/stream", {}, T0))
        for at, base in enumerate(("ws_spot", "ws_perp"))
    )
    names = ("btcusdt@depth@100ms", "btcusdt@aggTrade", "btcusdt@aggTrade", "btcusdt@aggTrade")
    out: dict[str, int] = {}
    for number, name in enumerate(names):
        for wire in (perp, spot):
            frame = b'{"stream":"%b","data":%d}' % (name.encode(), number)
            desk.turn(T0 + number)
            desk.happened(Played(wire.base, name, frame), T0 + number)
            out[f"{wire.base}{number}"] = len(desk.passed(wire, [frame], None, T0 + number))
    assert [key for key, count in out.items() if count == 0] == ["ws_spot2"]
    desk.close(T0 + 9)
    entry = log.entries["001-dropped-binance"]
    assert entry.hidden == [{"stream": "btcusdt@aggTrade", "frame": '{"stream":"btcusdt@aggTrade","data":2}'}]


def test_tapes_of_different_times_do_not_play_together(recorded: tuple[Path, Market], tmp_path: Path) -> None:
    record(tmp_path, 2, T0 + DAY // MINUTE * MINUTE)
    with pytest.raises(ConfigError, match="different times"):
        Tape.read([recorded[0], tmp_path / "journal"], ["binance"], ())
    with pytest.raises(ConfigError, match="no tape of an enabled venue"):
        Tape.read([recorded[0]], ["okx"], ())


def test_the_stream_of_a_frame_is_read_at_every_venue() -> None:
    assert stream_of(b'{"stream":"btcusdt@trade","data":{"e":"trade"}}') == "btcusdt@trade"
    assert stream_of(b'{"topic":"publicTrade.BTCUSDT","type":"snapshot","ts":1,"data":[]}') == "publicTrade.BTCUSDT"
    assert stream_of(b'{"arg":{"channel":"books","instId":"BTC-USDT"},"data":[]}') == "books:BTC-USDT"
    swaps = b'{"arg":{"channel":"liquidation-orders","instType":"SWAP"},"data":[]}'
    assert stream_of(swaps) == "liquidation-orders:SWAP"
    assert stream_of(b'{"event":"subscribe","arg":{"channel":"books","instId":"BTC-USDT"},"connId":"a"}') is None
    assert stream_of(b"pong") is None
    assert stream_of(b'{"result":null,"id":1}') is None


def test_recorded_candles_and_rates_are_found_by_place_and_spacing() -> None:
    candles = recordings("binance", "linear", "gravestone")
    bybit = recordings("bybit", "linear", "candles_2025a")
    perps = [Listing("binance", "ETH", "USDT", "perp"), Listing("bybit", "BTC", "USDT", "perp"), BTC]
    shelf = Shelf.read([str(candles), str(bybit)], [rules_of(one) for one in perps], T0)
    found = {key: len(rows) for key, rows in shelf.bars.items()}
    assert {key[2] for key in found if key[0] == "bybit"} == {"5m", "15m", "30m", "1h", "4h"}
    assert {key[2] for key in found if key[0] == "binance"} == {"1h", "4h", "1d"}
    assert not any(key[1] == "BTC-USDT" for key in found)
    assert all(at % SECOND == 0 for at, _ in shelf.funding["binance", "ETH-USDT-PERP"])


def test_a_recorded_day_keeps_its_book_and_its_ids(tmp_path: Path) -> None:
    recording = recordings("binance", "spot", "ws_capture_20240808", "btcusdt_20240808.gz")
    convert("binance", "spot", [], None, [recording], tmp_path / "journal")
    source, clock = player(tmp_path / "journal")
    clock.advance(source.tape.end - clock.now())
    frames = [frame for _, frame in source.advance(source.tape.end)]
    trades = source.view("binance").trades_by_time("BTC-USDT", 0, 1 << 60, 100_000, False)
    ids = [trade.trade_seq or 0 for trade in trades]
    assert ids == list(range(ids[0], ids[0] + 9757))
    assert source.playing
    assert len(frames) > 35_000
    last = next(body for _, body in reversed(list(read_format_a(recording))) if b"@depth" in body)
    book = source.view("binance").book("BTC-USDT")
    assert book.update_id == msgspec.json.decode(last)["data"]["u"]
    assert book.bids[0][0] < book.asks[0][0]


def test_the_command_ends_cleanly_on_a_signal(tmp_path: Path) -> None:
    endpoints = tmp_path / "endpoints.json"
    code = "from p9.commands.emulate import emulate; emulate()"
    arguments = ["--venues", "okx", "--endpoints", str(endpoints), "--lookback", "2"]
    process = subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert process.stdout is not None
    line = b""
    while b"clock offset" not in line:
        line = process.stdout.readline()
        assert line, "the emulator ended before it was up"
    process.send_signal(signal.SIGTERM)
    assert process.wait(2) == 0
    assert list(msgspec.json.decode(endpoints.read_bytes())["endpoints"]) == ["okx"]
