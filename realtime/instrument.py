"""One instrument of the live engine: its accumulators, moved once per event, and what it says when a message is due."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from realtime.channels import BY_NAME, channel
from realtime.config import EngineConfig
from realtime.fields import Fields
from realtime.fusion import Situation
from realtime.inputs import Inputs
from realtime.message import Message
from realtime.outlet import Outlet
from realtime.publish.book import BookVoice, readable
from realtime.publish.candles import Candles, ready_until
from realtime.publish.derivatives import PERPETUAL, Derivatives
from realtime.publish.fused import Fused
from realtime.publish.large import Whales
from realtime.publish.orderflow import depth_fields, flow_fields
from realtime.publish.quotes import agrees
from realtime.publish.trades import trade_message
from realtime.rails.clocks import Vitals
from warehouse.book import Book
from warehouse.clock import MINUTE, SECOND, Micros
from warehouse.instruments import Listing, Rules
from warehouse.metrics.bars import BarStore, bar_of
from warehouse.metrics.ring import TradeRing
from warehouse.metrics.top import BookTop
from warehouse.metrics.windows import TradeWindow
from warehouse.records import BestQuote, BookUpdate, Candle, Record, SequenceGap, Trade

AHEAD: Micros = MINUTE
"""A trade stamped further than this after its receipt is published but moves no window: time must not run ahead."""

PLAIN = (
    *("trade", "bbo", "depth", "book_snapshot", "ticker", "orderflow", "whale_detection"),
    *("market_context", "structure", "fusion_data", "precision9_context"),
)
"""Channels with one outlet; candles have one per timeframe, perpetuals some of their own."""

LEVELS = 20
"""Levels per side that metrics read."""

TRADES, BOTH = ("trades",), ("trades", "depth")

RECENT = 2 * SECOND
"""A trade older than this says nothing of the book beside it."""


class Instrument:
    """All that the engine knows of one instrument. Methods of the first part are named by what happened."""

    def __init__(self, listing: Listing, rules: Rules, config: EngineConfig, epoch: int, vitals: Vitals) -> None:
        self.listing = listing
        self.rules = rules
        self.config = config
        self.grid = rules.grid
        self.inputs = Inputs(config, vitals)
        self.book = Book(self.grid)
        self.ring = TradeRing(self.grid)
        self.bars = BarStore(self.grid)
        self.outlets: dict[str, Outlet] = {
            name: Outlet(channel(name, listing), BY_NAME[name].delivery, listing.venue, listing.instrument, epoch)
            for name in PLAIN + (PERPETUAL if listing.market == "perp" else ())
        }
        framed = {
            name: Outlet(channel("candles", listing, name), "state", listing.venue, listing.instrument, epoch)
            for name in config.timeframes
        }
        self.outlets.update({f"candles:{name}": outlet for name, outlet in framed.items()})
        self.voice = BookVoice(self.outlets, self.grid, config, self.inputs)
        self.candles = Candles(framed, self.bars)
        self.whales = Whales(self.outlets["whale_detection"], self.grid, listing)
        self.fused = Fused(self.outlets, self.grid, self.bars, self.ring, self.whales.large)
        self.derivatives = Derivatives(self.outlets, config)
        self.quote: BestQuote | None = None
        self.ts_trade: Micros = 0
        self.strange = 0
        self._holed_from: Micros = 0
        self._trade_out = self.outlets["trade"]
        self._prints = config.trade_prints
        self._order_of, self._judge_order = self.whales.large.orders.add, self.whales.large.judge
        self.distrust = ""
        self._trade_came: Micros = 0
        self._jump = self.inputs.jump
        self._trades_seen = self.inputs.stale["trades"]
        self._book_seen = self.inputs.stale["depth"]
        self._open_gaps = self.inputs.gaps["trades"]
        # Has anything changed since fusion_data was last said, and was it complete then?
        self.changed = True
        self.was_complete = True

    # -- what happened ------------------------------------------------------------------------------------------

    def trade(self, trade: Trade, source: str, messages: list[Message]) -> None:
        """A trade: into the ring, and out on its channel. A block does only the second, an off-market print neither."""
        if trade.kind != "market":
            if trade.kind == "block":
                self._block(trade, messages)
            return
        seen = self._trades_seen
        if trade.ts_recv > seen.newest:
            seen.newest = trade.ts_recv
        if self._holed_from or "trades" not in self.inputs.carrier:
            self._resumed(trade, source)
        if trade.ts_event - trade.ts_recv <= AHEAD:
            ring = self.ring
            if (
                ring.add(trade.ts_event, trade.ticks, trade.lots, trade.taker_side == "buy")
                or ring.gaps.repairing(trade.ts_event // SECOND)  # from before its windows, but of this day
            ):
                self.fused.profile.add(trade.ts_event, trade.ticks, trade.lots)
            if trade.ts_event > self.ts_trade:
                self.ts_trade, self._trade_came = trade.ts_event, trade.ts_recv
            if not self._jump.low <= trade.ticks <= self._jump.high:
                self._jump.observe(trade.ticks, trade.ts_recv)
            order = self._order_of(trade)
            if order is not None and (large := self._judge_order(order)) is not None:
                messages.append(self.whales.message(large, trade.ts_recv, not self._open_gaps.open))
        else:
            self.strange += 1
        self.changed = True
        if self._prints:
            messages.append(trade_message(self._trade_out, trade, not self._open_gaps.open))

    def _block(self, trade: Trade, messages: list[Message]) -> None:
        sound = not self._open_gaps.open
        if self._prints:
            messages.append(trade_message(self._trade_out, trade, sound))
        if trade.lots:  # one of nothing has no price
            messages.append(self.whales.block(trade, sound))

    def _resumed(self, trade: Trade, source: str) -> None:
        """Trades flow (again): a hole of the venue's contiguous ids is known by now, so none means none was lost."""
        self.inputs.carrier["trades"] = source
        if self._holed_from and trade.trade_seq is not None and not self._open_gaps.open:
            self._heal()

    def book_update(self, update: BookUpdate, source: str) -> None:
        """Proven changes of the book."""
        self._book_seen.newest = update.ts_recv
        self.book.apply(update)
        self.changed = True
        if update.snapshot:
            self.inputs.carrier["depth"] = source

    def best_quote(self, quote: BestQuote, source: str) -> None:
        """The venue's own best bid and ask."""
        if self.quote is None:
            self.inputs.carrier["bbo"] = source
        self.quote = quote
        self.changed = True

    def candle(self, candle: Candle, messages: list[Message]) -> str:
        """The venue's bar; a closed one corrects ours. Says why it was refused, empty if it was not."""
        if not candle.closed:
            return ""
        try:
            same, bar = self.bars.candle(candle), bar_of(candle, self.grid)
        except (ValueError, OverflowError) as error:
            return f"{candle.timeframe} candle of {candle.open_time} refused: {error}"
        if candle.timeframe == "1m":
            self.whales.large.volumes.put(candle.open_time, bar.lots)
        self.fused.scales.forget()
        if not same:
            messages.extend(self.candles.corrected(candle.timeframe, candle.open_time, candle.ts_recv))
        return ""

    def derivative(self, record: Record, source: str, messages: list[Message]) -> None:
        """Mark and index, funding, open interest, 24 h statistics, liquidations."""
        for stream in self.derivatives.take(record, self.inputs.down, messages):
            self.inputs.carrier.setdefault(stream, source)

    def gap(self, gap: SequenceGap) -> None:
        """A row of the gap ledger."""
        self.inputs.gap(gap)
        if gap.stream != "trades":
            return
        if gap.state == "open":
            self._hole(gap.from_ts)
        elif not self._open_gaps.open:
            self._heal()
        if gap.state == "unrecoverable":
            self.ring.gap(gap.from_ts, max(gap.to_ts, gap.from_ts + 1))
        self.changed = True

    def _hole(self, start: Micros) -> None:
        if not self._holed_from:
            self._holed_from = start
            self.ring.gap(start)

    def _heal(self) -> None:
        if self._holed_from:
            self.ring.heal(self._holed_from)
            self._holed_from = 0

    def invalidate_book(self, why: str) -> None:
        """The book must not be read until its next snapshot."""
        self.book.invalidate(why)
        self.changed = True

    def connection(self, name: str, why: str | None, now: Micros) -> None:
        """A connection came up (`why` None) or went down."""
        for stream in self.inputs.connection(name, why):
            if why is not None:
                if stream == "trades":
                    self._hole(self.ts_trade or now)
                elif stream == "depth":
                    self.invalidate_book(why)
                elif stream == "bbo":
                    self.quote = None
                    self.changed = True

    def context_document(self, payload: bytes, ts_recv: Micros, messages: list[Message]) -> str:
        """A context document; why it was refused, empty if it was not."""
        try:
            messages.extend(self.fused.document(payload, ts_recv))
        except (msgspec.MsgspecError, ValueError) as error:
            return f"context document refused: {error}"
        self.changed = True
        return ""

    def seam_certificate(self, payload: bytes) -> str:
        """A seam certificate; why it was refused, empty if it was not."""
        try:
            self.inputs.seam = self.fused.history.certify(payload)
        except msgspec.MsgspecError as error:
            return f"seam certificate refused: {error}"
        self.changed = True
        return ""

    # -- what is due --------------------------------------------------------------------------------------------

    def observe(self, now: Micros) -> None:
        """All subscriptions are acknowledged: from here on, silence means that nothing happened."""
        if self.ring.second < 0:
            self.ring.start(now)

    def tick(self, grid: Micros, before: Micros, now: Micros, messages: list[Message]) -> None:
        """The boundary `grid` of the 100 ms grid passed; `before` was the one before, `now` the entry's time."""
        config, inputs, ring = self.config, self.inputs, self.ring
        inputs.fresh()

        def due(period_ms: int) -> bool:
            period = period_ms * 1000
            return grid // period != before // period

        if ring.second >= 0:
            ring.advance(grid // SECOND)
            if not self.candles.published:
                self.candles.begin(ring.started * SECOND)
                self.fused.profile.begin(ring.started * SECOND)
        if due(1000):
            self.fused.second(now)
            self._close_bars(now, messages)
        self.whales.due(now, messages, not self._open_gaps.open)
        top = readable(self.book, LEVELS)
        self._judge(top, now)
        said: list[Message | None] = []
        if due(config.depth_ms):
            said.append(self.voice.depth(self.book, top, grid, now))
        if due(config.bbo_ms):
            said.append(self.voice.best(self.quote, self.book, top, now))
        if due(config.snapshot_ms):
            said.append(self.voice.snapshot(self.book, now))
        messages.extend(message for message in said if message is not None)
        book_ok = inputs.verdict("depth", now).ok
        if due(config.derivatives_ms):
            mid = None if top.reason or not book_ok else self.grid.price(top.bid_ticks[0] + top.ask_ticks[0]) / 2
            messages.extend(self.derivatives.due(mid, inputs.down, now))
        fused = self.fused
        situation = Situation(
            self.grid, top, ring, fused.scales, fused.history, fused.area, now,
            book_ok=book_ok, next_funding_at=self.derivatives.next_funding_at,
        )  # fmt: skip
        complaints = inputs.complaints(BOTH, now)
        ts_event = max(self.ts_trade, self.book.ts_event)
        if due(config.candles_ms) and ring.second >= 0:
            forming = self.bars.forming(ring)
            messages.extend(self.candles.forming(forming, self.ts_trade, now, inputs.complaints(TRADES, now)))
            fused.refresh(situation, forming)
        if due(config.orderflow_ms):
            messages.append(self._orderflow(top, situation.found, complaints, ts_event, now))
        if stale := fused.history.complaint(now):
            complaints = [*complaints, stale]
        if due(config.fusion_ms) and (self.changed or bool(complaints) == self.was_complete):
            self.changed, self.was_complete = False, not complaints
            messages.append(fused.fusion(situation, complaints, ts_event))
        message = fused.precision9(situation, complaints, ts_event, due=due(config.precision9_ms))
        if message is not None:
            messages.append(message)

    def _judge(self, top: BookTop, now: Micros) -> None:
        """Tell the rails how things stand. `distrust` says why the book must be asked for anew, empty when not."""
        inputs, last, quote = self.inputs, self.ring.last_ticks, self.quote
        if self._trade_came:
            inputs.late_by("trades", self._trade_came - self.ts_trade, now)
        if self.book.valid and self.book.ts_event:
            inputs.late_by("depth", self._book_seen.newest - self.book.ts_event, now)
        if quote is not None:
            inputs.late_by("bbo", quote.ts_recv - quote.ts_event, now)
            inputs.quoted(quote.ts_recv, agrees(quote, top, self.grid))
        self.distrust = inputs.judge(top, last if now - self._trade_came < RECENT else None, now)

    def _close_bars(self, now: Micros, messages: list[Message]) -> None:
        if self.ring.second < 0:
            return
        if closed := self.bars.advance(self.ring):
            self.whales.minutes(closed)
            self.fused.scales.forget()
        end = ready_until(self.ring.second, self.config.lateness_us)
        messages.extend(self.candles.closed(end, now, self.inputs.complaints(("trades",), now)))

    def _orderflow(
        self, top: BookTop, found: dict[str, TradeWindow], complaints: list[str], ts_event: Micros, now: Micros
    ) -> Message:
        fields = Fields()
        fields.set("window_end", found["1m"].end * SECOND)
        flow_fields(fields, found)
        depth_fields(fields, top, self.grid)
        self.whales.fields(fields, found["15m"])
        return self.outlets["orderflow"].fields(fields, ts_event=ts_event, ts_recv=now, complaints=complaints)

    def status(self, now: Micros) -> dict[str, object]:
        """What the board asks at `now`."""
        streams = {name: self.inputs.verdict(name, now).reason or "ok" for name in ("trades", "depth", "bbo")}
        streams |= self.derivatives.streams(self.inputs.down, now)
        return {
            "streams": streams,
            "gaps": [words for rail in self.inputs.gaps.values() for words in rail.open.values()],
            "book": "ok" if self.book.valid else self.book.why,
            "seam": None if self.fused.history.certificate is None else self.fused.history.certificate.state,
            "spliced": self.fused.history.spliced,
            "context_as_of": self.fused.history.as_of,
            "late_trades": self.ring.late,
            "bar_mismatches": self.bars.mismatches,
            "strikes": self.inputs.counts(),
        }

    # -- memory -------------------------------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """All of it as JSON-able values, in a fixed order."""
        return {
            "seq": {name: outlet.seq for name, outlet in self.outlets.items()},
            "inputs": self.inputs.state(),
            "book": self.book.state(),
            "ring": self.ring.state(),
            "bars": self.bars.state(),
            "voice": self.voice.state(),
            "candles": self.candles.state(),
            "quote": msgspec.to_builtins(self.quote),
            "derivatives": self.derivatives.state(),
            "large": self.whales.large.state(),
            "ts_trade": self.ts_trade,
            "trade_came": self._trade_came,
            "strange": self.strange,
            "holed_from": self._holed_from,
            "changed": self.changed,
            "was_complete": self.was_complete,
            "fused": self.fused.state(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """The inverse of `state`."""
        for name, seq in state["seq"].items():
            if name in self.outlets:
                self.outlets[name].seq = seq
        self.inputs.restore(state["inputs"])
        self.book.restore(state["book"])
        self.ring.restore(state["ring"])
        self.bars.restore(state["bars"])
        self.voice.restore(state["voice"])
        self.candles.restore(state["candles"])
        self.quote = msgspec.convert(state["quote"], BestQuote | None)
        self.derivatives.restore(state["derivatives"])
        self.whales.large.restore(state["large"])
        self.ts_trade, self._trade_came = state["ts_trade"], state["trade_came"]
        self.strange, self._holed_from = state["strange"], state["holed_from"]
        self.changed, self.was_complete = state["changed"], state["was_complete"]
        self.fused.restore(state["fused"])

    def continue_numbers(self, old: Instrument) -> None:
        """Go on with the sequence numbers of the instrument this one replaces."""
        for name, outlet in old.outlets.items():
            self.outlets[name].seq = outlet.seq
