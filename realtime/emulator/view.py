"""All seeded instruments of one venue behind the face that an emulated venue asks (`MarketView`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from realtime.emulator.derivatives import Derivatives
from realtime.emulator.listings import listings
from realtime.emulator.market import Market
from realtime.emulator.path import Path
from realtime.emulator.states import Insurance
from warehouse.clock import Clock, Micros
from warehouse.instruments import Rules
from warehouse.records import (
    BookUpdate,
    Candle,
    FundingRate,
    InstrumentStatus,
    InsuranceFund,
    MarkPrice,
    OpenInterest,
    Ticker,
    Trade,
)


class SeededView:
    """All instruments of one venue as a `MarketView`.

    Candle, trade and ticker calls raise `Cold` before history is made.
    """

    def __init__(
        self, venue: str, seed: int, paths: dict[str, Path], clock: Clock, t0: Micros, lookback: Micros, rate: float
    ) -> None:
        self._clock = clock
        self.markets = {
            listing.instrument: Market(seed, listing, paths[listing.base], t0, lookback, rate)
            for listing in listings(venue)
        }
        self._insurance = Insurance(seed, venue, list(self.rules()))

    def now(self) -> Micros:
        return self._clock.now()

    def rules(self) -> Sequence[Rules]:
        return [market.rules for market in self.markets.values() if not market.removed]

    def candles(
        self, instrument: str, timeframe: str, start: Micros, end: Micros, limit: int, newest: bool, /
    ) -> list[Candle]:
        return self.markets[instrument].candles(timeframe, start, end, limit, newest)

    def trades_by_time(self, instrument: str, start: Micros, end: Micros, limit: int, newest: bool, /) -> list[Trade]:
        return self.markets[instrument].trades_by_time(start, end, limit, newest)

    def trades_by_id(self, instrument: str, from_seq: int, limit: int, /) -> list[Trade]:
        return self.markets[instrument].trades_by_id(from_seq, limit)

    def book(self, instrument: str, /) -> BookUpdate:
        return self.markets[instrument].flow.snapshot()

    def funding(self, instrument: str, start: Micros, end: Micros, limit: int, newest: bool, /) -> list[FundingRate]:
        one, now = self._of(instrument)
        return [] if one is None else one.funding(start, end, limit, newest, now)

    def _of(self, instrument: str) -> tuple[Derivatives | None, Micros]:
        """What a perpetual has beside its market (None: it is spot), and the time up to which the market has come."""
        market = self.markets[instrument]
        return market.derivatives, market.flow.at

    def funding_now(self, instrument: str, /) -> FundingRate | None:
        one, now = self._of(instrument)
        return None if one is None else one.funding_now(now)

    def mark_price(self, instrument: str, /) -> MarkPrice | None:
        one, now = self._of(instrument)
        return None if one is None else one.mark_price(now)

    def mark_candles(
        self,
        instrument: str,
        kind: Literal["mark", "index"],
        timeframe: str,
        start: Micros,
        end: Micros,
        limit: int,
        newest: bool,
        /,
    ) -> list[Candle]:
        one, now = self._of(instrument)
        return [] if one is None else one.candles(kind, timeframe, start, end, limit, newest, now)

    def open_interest_now(self, instrument: str, /) -> OpenInterest | None:
        one, now = self._of(instrument)
        return None if one is None else one.open_interest_at(now)

    def open_interest(
        self, instrument: str, period: Micros, start: Micros, end: Micros, limit: int, newest: bool, /
    ) -> list[OpenInterest]:
        one, now = self._of(instrument)
        return [] if one is None else one.open_interest(period, start, end, limit, newest, now)

    def insurance(self) -> list[InsuranceFund]:
        return self._insurance.now(self.now())

    def ticker(self, instrument: str, /) -> Ticker | None:
        return self.markets[instrument].ticker()

    def status(self, instrument: str, /) -> InstrumentStatus:
        return self.markets[instrument].status()
