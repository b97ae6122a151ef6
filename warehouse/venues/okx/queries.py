"""How the emulated venue reads the parameters of a request, and what it refuses."""

from __future__ import annotations

from collections.abc import Callable

from warehouse.clock import Micros
from warehouse.instruments import Rules
from warehouse.venues.base import MarketView

FAR: Micros = 4_102_444_800_000_000
"""2100: an upper bound where the request has none."""

Query = dict[str, str]
Answerer = Callable[[Query, Micros], list[object]]
"""One endpoint: its parameters and the time, to its rows. Raises Refused."""


class Refused(Exception):
    """A parameter the venue refuses: HTTP 400 with OKX's code and words."""

    def __init__(self, code: str, words: str) -> None:
        super().__init__(words)
        self.code = code
        self.words = words


def rules_of(view: MarketView, query: Query) -> Rules:
    """The instrument that `instId` names."""
    symbol = query.get("instId", "")
    for rules in view.rules():
        if rules.symbol == symbol:
            return rules
    if not symbol:
        raise Refused("50014", "Parameter instId can not be empty.")
    raise Refused("51001", f"Instrument ID, Instrument ID code, or Spread ID doesn't exist: {symbol}.")


def between(query: Query, lower: str = "before", upper: str = "after") -> tuple[Micros, Micros]:
    """OKX's exclusive bounds in milliseconds as a half-open range."""
    newest, oldest = integer(query, upper), integer(query, lower)
    return (0 if oldest is None else oldest * 1000 + 1, FAR if newest is None else newest * 1000)


def integer(query: Query, name: str, default: int | None = None) -> int | None:
    """A parameter that is a whole number; empty or absent: `default`."""
    text = query.get(name)
    if text is None or text == "":
        return default
    if not text.isdecimal() or len(text) > 18:
        raise Refused("51000", f"Parameter {name} error")
    return int(text)


def limited(query: Query, default: int, largest: int) -> int:
    """`limit`, cut to what the endpoint serves."""
    limit = integer(query, "limit", default) or default
    return min(limit, largest)


def one_of(query: Query, name: str, words: dict[str, str], default: str = "") -> str:
    """What one of these words stands for."""
    found = words.get(query.get(name, default))
    if found is None:
        raise Refused("51000", f"Parameter {name} error")
    return found
