"""The derivatives' half of a `MarketView` over lists that tests fill."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from warehouse.clock import Micros
from warehouse.records import (
    Candle,
    FundingRate,
    InstrumentStatus,
    InsuranceFund,
    MarkPrice,
    OpenInterest,
    Record,
    Ticker,
)
from warehouse.venues.base import MarkKind

R = TypeVar("R", bound=Record)


class Listed(msgspec.Struct, kw_only=True):
    """Rows of any instruments, in ascending order; of what is asked for now the last of an instrument counts."""

    funding_now: list[FundingRate] = []
    marks: list[MarkPrice] = []
    mark_candles: dict[MarkKind, list[Candle]] = {}
    open_interest_now: list[OpenInterest] = []
    open_interest: list[OpenInterest] = []
    insurance: list[InsuranceFund] = []
    tickers: list[Ticker] = []
    states: list[InstrumentStatus] = []


class Derivatives:
    """What `listed` holds, asked through `MarketView`."""

    listed: Listed

    def funding_now(self, instrument: str) -> FundingRate | None:
        return _last(self.listed.funding_now, instrument)

    def mark_price(self, instrument: str) -> MarkPrice | None:
        return _last(self.listed.marks, instrument)

    def mark_candles(
        self, instrument: str, kind: MarkKind, timeframe: str, start: Micros, end: Micros, limit: int, newest: bool
    ) -> list[Candle]:
        rows = [
            row
            for row in self.listed.mark_candles.get(kind, [])
            if row.instrument == instrument and row.timeframe == timeframe and start <= row.open_time < end
        ]
        return rows[-limit:] if newest else rows[:limit]

    def open_interest_now(self, instrument: str) -> OpenInterest | None:
        return _last(self.listed.open_interest_now, instrument)

    def open_interest(
        self, instrument: str, period: Micros, start: Micros, end: Micros, limit: int, newest: bool
    ) -> list[OpenInterest]:
        rows = [
            row
            for row in self.listed.open_interest
            if row.instrument == instrument and row.period_us == period and start <= row.ts_event < end
        ]
        return rows[-limit:] if newest else rows[:limit]

    def insurance(self) -> list[InsuranceFund]:
        return list(self.listed.insurance)

    def ticker(self, instrument: str) -> Ticker | None:
        return _last(self.listed.tickers, instrument)

    def status(self, instrument: str) -> InstrumentStatus:
        """Trading, unless a test listed something else."""
        found = _last(self.listed.states, instrument)
        if found is not None:
            return found
        return InstrumentStatus(venue="", instrument=instrument, ts_event=0, ts_recv=0, state="trading", code="trading")


def _last(rows: list[R], instrument: str) -> R | None:
    return next((row for row in reversed(rows) if row.instrument == instrument), None)
