"""The venues' history through ccxt's raw endpoints and our own walks: what comes is what the emulated market holds."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from pathlib import Path
from typing import Any, TypeVar

import pytest

from pipelines.sources.ccxt import CcxtSource
from realtime.emulator.emulator import Emulator, Options
from realtime.emulator.seeded import Seeded
from realtime.emulator.view import SeededView
from warehouse.clock import DAY, HOUR, MINUTE
from warehouse.instruments import timeframe_us
from warehouse.records import Candle, Trade
from warehouse.venues import history
from warehouse.venues.base import Fetch

Found = TypeVar("Found")
NAMES = ["BTC-USDT", "XRP-USDT-PERP"]


async def walk(source: CcxtSource, steps: Generator[Fetch, object, Found]) -> Found:
    try:
        fetch = next(steps)
        while True:
            fetch = steps.send(await source.ask(fetch))
    except StopIteration as done:
        found: Found = done.value
        return found


@pytest.fixture(params=["binance", "bybit", "okx"])
async def asked(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    name = request.param
    async with Emulator(Options(seed=5, venues=(name,), lookback_us=10 * MINUTE)) as emulator:
        source = CcxtSource(name, emulator.endpoints[name].__getitem__, "emulated")
        assert isinstance(emulator.source, Seeded)
        view = emulator.source.view(name)
        for instrument in NAMES:
            await asyncio.to_thread(view.markets[instrument].prepare)
        yield name, source, view
        await source.close()


async def test_history_is_what_the_market_holds(asked: tuple[str, CcxtSource, SeededView]) -> None:
    name, source, view = asked
    past = history(name)
    rules = await walk(source, past.instruments(NAMES, view.now()))
    mine = {rule.instrument: rule for rule in view.rules()}
    for rule in rules:
        told, real = rule.grid, mine[rule.instrument].grid
        assert (told.tick, told.lot, told.size_num, told.size_den) == (
            real.tick,
            real.lot,
            real.size_num,
            real.size_den,
        )
    assert [rule.instrument for rule in rules] == NAMES
    for rule in rules:
        for timeframe in ("1m", "4h", "1d"):
            now = view.now()
            start = (now // timeframe_us(timeframe) - 999) * timeframe_us(timeframe)
            answer = await walk(source, past.candles(rule, timeframe, start, now, now))
            bars = [one for one in answer.records if isinstance(one, Candle)]
            assert len(bars) in (999, 1000)
            held = view.candles(rule.instrument, timeframe, start, now, 1000, False)
            for bar, real_bar in zip(bars[:998], held, strict=False):
                assert _prices(bar) == _prices(real_bar)
        if rule.market == "perp":
            now = view.now()
            rates = await walk(source, past.funding(rule, now - 90 * DAY, now, now))
            assert len(rates.records) == 270


def _prices(bar: Candle) -> tuple[object, ...]:
    return bar.open_time, bar.open, bar.high, bar.low, bar.close, pytest.approx(bar.volume, rel=1e-9), bar.closed


async def test_trades_are_complete_from_the_zone_up_to_now(asked: tuple[str, CcxtSource, SeededView]) -> None:
    name, source, view = asked
    past = history(name)
    rules = {rule.instrument: rule for rule in view.rules()}
    for instrument in NAMES:
        at = view.markets[instrument].flow.at  # behind the clock where the machine is busy
        now = at - at % 1000
        held = view.trades_by_time(instrument, 0, now, 1 << 40, False)
        answer = await walk(source, past.trades(rules[instrument], now - HOUR, now, now))
        trades = [one for one in answer.records if isinstance(one, Trade)]
        found = {trade.trade_id: (trade.ticks, trade.lots, trade.taker_side, trade.ts_event) for trade in trades}
        real = {trade.trade_id: (trade.ticks, trade.lots, trade.taker_side, trade.ts_event) for trade in held}
        # Bybit gives one page of the newest: what was traded since `now` stands in it too.
        assert list(found.items()) == list(real.items())[-len(found) if name == "bybit" else 0 :]
        assert found
        assert answer.complete_from is None or answer.complete_to is not None
