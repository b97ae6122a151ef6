"""What two writers are told by a venue lands once."""

from __future__ import annotations

from pathlib import Path

from realtime.recording.landing import Landing
from realtime.recording.reader import KeptRow
from warehouse.clock import MINUTE
from warehouse.records import InsuranceFund
from warehouse.store import Lake


def _reading(at: int, balance: float) -> InsuranceFund:
    return InsuranceFund(
        venue="bybit",
        instrument="",
        ts_event=at,
        ts_recv=at + 7,
        pool="BTCUSDT",
        asset="USDT",
        balance=balance,
        balance_usd=None,
    )


def test_a_reading_that_a_flow_landed_before_is_not_landed_again(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    lake.upsert("insurance", [_reading(20 * MINUTE, 5.0)], now=21 * MINUTE)
    landing = Landing(lake)
    rows = [KeptRow(_reading(20 * MINUTE, 5.0), 3), KeptRow(_reading(40 * MINUTE, 6.0), 9)]
    landing.kept("insurance", rows, {"journal": 9})
    landing.kept("insurance", [KeptRow(_reading(40 * MINUTE, 6.0), 12)], {"journal": 12})
    found = lake.scan("insurance").sort("ts_event").collect()
    assert found["balance"].to_list() == [5.0, 6.0]
    assert found["log_seq"].to_list() == [None, 9]
    assert landing.rows == {"insurance": 1}
    assert lake.position("insurance", "journal") == 12
