"""How Binance writes derivatives, tickers, states and block trades: the inverse of `decode_feeds`, for the emulated
venue only.
"""

from __future__ import annotations

from warehouse.clock import HOUR, Micros
from warehouse.instruments import timeframe_us
from warehouse.records import (
    Candle,
    FundingRate,
    InstrumentStatus,
    InsuranceFund,
    Liquidation,
    MarkPrice,
    OpenInterest,
    Ticker,
    Trade,
    TradingState,
)
from warehouse.venues.binance.decode_feeds import NEVER
from warehouse.venues.binance.spell import Json, Spelling

_CODES: dict[tuple[bool, TradingState], str] = {
    (True, "trading"): "TRADING",
    (True, "halted"): "HALT",
    (True, "pre_launch"): "PRE_TRADING",
    (True, "delisted"): "BREAK",
    (False, "trading"): "TRADING",
    (False, "halted"): "SETTLING",
    (False, "pre_launch"): "PENDING_TRADING",
    (False, "delisted"): "CLOSE",
}
"""The venue's word for a state, by whether it is spot's."""


def code(spot: bool, status: InstrumentStatus) -> str:
    """The venue's word for a state."""
    return _CODES[spot, status.state]


def mark_price(spelling: Spelling, mark: MarkPrice, rate: FundingRate | None) -> Json:
    """`@markPrice`. Without a rate `r` is empty, as the venue has it for contracts that are delivered."""
    return {
        "e": "markPriceUpdate",
        "E": mark.ts_event // 1000,
        "s": spelling.symbol,
        "p": f"{mark.mark_price or 0.0:.8f}",
        "i": f"{mark.index_price or 0.0:.8f}",
        "P": f"{mark.index_price or 0.0:.8f}",
        "r": f"{rate.funding_rate:.8f}" if rate is not None else "",
        "ap": f"{mark.mark_price or 0.0:.8f}",
        "T": (rate.next_funding_at or 0) // 1000 if rate is not None else 0,
        "st": 1,
    }


def premium_index(spelling: Spelling, mark: MarkPrice, rate: FundingRate | None) -> Json:
    """REST `premiumIndex`."""
    return {
        "symbol": spelling.symbol,
        "markPrice": f"{mark.mark_price or 0.0:.8f}",
        "indexPrice": f"{mark.index_price or 0.0:.8f}",
        "estimatedSettlePrice": f"{mark.index_price or 0.0:.8f}",
        "lastFundingRate": f"{rate.funding_rate:.8f}" if rate is not None else "",
        "interestRate": "0.00010000",
        "nextFundingTime": (rate.next_funding_at or 0) // 1000 if rate is not None else 0,
        "time": mark.ts_event // 1000,
    }


def funding_info(spelling: Spelling, rate: FundingRate) -> Json:
    """A row of `fundingInfo`."""
    return {
        "symbol": spelling.symbol,
        "adjustedFundingRateCap": "0.02000000",
        "adjustedFundingRateFloor": "-0.02000000",
        "fundingIntervalHours": (rate.interval_us or 8 * HOUR) // HOUR,
        "disclaimer": False,
    }


