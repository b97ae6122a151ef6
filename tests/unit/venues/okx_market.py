"""A small hand-made market for the OKX tests: one spot pair, one swap, everything known in advance."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from tests.kit.derivatives import Derivatives, Listed
from warehouse.clock import HOUR, MINUTE, SECOND, Micros
from warehouse.instruments import Rules, timeframe_us
from warehouse.records import BookUpdate, Candle, FundingRate, Trade
from warehouse.venues.base import TODAY, Dialect
from warehouse.venues.okx.session import OkxSession, sessions

NOW: Micros = 1_763_733_600 * SECOND
SPOT = Rules(
    venue="okx",
    instrument="BTC-USDT",
    symbol="BTC-USDT",
    market="spot",
    tick="0.1",
    lot="0.00000001",
    min_size="0.00001",
)
SWAP = Rules(
    venue="okx",
    instrument="BTC-USDT-PERP",
    symbol="BTC-USDT-SWAP",
    market="perp",
    tick="0.1",
    lot="0.01",
    contract_value="0.01",
    listed_at=1_573_557_408_000_000,
)
RULES = (SPOT, SWAP)


def session(name: str, *streams: str, at: Micros | None = None) -> OkxSession:
    """The session called `name` for both instruments."""
    dialect = Dialect(streams=streams or None, at=at) if streams or at else TODAY
    return next(one for one in sessions(RULES, dialect) if one.name == name)


def fill(rules: Rules, seq: int, at: Micros, ticks: int = 912_500, lots: int = 735) -> Trade:
    """One fill with everything that follows from its integers."""
    return Trade(
        venue="okx",
        instrument=rules.instrument,
        ts_event=at // 1000 * 1000,
        ts_recv=at,
        trade_id=str(seq),
        trade_seq=seq,
        price=rules.grid.price(ticks),
        size=rules.grid.size(lots),
        taker_side="buy" if seq % 3 else "sell",
        ticks=ticks,
        lots=lots,
    )


class Market(Derivatives, msgspec.Struct):
    """A `MarketView` over lists. `trade` and `update` let something happen and return its record."""

    at: Micros = NOW
    first_id: int = 5_000
    tape: dict[str, list[Trade]] = msgspec.field(default_factory=lambda: {rules.instrument: [] for rules in RULES})
    seq: dict[str, int] = msgspec.field(default_factory=lambda: {rules.instrument: 100 for rules in RULES})

    listed: Listed = msgspec.field(default_factory=Listed)

    def now(self) -> Micros:
        return self.at

    def rules(self) -> Sequence[Rules]:
        return RULES

    def trade(self, rules: Rules, count: int = 1, apart: Micros = 10_000) -> list[Trade]:
        """`count` more fills, `apart` microseconds from each other."""
        tape = self.tape[rules.instrument]
        made = []
        for _ in range(count):
            self.at += apart
            seq = self.first_id + len(tape)
            made.append(fill(rules, seq, self.at, 912_500 + seq % 7, 700 + seq % 50))
            tape.append(made[-1])
        return made

    def update(self, rules: Rules) -> BookUpdate:
        """One more change of the best bid."""
        previous = self.seq[rules.instrument]
        self.seq[rules.instrument] = previous + 3
        self.at += 100_000
        bids = [(91_249.9, float(previous + 3))]
        return self._book(rules, bids, [], previous)

    def _book(
        self,
        rules: Rules,
        bids: list[tuple[float, float]],
        asks: list[tuple[float, float]],
        previous: int | None,
    ) -> BookUpdate:
        return BookUpdate(
            venue="okx",
            instrument=rules.instrument,
            ts_event=self.at // 1000 * 1000,
            ts_recv=self.at,
            bids=bids,
            asks=asks,
            snapshot=previous is None,
            update_id=self.seq[rules.instrument],
            previous_id=previous,
        )

    def book(self, instrument: str, /) -> BookUpdate:
        rules = next(rules for rules in RULES if rules.instrument == instrument)
        return self._book(rules, [(91_249.9, float(self.seq[instrument])), (91_249.0, 2.0)], [(91_250.1, 1.5)], None)

    def candles(
        self, instrument: str, timeframe: str, start: Micros, end: Micros, limit: int, newest: bool, /
    ) -> list[Candle]:
        step = timeframe_us(timeframe)
        first = max(-(-start // step) * step, (self.at - 400 * 24 * HOUR) // step * step)
        last = min(end, self.at + 1)
        opens = range(first, last, step)
        chosen = opens[-limit:] if newest else opens[:limit]
        return [self._candle(instrument, timeframe, at, at + step <= self.at) for at in chosen]

    def _candle(self, instrument: str, timeframe: str, at: Micros, closed: bool) -> Candle:
        base = 90_000.0 + at // MINUTE % 1000
        return Candle(
            venue="okx",
            instrument=instrument,
            ts_event=at,
            ts_recv=self.at,
            timeframe=timeframe,
            open_time=at,
            open=base,
            high=base + 10,
            low=base - 10,
            close=base + 1,
            volume=0.5,
            quote_volume=45_000.25,
            closed=closed,
        )

    def trades_by_time(self, instrument: str, start: Micros, end: Micros, limit: int, newest: bool, /) -> list[Trade]:
        rows = [one for one in self.tape[instrument] if start <= one.ts_event < end]
        return rows[-limit:] if newest else rows[:limit]

    def trades_by_id(self, instrument: str, from_seq: int, limit: int, /) -> list[Trade]:
        return [one for one in self.tape[instrument] if (one.trade_seq or 0) >= from_seq][:limit]

    def funding(self, instrument: str, start: Micros, end: Micros, limit: int, newest: bool, /) -> list[FundingRate]:
        step = 8 * HOUR
        first = max(-(-start // step) * step, (self.at - 200 * 24 * HOUR) // step * step)
        times = range(first, min(end, self.at + 1), step)
        rows = [
            FundingRate(
                venue="okx",
                instrument=instrument,
                ts_event=at,
                ts_recv=self.at,
                funding_rate=(at // step % 100) / 1e6,
                settled=True,
            )
            for at in times
        ]
        return rows[-limit:] if newest else rows[:limit]
