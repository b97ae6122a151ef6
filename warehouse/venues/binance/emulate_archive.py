"""Binance's public data over an emulated market: zips with their checksums, as `archive` says they are written."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from warehouse.clock import HOUR, MINUTE, Micros, iso
from warehouse.instruments import Rules
from warehouse.records import Candle, Trade
from warehouse.venues.archives import ArchiveFile
from warehouse.venues.base import MarketView, MarkKind, Reply
from warehouse.venues.binance import archive
from warehouse.venues.binance.spell import Spelling
from warehouse.venues.emulate_archives import ALL, NOTHING, disordered, reply, table, trades, zipped

OUT_AFTER: Micros = HOUR

_AGGREGATES = "agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker"
_FILLS = "id,price,qty,quote_qty,time,is_buyer_maker"
_KLINES = (
    "open_time,open,high,low,close,volume,close_time,quote_volume,count,taker_buy_volume,taker_buy_quote_volume,ignore"
)
_FUNDING = "calc_time,funding_interval_hours,last_funding_rate"
_METRICS = (
    "create_time,symbol,sum_open_interest,sum_open_interest_value,count_toptrader_long_short_ratio,"
    "sum_toptrader_long_short_ratio,count_long_short_ratio,sum_taker_long_short_vol_ratio"
)

Rows = Sequence[Sequence[object]]


class Archive:
    """`reply` answers one GET for a file or its checksum."""

    def __init__(self, view: MarketView, rules: Sequence[Rules]) -> None:
        self._view = view
        self._rules = {rule.instrument: rule for rule in rules}

    def reply(self, path: str, now: Micros) -> Reply:
        """The file at a path of the archive, 404 for what it has not (yet)."""
        wanted = path.removesuffix(".CHECKSUM")
        found = archive.recognised(wanted.lstrip("/"), list(self._rules.values()))
        if len(found) != 1 or not wanted.endswith(".zip") or found[0].end + OUT_AFTER > now:
            return NOTHING
        made = self._table(found[0])
        if made is None:
            return NOTHING
        body = zipped(found[0].name.replace(".zip", ".csv"), made)
        if path == wanted:
            return reply(body)
        return reply(f"{hashlib.sha256(body).hexdigest()}  {found[0].name}\n".encode())

    def _table(self, file: ArchiveFile) -> bytes | None:
        """Spot writes no header and microseconds, futures a header and milliseconds."""
        rules, view = self._rules[file.instrument], self._view
        spot, text = rules.market == "spot", Spelling(rules)
        unit = 1 if spot else 1000
        if file.kind in ("trades", "fills"):
            rows = trades(view, file.instrument, file.start, file.end)
            if rows is None:
                return None
            if file.kind == "trades":
                told = [_aggregate(row, text, unit) for row in disordered(rows)]
                return table(told, "" if spot else _AGGREGATES)
            return table([_fill(row, text, unit) for row in disordered(rows)], "" if spot else _FILLS)
        if file.kind == "candles":
            bars = view.candles(file.instrument, file.timeframe, file.start, file.end, ALL, False)
            return table([_kline(bar, text, unit) for bar in bars], "" if spot else _KLINES)
        if file.kind == "price_candles":
            name, _, timeframe = file.timeframe.partition(":")
            price: MarkKind = "mark" if name == "mark" else "index"
            bars = view.mark_candles(file.instrument, price, timeframe, file.start, file.end, ALL, False)
            return table([_kline(bar, text, unit) for bar in bars], _KLINES)
        if file.kind == "funding":
            rates = view.funding(file.instrument, file.start, file.end, ALL, False)
            told = [
                (r.ts_event // 1000 + 3, (r.interval_us or 8 * HOUR) // HOUR, f"{r.funding_rate:.8f}") for r in rates
            ]
            return table(told, _FUNDING)
        if file.kind == "open_interest":
            readings = view.open_interest(file.instrument, 5 * MINUTE, file.start, file.end, ALL, False)
            told_of = [
                (iso(r.ts_event)[:19].replace("T", " "), rules.symbol, f"{r.open_interest:.10f}",
                 f"{r.open_interest_quote or 0.0:.10f}", 1, 1, 1, 1)
                for r in readings
            ]  # fmt: skip
            return table(told_of, _METRICS)
        return None  # liquidations were taken away in 2024


def _aggregate(row: Trade, text: Spelling, unit: int) -> Sequence[object]:
    told = text.agg_trade(row)
    maker = row.taker_side == "sell"
    common = (told["a"], told["p"], told["q"], told["f"], told["l"], row.ts_event // unit)
    return (*common, maker, True) if text.spot else (*common, str(maker).lower())


def _fill(row: Trade, text: Spelling, unit: int) -> Sequence[object]:
    told = text.historical_trade(row)
    maker = row.taker_side == "sell"
    common = (told["id"], told["price"], told["qty"], told["quoteQty"], row.ts_event // unit)
    return (*common, maker, True) if text.spot else (*common, str(maker).lower())


def _kline(bar: Candle, text: Spelling, unit: int) -> Sequence[object]:
    row = list(text.kline_row(bar))
    if unit == 1:
        end = row[6]
        assert isinstance(end, int)
        row[0], row[6] = bar.open_time, end * 1000 + 999
    return row
