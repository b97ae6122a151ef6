"""Rows that only the lake has: of what is complete, was tried, published, corrected; pictures of books; price bars."""

from __future__ import annotations

from typing import Literal

import msgspec

from warehouse.clock import Micros
from warehouse.records import Origin, Record


class Coverage(msgspec.Struct, frozen=True, kw_only=True):
    """One half-open interval `[start, end)` in which a dataset is known to be complete.

    `dataset` is a table's name; `timeframe` is empty except for candles. `origin` `stream` is the recorder's own
    interval of one recording (`source`: the journal's id and the worker's epoch, which grows at a cold start). It
    begins with the first journaled trade, whose id is `first_id` and `first_seq` (None where ids are not contiguous),
    and only the recorder writes trades from there on. `live_from` is its first trade that came by the stream (None:
    none yet); what is older came in a page. Other origins are flows' answers. Written again as the interval grows: the
    newest row of a key counts.
    """

    dataset: str
    venue: str
    instrument: str
    timeframe: str = ""
    start: Micros
    end: Micros
    origin: Origin
    source: str = ""
    first_id: str | None = None
    first_seq: int | None = None
    live_from: Micros | None = None
    rows: int = 0
    note: str | None = None
    ts_recv: Micros


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt of a flow at one partition of a dataset: what it asked for, got, landed, or why not.

    `first_ts`/`last_ts` are the outermost `ts_event` received (None: no rows); `sha256` digests the answer's rows;
    `error` is None when it succeeded; `note` is why the answer holds less than was asked (None: it holds all).
    """

    dataset: str
    venue: str
    instrument: str
    timeframe: str = ""
    start: Micros
    end: Micros
    rows: int = 0
    landed: int = 0
    first_ts: Micros | None = None
    last_ts: Micros | None = None
    sha256: str | None = None
    error: str | None = None
    note: str | None = None
    run_id: str = ""
    started_at: Micros
    finished_at: Micros


class ContextDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A context document as it was published; `document` is its MessagePack bytes, `digest` their name."""

    venue: str
    instrument: str
    digest: str
    created: Micros
    document: bytes


class Correction(msgspec.Struct, frozen=True, kw_only=True):
    """A value that a later landing replaced. `key`, `old` and `new` are JSON objects of columns.

    `known_at` is when the old value was first known, `corrected_at` when the new one replaced it.
    """

    table: str
    venue: str
    instrument: str
    key: str
    old: str
    new: str
    known_at: Micros
    corrected_at: Micros


class Mismatch(msgspec.Struct, frozen=True, kw_only=True):
    """One difference between two sources that should say the same about `field` at `at`.

    `check` names the comparison; `left_source` and `right_source` say in words what was compared, and the values are
    what each says (None: nothing). `timeframe` is empty except for candles; `instrument` is empty where the check is
    about a whole table.
    """

    check: str
    venue: str
    instrument: str
    timeframe: str = ""
    at: Micros
    field: str
    left_source: str
    left_value: float | None
    right_source: str
    right_value: float | None
    found_at: Micros


class BookPicture(Record, frozen=True, kw_only=True):
    """An order book as it stood at `ts_event`, best level first; sizes in base units.

    `update_id` is the venue's id of the last update in it.
    """

    update_id: int
    bid_prices: list[float]
    bid_sizes: list[float]
    ask_prices: list[float]
    ask_sizes: list[float]
    origin: Origin = "stream"


class PriceCandle(Record, frozen=True, kw_only=True):
    """One closed bar of the mark or index price of a perpetual; a price has no volume."""

    kind: Literal["mark", "index"]
    timeframe: str
    open_time: Micros
    open: float
    high: float
    low: float
    close: float
    origin: Origin = "rest"
