"""What the engine promises of every message, and what it makes of holes, broken lines, seams and odd documents."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import msgspec
import pytest

from realtime.channels import CHANNELS, Message
from realtime.engine import Engine, EngineConfig
from realtime.message import record_name
from tests.kit.journals import BEGIN
from tests.kit.journals import rules as rules_of
from tests.kit.journals import trade as numbered
from tests.kit.produced import complaints, engine, run
from tests.kit.tapes import CUT, KEPT, certificate, tape, trades_of
from tests.kit.tapes import market as recording
from warehouse.clock import SECOND
from warehouse.instruments import Rules
from warehouse.journal import Entry, Kind
from warehouse.metrics.base import HARMLESS
from warehouse.records import Disconnected, Undecodable, VenueNotice

FORBIDDEN = ("polars", "pyarrow", "duckdb", "deltalake", "prefect", "ccxt")


@lru_cache(maxsize=1)
def messages() -> tuple[Message, ...]:
    rules, entries = tape()
    return tuple(run(engine(rules), entries, 1, lambda: 50))


def read(message: Message) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.json.decode(message.produced)
    return found


def of(kind: str, symbol: str = "btcusdt-perp") -> list[dict[str, Any]]:
    return [
        read(one) for one in messages() if one.channel.split(":")[0] == kind and one.channel.split(":")[2] == symbol
    ]


def test_every_message_keeps_its_contract() -> None:
    broken = {(record_name(one.channel), words) for one in messages() for words in complaints(one)}
    assert not broken


def test_every_channel_speaks() -> None:
    """No ticker and no whale come within these seconds: `test_derivatives.py`, `test_large_orders.py` have them."""
    others = {"ticker", "whale_detection"}
    assert {record_name(one.channel) for one in messages()} == {channel.name for channel in CHANNELS} - others


def test_seq_has_no_hole() -> None:
    seen: dict[str, int] = {}
    for one in messages():
        assert one.seq == seen.get(one.channel, 0) + 1
        seen[one.channel] = one.seq


def test_complete_is_false_exactly_for_harm() -> None:
    for one in messages():
        whole = read(one)
        if "incomplete" in whole:
            harmless = {str(reason) for reason in HARMLESS}
            assert whole["complete"] == (not whole["incomplete"] and set(whole["reasons"].values()) <= harmless)


def test_every_trade_is_published_once_in_order() -> None:
    rules, _ = tape()
    for rule in rules:
        trades = trades_of(recording(66), rule.instrument)
        symbol = rule.instrument.replace("-USDT-PERP", "usdt-perp").lower()
        assert [one["trade_id"] for one in of("trade", symbol)] == [one.trade_id for one in trades]


def test_a_block_trade_is_published_and_moves_no_metric() -> None:
    market = Engine("okx", "emulated", rules_of("okx", ["BTC-USDT"]), EngineConfig()).instruments["BTC-USDT"]
    out: list[Message] = []
    market.trade(numbered(7), "okx.business", out)
    before = (market.ts_trade, market.inputs.stale["trades"].newest, market.ring.state())
    block = msgspec.structs.replace(numbered(900), kind="block", trade_seq=None)
    market.trade(block, "okx.business", out)
    market.trade(msgspec.structs.replace(numbered(901), kind="off_market"), "okx.business", out)
    said = [read(one) for one in out]
    trades = [one for one in said if one["channel"] == "trade:okx:btc-usdt"]
    assert [(one["trade_id"], one["kind"]) for one in trades] == [("7", "market"), ("900", "block")]
    flagged = [one for one in said if one["channel"] == "whale_detection:okx:btc-usdt"]
    assert [(one["kind"], one["first_trade_id"], one["size"]) for one in flagged] == [("VENUE", "900", block.size)]
    assert (market.ts_trade, market.inputs.stale["trades"].newest, market.ring.state()) == before


def test_the_profile_takes_what_the_windows_took_and_repairs_from_before_them() -> None:
    market = Engine("okx", "emulated", rules_of("okx", ["BTC-USDT"]), EngineConfig()).instruments["BTC-USDT"]
    market.observe(BEGIN)

    def lots() -> int:
        cells: Any = market.fused.profile.state()["minutes"]
        return sum(lots for _, _, cell in cells for _, lots in cell)

    for number in (0, 500, 400):
        market.trade(numbered(number), "okx.public", [])
    assert lots() == sum(numbered(number).lots for number in (0, 500, 400))
    before = market.fused.profile.state()
    market.trade(numbered(100), "okx.public", [])
    assert market.ring.late == 1
    assert market.fused.profile.state() == before
    market.ring.gap(BEGIN + 2 * SECOND, BEGIN + 3 * SECOND)
    market.trade(numbered(250), "okx.public", [])
    market.trade(numbered(200_000), "okx.public", [])  # more than the ring's seconds later
    market.trade(numbered(260), "okx.public", [])
    assert lots() == sum(numbered(number).lots for number in (0, 500, 400, 250, 200_000, 260))


def test_without_prints_all_other_messages_stay_the_same() -> None:
    rules, entries = tape()
    silent = Engine("binance", "emulated", rules, EngineConfig(trade_prints=False))
    others = [one.produced for one in messages() if record_name(one.channel) != "trade"]
    assert [one.produced for one in run(silent, entries, 1, lambda: 50)] == others


def test_a_broken_line_makes_the_book_unreadable_and_says_so() -> None:
    after = [one for one in of("fusion_data") if one["ts_recv"] > CUT + 18 * SECOND]
    assert after
    for one in after:
        assert one["complete"] is False
        assert one["reasons"]["mid_price"] == "GAP"
        assert one["price_basis"] == "last_trade"
    empty = of("depth")[-1]
    assert empty["snapshot"]
    assert empty["bids"] == empty["asks"] == []


def test_the_seam_fills_the_windows_before_it() -> None:
    before = [one for one in of("orderflow") if one["ts_recv"] <= CUT + 3 * SECOND]
    after = [one for one in of("orderflow") if one["ts_recv"] > CUT + 4 * SECOND]
    assert all(one["reasons"]["cvd_1m"] == "WARMUP" for one in before)
    assert all(one["cvd_1m"] is not None for one in after)
    unseamed = of("orderflow", "bnbusdt-perp")
    assert all(one["reasons"].get("cvd_1m") == "WARMUP" for one in unseamed if one["ts_recv"] < CUT + 50 * SECOND)


def test_windows_across_the_seam_count_every_trade_once() -> None:
    trades = trades_of(recording(66), "BTC-USDT-PERP")
    checked = 0
    for one in of("orderflow"):
        end = one["window_end"]
        if one["cvd_1m"] is None or end - 60 * SECOND < trades[0].ts_event:
            continue
        inside = [t for t in trades if end - 60 * SECOND <= t.ts_event < end and t.ts_recv <= one["ts_recv"]]
        assert one["trade_count_1m"] == len(inside)
        assert one["buy_volume_1m"] == pytest.approx(sum(t.size for t in inside if t.taker_side == "buy"), rel=1e-12)
        checked += 1
    assert checked > 5


def test_closed_bars_are_said_once_and_lossless() -> None:
    closed = [one for one in messages() if one.delivery == "lossless" and one.channel.startswith("candles:")]
    assert {one.channel for one in closed} >= {"candles:binance:btcusdt-perp:1m"}
    times = [(one.channel, read(one)["open_time"]) for one in closed if not read(one)["corrected"]]
    assert len(times) == len(set(times))


def test_context_is_published_once_per_digest() -> None:
    rules, entries = tape()
    one = engine(rules)
    document = next(entry for entry in entries if entry.kind == Kind.CONTEXT)
    first = one.run(1, [document]).messages
    again = one.run(2, [document]).messages
    assert [record_name(message.channel) for message in first] == ["market_context", "structure"]
    assert again == []


def test_an_unreadable_document_is_a_notice() -> None:
    rules, _ = tape()
    one = engine(rules)
    produced = one.run(1, [Entry(CUT, KEPT[0], int(Kind.CONTEXT), b"\x00"), Entry(CUT, KEPT[0], int(Kind.SEAM), b"{")])
    assert [type(notice) for notice in produced.notices] == [VenueNotice, VenueNotice]
    assert produced.messages == []


def test_a_broken_seam_makes_messages_incomplete() -> None:
    rules, entries = tape()
    one = engine(rules)
    half = [entry for entry in entries if entry.kind != Kind.SEAM][:800]
    one.run(1, half)
    now = half[-1].ts_recv + SECOND
    broken = Entry(now, KEPT[0], int(Kind.SEAM), certificate(KEPT[0], "broken"))
    found = one.run(801, [broken, Entry(now + SECOND, "", int(Kind.TICK), b"")]).messages
    fused = next(read(m) for m in found if m.channel == "fusion_data:binance:btcusdt-perp")
    assert fused["complete"] is False
    assert any(words.startswith("seam broken") for words in fused["incomplete"])


def test_silence_makes_streams_stale() -> None:
    rules, entries = tape()
    one = engine(rules)
    one.run(1, entries[:800])
    late = entries[799].ts_recv + 61 * SECOND
    found = one.run(801, [Entry(late, "", int(Kind.TICK), b"")]).messages
    flow = next(read(m) for m in found if m.channel == "orderflow:binance:btcusdt-perp")
    assert flow["complete"] is False
    assert [words.split(":")[0] for words in flow["incomplete"]] == ["trades stale", "depth stale"]


def okx_candle() -> tuple[Engine, Entry]:
    rule = Rules(venue="okx", instrument="BTC-USDT", symbol="BTC-USDT", market="spot", tick="0.1", lot="0.001")
    row = f'["{CUT // 1000}","100.1","100.25","100.0","100.2","3","300","300","1"]'
    frame = b'{"arg":{"channel":"candle1m","instId":"BTC-USDT"},"data":[' + row.encode() + b"]}"
    return Engine("okx", "emulated", [rule], EngineConfig()), Entry(CUT, "okx.business", int(Kind.FRAME), frame)


def binance_candle(said: bytes, wrong: bytes) -> tuple[Engine, Entry]:
    rules, entries = tape()
    closed = next(one for one in entries if b"btcusdt@kline_1m" in one.payload and b'"x":true' in one.payload)
    assert said in closed.payload
    return engine(rules), Entry(CUT, closed.source, closed.kind, closed.payload.replace(said, wrong))


@pytest.mark.parametrize(
    "given",
    [
        okx_candle,
        lambda: binance_candle(b'"h":"65818.0"', b'"h":"65818.03"'),
        lambda: binance_candle(b'"v":"22.360"', b'"v":"900000000000000000"'),
    ],
    ids=["okx", "binance", "volume"],
)
def test_a_closed_candle_off_the_grid_is_undecodable_and_changes_nothing(
    given: Callable[[], tuple[Engine, Entry]],
) -> None:
    one, entry = given()
    before = {name: each.state() for name, each in one.instruments.items()}
    produced = one.run(1, [entry])
    (notice,) = produced.notices
    assert isinstance(notice, Undecodable)
    assert "1m candle of" in notice.why
    assert (produced.messages, produced.commands) == ([], [])
    assert {name: each.state() for name, each in one.instruments.items()} == before


def test_connections_are_notices() -> None:
    rules, entries = tape()
    notices = engine(rules).run(1, entries).notices
    assert any(isinstance(notice, Disconnected) for notice in notices)


def test_an_epoch_is_at_least_one() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        Engine("binance", "live", [], EngineConfig(), epoch=0)


def test_configuration_survives_the_header() -> None:
    config = EngineConfig(fusion_ms=200)
    assert EngineConfig.parse(config.text()) == config
    assert EngineConfig.parse("") == EngineConfig()
    assert config.digest() != EngineConfig().digest()


def test_the_live_side_imports_no_database() -> None:
    code = "import sys, realtime.engine, realtime.sinks.redis, realtime.sinks.jsonl, realtime.sinks.memory;" + (
        f"print([name for name in {FORBIDDEN!r} if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True).stdout
    assert found.strip() == "[]"
