"""The recorded session of 2024-08-08: Binance BTCUSDT, spot and perpetual, with the candles that precede it."""

from __future__ import annotations

from pathlib import Path

import msgspec

from p9.imports import convert
from tests.kit.recordings import read_format_a, recordings
from warehouse.clock import Micros

CAPTURES: dict[str, tuple[str, ...]] = {
    "spot": ("binance", "spot", "ws_capture_20240808", "btcusdt_20240808.gz"),
    "perp": ("binance", "linear", "ws_capture_20240808", "btcusdt_20240808.gz"),
    "perp-2023": ("binance", "linear", "ws_capture_20230404", "btcusdt_20230404.dat.gz"),
}
"""Recordings by name. In `perp-2023` the snapshot of the book came before the first diff."""

SYMBOLS = {"spot": "btcusdt", "perp": "btcusdt-perp"}
INSTRUMENTS = {"spot": "BTC-USDT", "perp": "BTC-USDT-PERP"}

CANDLES: dict[tuple[str, str], int] = {
    ("BTC-USDT", "1d"): 950,
    ("BTC-USDT-PERP", "1d"): 211,
    ("BTC-USDT-PERP", "4h"): 972,
}
"""Closed bars before the session, as recorded; of every other timeframe there are none."""

Seen = tuple[int, float, float, str, Micros]
"""Id, price, size, taker side, venue's time of a trade."""


def capture(name: str) -> Path:
    """The recorder's file; skips the test when it is absent."""
    return recordings(*CAPTURES[name])


def journal(name: str, folder: Path) -> Path:
    """A capture as a journal under `folder`."""
    out = folder / f"tape-{name}"
    convert("binance", name.partition("-")[0], [], None, [capture(name)], out)
    return out


def history() -> tuple[str, ...]:
    """Folders of the recorded candles."""
    places = (("linear", "gravestone", "1d"), ("linear", "gravestone", "4h"), ("spot", "candles_2026"))
    return tuple(str(recordings("binance", *place)) for place in places)


def recorded_trades(name: str) -> list[Seen]:
    """Every market trade of the capture, in id order, read without any code under test."""
    found: list[Seen] = []
    for _, body in read_format_a(capture(name)):
        if b"@trade" in body[:40]:
            row = msgspec.json.decode(body)["data"]
            if row.get("X", "MARKET") == "MARKET":
                side = "sell" if row["m"] else "buy"
                found.append((row["t"], float(row["p"]), float(row["q"]), side, row["T"] * 1000))
    return sorted(found)
