"""`candles`: the forming bar of every timeframe each second while it changes, and each closed bar once, lossless."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from realtime.fields import Fields
from realtime.message import Message
from realtime.outlet import NOTHING, Outlet, encode
from warehouse.clock import SECOND, Micros
from warehouse.instruments import Grid, timeframe_us
from warehouse.metrics.bars import Bar, BarStore, Forming
from warehouse.metrics.base import Reason

RECENT = 4
"""Closed bars looked at when something closes: a bar proven late is still published."""

PRICES = ("open", "high", "low", "close")
SUMS = ("volume", "quote_volume", "trade_count", "taker_buy_volume")


def bar_fields(fields: Fields, bar: Bar | None, reason: Reason | None, grid: Grid) -> None:
    """Prices and sums of a bar; null with `reason` when there is none, `UNSUPPORTED` where the venue has no sum."""
    if bar is None:
        for name in (*PRICES, *SUMS):
            fields.set(name, None, reason)
        return
    for name, ticks in zip(PRICES, (bar.open, bar.high, bar.low, bar.close), strict=True):
        fields.set(name, grid.price(ticks))
    missing = Reason.UNSUPPORTED
    fields.set("volume", grid.size(bar.lots))
    fields.set("quote_volume", None if bar.tick_lots is None else grid.notional(bar.tick_lots), missing)
    fields.set("trade_count", bar.count, missing)
    fields.set("taker_buy_volume", None if bar.buy_lots is None else grid.size(bar.buy_lots), missing)


class Candles:
    """One outlet per timeframe. `published` holds the open time of the newest closed bar said, by timeframe."""

    __slots__ = ("_outlets", "_shown", "_store", "published")

    def __init__(self, outlets: dict[str, Outlet], store: BarStore) -> None:
        self._outlets = outlets
        self._store = store
        self._shown: dict[str, list[object]] = {}
        self.published: dict[str, Micros] = {}

    def begin(self, at: Micros) -> None:
        """Live observation begins: bars that had closed before are history and are not published."""
        for timeframe in self._outlets:
            length = timeframe_us(timeframe)
            self.published.setdefault(timeframe, at - at % length - length)

    def forming(
        self, found: dict[str, Forming], ts_event: Micros, ts_recv: Micros, complaints: list[str]
    ) -> list[Message]:
        """The open bars that changed since they were said last."""
        grid, messages = self._store.grid, []
        for timeframe, outlet in self._outlets.items():
            form = found[timeframe]
            if form.open_time == 0:
                continue
            shown: list[object] = [form.open_time, _plain(form), str(form.reason), bool(complaints)]
            if self._shown.get(timeframe) == shown:
                continue
            self._shown[timeframe] = shown
            fields = _head(timeframe, form.open_time)
            bar_fields(fields, form.bar, form.reason, grid)
            fields.values.update(closed=False, corrected=False, progress=form.progress, coverage=form.coverage)
            message = outlet.wrap(
                encode(fields.values),
                ts_event=ts_event,
                ts_recv=ts_recv,
                complete=not complaints and fields.harmless,
                reasons=encode(fields.reasons) if fields.reasons else NOTHING,
            )
            messages.append(message)
        return messages

    def closed(self, end: Micros, ts_recv: Micros, complaints: list[str]) -> list[Message]:
        """Bars that closed and were not published yet, smallest timeframe first. `end`: bars ending later are open."""
        messages = []
        for timeframe in reversed(self._outlets):
            length = timeframe_us(timeframe)
            newest = self.published.get(timeframe)
            if newest is None or newest + 2 * length > end:
                continue
            for bar in self._store.closed(timeframe, RECENT):
                if bar.open_time > newest and bar.open_time + length <= end:
                    self.published[timeframe] = newest = bar.open_time
                    messages.append(self._closed(timeframe, bar, ts_recv, complete=not complaints, corrected=False))
        return messages

    def corrected(self, timeframe: str, open_time: Micros, ts_recv: Micros) -> list[Message]:
        """The venue's closed bar differs from the one already published: say it again, as the venue has it."""
        if timeframe not in self._outlets or self.published.get(timeframe, -1) < open_time:
            return []
        for bar in self._store.closed(timeframe, RECENT):
            if bar.open_time == open_time:
                return [self._closed(timeframe, bar, ts_recv, complete=True, corrected=True)]
        return []

    def _closed(self, timeframe: str, bar: Bar, ts_recv: Micros, *, complete: bool, corrected: bool) -> Message:
        fields = _head(timeframe, bar.open_time)
        bar_fields(fields, bar, None, self._store.grid)
        fields.values.update(closed=True, corrected=corrected, progress=1.0, coverage=1.0)
        return self._outlets[timeframe].wrap(
            encode(fields.values),
            ts_event=bar.open_time + timeframe_us(timeframe),
            ts_recv=ts_recv,
            complete=complete,
            reasons=encode(fields.reasons) if fields.reasons else NOTHING,
            delivery="lossless",
            keep=True,
        )

    def state(self) -> dict[str, object]:
        """All of it as JSON-able values."""
        return {"published": dict(self.published), "shown": {name: list(row) for name, row in self._shown.items()}}

    def restore(self, state: Mapping[str, object]) -> None:
        """The inverse of `state`."""
        self.published = dict(cast("dict[str, int]", state["published"]))
        self._shown = dict(cast("dict[str, list[object]]", state["shown"]))


def _plain(form: Forming) -> list[object] | None:
    bar = form.bar
    return None if bar is None else [bar.open, bar.high, bar.low, bar.close, bar.lots, bar.count]


def _head(timeframe: str, open_time: Micros) -> Fields:
    fields = Fields()
    fields.set("timeframe", timeframe)
    fields.set("open_time", open_time)
    fields.set("close_time", open_time + timeframe_us(timeframe))
    return fields


def ready_until(second: int, lateness_us: Micros) -> Micros:
    """Bars that end at or before this time are past their lateness, when the ring runs second `second`."""
    return second * SECOND - lateness_us
