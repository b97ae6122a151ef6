"""What a venue says beside trades and books: mark, index, funding, open interest, liquidations, 24 h statistics.

The newest record of each kind is kept, whether it came by stream or by a poll that checks the stream, and said when it
changes. None is ever made up from another.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from realtime.config import EngineConfig
from realtime.fields import Fields
from realtime.message import Message
from realtime.outlet import Outlet, encode
from realtime.rails.staleness import StalenessRail
from warehouse.clock import HOUR, Micros
from warehouse.metrics.base import Reason
from warehouse.records import MARK_APART, FundingRate, Liquidation, MarkPrice, OpenInterest, Record, Ticker

EIGHT_HOURS = 8 * HOUR
PER_YEAR = 3 * 365
"""Funding intervals of eight hours in a year."""

PERPETUAL = ("mark_price", "funding", "open_interest", "liquidations")
"""Channels that exist for perpetuals alone."""


class Kept(msgspec.Struct):
    """The newest of each kind, None until there was one. Mark and index may come apart, each with its own time."""

    mark_price: float | None = None
    mark_at: Micros = 0
    index_price: float | None = None
    index_at: Micros = 0
    funding: FundingRate | None = None
    open_interest: OpenInterest | None = None
    ticker: Ticker | None = None


class Derivatives:
    """One instrument's. `outlets` holds those channels that its market has."""

    def __init__(self, outlets: Mapping[str, Outlet], config: EngineConfig) -> None:
        self._outlets = outlets
        self.kept = Kept()
        self.stale = {
            "mark": StalenessRail("mark", config.mark_max_age_us),
            "index": StalenessRail("index", config.mark_max_age_us),
            "funding": StalenessRail("funding", config.funding_max_age_us),
            "open_interest": StalenessRail("open_interest", config.open_interest_max_age_us),
            "ticker": StalenessRail("ticker", config.ticker_max_age_us),
        }
        self._said: dict[str, object] = {}

    def take(self, record: Record, down: Mapping[str, str], messages: list[Message]) -> tuple[str, ...]:
        """A record of any of these kinds; the streams it belongs to. `down` holds why connections are closed."""
        if isinstance(record, MarkPrice):
            self.mark(record)
            both = (("mark", record.mark_price), ("index", record.index_price))
            return tuple(stream for stream, price in both if price is not None)
        if isinstance(record, FundingRate):
            self.funding(record)
            return ("funding",)
        if isinstance(record, OpenInterest):
            self.open_interest(record)
            return ("open_interest",)
        if isinstance(record, Ticker):
            self.ticker(record)
            return ("ticker",)
        if isinstance(record, Liquidation):
            messages.append(self.liquidation(record, complete="liquidations" not in down))
            return ("liquidations",)
        return ()

    def mark(self, record: MarkPrice) -> None:
        """Mark, index, or both."""
        kept = self.kept
        if record.mark_price is not None and record.ts_event >= kept.mark_at:
            kept.mark_price, kept.mark_at = record.mark_price, record.ts_event
            self.stale["mark"].observe(record, record.ts_recv)
        if record.index_price is not None and record.ts_event >= kept.index_at:
            kept.index_price, kept.index_at = record.index_price, record.ts_event
            self.stale["index"].observe(record, record.ts_recv)

    def funding(self, record: FundingRate) -> None:
        """The accruing rate; settled ones are history's. What one source leaves out is kept from the other."""
        before = self.kept.funding
        if record.settled or (before is not None and record.ts_event < before.ts_event):
            return
        if before is not None and record.interval_us is None:
            record = msgspec.structs.replace(record, interval_us=before.interval_us)
        self.kept.funding = record
        self.stale["funding"].observe(record, record.ts_recv)

    @property
    def next_funding_at(self) -> Micros | None:
        """When funding is paid next; None where there is none, and while it is not known."""
        return None if self.kept.funding is None else self.kept.funding.next_funding_at

    def open_interest(self, record: OpenInterest) -> None:
        """A reading of now."""
        before = self.kept.open_interest
        if record.period_us == 0 and (before is None or record.ts_event >= before.ts_event):
            self.kept.open_interest = record
            self.stale["open_interest"].observe(record, record.ts_recv)

    def ticker(self, record: Ticker) -> None:
        """Statistics of 24 hours."""
        before = self.kept.ticker
        if before is None or record.ts_event >= before.ts_event:
            self.kept.ticker = record
            self.stale["ticker"].observe(record, record.ts_recv)

    def liquidation(self, record: Liquidation, *, complete: bool) -> Message:
        """Said at once, each."""
        payload = {
            "liquidated_side": record.liquidated_side,
            "price": record.price,
            "size": record.size,
            "notional": record.price * record.size,
            "price_basis": record.price_basis,
            "sampled": record.sampled,
            "nth": record.nth,
        }
        return self._outlets["liquidations"].wrap(
            encode(payload), ts_event=record.ts_event, ts_recv=record.ts_recv, complete=complete
        )

    def due(self, mid_price: float | None, down: Mapping[str, str], now: Micros) -> list[Message]:
        """Messages of what has changed.

        `mid_price` is the book's, None while it cannot be read; `down` holds why a stream's connection is closed.
        """
        found = []
        if "mark_price" in self._outlets:
            found += self._say("mark_price", self._mark_fields(mid_price, now), ("mark", "index"), down, now)
            found += self._say("funding", self._funding_fields(), ("funding", "mark"), down, now)
            found += self._say("open_interest", self._interest_fields(), ("open_interest",), down, now)
        found += self._say("ticker", self._ticker_fields(), ("ticker",), down, now)
        return found

    def streams(self, down: Mapping[str, str], now: Micros) -> dict[str, str]:
        """How each stream that has spoken stands: `ok`, or why not."""
        return {
            name: f"{name} silent: {down[name]}" if name in down else rail.verdict(now).reason or "ok"
            for name, rail in self.stale.items()
            if rail.newest
        }

    def _say(
        self, name: str, fields: Fields | None, streams: tuple[str, ...], down: Mapping[str, str], now: Micros
    ) -> list[Message]:
        if fields is None:
            return []
        complaints = [f"{stream} silent: {down[stream]}" for stream in streams if stream in down]
        for stream in streams:
            verdict = self.stale[stream].verdict(now)
            if not verdict.ok and stream not in down:
                complaints.append(verdict.reason)
        shown = (*fields.values.values(), bool(complaints))
        if self._said.get(name) == shown:
            return []
        self._said[name] = shown
        ts_event = self._ts_event(name)
        return [self._outlets[name].fields(fields, ts_event=ts_event, ts_recv=now, complaints=complaints)]

    def _ts_event(self, name: str) -> Micros:
        kept = self.kept
        if name == "mark_price":
            return max(kept.mark_at, kept.index_at)
        record = {"funding": kept.funding, "open_interest": kept.open_interest, "ticker": kept.ticker}[name]
        assert record is not None
        return record.ts_event

    def _mark_fields(self, mid_price: float | None, now: Micros) -> Fields | None:
        kept, fields = self.kept, Fields()
        mark, index = kept.mark_price, kept.index_price
        if mark is None and index is None:
            return None
        fields.set("mark_price", mark, Reason.WARMUP)
        fields.set("index_price", index, Reason.WARMUP)
        basis = bps = premium = None
        reason = reason_mid = Reason.WARMUP
        if index is not None:
            old = not self.stale["index"].verdict(now).ok
            if not old and mid_price is not None:
                premium = 1e4 * (mid_price - index) / index
            reason_mid = Reason.STALE if old else Reason.GAP
            if mark is not None:
                reason = Reason.STALE
                apart = abs(kept.mark_at - kept.index_at) > MARK_APART
                if not (old or apart) and self.stale["mark"].verdict(now).ok:
                    basis, bps = mark - index, 1e4 * (mark - index) / index
        fields.set("basis", basis, reason)
        fields.set("basis_bps", bps, reason)
        fields.set("premium_bps", premium, reason_mid)
        return fields

    def _funding_fields(self) -> Fields | None:
        kept, fields = self.kept, Fields()
        record = kept.funding
        if record is None:
            return None
        hours8 = None if record.interval_us is None else record.funding_rate * EIGHT_HOURS / record.interval_us
        fields.set("funding_rate", record.funding_rate)
        fields.set("funding_r8", hours8, Reason.UNSUPPORTED)
        fields.set("funding_apr", None if hours8 is None else hours8 * PER_YEAR, Reason.UNSUPPORTED)
        fields.set("interval_us", record.interval_us, Reason.UNSUPPORTED)
        fields.set("next_funding_at", record.next_funding_at, Reason.UNSUPPORTED)
        fields.set("mark_price", kept.mark_price, Reason.WARMUP)
        fields.set("index_price", kept.index_price, Reason.WARMUP)
        return fields

    def _interest_fields(self) -> Fields | None:
        record = self.kept.open_interest
        if record is None:
            return None
        fields = Fields()
        fields.set("open_interest", record.open_interest)
        fields.set("open_interest_quote", record.open_interest_quote, Reason.UNSUPPORTED)
        return fields

    def _ticker_fields(self) -> Fields | None:
        record = self.kept.ticker
        if record is None:
            return None
        fields = Fields()
        for name in ("last_price", "open", "high", "low", "volume"):
            fields.set(name, getattr(record, name))
        fields.set("quote_volume", record.quote_volume, Reason.UNSUPPORTED)
        fields.set("trade_count", record.trade_count, Reason.UNSUPPORTED)
        fields.set("change", record.last_price - record.open)
        fields.set("change_pct", 100 * (record.last_price - record.open) / record.open)
        return fields

    def state(self) -> dict[str, object]:
        """All of it as JSON-able values."""
        return {
            "kept": msgspec.to_builtins(self.kept),
            "newest": {name: rail.newest for name, rail in self.stale.items()},
            "said": {name: list(shown) for name, shown in self._said.items() if isinstance(shown, tuple)},
        }

    def restore(self, state: Mapping[str, object]) -> None:
        """The inverse of `state`."""
        self.kept = msgspec.convert(state["kept"], Kept)
        for name, newest in msgspec.convert(state["newest"], dict[str, int]).items():
            self.stale[name].newest = newest
        self._said = {
            name: tuple(shown) for name, shown in msgspec.convert(state["said"], dict[str, list[object]]).items()
        }
