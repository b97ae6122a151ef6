"""From Bybit's further frames and rows to records: tickers, liquidations, insurance pools.

As in `decode`, every function raises ValueError for what it cannot read.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from warehouse.clock import HOUR, Micros
from warehouse.instruments import Grid
from warehouse.records import (
    FundingRate,
    InsuranceFund,
    Liquidation,
    MarkPrice,
    OpenInterest,
    Origin,
    Ticker,
)
from warehouse.venues.bybit.decode import VENUE
from warehouse.venues.bybit.wire_feeds import (
    LiquidationFrame,
    PoolFrame,
    PoolRow,
)

Facts = Mapping[str, float | int | str]
"""Fields of a ticker under the venue's names; one that is absent or empty is not known."""

_liquidations = msgspec.json.Decoder(LiquidationFrame, strict=False).decode
_pools = msgspec.json.Decoder(PoolFrame, strict=False).decode


def liquidations(frame: bytes, instrument: str, grid: Grid, ts_recv: Micros) -> list[Liquidation]:
    """The positions closed by force in 500 ms. A bankruptcy price need not lie on the grid: `ticks` None then."""
    found: list[Liquidation] = []
    seen: dict[tuple[int, str, float, float], int] = {}
    for row in _liquidations(frame).data:
        lots = grid.lots(row.v)
        if not lots:
            raise ValueError("a liquidation without size")
        same = (row.T, row.S, row.p, row.v)
        nth = seen[same] = seen.get(same, -1) + 1
        found.append(
            Liquidation(
                venue=VENUE,
                instrument=instrument,
                ts_event=row.T * 1000,
                ts_recv=ts_recv,
                liquidated_side="long" if row.S == "Buy" else "short",
                price=row.p,
                size=grid.size(lots),
                ticks=_ticks(row.p, grid),
                lots=lots,
                price_basis="bankruptcy",
                sampled=False,
                nth=nth,
            )
        )
    return found


def pools(frame: bytes, symbols: Mapping[str, object], ts_recv: Micros) -> list[InsuranceFund]:
    """The pools of an `insurance.USDT` frame that insure one of `symbols`."""
    wire = _pools(frame)
    return [
        pool(row, (row.updateTime or wire.ts) * 1000, ts_recv, "stream") for row in wire.data if insures(row, symbols)
    ]


def insures(row: PoolRow, symbols: Mapping[str, object]) -> bool:
    """Whether a pool insures one of these contracts."""
    return any(symbol in symbols for symbol in row.symbols.split(","))


def pool(row: PoolRow, ts_event: Micros, ts_recv: Micros, origin: Origin) -> InsuranceFund:
    """One pool, named by the contracts it insures."""
    return InsuranceFund(
        venue=VENUE,
        instrument="",
        ts_event=ts_event,
        ts_recv=ts_recv,
        pool=",".join(sorted(row.symbols.split(","))),
        asset=row.coin,
        balance=row.balance,
        balance_usd=None if isinstance(row.value, str) else row.value,
        origin=origin,
    )


def mark_price(
    facts: Facts, instrument: str, ts_event: Micros, ts_recv: Micros, origin: Origin = "stream"
) -> MarkPrice | None:
    """Mark and index of a ticker; None when it has neither."""
    mark, index = _number(facts, "markPrice"), _number(facts, "indexPrice")
    if mark is None and index is None:
        return None
    return MarkPrice(
        venue=VENUE,
        instrument=instrument,
        ts_event=ts_event,
        ts_recv=ts_recv,
        mark_price=mark,
        index_price=index,
        origin=origin,
    )


def accruing(
    facts: Facts, instrument: str, ts_event: Micros, ts_recv: Micros, origin: Origin = "stream"
) -> FundingRate | None:
    """The rate that accrues, of a ticker; None when it has none."""
    rate = _number(facts, "fundingRate")
    if rate is None:
        return None
    at, hours = _whole(facts, "nextFundingTime"), _whole(facts, "fundingIntervalHour")
    return FundingRate(
        venue=VENUE,
        instrument=instrument,
        ts_event=ts_event,
        ts_recv=ts_recv,
        funding_rate=rate,
        settled=False,
        interval_us=hours * HOUR if hours else None,
        next_funding_at=at * 1000 if at else None,
        mark_price=_number(facts, "markPrice"),
        origin=origin,
    )


def open_interest(
    facts: Facts, instrument: str, ts_event: Micros, ts_recv: Micros, origin: Origin = "stream"
) -> OpenInterest | None:
    """Open interest of one side, of a ticker: what it says, else half of what it says for both sides."""
    single = _one_side(facts, "singleOpenInterest", "openInterest")
    if single is None:
        return None
    return OpenInterest(
        venue=VENUE,
        instrument=instrument,
        ts_event=ts_event,
        ts_recv=ts_recv,
        open_interest=single,
        open_interest_quote=_one_side(facts, "singleOpenInterestValue", "openInterestValue"),
        origin=origin,
    )


def ticker(facts: Facts, instrument: str, ts_event: Micros, ts_recv: Micros) -> Ticker | None:
    """Statistics of 24 hours; None while one of them is not known."""
    last, opened = _number(facts, "lastPrice"), _number(facts, "prevPrice24h")
    high, low = _number(facts, "highPrice24h"), _number(facts, "lowPrice24h")
    volume, turnover = _number(facts, "volume24h"), _number(facts, "turnover24h")
    if last is None or opened is None or high is None or low is None or volume is None or turnover is None:
        return None
    return Ticker(
        venue=VENUE,
        instrument=instrument,
        ts_event=ts_event,
        ts_recv=ts_recv,
        last_price=last,
        open=opened,
        high=high,
        low=low,
        volume=volume,
        quote_volume=turnover,
    )


def _ticks(price: float, grid: Grid) -> int | None:
    try:
        return grid.ticks(price)
    except ValueError:
        return None


def _number(facts: Facts, name: str) -> float | None:
    value = facts.get(name, "")
    return None if isinstance(value, str) else float(value)


def _whole(facts: Facts, name: str) -> int | None:
    value = facts.get(name, "")
    return value if isinstance(value, int) else None


def _one_side(facts: Facts, single: str, both: str) -> float | None:
    value = _number(facts, single)
    if value is not None:
        return value
    total = _number(facts, both)
    return None if total is None else total / 2