def force_order(spelling: Spelling, liquidation: Liquidation, now: Micros) -> Json:
    """`@forceOrder`: the side is that of the order, which sells what a long held."""
    size, price, at = spelling.size(liquidation.size), spelling.price(liquidation.price), liquidation.ts_event // 1000
    order: Json = {
        "s": spelling.symbol,
        "S": "SELL" if liquidation.liquidated_side == "long" else "BUY",
        "o": "LIMIT",
        "f": "IOC",
        "q": size,
        "p": price,
        "ap": price,
        "X": "FILLED",
        "l": size,
        "z": size,
        "T": at,
    }
    return {"e": "forceOrder", "E": now // 1000, "o": order}


def ticker(spelling: Spelling, row: Ticker) -> Json:
    """`@ticker`."""
    change = row.last_price - row.open
    volume, quote = spelling.size(row.volume), f"{row.quote_volume or 0.0:.8f}"
    event: Json = {
        "e": "24hrTicker",
        "E": row.ts_event // 1000,
        "s": spelling.symbol,
        "p": spelling.price(change),
        "P": f"{100 * change / row.open:.3f}",
        "w": spelling.price((row.quote_volume or 0.0) / row.volume if row.volume else row.last_price),
        "c": spelling.price(row.last_price),
        "Q": spelling.size(0.0),
        "o": spelling.price(row.open),
        "h": spelling.price(row.high),
        "l": spelling.price(row.low),
        "v": volume,
        "q": quote,
        "O": row.ts_event // 1000 - 86_400_000,
        "C": row.ts_event // 1000,
        "F": -1,
        "L": -1,
        "n": row.trade_count or 0,
    }
    return event if spelling.spot else event | {"st": 1, "ps": spelling.symbol}


def day_ticker(spelling: Spelling, row: Ticker) -> Json:
    """REST `ticker/24hr`."""
    change = row.last_price - row.open
    return {
        "symbol": spelling.symbol,
        "priceChange": spelling.price(change),
        "priceChangePercent": f"{100 * change / row.open:.3f}",
        "weightedAvgPrice": spelling.price((row.quote_volume or 0.0) / row.volume if row.volume else row.last_price),
        "lastPrice": spelling.price(row.last_price),
        "lastQty": spelling.size(0.0),
        "openPrice": spelling.price(row.open),
        "highPrice": spelling.price(row.high),
        "lowPrice": spelling.price(row.low),
        "volume": spelling.size(row.volume),
        "quoteVolume": f"{row.quote_volume or 0.0:.8f}",
        "openTime": row.ts_event // 1000 - 86_400_000,
        "closeTime": row.ts_event // 1000,
        "firstId": -1,
        "lastId": -1,
        "count": row.trade_count or 0,
    }


def block_trade(spelling: Spelling, trade: Trade, now: Micros) -> Json:
    """`@blockTrade`: the venue counts them apart, ours say so in their ids."""
    return {
        "e": "blockTrade",
        "E": now // 1000,
        "s": spelling.symbol,
        "t": int(trade.trade_id.rpartition("-")[2]),
        "p": spelling.price(trade.price),
        "q": spelling.size(trade.size),
        "T": trade.ts_event // 1000,
        "m": trade.taker_side == "sell",
    }


def contract_info(spelling: Spelling, status: InstrumentStatus, now: Micros) -> Json:
    """`!contractInfo`."""
    listed = status.listed_at or spelling.rules.listed_at or 1_567_965_300_000_000
    return {
        "e": "contractInfo",
        "E": now // 1000,
        "s": spelling.symbol,
        "ct": "PERPETUAL",
        "dt": status.delisting_at // 1000 if status.delisting_at else NEVER,
        "ot": listed // 1000,
        "cs": code(False, status),
        "st": 1,
    }


def open_interest(spelling: Spelling, row: OpenInterest) -> Json:
    """REST `openInterest`."""
    return {
        "openInterest": spelling.size(row.open_interest),
        "symbol": spelling.symbol,
        "time": row.ts_event // 1000,
    }


def open_interest_row(spelling: Spelling, row: OpenInterest) -> Json:
    """A row of `openInterestHist`."""
    return {
        "symbol": spelling.symbol,
        "sumOpenInterest": f"{row.open_interest:.8f}",
        "sumOpenInterestValue": f"{row.open_interest_quote or 0.0:.8f}",
        "timestamp": row.ts_event // 1000,
    }


def insurance(rows: list[InsuranceFund]) -> list[Json]:
    """REST `insuranceBalance`: pools in the order of their first asset."""
    groups: dict[str, list[Json]] = {}
    for row in rows:
        groups.setdefault(row.pool, []).append(
            {"asset": row.asset, "marginBalance": f"{row.balance:.8f}", "updateTime": row.ts_event // 1000}
        )
    return [{"symbols": pool.split(","), "assets": assets} for pool, assets in groups.items()]


def mark_row(candle: Candle) -> list[object]:
    """A row of mark or index `klines`: volumes are 0, the count is that of the seconds."""
    return [
        candle.open_time // 1000,
        f"{candle.open:.8f}",
        f"{candle.high:.8f}",
        f"{candle.low:.8f}",
        f"{candle.close:.8f}",
        "0",
        (candle.open_time + timeframe_us(candle.timeframe)) // 1000 - 1,
        "0",
        timeframe_us(candle.timeframe) // 1_000_000,
        "0",
        "0",
        "0",
    ]
