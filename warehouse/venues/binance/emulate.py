"""Binance's own side of REST over a market: limits, order, bounds and error bodies as published. No socket here."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from warehouse.clock import HOUR, MINUTE, SECOND, Micros
from warehouse.instruments import TIMEFRAMES, Listing, Market, timeframe_us
from warehouse.records import Trade
from warehouse.venues.base import EmulatedConnection, MarketView, Reply
from warehouse.venues.binance.emulate_socket import BinanceConnection
from warehouse.venues.binance.spell import Json, Spelling

WEIGHT_LIMIT: dict[str, int] = {"rest_spot": 6000, "rest_perp": 2400}
"""Request weight per minute and address."""

FUNDING_LIMIT = 500
"""Requests of `fundingRate` in five minutes, apart from the weight."""

PERP_REACH = 48 * HOUR
_PERP_DEPTH = {5: 2, 10: 2, 20: 2, 50: 2, 100: 5, 500: 10, 1000: 20}
_FOREVER = 1 << 62

Query = dict[str, str]


class Refuse(Exception):
    """An error body of the venue."""

    def __init__(self, code: int, words: str, status: int = 400) -> None:
        super().__init__(words)
        self.code, self.words, self.status = code, words, status


class EmulatedBinance:
    """`EmulatedVenue` of both markets: `/api/v3` on `rest_spot`, `/fapi/v1` on `rest_perp`."""

    def __init__(self, view: MarketView) -> None:
        self._view = view
        rules = [rule for rule in view.rules() if rule.venue == "binance"]
        self._symbols: dict[tuple[Market, str], Spelling] = {(r.market, r.symbol): Spelling(r) for r in rules}
        self._used: dict[str, tuple[Micros, int]] = {}  # base: (minute, weight)
        self._funding: tuple[Micros, int] = (0, 0)
        self._paths: dict[str, Callable[[Market, Query, Micros], object]] = {
            "time": lambda market, query, now: {"serverTime": now // 1000},
            "exchangeInfo": self._exchange_info,
            "klines": self._klines,
            "aggTrades": self._agg_trades,
            "trades": self._recent_trades,
            "historicalTrades": self._historical_trades,
            "depth": self._depth,
            "fundingRate": self._funding_rate,
        }

    def connect(self, base: str, path: str, query: Query, now: Micros) -> EmulatedConnection:
        """A WebSocket on `/stream`, `/ws/<stream>`, or the same behind `/public` and `/market` of futures."""
        market: Market = "spot" if base == "ws_spot" else "perp"
        known = [spelling for (of, _), spelling in self._symbols.items() if of == market]
        return BinanceConnection(market, path, query, known)

    def rest(self, base: str, path: str, query: Query, now: Micros) -> Reply:
        """One GET. Every reply says how much of the minute's weight is used; beyond it comes 429 with Retry-After."""
        market: Market = "spot" if base == "rest_spot" else "perp"
        prefix = "/api/v3/" if market == "spot" else "/fapi/v1/"
        answer = self._paths.get(path.removeprefix(prefix)) if path.startswith(prefix) else None
        if answer is None or (market == "spot" and path.endswith("/fundingRate")):
            return Reply(status=404, body=b"<html><body>Not Found</body></html>")
        minute, used = self._used.get(base, (0, 0))
        used = _weight(market, path.removeprefix(prefix), query) + (used if minute == now // MINUTE else 0)
        headers = {"X-MBX-USED-WEIGHT-1M": str(used), "Content-Type": "application/json"}
        try:
            if used > WEIGHT_LIMIT[base]:
                headers["Retry-After"] = str((MINUTE - now % MINUTE) // SECOND + 1)
                raise Refuse(-1003, f"Too many requests; current limit is {WEIGHT_LIMIT[base]} per minute.", 429)
            body, status = msgspec.json.encode(answer(market, query, now)), 200
        except Refuse as error:
            body, status = msgspec.json.encode({"code": error.code, "msg": error.words}), error.status
            if status == 429:
                headers.setdefault("Retry-After", "60")
        self._used[base] = (now // MINUTE, used)  # not reached when the market asks for time to make its history
        return Reply(status=status, body=body, headers=headers)

    def _symbol(self, market: Market, query: Query) -> Spelling:
        name = query.get("symbol")
        if not name:
            raise Refuse(-1102, "Mandatory parameter 'symbol' was not sent, was empty/null, or malformed.")
        found = self._symbols.get((market, name))
        if found is None:
            raise Refuse(-1121, "Invalid symbol.")
        return found

    def _exchange_info(self, market: Market, query: Query, now: Micros) -> object:
        known = {symbol: spelling for (of, symbol), spelling in self._symbols.items() if of == market}
        asked = list(known)
        if market == "spot" and ("symbols" in query or "symbol" in query):
            try:
                asked = (
                    msgspec.json.decode(query["symbols"], type=list[str]) if "symbols" in query else [query["symbol"]]
                )
            except msgspec.MsgspecError:
                raise Refuse(-1100, "Illegal characters found in parameter 'symbols'.") from None
            if any(symbol not in known for symbol in asked):
                raise Refuse(-1121, "Invalid symbol.")
        limit: Json = {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1}
        symbols: list[Json] = []
        for name in asked:
            listing = Listing.parse("binance", known[name].rules.instrument)
            symbols.append(known[name].symbol_info(listing.base, listing.quote))
        return {
            "timezone": "UTC",
            "serverTime": now // 1000,
            "rateLimits": [limit | {"limit": WEIGHT_LIMIT[f"rest_{market}"]}],
            "exchangeFilters": [],
            "symbols": symbols,
        }

    def _klines(self, market: Market, query: Query, now: Micros) -> object:
        spelling = self._symbol(market, query)
        timeframe = query.get("interval", "")
        if timeframe not in TIMEFRAMES:
            raise Refuse(-1120, "Invalid interval.")
        limit = _limit(market, query, 500, 1000 if market == "spot" else 1500)
        start, end = _between(query)
        newest = "startTime" not in query
        end = min(end, now // timeframe_us(timeframe) * timeframe_us(timeframe) + 1)
        rows = self._view.candles(spelling.rules.instrument, timeframe, start, end, limit, newest)
        return [spelling.kline_row(row) for row in rows]

    def _agg_trades(self, market: Market, query: Query, now: Micros) -> object:
        spelling = self._symbol(market, query)
        limit = _limit(market, query, 500, 1000)
        start, end = _between(query)
        name = spelling.rules.instrument
        if "fromId" in query:
            if "startTime" in query or "endTime" in query:
                raise Refuse(-1128, "Combination of optional parameters invalid.")
            rows = self._view.trades_by_id(name, _int(query, "fromId", 0), limit)
        elif market == "perp" and start and end != _FOREVER and end - start > HOUR:
            raise Refuse(-1127, "More than 1 hours between startTime and endTime.")
        elif market == "perp" and start and start < now - PERP_REACH:
            # seen in freqtrade#10941: instead of an error the newest rows come
            rows = self._view.trades_by_time(name, now - HOUR, now + 1, limit, True)
        else:
            rows = self._view.trades_by_time(name, start, min(end, now + 1), limit, "startTime" not in query)
        return [spelling.agg_trade(row) for row in rows if row.kind == "market"]

    def _recent_trades(self, market: Market, query: Query, now: Micros) -> object:
        spelling = self._symbol(market, query)
        rows = self._newest(spelling, _limit(market, query, 500, 1000), now)
        return [spelling.historical_trade(row) for row in rows]

    def _historical_trades(self, market: Market, query: Query, now: Micros) -> object:
        spelling = self._symbol(market, query)
        limit = _limit(market, query, 500 if market == "spot" else 100, 1000 if market == "spot" else 500)
        if "fromId" not in query:
            rows = self._newest(spelling, limit, now)
        else:
            rows = self._view.trades_by_id(spelling.rules.instrument, _int(query, "fromId", 0), limit)
        return [spelling.historical_trade(row) for row in rows]

    def _newest(self, spelling: Spelling, limit: int, now: Micros) -> list[Trade]:
        return self._view.trades_by_time(spelling.rules.instrument, 0, now + 1, limit, True)

    def _depth(self, market: Market, query: Query, now: Micros) -> object:
        spelling = self._symbol(market, query)
        limit = _int(query, "limit", 100 if market == "spot" else 500)
        if market == "perp" and limit not in _PERP_DEPTH:
            raise Refuse(-4021, f"Limit {limit} is not valid, choose from [5, 10, 20, 50, 100, 500, 1000].")
        return spelling.depth(self._view.book(spelling.rules.instrument), min(limit, 5000), now)

    def _funding_rate(self, market: Market, query: Query, now: Micros) -> object:
        window, count = self._funding
        five = now // (5 * MINUTE)
        count = count + 1 if window == five else 1
        if count > FUNDING_LIMIT:
            raise Refuse(-1003, f"Too many requests; current limit is {FUNDING_LIMIT} per 5 minutes.", 429)
        spelling = self._symbol(market, query)
        limit = _limit(market, query, 100, 1000)
        start, end = _between(query)
        rows = self._view.funding(spelling.rules.instrument, start, min(end, now + 1), limit, "startTime" not in query)
        self._funding = (five, count)
        return [spelling.funding(row) for row in rows if row.settled]


def _int(query: Query, name: str, default: int) -> int:
    try:
        return int(query.get(name, default))
    except ValueError:
        raise Refuse(-1100, f"Illegal characters found in parameter '{name}'.") from None


def _limit(market: Market, query: Query, default: int, most: int) -> int:
    """Spot caps what is too much, futures refuse it."""
    limit = _int(query, "limit", default)
    if limit < 1 or (market == "perp" and limit > most):
        raise Refuse(-1130, "Data sent for parameter 'limit' is not valid.")
    return min(limit, most)


def _between(query: Query) -> tuple[Micros, Micros]:
    """Both bounds are inclusive milliseconds; ours are half-open microseconds."""
    start = _int(query, "startTime", 0) * 1000
    end = (_int(query, "endTime", 0) + 1) * 1000 if "endTime" in query else _FOREVER
    return start, end


def _weight(market: Market, name: str, query: Query) -> int:
    """What a request costs of the minute."""
    text = query.get("limit", "")
    limit = int(text) if text.isdecimal() else 500
    if name == "klines":
        return 2 if market == "spot" else 1 if limit < 100 else 2 if limit < 500 else 5 if limit <= 1000 else 10
    if name == "depth":
        if market == "perp":
            return _PERP_DEPTH.get(limit, 2)
        limit = limit if text else 100
        return 5 if limit <= 100 else 25 if limit <= 500 else 50 if limit <= 1000 else 250
    costs = {"aggTrades": (4, 20), "historicalTrades": (25, 200), "trades": (25, 5), "exchangeInfo": (20, 1)}
    return costs.get(name, (1, 1))[market == "perp"]
