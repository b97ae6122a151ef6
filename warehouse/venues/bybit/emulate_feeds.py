"""Frames of an emulated Bybit beside trades, books and bars: tickers, liquidations, insurance pools, maintenance.

A ticker is told by its changes, so each connection remembers what it has told; this file knows what there is to tell.
"""

from __future__ import annotations

from collections.abc import Mapping

from warehouse.clock import HOUR, Micros
from warehouse.records import (
    FundingRate,
    InsuranceFund,
    Liquidation,
    MarkPrice,
    OpenInterest,
    Record,
    Ticker,
    VenueStatus,
)
from warehouse.venues.base import MarketView
from warehouse.venues.bybit.emulate_frames import Shown, encode
from warehouse.venues.bybit.spelling import Text, decimal

Fields = dict[str, str]
"""Fields of a ticker as the venue spells them."""

WORK = {"maintenance": "ongoing", "announced": "scheduled", "ok": "completed"}


class Feeds:
    """What there is to tell beside trades, books and bars: the market's figures, and the venue's own notices."""

    def __init__(self, view: MarketView) -> None:
        self._view = view
        self.notices = Notices()

    def ticker(self, known: Shown) -> Fields:
        """Everything that the market tells of an instrument's ticker now; nothing where it knows none."""
        view, name = self._view, known.rules.instrument
        there: list[Record | None] = [view.ticker(name)]
        if not known.spot:
            there += [view.mark_price(name), view.funding_now(name), view.open_interest_now(name)]
        found: Fields = {}
        for record in there:
            if record is not None:
                found |= told(record, known)
        if found and not known.spot:
            book = view.book(name)
            if book.bids and book.asks:
                found |= _best(known.text, *book.bids[0], *book.asks[0])
        return found


def told(record: Record, known: Shown) -> Fields:
    """The ticker's fields in a market event; none for one that is not in a ticker."""
    text = known.text
    if isinstance(record, Ticker):
        turnover = record.quote_volume if record.quote_volume is not None else record.volume * record.last_price
        return {
            "lastPrice": text.price(record.last_price),
            "prevPrice24h": text.price(record.open),
            "price24hPcnt": f"{record.last_price / record.open - 1:.6f}",
            "highPrice24h": text.price(record.high),
            "lowPrice24h": text.price(record.low),
            "volume24h": text.size(record.volume),
            "turnover24h": text.turnover(turnover),
        }
    if known.spot:
        return {}
    found: Fields = {}
    if isinstance(record, MarkPrice):
        if record.mark_price is not None:
            found["markPrice"] = text.price(record.mark_price)
        if record.index_price is not None:
            found["indexPrice"] = text.price(record.index_price)
    elif isinstance(record, FundingRate) and not record.settled:
        found["fundingRate"] = decimal(record.funding_rate)
        found["nextFundingTime"] = str((record.next_funding_at or 0) // 1000)
        found["fundingIntervalHour"] = str((record.interval_us or 0) // HOUR)
    elif isinstance(record, OpenInterest) and not record.period_us:
        value = record.open_interest_quote
        found["singleOpenInterest"] = text.size(record.open_interest)
        found["openInterest"] = text.size(2 * record.open_interest)
        if value is not None:
            found["singleOpenInterestValue"] = f"{value:.4f}"
            found["openInterestValue"] = f"{2 * value:.4f}"
    return found


def quoted(known: Shown) -> Fields:
    """The best quote of the newest ticker of linear."""
    quote = known.quote[0]
    if quote is None or known.spot:
        return {}
    return _best(known.text, quote.best_bid, quote.best_bid_size, quote.best_ask, quote.best_ask_size)


def ticker_frame(known: Shown, kind: str, changed: Mapping[str, str], now: Micros) -> bytes:
    """`tickers.BTCUSDT`; spot puts `ts` and `type` first."""
    symbol = known.rules.symbol
    head: dict[str, object] = {"topic": f"tickers.{symbol}"}
    data = {"symbol": symbol, **changed}
    if known.spot:
        return encode(head | {"ts": now // 1000, "type": kind, "cs": now // 1000, "data": data})
    return encode(head | {"type": kind, "data": data, "cs": now // 1000, "ts": now // 1000})


def liquidation_frame(known: Shown, record: Liquidation, now: Micros) -> bytes:
    """`allLiquidation.BTCUSDT` with this one position; `S` is the position's side."""
    row = {
        "T": record.ts_event // 1000,
        "s": known.rules.symbol,
        "S": "Buy" if record.liquidated_side == "long" else "Sell",
        "v": known.text.size(record.size),
        "p": known.text.price(record.price) if record.ticks is not None else decimal(record.price),
    }
    topic = f"allLiquidation.{known.rules.symbol}"
    return encode({"topic": topic, "type": "snapshot", "ts": now // 1000, "data": [row]})


def pool_frame(record: InsuranceFund, now: Micros) -> bytes | None:
    """`insurance.USDT` with this one pool; shared pools are not pushed."""
    if "," in record.pool or record.asset != "USDT":
        return None
    row = {
        "coin": record.asset,
        "symbols": record.pool,
        "balance": f"{record.balance:.8f}",
        "updateTime": str(record.ts_event // 1000),
    }
    return encode({"topic": "insurance.USDT", "type": "delta", "ts": now // 1000, "data": [row]})


class Notices:
    """What the venue has said about itself, as the rows of its status page, oldest first."""

    def __init__(self) -> None:
        self._heard: VenueStatus | None = None
        self._changed: list[dict[str, object]] = []
        self.rows: list[dict[str, object]] = []

    def take(self, record: VenueStatus) -> list[dict[str, object]]:
        """The rows that this changes; told to several connections, it changes them once."""
        if record is not self._heard:
            self._heard = record
            self._changed = self._change(record)
        return self._changed

    def _change(self, record: VenueStatus) -> list[dict[str, object]]:
        last = self.rows[-1] if self.rows and self.rows[-1]["state"] != WORK["ok"] else None
        if last is not None and record.state == "ok":
            self.rows[-1] = last | {"state": WORK["ok"]}
        elif last is not None and last["title"] == record.words:
            self.rows[-1] = _work(record, len(self.rows) - 1)
        elif record.state != "ok":
            self.rows.append(_work(record, len(self.rows)))
        else:
            return []
        return self.rows[-1:]


def work_frame(rows: list[dict[str, object]], now: Micros) -> bytes:
    """`system.status` with these rows."""
    return encode({"topic": "system.status", "ts": now // 1000, "data": rows})


def _work(record: VenueStatus, number: int) -> dict[str, object]:
    return {
        "id": f"00000000-0000-4000-8000-{number:012d}",
        "title": record.words,
        "state": WORK[record.state],
        "begin": "" if record.from_ts is None else str(record.from_ts // 1000),
        "end": "" if record.to_ts is None else str(record.to_ts // 1000),
        "href": "",
        "serviceTypes": [1, 2, 3, 4, 5],
        "product": [1, 2],
        "uidSuffix": [],
        "maintainType": 1,
        "env": 1,
    }


def _best(text: Text, bid: float, bid_size: float, ask: float, ask_size: float) -> Fields:
    return {
        "bid1Price": text.price(bid),
        "bid1Size": text.size(bid_size),
        "ask1Price": text.price(ask),
        "ask1Size": text.size(ask_size),
    }
