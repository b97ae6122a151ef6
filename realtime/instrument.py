"""One instrument of the live engine: its accumulators, its rails and its channels."""

from __future__ import annotations

from typing import Any

from realtime.channels import Message, channel
from realtime.config import EngineConfig
from realtime.outlet import Outlet, encode
from realtime.rails.gap import GapRail
from realtime.rails.staleness import StalenessRail
from warehouse.clock import Micros
from warehouse.instruments import Listing, Rules
from warehouse.records import BestQuote, BookUpdate, Candle, SequenceGap, Trade

NO_SEQUENCE = b'{"trade_seq":"UNSUPPORTED"}'


class Instrument:
    """All that the engine knows of one instrument. Methods are named by what happened."""

    def __init__(self, listing: Listing, rules: Rules, config: EngineConfig, epoch: int) -> None:
        self.listing = listing
        self.rules = rules
        self.config = config
        self.epoch = epoch
        self._trade_out = Outlet(channel("trade", listing), listing, epoch)
        self.trades_stale = StalenessRail("trades", config.trades_max_age_us)
        self.book_stale = StalenessRail("book", config.book_max_age_us)
        self.gaps = {name: GapRail(name) for name in ("trades", "depth", "bbo", "candles")}

    # -- what happened ------------------------------------------------------------------------------------------

    def trade(self, trade: Trade, source: str, messages: list[Message]) -> None:
        """A trade: into the accumulators, and out on its channel. Off-market prints do neither."""
        if trade.kind == "off_market":
            return
        self.trades_stale.newest = trade.ts_recv
        payload = {
            "trade_id": trade.trade_id,
            "trade_seq": trade.trade_seq,
            "price": trade.price,
            "size": trade.size,
            "taker_side": trade.taker_side,
            "kind": trade.kind,
            "rpi": trade.rpi,
            "origin": trade.origin,
        }
        messages.append(
            self._trade_out.wrap(
                encode(payload),
                ts_event=trade.ts_event,
                ts_recv=trade.ts_recv,
                complete=not self.gaps["trades"].open,
                reasons=NO_SEQUENCE if trade.trade_seq is None else b"{}",
            )
        )

    def book_update(self, update: BookUpdate, source: str) -> None:
        self.book_stale.newest = update.ts_recv

    def best_quote(self, quote: BestQuote, source: str) -> None:
        return

    def candle(self, candle: Candle) -> None:
        return

    def gap(self, gap: SequenceGap) -> None:
        rail = self.gaps.get(gap.stream)
        if rail is not None:
            rail.observe(gap)

    def invalidate_book(self, why: str) -> None:
        return

    def connection(self, name: str, *, up: bool) -> None:
        return

    def context_document(self, payload: bytes, ts_recv: Micros) -> None:
        return

    def seam_certificate(self, payload: bytes) -> None:
        return

    def tick(self, grid: Micros, before: Micros, now: Micros, messages: list[Message]) -> None:
        return

    def status(self, now: Micros) -> dict[str, object]:
        """Verdicts of the rails at `now`, for the board."""
        rails = {"trades": self.trades_stale.verdict(now), "book": self.book_stale.verdict(now)}
        return {
            "streams": {name: verdict.reason or "ok" for name, verdict in rails.items()},
            "gaps": [words for rail in self.gaps.values() for words in rail.open.values()],
        }

    # -- memory -------------------------------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        return {"seq": {"trade": self._trade_out.seq}}

    def restore(self, state: dict[str, Any]) -> None:
        self._trade_out.seq = state["seq"]["trade"]

    def continue_numbers(self, old: Instrument) -> None:
        """Go on with the sequence numbers of the instrument this one replaces."""
        self._trade_out.seq = old._trade_out.seq
