"""Candles and funding rates from recorded CSV files, for the history of a tape.

A file is understood by its header and its place: venue and market are folder names on its path (`binance/linear/...`),
the symbol opens its name, and the spacing of its rows is the timeframe. `-mark` or `-index` at the name's end says that
the bars are of that price. Files of anything else are passed over.
"""

from __future__ import annotations

import csv
import gzip
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple, TypeVar

from realtime.emulator.derivatives import PriceKind
from warehouse.clock import HOUR, SECOND, Micros
from warehouse.errors import ConfigError
from warehouse.instruments import TIMEFRAMES, Market, Rules, timeframe_us

_MARKETS: dict[str, Market] = {"spot": "spot", "linear": "perp", "swap": "perp", "perp": "perp"}
_FRAMES = {timeframe_us(name): name for name in TIMEFRAMES}
_KINDS: tuple[PriceKind, ...] = ("mark", "index")
Key = TypeVar("Key", bound=tuple[str, ...])


class Row(NamedTuple):
    """One recorded bar; what the file does not carry is None."""

    open_time: Micros
    open: float
    high: float
    low: float
    close: float
    volume: float
    quote_volume: float | None
    trades: int | None


class Shelf:
    """Recorded history by (venue, instrument): bars by timeframe, settled funding rates. Ascending, no time twice.

    `marks` are bars of the mark and index price, by (venue, instrument, kind, timeframe), without volumes.
    """

    def __init__(self) -> None:
        self.bars: dict[tuple[str, str, str], list[Row]] = {}
        self.marks: dict[tuple[str, str, PriceKind, str], list[Row]] = {}
        self.funding: dict[tuple[str, str], list[tuple[Micros, float]]] = {}

    @classmethod
    def read(cls, folders: Sequence[str], rules: Sequence[Rules], until: Micros) -> Shelf:
        """All rows that were complete at `until` of the instruments in `rules`.

        Raises ConfigError for a folder that does not exist.
        """
        shelf = cls()
        for folder in folders:
            if not Path(folder).is_dir():
                raise ConfigError(f"{folder}: no such folder of recorded history")
            for file in sorted(path for path in Path(folder).rglob("*.csv*") if path.is_file()):
                for rule in rules:
                    if _is_about(file, rule):
                        shelf._add(file, rule, until)
        return shelf

    def _add(self, file: Path, rule: Rules, until: Micros) -> None:
        rows = list(_rows(file))
        if not rows:
            return
        if "funding_rate" in rows[0]:
            rates = [(_whole_second(_time(row)), float(row["funding_rate"])) for row in rows]
            kept = dict(self.funding.get((rule.venue, rule.instrument), []))
            kept.update((at, rate) for at, rate in rates if at <= until)
            self.funding[rule.venue, rule.instrument] = sorted(kept.items())
        elif {"open", "high", "low", "close"} <= rows[0].keys():
            bars = list(map(_bar, rows))
            times = sorted(dict.fromkeys(bar.open_time for bar in bars))
            span = min((late - early for early, late in pairwise(times)), default=0)
            if (timeframe := _FRAMES.get(span)) is None:
                return
            whole = [bar for bar in bars if bar.open_time + span <= until]
            kind = next((kind for kind in _KINDS if file.name.split(".")[0].endswith(f"-{kind}")), None)
            if kind is not None:
                _merge(self.marks, (rule.venue, rule.instrument, kind, timeframe), whole)
            elif "volume" in rows[0]:
                _merge(self.bars, (rule.venue, rule.instrument, timeframe), whole)

    def prices(self, rule: Rules, kind: PriceKind, timeframe: str, start: Micros, end: Micros) -> list[Row]:
        """The recorded bars of the mark or index price that open in `[start, end)`."""
        bars = self.marks.get((rule.venue, rule.instrument, kind, timeframe), [])
        return bars[bisect_left(bars, (start,)) : bisect_left(bars, (end,))]

    def candles(self, rule: Rules, timeframe: str, start: Micros, end: Micros) -> list[Row]:
        """The recorded bars that open in `[start, end)`."""
        bars = self.bars.get((rule.venue, rule.instrument, timeframe), [])
        return bars[bisect_left(bars, (start,)) : bisect_left(bars, (end,))]

    def rates(self, rule: Rules, start: Micros, end: Micros) -> list[tuple[Micros, float]]:
        """The recorded funding rates settled in `[start, end)`."""
        return [one for one in self.funding.get((rule.venue, rule.instrument), []) if start <= one[0] < end]


def _merge(shelf: dict[Key, list[Row]], key: Key, bars: list[Row]) -> None:
    """Put bars to those that are there, ascending; of two at one time the newer stays."""
    known = {bar.open_time: bar for bar in (*shelf.get(key, []), *bars)}
    shelf[key] = [known[at] for at in sorted(known)]


def _is_about(file: Path, rule: Rules) -> bool:
    folders = file.absolute().parts[:-1]
    markets = [_MARKETS[part] for part in folders if part in _MARKETS]
    rest = file.name[len(rule.symbol) :]
    named = file.name.startswith(rule.symbol) and not rest[:1].isalnum()
    return named and rule.venue in folders and markets[-1:] == [rule.market]


def _rows(file: Path) -> Iterator[dict[str, str]]:
    with gzip.open(file, "rt") if file.suffix == ".gz" else file.open("rt") as lines:
        yield from csv.DictReader(lines)


def _time(row: dict[str, str]) -> Micros:
    text = row.get("open_time_ms") or row.get("ts_ms") or row["timestamp"]
    if text.isdigit():
        return int(text) * 1000
    return round(datetime.fromisoformat(text).timestamp()) * SECOND


def _whole_second(at: Micros) -> Micros:
    return (at + SECOND // 2) // SECOND * SECOND


def _bar(row: dict[str, str]) -> Row:
    turnover, trades = row.get("quote_volume") or row.get("turnover"), row.get("trades")
    return Row(
        _time(row),
        float(row["open"]),
        float(row["high"]),
        float(row["low"]),
        float(row["close"]),
        float(row.get("volume", 0.0)),
        float(turnover) if turnover else None,
        int(trades) if trades else None,
    )


def settled_every(rates: Sequence[tuple[Micros, float]]) -> Micros:
    """The interval of recorded funding rates: the smallest distance of two, eight hours where there is only one."""
    times = [at for at, _ in rates]
    return min((late - early for early, late in pairwise(times)), default=8 * HOUR)
