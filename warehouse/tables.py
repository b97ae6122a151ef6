"""Every table of the lake, declared once from its record. `store.py` makes Arrow schemas of them."""

from __future__ import annotations

from warehouse.declaring import Column, Table
from warehouse.instruments import Rules
from warehouse.records import (
    Candle,
    FundingRate,
    InstrumentStatus,
    InsuranceFund,
    Liquidation,
    MarkPrice,
    OpenInterest,
    SequenceGap,
    Trade,
    VenueNotice,
    VenueStatus,
)
from warehouse.rows import BookPicture, ContextDocument, Correction, Coverage, Mismatch, Outcome, PriceCandle
from warehouse.seam import Certificate

__all__ = ["TABLES", "Column", "ContextDocument", "Correction", "Coverage", "Outcome", "Table", "table"]

_PRICED = ("price > 0", "size > 0", "ticks > 0", "lots > 0")

TRADES = Table(
    name="trades",
    record=Trade,
    key=("venue", "instrument", "trade_id"),
    partition=("venue", "date"),
    time="ts_event",
    owner="the recorder inside recorded intervals, flows elsewhere",
    checks=_PRICED,
    values=("ticks", "lots", "taker_side"),
    live=True,
    journaled=True,
    placed=True,
    doc="One execution, or the venue's aggregate of fills, seen from the taker.",
)
OVERLAPS = Table(
    name="overlaps",
    view="overlap_trades",
    record=Trade,
    key=("venue", "instrument", "trade_id"),
    partition=("venue",),
    time="ts_event",
    owner="flows, replaced per instrument; the recorder moves landed rows here that it owns",
    checks=_PRICED,
    values=("ticks", "lots", "taker_side"),
    live=True,
    journaled=True,
    placed=True,
    doc="Trades fetched past the first journaled one, kept only to prove the seam; no metric reads them.",
)
CANDLES = Table(
    name="candles",
    record=Candle,
    key=("venue", "instrument", "timeframe", "open_time"),
    partition=("venue", "timeframe", "period"),
    time="open_time",
    owner="flows",
    checks=(
        "open > 0",
        "high >= open",
        "high >= close",
        "low <= open",
        "low <= close",
        "low > 0",
        "volume >= 0",
    ),
    values=("open", "high", "low", "close", "volume", "quote_volume", "trade_count", "taker_buy_volume"),
    journaled=True,
    doc="One closed bar of one timeframe, as the venue states it.",
)
FUNDING = Table(
    name="funding",
    record=FundingRate,
    key=("venue", "instrument", "ts_event", "settled"),
    partition=("venue", "month"),
    time="ts_event",
    owner="flows",
    values=("funding_rate",),
    journaled=True,
    doc="One funding rate of a perpetual, as a fraction per interval.",
)
LIQUIDATIONS = Table(
    name="liquidations",
    record=Liquidation,
    key=("venue", "instrument", "ts_event", "liquidated_side", "price", "size", "nth"),
    partition=("venue", "month"),
    time="ts_event",
    owner="the recorder; imports of old archives before its time",
    checks=("price > 0", "size > 0"),
    live=True,
    journaled=True,
    doc="One forced close as the venue showed it; where `sampled`, only some of them.",
)
MARKS = Table(
    name="marks",
    record=MarkPrice,
    key=("venue", "instrument", "ts_event"),
    partition=("venue", "month"),
    time="ts_event",
    owner="the recorder",
    checks=("mark_price > 0", "index_price > 0"),
    live=True,
    journaled=True,
    doc="Mark and index price of a perpetual, the first of each minute.",
)
ACCRUALS = Table(
    name="accruals",
    record=FundingRate,
    key=("venue", "instrument", "ts_event"),
    partition=("venue", "month"),
    time="ts_event",
    owner="the recorder",
    live=True,
    journaled=True,
    doc="The funding rate that accrued at a moment, the first of each minute; settled rates stand in `funding`.",
)
OPEN_INTEREST = Table(
    name="open_interest",
    record=OpenInterest,
    key=("venue", "instrument", "ts_event", "period_us"),
    partition=("venue", "month"),
    time="ts_event",
    owner="the recorder for readings (period 0), flows for the venue's own history",
    checks=("open_interest >= 0",),
    values=("open_interest", "open_interest_quote"),
    live=True,
    journaled=True,
    doc="Open contracts of a perpetual, one side, in base units: the first reading of each minute, and 5m history.",
)
INSURANCE = Table(
    name="insurance",
    record=InsuranceFund,
    key=("venue", "pool", "asset", "ts_event"),
    partition=("venue",),
    time="ts_event",
    owner="the recorder for readings, flows for the venue's own history",
    values=("balance",),
    live=True,
    journaled=True,
    doc="Balance of one insurance pool, whenever it changed.",
)
BOOKS = Table(
    name="books",
    record=BookPicture,
    key=("venue", "instrument", "ts_event", "origin"),
    partition=("venue", "date"),
    time="ts_event",
    owner="the recorder from the kept book, flows from snapshots",
    values=("update_id",),
    live=True,
    journaled=True,
    doc="One picture of an order book, up to 1000 levels a side, best first.",
)
CALENDAR = Table(
    name="calendar",
    record=InstrumentStatus,
    key=("venue", "instrument", "ts_event"),
    partition=("venue",),
    time="ts_event",
    owner="the recorder and flows",
    ledger=True,
    live=True,
    journaled=True,
    doc="One state of trading of one instrument, with its listing and its announced end; the newest counts.",
)
VENUE_STATES = Table(
    name="venue_states",
    record=VenueStatus,
    key=("venue", "ts_event"),
    partition=("venue",),
    time="ts_event",
    owner="the recorder",
    ledger=True,
    live=True,
    journaled=True,
    doc="One word of a venue about itself: working, in maintenance, or one announced.",
)
NOTICES = Table(
    name="notices",
    record=VenueNotice,
    key=("venue", "code", "ts_event", "words"),
    partition=("venue",),
    time="ts_event",
    owner="flows",
    doc="One headline of a venue about a listing or a delisting, published at `ts_event`.",
)
PRICE_CANDLES = Table(
    name="price_candles",
    record=PriceCandle,
    key=("venue", "instrument", "kind", "timeframe", "open_time"),
    partition=("venue", "timeframe", "period"),
    time="open_time",
    owner="flows",
    checks=("low > 0", "high >= open", "high >= close", "low <= open", "low <= close"),
    values=("open", "high", "low", "close"),
    doc="One closed bar of a perpetual's mark or index price.",
)
COVERAGE = Table(
    name="coverage",
    record=Coverage,
    key=("dataset", "venue", "instrument", "timeframe", "origin", "source", "start"),
    partition=("venue",),
    time="start",
    owner="the recorder for origin stream, flows otherwise",
    checks=('"end" >= "start"',),
    ledger=True,
    live=True,
    doc="One interval in which a dataset is known to be complete.",
)
OUTCOMES = Table(
    name="outcomes",
    record=Outcome,
    key=("dataset", "venue", "instrument", "timeframe", "start", "finished_at"),
    partition=("venue",),
    time="finished_at",
    owner="flows",
    ledger=True,
    doc="One attempt of a flow at one partition.",
)
GAPS = Table(
    name="gaps",
    record=SequenceGap,
    key=("venue", "instrument", "stream", "opened_at", "from_id"),
    partition=("venue",),
    time="opened_at",
    owner="the recorder",
    ledger=True,
    live=True,
    journaled=True,
    doc="One state of one hole in a stream: open, repaired, unrecoverable or legitimate.",
)
SEAMS = Table(
    name="seams",
    record=Certificate,
    key=("venue", "instrument", "created"),
    partition=("venue",),
    time="created",
    owner="the recorder",
    ledger=True,
    live=True,
    doc="One certificate of the join between history and the tape; the newest of an instrument counts.",
)
CONTEXTS = Table(
    name="contexts",
    record=ContextDocument,
    key=("venue", "instrument", "created", "digest"),
    partition=("venue",),
    time="created",
    owner="the structure flow",
    ledger=True,
    doc="One context document as published.",
)
INSTRUMENTS = Table(
    name="instruments",
    record=Rules,
    key=("venue", "instrument", "valid_from"),
    partition=(),
    time="valid_from",
    owner="flows",
    doc="The trading rules of one instrument from `valid_from` on.",
)
CORRECTIONS = Table(
    name="corrections",
    record=Correction,
    key=("table", "key", "corrected_at"),
    partition=("venue",),
    time="corrected_at",
    owner="whoever lands a differing value",
    ledger=True,
    doc="One value that a later landing replaced.",
)

MISMATCHES = Table(
    name="mismatches",
    record=Mismatch,
    key=("check", "venue", "instrument", "timeframe", "at", "field"),
    partition=("venue",),
    time="at",
    owner="the audit flow",
    values=("left_value", "right_value"),
    doc="One difference between two sources that should say the same, as the audit found it.",
)

TABLES: tuple[Table, ...] = (
    TRADES, CANDLES, FUNDING, LIQUIDATIONS, MARKS, ACCRUALS, OPEN_INTEREST, INSURANCE, BOOKS, PRICE_CANDLES,
    GAPS, COVERAGE, OUTCOMES, SEAMS, OVERLAPS, CONTEXTS, INSTRUMENTS, CALENDAR, VENUE_STATES, NOTICES,
    MISMATCHES, CORRECTIONS,
)  # fmt: skip
_BY_NAME = {table.name: table for table in TABLES}


def table(name: str) -> Table:
    """The declared table called `name`. Raises KeyError naming the known ones."""
    if name not in _BY_NAME:
        raise KeyError(f"no table {name!r}; declared: {', '.join(_BY_NAME)}")
    return _BY_NAME[name]
