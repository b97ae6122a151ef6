"""What a session reads over REST again and again: states of instruments, shared insurance pools, maintenance, and the
tickers' own figures once more, so that a topic which is quiet by design can be told from one that is dead.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from warehouse.clock import Micros
from warehouse.errors import DecodeError, Rejected, VenueError
from warehouse.instruments import Rules
from warehouse.records import InstrumentStatus, Record
from warehouse.venues.base import Fetch, Purpose
from warehouse.venues.bybit import decode_feeds, decode_pages, tickers, wire_feeds
from warehouse.venues.bybit.envelope import absent, opened
from warehouse.venues.bybit.wire import InstrumentRows
from warehouse.venues.bybit.works import Works
from warehouse.venues.polls import Polls, PollState

Socket = Literal["spot", "perp", "status"]
"""The connections: two markets, and the venue's word about itself."""

UNREADABLE = (ValueError, OverflowError, RecursionError, VenueError)


class ReadingsState(msgspec.Struct):
    """Timers, and each instrument's state as told last."""

    polls: PollState
    states: dict[str, InstrumentStatus]


class Readings:
    """The polls of one connection and what their answers mean."""

    def __init__(self, socket: Socket, rules: Sequence[Rules], works: Works) -> None:
        self._rules = {rule.instrument: rule for rule in rules}
        self._symbols = {rule.symbol: rule.instrument for rule in rules}
        self._works = works
        self._states: dict[str, InstrumentStatus] = {}
        fetches = []
        if socket == "perp":
            fetches += [_about("mark_price", "tickers", "Tickers", rule) for rule in rules]
            fetches.append(insurance())
        fetches += [state_of(rule) for rule in rules]
        if socket == "status":
            fetches.append(_fetch("status", "/v5/system/status", {}, "publicGetV5SystemStatus"))
        self._polls = Polls(fetches)

    def start(self, now: Micros) -> None:
        """The connection is up."""
        self._polls.start(now)

    def due(self, now: Micros) -> list[Fetch]:
        """Requests whose time has come."""
        return self._polls.due(now)

    def answer(self, fetch: Fetch, status: int, body: bytes, now: Micros) -> tuple[Sequence[Record], str | None]:
        """The records of an answer, and why it could not be read (None: it could)."""
        records: Sequence[Record] = ()
        why = None
        try:
            if status != 200:
                words = body[:80].decode(errors="replace") if status == 0 else f"HTTP status {status}"
                raise ValueError(words or "no reply")
            records = self._read(fetch, body, now)
        except UNREADABLE as error:
            why = f"{fetch.path} {fetch.instrument}: {error}"[:300]
        return (records, why) if self._polls.answered(fetch, why is None, now) else ((), None)

    def _read(self, fetch: Fetch, body: bytes, now: Micros) -> Sequence[Record]:
        if fetch.purpose == "mark_price":
            return self._figures(fetch, body, now)
        if fetch.purpose == "insurance":
            pools, server = opened(body, wire_feeds.Pools)
            at = (pools.updatedTime or pools.updateTime or 0) * 1000 or server or now
            return [
                decode_feeds.pool(row, at, now, "rest")
                for row in pools.rows
                if decode_feeds.insures(row, self._symbols)
            ]
        if fetch.instrument:
            return self._state(fetch, body, now)
        works, server = opened(body, wire_feeds.Works)
        return self._works.page(works.rows, server or now, now)

    def _figures(self, fetch: Fetch, body: bytes, now: Micros) -> list[Record]:
        page, server = opened(body, wire_feeds.PerpTickerRows)
        if len(page.rows) != 1:
            raise DecodeError("bybit", f"{len(page.rows)} tickers for one instrument", body)
        facts, at = tickers.facts(page.rows[0]), server or now
        tellings = (decode_feeds.mark_price, decode_feeds.accruing, decode_feeds.open_interest)
        found = [telling(facts, fetch.instrument, at, now, "rest") for telling in tellings]
        return [record for record in found if record is not None]

    def _state(self, fetch: Fetch, body: bytes, now: Micros) -> list[Record]:
        at, before = now, self._states.get(fetch.instrument)
        try:
            page, server = opened(body, InstrumentRows)
            at = server or now
            row = next((row for row in page.rows if row.symbol == self._rules[fetch.instrument].symbol), None)
        except Rejected as refused:
            if not absent(refused):
                raise
            row = None
        if row is None:
            found = decode_pages.unlisted(self._rules[fetch.instrument], before, at, now)
        else:
            found = decode_pages.status(row, fetch.instrument, at, now)
        if before is not None and _same(before, found):
            return []
        self._states[fetch.instrument] = found
        return [found]

    def state(self) -> dict[str, object]:
        """Everything, as JSON-able values."""
        return {"polls": msgspec.to_builtins(self._polls.state()), "states": msgspec.to_builtins(self._states)}

    def restore(self, state: dict[str, object]) -> None:
        """The inverse of `state`; states of instruments that are gone are forgotten."""
        kept = msgspec.convert(state, ReadingsState)
        self._polls.restore(kept.polls)
        self._states = {name: found for name, found in kept.states.items() if name in self._rules}


def state_of(rules: Rules) -> Fetch:
    """The request for one instrument's state."""
    return _about("status", "instruments-info", "InstrumentsInfo", rules)


def insurance() -> Fetch:
    """The request for all pools of the insurance fund in USDT."""
    return _fetch("insurance", "/v5/market/insurance", {"coin": "USDT"}, "publicGetV5MarketInsurance")


def _about(purpose: Purpose, page: str, ccxt: str, rules: Rules) -> Fetch:
    query = {"category": "spot" if rules.market == "spot" else "linear", "symbol": rules.symbol}
    return _fetch(purpose, f"/v5/market/{page}", query, f"publicGetV5Market{ccxt}", rules.instrument)


def _fetch(purpose: Purpose, path: str, query: dict[str, str], ccxt: str, instrument: str = "") -> Fetch:
    tag = f"{purpose} {instrument}".strip()
    return Fetch(purpose=purpose, base="rest", path=path, query=query, ccxt=ccxt, instrument=instrument, tag=tag)


def _same(one: InstrumentStatus, other: InstrumentStatus) -> bool:
    return (one.state, one.code, one.listed_at, one.delisting_at) == (
        other.state,
        other.code,
        other.listed_at,
        other.delisting_at,
    )
