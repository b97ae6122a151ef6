"""One client of an emulated Bybit: operations in, acknowledgements and subscribed frames out.

https://bybit-exchange.github.io/docs/v5/ws/connect
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from warehouse.clock import SECOND, Micros
from warehouse.records import (
    BestQuote,
    BookUpdate,
    Candle,
    InsuranceFund,
    Liquidation,
    Record,
    Trade,
    VenueStatus,
)
from warehouse.venues.bybit import emulate_feeds
from warehouse.venues.bybit.decode import INTERVALS, SPELLED
from warehouse.venues.bybit.emulate_feeds import Feeds, Fields
from warehouse.venues.bybit.emulate_frames import Floor, Shown, encode
from warehouse.venues.bybit.ladder import DEPTHS

REPEAT = 3 * SECOND
"""`orderbook.1` is sent again when nothing changed for this long."""

WIDE = {"insurance.USDT": "perp", "system.status": "status"}
"""Topics without a symbol, and the socket that has them."""

PLAIN = {"publicTrade": ("spot", "perp"), "tickers": ("spot", "perp"), "allLiquidation": ("perp",)}
"""Channels with nothing but a symbol, and the sockets that have them."""

SPOT_ARGS = 10
ARGS_TEXT = 21_000
"""Most characters of all topics on a connection."""


class Operation(msgspec.Struct):
    """`{"req_id":"a","op":"subscribe","args":["orderbook.50.BTCUSDT"]}`"""

    op: str
    args: list[str] = []
    req_id: str = ""


_operation = msgspec.json.Decoder(Operation).decode


class Connection:
    """One client's subscriptions."""

    def __init__(self, floor: Floor, feeds: Feeds, market: str, number: int) -> None:
        self._floor = floor
        self._feeds = feeds
        self._market = market
        self._id = f"{market}-{number:06d}"
        self._topics: dict[str, tuple[Shown | None, str, str]] = {}
        self._told: dict[str, Fields] = {}
        self._seen: dict[str, int] = {}
        self._repeat: dict[str, tuple[Micros, bytes]] = {}

    @property
    def streams(self) -> Sequence[str]:
        """Subscribed topics, in the order of subscription."""
        return list(self._topics)

    def receive(self, frame: bytes, now: Micros, /) -> Sequence[bytes]:
        """Answer a client's operation."""
        try:
            asked = _operation(frame)
        except (ValueError, RecursionError):
            return [self._reply(False, "Params Error", "", "")]
        if asked.op == "ping":
            return [self._pong(asked.req_id)]
        if asked.op == "subscribe":
            return self._subscribe(asked, now)
        if asked.op == "unsubscribe":
            for topic in asked.args:
                self._topics.pop(topic, None)
                self._told.pop(topic, None)
                self._seen.pop(topic, None)
                self._repeat.pop(topic, None)
            return [self._reply(True, "unsubscribe" if self._market == "spot" else "", asked.req_id, asked.op)]
        return [self._reply(False, f"unknown operation: {asked.op}", asked.req_id, asked.op)]

    def event(self, record: Record, now: Micros, /) -> Sequence[bytes]:
        """The frames of a market event, by subscription."""
        if isinstance(record, VenueStatus):
            rows = self._feeds.notices.take(record)
            return [emulate_feeds.work_frame(rows, now)] if rows and "system.status" in self._topics else ()
        if isinstance(record, InsuranceFund):
            pool = emulate_feeds.pool_frame(record, now) if "insurance.USDT" in self._topics else None
            return () if pool is None else [pool]
        known = self._floor.known(record.instrument)
        if known is None or known.rules.market != self._market:
            return ()
        symbol = known.rules.symbol
        if isinstance(record, Trade):
            return [self._floor.trade_frame(known, record, now)] if f"publicTrade.{symbol}" in self._topics else ()
        if isinstance(record, BookUpdate):
            return self._depth(known, record, now)
        if isinstance(record, BestQuote):
            topic = f"orderbook.1.{symbol}"
            if topic not in self._topics:
                return ()
            frame = self._floor.quote_frame(known, record, now)
            self._repeat[topic] = (now, frame)
            return [frame]
        if isinstance(record, Candle) and f"kline.{SPELLED.get(record.timeframe)}.{symbol}" in self._topics:
            return [self._floor.candle_frame(known, record, now)]
        if isinstance(record, Liquidation):
            held = f"allLiquidation.{symbol}" in self._topics
            return [emulate_feeds.liquidation_frame(known, record, now)] if held else ()
        return self._ticker(known, record, now)

    def tick(self, now: Micros, /) -> Sequence[bytes]:
        """Repeat quotes that have not changed for three seconds."""
        due = [topic for topic, (at, _) in self._repeat.items() if now - at >= REPEAT]
        for topic in due:
            self._repeat[topic] = (now, self._repeat[topic][1])
        return [self._repeat[topic][1] for topic in due]

    def _ticker(self, known: Shown, record: Record, now: Micros) -> Sequence[bytes]:
        """What a market event changes in the ticker: all of it on spot, and where nothing was told yet."""
        topic = f"tickers.{known.rules.symbol}"
        changed = emulate_feeds.told(record, known) if topic in self._topics else {}
        if not changed:
            return ()
        told = self._told.get(topic)
        if known.spot or not told:
            self._told[topic] = self._feeds.ticker(known) | changed
            return [emulate_feeds.ticker_frame(known, "snapshot", self._told[topic], now)]
        new = {name: text for name, text in (changed | emulate_feeds.quoted(known)).items() if told.get(name) != text}
        told.update(new)
        return [emulate_feeds.ticker_frame(known, "delta", new, now)] if new else ()

    def _depth(self, known: Shown, update: BookUpdate, now: Micros) -> Sequence[bytes]:
        frames = self._floor.depth_frames(known, update, now)
        out: list[bytes] = []
        for topic, seen in self._seen.items():
            about, _, detail = self._topics[topic]
            if about is not known or detail == "1":
                continue
            if not seen:
                out += self._first(topic, now)
            elif update.update_id > seen and int(detail) in frames:
                out.append(frames[int(detail)])
        return out

    def _first(self, topic: str, now: Micros) -> list[bytes]:
        known, _, detail = self._topics[topic]
        if known is None:
            return []
        frame, self._seen[topic] = self._floor.snapshot(known, int(detail), now)
        if frame is not None and detail == "1":
            self._repeat[topic] = (now, frame)
        return [] if frame is None else [frame]

    def _subscribe(self, asked: Operation, now: Micros) -> Sequence[bytes]:
        spot = self._market == "spot"
        if spot and len(asked.args) > SPOT_ARGS:
            return [self._reply(False, "args size >10", asked.req_id, asked.op)]
        parsed = {topic: self._parse(topic) for topic in asked.args}
        for topic, found in parsed.items():
            if found is None:
                return [self._reply(False, f"Invalid topic: {topic}", asked.req_id, asked.op)]
        if sum(len(topic) for topic in [*self._topics, *parsed]) > ARGS_TEXT:
            return [self._reply(False, "args text is too long", asked.req_id, asked.op)]
        out = [self._reply(True, "subscribe" if spot else "", asked.req_id, asked.op)]
        for topic, found in parsed.items():
            if found is None:
                continue
            self._topics[topic] = found
            if found[1] == "orderbook":
                out += self._first(topic, now)
            elif found[1] == "tickers" and found[0] is not None:
                self._told[topic] = self._feeds.ticker(found[0])
                if self._told[topic]:
                    out.append(emulate_feeds.ticker_frame(found[0], "snapshot", self._told[topic], now))
        return out

    def _parse(self, topic: str) -> tuple[Shown | None, str, str] | None:
        if topic in WIDE:
            return (None, topic, "") if WIDE[topic] == self._market else None
        parts = topic.split(".")
        known = self._floor.find(self._market, parts[-1])
        if known is None:
            return None
        if len(parts) == 2 and self._market in PLAIN.get(parts[0], ()):
            return known, parts[0], ""
        if len(parts) != 3:
            return None
        channel, detail = parts[0], parts[1]
        if channel == "orderbook" and detail in ("1", *(str(depth) for depth in DEPTHS)):
            return known, channel, detail
        return (known, channel, detail) if channel == "kline" and detail in INTERVALS else None

    def _reply(self, success: bool, words: str, req_id: str, op: str) -> bytes:
        reply: dict[str, object] = {"success": success, "ret_msg": words, "conn_id": self._id}
        if success:
            reply["req_id"] = req_id
        return encode(reply | {"op": op})

    def _pong(self, req_id: str) -> bytes:
        pong: dict[str, object] = {"success": True, "ret_msg": "pong", "conn_id": self._id}
        if self._market != "spot":
            pong["req_id"] = req_id
        return encode(pong | {"op": "ping"})
