"""Reading the queries of an emulated Bybit: what is asked for, and the refusal of what cannot be."""

from __future__ import annotations

from collections.abc import Sequence

from warehouse.clock import SECOND, Micros
from warehouse.instruments import Rules, timeframe_us
from warehouse.venues.bybit.decode import INTERVALS
from warehouse.venues.bybit.spelling import Text

FOREVER: Micros = 4_000_000_000 * SECOND

CATEGORIES = ("spot", "linear", "inverse", "option")


class Refused(Exception):
    """An answer with an error code: `code` and `words` go into the envelope."""

    def __init__(self, code: int, words: str) -> None:
        super().__init__(words)
        self.code = code
        self.words = words


class Catalogue:
    """The instruments of the venue by category and symbol."""

    def __init__(self, rules: Sequence[Rules]) -> None:
        self.rules = {(category_of(rule), rule.symbol): rule for rule in rules}
        self._texts = {rule.instrument: Text(rule) for rule in rules}

    def text(self, rules: Rules) -> Text:
        """How the instrument's prices and sizes are written."""
        return self._texts[rules.instrument]

    def rule(self, query: dict[str, str], linear: bool = False) -> Rules:
        """The instrument that a query names; `linear`: the page knows perpetuals only."""
        if linear and query.get("category") == "spot":
            raise Refused(10001, "params error: Category is invalid")
        rule = self.rules.get((category(query), query.get("symbol", "")))
        if rule is None:
            raise Refused(10001, "params error: symbol invalid")
        return rule


def category_of(rule: Rules) -> str:
    """The venue's word for a market."""
    return "spot" if rule.market == "spot" else "linear"


def category(query: dict[str, str]) -> str:
    """The market that a query names."""
    found = query.get("category", "")
    if found not in CATEGORIES:
        raise Refused(10001, "params error: Category is invalid")
    return found


def number(query: dict[str, str], key: str, default: int, least: int, most: int) -> int:
    """A whole number, brought into its bounds."""
    text = query.get(key, "")
    if not text:
        return default
    if not text.isdigit():
        raise Refused(10001, f"params error: {key} invalid")
    return min(max(int(text), least), most)


def moment(query: dict[str, str], key: str) -> Micros | None:
    """A time in milliseconds; None when it is not given."""
    text = query.get(key, "")
    if not text:
        return None
    if not text.isdigit() or int(text) * 1000 > FOREVER:
        raise Refused(10001, f"params error: {key} invalid")
    return int(text) * 1000


def bars_asked(query: dict[str, str], now: Micros) -> tuple[str, Micros, Micros, int, bool]:
    """What a kline page is asked for: timeframe, first and end of open times, most rows, and whether the newest."""
    timeframe = INTERVALS.get(query.get("interval", ""))
    if timeframe is None:
        raise Refused(10001, "Invalid period!")
    length = timeframe_us(timeframe)
    limit = number(query, "limit", 200, 1, 1000)
    start, end = moment(query, "start"), moment(query, "end")
    if start is not None and end is not None and start > end:
        raise Refused(10001, "start time is greater than end time")
    first = 0 if start is None else start // length * length
    last = now + 1 if end is None else end + 1
    return timeframe, first, last, limit, start is None or end is not None
