"""Bybit's public files over an emulated market: perpetuals newest first, spot with numbers of the day."""

from __future__ import annotations

from collections.abc import Sequence

from warehouse.clock import HOUR, Micros
from warehouse.instruments import Rules
from warehouse.venues.base import MarketView, Reply
from warehouse.venues.bybit import archive
from warehouse.venues.bybit.spelling import Text, decimal, execution_id
from warehouse.venues.emulate_archives import NOTHING, gzipped, reply, table, trades

OUT_AFTER: Micros = HOUR

_PERP = "timestamp,symbol,side,size,price,tickDirection,trdMatchID,grossValue,homeNotional,foreignNotional,RPI"
_SPOT = "id,timestamp,price,volume,side,rpi"


class Archive:
    """`reply` answers one GET for a file."""

    def __init__(self, view: MarketView, rules: Sequence[Rules]) -> None:
        self._view = view
        self._rules = {rule.instrument: rule for rule in rules}

    def reply(self, path: str, now: Micros) -> Reply:
        """The file at a path, 404 for what there is not (yet)."""
        found = archive.recognised(path, list(self._rules.values()))
        if len(found) != 1 or not path.endswith(".gz") or found[0].end + OUT_AFTER > now:
            return NOTHING
        file, rules = found[0], self._rules[found[0].instrument]
        rows = trades(self._view, file.instrument, file.start, file.end)
        if rows is None:
            return NOTHING
        text = Text(rules)
        if rules.market == "spot":
            told = [
                (number, row.ts_event // 1000, text.price(row.price), text.size(row.size), row.taker_side, int(row.rpi))
                for number, row in enumerate(rows, 1)
            ]
            return reply(gzipped(table(told, _SPOT)))
        listed: list[Sequence[object]] = [
            (
                f"{row.ts_event / 1e6:.4f}", rules.symbol, row.taker_side.capitalize(), text.size(row.size),
                text.price(row.price), "ZeroPlusTick", execution_id(row, "perp"), decimal(row.price * row.size * 1e8),
                text.size(row.size), decimal(row.price * row.size), "1" if row.rpi else "0",
            )
            for row in reversed(rows)
        ]  # fmt: skip
        return reply(gzipped(table(listed, _PERP)))
