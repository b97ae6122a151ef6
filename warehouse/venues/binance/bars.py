"""Bars over REST, of trades as of mark and index prices: pages ascending from the first."""

from __future__ import annotations

from collections.abc import Callable

from warehouse.clock import MINUTE, Micros
from warehouse.instruments import timeframe_us
from warehouse.records import Candle, Record
from warehouse.venues.base import Answer, Fetch, Walk
from warehouse.venues.binance import decode, requests, wire

LAG: Micros = MINUTE
"""So long after its end a bar may still be on its way to the venue's REST side."""


def bars(
    ask: Callable[[int, int], Fetch],
    build: Callable[[wire.KlineRow], Candle],
    timeframe: str,
    start: Micros,
    end: Micros,
    now: Micros,
) -> Walk:
    """Bars that open in `[start, end)`. `ask` is given the first and the last open time, both inclusive, in ms.

    A bar that closed a moment ago may not be served yet: the answer is complete as far as it is. The note says how many
    closed bars there are where they are fewer than the range is long.
    """
    step = timeframe_us(timeframe)
    records: list[Record] = []
    cursor, last_ms = requests.ceil_ms(start), requests.ceil_ms(end) - 1
    while cursor <= last_ms:
        question = ask(cursor, last_ms)
        rows = decode.page((yield question), list[wire.KlineRow])
        fresh = [row for row in rows if cursor <= row.open_time <= last_ms]
        records += [build(row) for row in fresh]
        if len(rows) < int(question.query["limit"]) or not fresh:
            break
        cursor = fresh[-1].open_time + step // 1000
    complete_to = max(start, min(end, now // step * step))
    newest = [record.open_time for record in records[-2:] if isinstance(record, Candle)]
    if now - complete_to < LAG and complete_to - step not in newest:
        complete_to = max(start, complete_to - step)
    asked = len(range(-(-start // step) * step, complete_to, step))
    closed = sum(isinstance(record, Candle) and record.closed for record in records)
    note = f"binance serves {closed} of {asked} {timeframe} bars" if closed < asked else None
    return Answer(records=records, complete_from=start, complete_to=complete_to, note=note)
