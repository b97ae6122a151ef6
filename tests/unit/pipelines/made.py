"""Rows, rules and a source made by hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from pipelines.load import Fetched
from pipelines.plan import Dataset, Part
from warehouse.clock import MINUTE, SECOND, Micros
from warehouse.instruments import Rules
from warehouse.records import Candle, Record, Trade
from warehouse.store import Lake
from warehouse.tables import Coverage
from warehouse.venues.base import Answer, Fetch

T0: Micros = 1_763_733_600_000_000
"""A whole hour."""

RULES = Rules(venue="okx", instrument="BTC-USDT", symbol="BTC-USDT", market="spot", tick="0.1", lot="0.00000001")


def trade(seq: int, at: Micros, price: float = 90_000.0, instrument: str = "BTC-USDT") -> Trade:
    """A trade of half a coin; ids count."""
    return Trade(
        venue="okx", instrument=instrument, ts_event=at, ts_recv=at + SECOND, trade_id=str(seq), trade_seq=seq,
        price=price, size=0.5, taker_side="buy", ticks=round(price * 10), lots=50_000_000, origin="rest",
    )  # fmt: skip


def candle(at: Micros, close: float = 90_000.0, closed: bool = True, ts_recv: Micros = T0) -> Candle:
    """A one-minute bar."""
    return Candle(
        venue="okx", instrument="BTC-USDT", ts_event=at, ts_recv=ts_recv, timeframe="1m", open_time=at, open=90_000.0,
        high=90_100.0, low=89_900.0, close=close, volume=1.0, closed=closed, origin="rest",
    )  # fmt: skip


def fetched(dataset: Dataset, start: Micros, end: Micros, records: list[Record], note: str | None = None) -> Fetched:
    """A part and an answer that holds all of it."""
    part = Part(dataset, "okx", "BTC-USDT", "1m" if dataset == "candles" else "", start, end)
    answer = Answer(records=records, complete_from=start, complete_to=end, note=note)
    return Fetched(part=part, started_at=T0, answer=answer)


def recorded(start: Micros, end: Micros, first_seq: int | None) -> Coverage:
    """The recorder's word that it owns an interval."""
    return Coverage(
        dataset="trades", venue="okx", instrument="BTC-USDT", start=start, end=end, origin="stream", source="journal",
        first_id=None if first_seq is None else str(first_seq), first_seq=first_seq, ts_recv=start,
        live_from=start,
    )  # fmt: skip


def lake_at(folder: Path) -> Lake:
    """A fresh emulated lake."""
    return Lake(folder / "lake", realm="emulated")


class Scripted:
    """A source that answers from a function and remembers what it was asked."""

    def __init__(self, venue: str, answer: Callable[[Fetch], object]) -> None:
        self.venue = venue
        self.asked: list[Fetch] = []
        self.closed = False
        self._answer = answer

    async def ask(self, fetch: Fetch) -> object:
        self.asked.append(fetch)
        return self._answer(fetch)

    async def close(self) -> None:
        self.closed = True


__all__ = ["MINUTE", "RULES", "T0", "Scripted", "candle", "fetched", "lake_at", "recorded", "trade"]
