"""Block trades of the emulated venues come out of the engine as such."""

from __future__ import annotations

import msgspec
import pytest

from realtime.engine import Produced
from tests.kit.wires import Bench
from warehouse.clock import SECOND


@pytest.mark.parametrize(
    ("venue", "instrument", "blocks"),
    [
        ("binance", "BTC-USDT", 1),
        ("binance", "BTC-USDT-PERP", 0),
        ("bybit", "BTC-USDT-PERP", 1),
        ("okx", "BTC-USDT", 1),
    ],
)
def test_each_market_that_tells_of_blocks_has_one_a_minute(venue: str, instrument: str, blocks: int) -> None:
    bench = Bench(venue, 5, rate=1.0, instruments=(instrument,), step_us=SECOND // 10)
    bench.view.markets[instrument].trade_blocks()
    heard: list[dict[str, object]] = []

    def take(produced: Produced) -> None:
        said = (one.produced for one in produced.messages if one.channel.startswith("trade:"))
        heard.extend(map(msgspec.json.decode, said))

    bench.heard = take
    bench.run(61 * SECOND)
    told = [trade for trade in bench.trades[instrument] if trade.kind == "block"]
    assert len(told) == blocks
    assert [(row["price"], row["size"], row["taker_side"]) for row in heard if row["kind"] == "block"] == [
        (trade.price, trade.size, trade.taker_side) for trade in told
    ]
