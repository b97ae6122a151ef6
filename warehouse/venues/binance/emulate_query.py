"""How Binance reads a REST question: parameters, bounds, error bodies, and what it costs."""

from __future__ import annotations

from collections.abc import Mapping

from warehouse.clock import Micros
from warehouse.instruments import TIMEFRAMES, Market
from warehouse.venues.binance.spell import Spelling

PERP_DEPTH = {5: 2, 10: 2, 20: 2, 50: 2, 100: 5, 500: 10, 1000: 20}
"""Levels that futures `depth` takes, and their weights."""

FOREVER = 1 << 62

Query = dict[str, str]
Symbols = Mapping[tuple[Market, str], Spelling]

_COSTS: dict[str, tuple[int, int]] = {
    # spot, perp
    "aggTrades": (4, 20),
    "historicalTrades": (25, 200),
    "trades": (25, 5),
    "exchangeInfo": (20, 1),
}


class Refuse(Exception):
    """An error body of the venue."""

    def __init__(self, code: int, words: str, status: int = 400) -> None:
        super().__init__(words)
        self.code, self.words, self.status = code, words, status


def symbol(symbols: Symbols, market: Market, query: Query, parameter: str = "symbol") -> Spelling:
    """The symbol that was asked for."""
    name = query.get(parameter)
    if not name:
        raise Refuse(-1102, f"Mandatory parameter '{parameter}' was not sent, was empty/null, or malformed.")
    found = symbols.get((market, name))
    if found is None:
        raise Refuse(-1121, "Invalid symbol.")
    return found


def timeframe(query: Query, parameter: str = "interval") -> str:
    """An interval of candles or a period of open interest."""
    name = query.get(parameter, "")
    if name not in TIMEFRAMES:
        raise Refuse(-1120, f"Invalid {parameter}.")
    return name


def number(query: Query, name: str, default: int) -> int:
    """A whole number."""
    try:
        return int(query.get(name, default))
    except ValueError:
        raise Refuse(-1100, f"Illegal characters found in parameter '{name}'.") from None


def limit(market: Market, query: Query, default: int, most: int) -> int:
    """Spot caps what is too much, futures refuse it."""
    rows = number(query, "limit", default)
    if rows < 1 or (market == "perp" and rows > most):
        raise Refuse(-1130, "Data sent for parameter 'limit' is not valid.")
    return min(rows, most)


def between(query: Query) -> tuple[Micros, Micros]:
    """Both bounds are inclusive milliseconds; ours are half-open microseconds."""
    start = number(query, "startTime", 0) * 1000
    end = (number(query, "endTime", 0) + 1) * 1000 if "endTime" in query else FOREVER
    return start, end


def weight(market: Market, path: str, query: Query) -> int:
    """What a request costs of the minute."""
    name = path.rpartition("v3/" if market == "spot" else "v1/")[2]
    text = query.get("limit", "")
    rows = int(text) if text.isdecimal() else 500
    if path.startswith("/futures/data/"):
        return 0
    if name.lower().endswith("klines"):
        return 2 if market == "spot" else 1 if rows < 100 else 2 if rows < 500 else 5 if rows <= 1000 else 10
    if name == "depth":
        if market == "perp":
            return PERP_DEPTH.get(rows, 2)
        rows = rows if text else 100
        return 5 if rows <= 100 else 25 if rows <= 500 else 50 if rows <= 1000 else 250
    if name == "ticker/24hr":
        return (2 if market == "spot" else 1) if "symbol" in query else (80 if market == "spot" else 40)
    if name == "premiumIndex" and "symbol" not in query:
        return 10
    return _COSTS.get(name, (1, 1))[market == "perp"]
