"""The account at the end of a run: what is missing is a fault, and people can read it in 80 columns."""

from __future__ import annotations

import io
from pathlib import Path

import msgspec
from rich.console import Console

from configs.load import DEFAULT, load
from configs.settings import Settings
from p9.summary import Summary, silent, summarise
from p9.table import fused
from realtime.channels import CHANNELS, channel
from tests.kit.bus import Bus, bus
from tests.kit.journals import trade
from warehouse.rows import BookPicture
from warehouse.store import Lake

__all__ = ["bus"]


def _settings(home: Path, bus: Bus, realm: str = "emulated") -> Settings:
    others = {name: {"enabled": False} for name in ("binance", "bybit")}
    return load(
        DEFAULT, home=str(home), realm=realm, venues=others, instruments=["BTC-USDT"], timeframes=["1h"],
        bus={"url": bus.url},
    )  # fmt: skip


def _shown(what: Summary) -> list[str]:
    out = io.StringIO()
    what.show(Console(file=out, width=80))
    return out.getvalue().splitlines()


def test_a_run_that_left_nothing_kept_no_promise(tmp_path: Path, bus: Bus) -> None:
    Lake(tmp_path / "lake", realm="emulated")
    found = summarise(_settings(tmp_path, bus), {"worker-okx": 70}, whole=True)
    assert found.faults[:4] == [
        "0 of 1 candle series hold 1000 closed candles",
        "0 of 1 books fetched",
        "okx BTC-USDT: no seam certificate",
        "fused messages for 0 of 1 instruments",
    ]
    assert "trade: no message on 1 of 1 channels, first trade:okx:btc-usdt" in found.faults[4:]
    lines = _shown(found)
    assert f"{len(found.faults)} promises did not hold" in lines
    assert "not right: okx BTC-USDT: no seam certificate" in lines


def test_books_and_prices_that_were_asked_for_are_counted(tmp_path: Path, bus: Bus) -> None:
    lake = Lake(tmp_path / "lake", realm="emulated")
    book = BookPicture(
        venue="okx", instrument="BTC-USDT", ts_event=1, ts_recv=2, update_id=5, bid_prices=[2.0], bid_sizes=[1.0],
        ask_prices=[3.0], ask_sizes=[0.5], origin="stream",
    )  # fmt: skip
    lake.append("books", [book])
    settings = _settings(tmp_path, bus)
    assert "0 of 1 books fetched" in summarise(settings, {}, whole=True).faults
    lake.append("books", [msgspec.structs.replace(book, origin="rest")])
    found = summarise(settings, {}, whole=True)
    assert found.lake.endswith("; 1 of 1 books fetched; 0 of 0 mark and index prices fetched")
    assert not any("fetched" in fault for fault in found.faults)


def test_where_nobody_wraps_lines_they_are_whole() -> None:
    out = io.StringIO()
    Summary(notes=["why " * 60]).show(Console(file=out, width=80, soft_wrap=True))
    assert "why " * 60 in out.getvalue()


def test_a_message_of_another_realm_is_a_fault(tmp_path: Path, bus: Bus) -> None:
    Lake(tmp_path / "lake", realm="emulated")
    told = {"channel": "fusion_data:okx:btc-usdt", "seq": 5, "complete": True, "source": "live"}
    bus.redis.set("last:fusion_data:okx:btc-usdt", msgspec.json.encode(told))
    printed = {"channel": "trade:okx:btc-usdt", "seq": 41, "complete": True, "source": "emulated"}
    bus.redis.xadd("stream:trade:okx:btc-usdt", {"m": msgspec.json.encode(printed)}, id="1-41")
    found = summarise(_settings(tmp_path, bus), {})
    assert "fusion_data:okx:btc-usdt: source 'live', but the realm is emulated" in found.faults
    assert found.channels == [["fusion_data", "1", "5", "1"], ["trade", "1", "41", "1"]]


def test_every_channel_of_an_emulated_market_must_speak(tmp_path: Path) -> None:
    settings = load(DEFAULT, home=str(tmp_path), timeframes=["1m", "1h"])
    every = {
        channel(kind.name, one, frame)
        for kind in CHANNELS
        for one in settings.listings()
        for frame in settings.timeframes
        if one.market == "perp" or "{pair}" not in kind.template
    }
    assert silent(settings, every) == []
    rare = ("liquidations:", "whale_detection:")
    quiet = {name for name in every if name.startswith(rare) and "btc" not in name}
    assert silent(settings, every - quiet) == []
    gone = {"liquidations:okx:btc-usdt", "candles:bybit:ethusdt:1h", "status:binance", *quiet}
    assert silent(settings, every - gone) == [
        "candles: no message on 1 of 60 channels, first candles:bybit:ethusdt:1h",
        "liquidations: no message on 1 of 15 channels, first liquidations:okx:*",
        "status: no message on 1 of 3 channels, first status:binance",
    ]


def test_an_audit_that_finds_rows_is_a_fault(tmp_path: Path, bus: Bus) -> None:
    lake = Lake(tmp_path / "lake", realm="emulated")
    for _ in range(2):
        lake.append("trades", [trade(1, origin="rest")])
    found = summarise(_settings(tmp_path, bus), {})
    assert any(fault.startswith("audit trades_unique: 1 rows, first ") for fault in found.faults)
    assert found.audits.startswith("audits: ")


def test_a_bus_that_is_gone_is_a_fault(tmp_path: Path, bus: Bus) -> None:
    Lake(tmp_path / "lake", realm="emulated")
    settings = _settings(tmp_path, bus)
    bus.stop()
    assert any(fault.startswith("bus: ") for fault in summarise(settings, {}).faults)


def test_the_summary_fits_eighty_columns() -> None:
    what = Summary(
        lake="lake: 330 of 330 candle series hold 1000 closed candles",
        tables=[["candles", "330,000"]],
        seams=[["binance", "BTC-USDT-PERP", "supported", "1,234", "0", "0"]],
        seam_reasons=["bybit: 10 supported, not more: " + "the venue's ids are not contiguous " * 3],
        notes=["bybit trades, 5 instruments: " + "older ones are in its archive " * 4],
        memory=[["worker-binance", "81"]],
    )
    lines = _shown(what)
    assert max(map(len, lines)) <= 80
    assert not any("…" in line for line in lines)
    assert "gaps that are neither repaired nor legitimate: none" in lines
    assert lines[-1] == "all promises held"


def test_the_live_table_fits_eighty_columns(bus: Bus) -> None:
    facts = {"mid_price": 66500.5512, "spread_bps": 0.02, "cvd_1m": -123456.789, "vwap_z_1m": None}
    message = {"channel": "fusion_data:binance:btcusdt-perp", "complete": False, "reasons": {"vwap_z_1m": "WARMUP"}}
    bus.redis.set("last:fusion_data:binance:btcusdt-perp", msgspec.json.encode({**message, **facts}))
    out = io.StringIO()
    Console(file=out, width=80).print(fused(bus.url))
    row = out.getvalue().splitlines()[-1].split()
    assert row == ["binance:btcusdt-perp", "66,500.5512", "0.02", "-123,456.789", "WARMUP", "no"]
    bus.stop()
    Console(file=out, width=80).print(fused(bus.url))
    assert "bus: " in out.getvalue()
