"""One worker with thirty instruments, every feed and their histories stays small."""

from __future__ import annotations

import asyncio
from pathlib import Path

import psutil
import pytest

from realtime.emulator import listings
from realtime.emulator.emulator import Options
from realtime.emulator.listings import COINS, Coin
from tests.kit.installation import bench
from warehouse.clock import MINUTE

LIMIT_MB = 120
MORE = ("ADA", "ATOM", "AVAX", "BCH", "DOGE", "DOT", "LINK", "LTC", "TRX", "UNI")
"""Coins that the emulated venue lists besides its five, alike but for their names."""


@pytest.fixture
def fifteen_coins(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Instruments of an emulated venue that lists fifteen coins, spot and perpetual."""
    for name in MORE:
        monkeypatch.setitem(COINS, name, Coin("0.01", 165.0))
    table = {key: (*rows, *[rows[2]] * len(MORE)) for key, rows in listings._TABLE.items()}
    monkeypatch.setattr(listings, "_TABLE", table)
    return [f"{name}-USDT{market}" for market in ("", "-PERP") for name in COINS]


@pytest.mark.slow
@pytest.mark.timeout(900)
async def test_thirty_instruments_with_every_feed_fit(tmp_path: Path, fifteen_coins: list[str]) -> None:
    options = Options(seed=3, venues=("binance",), lookback_us=MINUTE, rate=10.0)
    async with bench(tmp_path, options, instruments=fifteen_coins, candles_depth=150) as small:
        worker = await small.p9("worker", "--venue", "binance")
        await small.ready("worker-binance", 60)
        await small.run("backfill", "candles")
        await small.run("structure")
        contexts = 0
        while contexts < len(fifteen_coins):
            await asyncio.sleep(0.5)
            contexts = len(list(small.bus.scan_iter(match="last:market_context:*", count=1000)))
        await asyncio.sleep(10)
        names = [name.decode() for name in small.bus.scan_iter(match="last:*", count=1000)]
        memory = psutil.Process(worker.pid).memory_full_info()
        assert await small.end(worker) == 0
    for kind, count in (
        ("fusion_data", 30),
        ("ticker", 30),
        ("mark_price", 15),
        ("funding", 15),
        ("open_interest", 15),
    ):
        assert sum(name.startswith(f"last:{kind}:") for name in names) == count, kind
    print(f"resident {memory.rss >> 20} MB, its own {memory.uss >> 20} MB")  # noqa: T201
    assert memory.rss < LIMIT_MB << 20
