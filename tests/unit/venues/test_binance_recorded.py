"""Five recorded minutes of 2024-08-08, spot and futures, through our sessions."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.kit.recordings import read_format_a, recordings
from warehouse.instruments import Rules
from warehouse.records import BestQuote, BookInvalid, BookUpdate, SequenceGap, Trade, Undecodable
from warehouse.venues.base import Dialect, Fetch, Output
from warehouse.venues.binance.session import sessions

SPOT = Rules(venue="binance", instrument="BTC-USDT", symbol="BTCUSDT", market="spot", tick="0.01", lot="0.00001")
PERP = Rules(venue="binance", instrument="BTC-USDT-PERP", symbol="BTCUSDT", market="perp", tick="0.1", lot="0.001")


@pytest.mark.parametrize(
    ("folder", "rules", "dialect", "counts"),
    [
        ("spot", SPOT, ("trade", "depth@100ms", "bookTicker"), {"trades": 9757, "quotes": 28040}),
        ("linear", PERP, ("trade", "depth@0ms", "bookTicker"), {"trades": 21313, "quotes": 66089}),
    ],
)
def test_a_recorded_day_decodes_without_a_break(
    folder: str, rules: Rules, dialect: tuple[str, ...], counts: dict[str, int]
) -> None:
    path = recordings("binance", folder, "ws_capture_20240808", "btcusdt_20240808.gz")
    (session,) = sessions([rules], Dialect(streams=dialect))
    asked: list[Fetch] = []
    seen: Counter[str] = Counter()
    last_trade = book = 0
    started = False
    for at, frame in read_format_a(path):
        outputs: list[Output] = []
        if not started:
            outputs += session.connected(at)
            started = True
        if frame.startswith(b'{"lastUpdateId"'):
            assert asked, "the snapshot was recorded after the first diff, which asks for it"
            outputs += session.answer(asked.pop(), 200, frame, at)
        else:
            outputs += session.receive(frame, at)
        for output in outputs:
            assert not isinstance(output, Undecodable | SequenceGap | BookInvalid), output
            if isinstance(output, Fetch):
                asked.append(output)
            elif isinstance(output, Trade):
                seen["trades"] += 1
                assert last_trade in (0, int(output.trade_id) - 1)
                last_trade = int(output.trade_id)
            elif isinstance(output, BestQuote):
                seen["quotes"] += 1
            elif isinstance(output, BookUpdate):
                seen["snapshots" if output.snapshot else "updates"] += 1
                assert output.previous_id == (None if output.snapshot else book)
                book = output.update_id
    assert (seen["trades"], seen["quotes"], seen["snapshots"]) == (counts["trades"], counts["quotes"], 1)
    assert seen["updates"] > 3000
    assert not asked
