"""How much memory an instrument comes to in the long run: after a day of a busy market, and while it is written."""

from __future__ import annotations

import tracemalloc
from random import Random

from realtime.config import EngineConfig
from realtime.instrument import Instrument
from realtime.rails.clocks import Vitals
from realtime.session import KEPT_MINUTES
from tests.kit.journals import rules
from warehouse.clock import HOUR, MINUTE, SECOND, Micros
from warehouse.instruments import TIMEFRAMES, Listing, timeframe_us
from warehouse.metrics.bars import DEPTH, Bar
from warehouse.metrics.orders import Order

NOW: Micros = 1_795_000_020 * SECOND
MIB = 1 << 20


def busy_day(one: Instrument, random: Random) -> None:
    """Every memory of an instrument full: seconds, bars, prices of minutes, sizes of orders, volumes."""
    for timeframe in TIMEFRAMES:
        length = timeframe_us(timeframe)
        first = NOW // length - DEPTH
        one.bars.seed({timeframe: [bar((first + at) * length, random) for at in range(DEPTH)]})
    one.whales.large.volumes.seed(NOW - 24 * HOUR, [random.randrange(10**9) for _ in range(24 * 60)])
    for hour in range(24):
        for _ in range(1000):
            lots = int(random.paretovariate(1.0) * 1000)
            one.whales.large.judge(Order(NOW + (hour - 24) * HOUR, "buy", 0, lots, lots, [1], "", ""))
    for minute in range(KEPT_MINUTES):
        for _ in range(100):
            one.fused.profile.add(NOW + (minute - KEPT_MINUTES) * MINUTE, random.randrange(10**6, 10**6 + 400), 10**5)
    one.ring.start(NOW - one.ring.depth * SECOND)
    for second in range(one.ring.depth):
        one.ring.add(NOW + (second - one.ring.depth) * SECOND, 10**7 + random.randrange(1000), 10**6, True)


def bar(open_time: Micros, random: Random) -> Bar:
    """A bar whose numbers are those of a large market."""
    price, sums = [10**7 + random.randrange(10**5) for _ in range(4)], random.randrange(10**9, 10**15)
    return Bar(open_time, price[0], price[1], price[2], price[3], sums, sums + 1, sums + 2, sums + 3)


def test_a_day_of_a_busy_market_stays_below_two_mebibytes() -> None:
    found = rules("binance", ["BTC-USDT"])[0]
    tracemalloc.start()
    try:
        one = Instrument(Listing.parse("binance", "BTC-USDT"), found, EngineConfig(), 1, Vitals(SECOND, SECOND))
        busy_day(one, Random(1))
        held = tracemalloc.get_traced_memory()[0]
        kept = one.state()
        written = tracemalloc.get_traced_memory()[0] - held
    finally:
        tracemalloc.stop()
    assert kept["ring"]
    assert held < 2 * MIB
    assert written < 8 * MIB
