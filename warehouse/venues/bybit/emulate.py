"""Bybit's own side of the protocol over a market: pure, no socket. See `warehouse.venues.base.EmulatedVenue`.

The counters of the depth topics belong to the venue, not to a connection: every client sees the same `u`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from warehouse.clock import SECOND, Micros
from warehouse.instruments import Rules, timeframe_us
from warehouse.records import BestQuote, BookUpdate, Candle, Level, Record, Trade
from warehouse.venues.base import EmulatedConnection, MarketView, Reply
from warehouse.venues.bybit.decode import INTERVALS, SPELLED, VENUE
from warehouse.venues.bybit.emulate_rest import RestSide
from warehouse.venues.bybit.ladder import DEPTHS, KEPT, Ladder, Topic
from warehouse.venues.bybit.spelling import Text, execution_id

REPEAT = 3 * SECOND
"""`orderbook.1` is sent again when nothing changed for this long."""

SPOT_ARGS = 10
ARGS_TEXT = 21_000
"""Most characters of all topics on a connection."""

_encode = msgspec.json.Encoder().encode


class _Operation(msgspec.Struct):
    op: str
    args: list[str] = []
    req_id: str = ""


_operation = msgspec.json.Decoder(_Operation).decode


class _Instrument:
    """What the venue knows of one instrument: its ladder while somebody listens, its topics, its newest frames."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self.text = Text(rules)
        self.ladder: Ladder | None = None
        self.topics: dict[int, Topic] = {}
        self.sent: dict[int, dict[int, bytes]] = {}
        self.price: float | None = None
        self.trade: tuple[str, bytes] = ("", b"")
        self.quotes = 2
        self.quote: tuple[BestQuote | None, bytes] = (None, b"")

    @property
    def spot(self) -> bool:
        return self.rules.market == "spot"


class EmulatedBybit:
    """The venue: REST and any number of connections over one `MarketView`."""

    def __init__(self, view: MarketView) -> None:
        self._view = view
        rules = [rule for rule in view.rules() if rule.venue == VENUE]
        self._rest = RestSide(view, rules)
        self._instruments = {rule.instrument: _Instrument(rule) for rule in rules}
        self._connections = 0

    def rest(self, base: str, path: str, query: dict[str, str], now: Micros) -> Reply:
        """Answer a GET; `base` does not matter, Bybit has one."""
        return self._rest.reply(path, query, now)

    def connect(self, base: str, path: str, query: dict[str, str], now: Micros) -> EmulatedConnection:
        """A new connection to `/v5/public/spot` or `/v5/public/linear`."""
        self._connections += 1
        return _Connection(self, "spot" if path.rstrip("/").endswith("spot") else "perp", self._connections)

    def find(self, market: str, symbol: str) -> _Instrument | None:
        """The instrument of a symbol on this socket, None when there is none."""
        for known in self._instruments.values():
            if known.rules.market == market and known.rules.symbol == symbol:
                return known
        return None

    def known(self, instrument: str) -> _Instrument | None:
        """The instrument by our name."""
        return self._instruments.get(instrument)

    def snapshot(self, known: _Instrument, depth: int, now: Micros) -> tuple[bytes | None, int]:
        """The first message of a depth topic, and the market's update id that it includes.

        None while the market has no book: its first update will be the snapshot.
        """
        book = self._view.book(known.rules.instrument)
        if not book.update_id:
            return None, 0
        if known.ladder is None:
            known.ladder = Ladder(book)
        elif known.ladder.update_id != book.update_id:  # it went on while nobody listened
            self._reseed(known, known.ladder, book)
        ladder = known.ladder
        if depth == 1:
            bids, asks = ladder.top(1)
            return self._book_frame(known, 1, "snapshot", bids, asks, known.quotes, now), ladder.update_id
        topic = known.topics.get(depth)
        if topic is None:
            topic = known.topics[depth] = Topic(depth, ladder)
        return self._book_frame(known, depth, "snapshot", topic.bids, topic.asks, topic.u, now), ladder.update_id

    def depth_frames(self, known: _Instrument, update: BookUpdate, now: Micros) -> dict[int, bytes]:
        """The messages of this update by depth, made once for all connections; topics it does not touch are absent."""
        made = known.sent.get(update.update_id)
        if made is not None:
            return made
        ladder = known.ladder
        if ladder is None or (update.update_id <= ladder.update_id and not update.snapshot):
            return {}
        if not ladder.follows(update):
            made = self._reseed(known, ladder, self._view.book(known.rules.instrument))
            return self._keep(known, update.update_id, made)
        ladder.absorb(update)
        made = {}
        for depth, topic in known.topics.items():
            bids, asks = topic.advance(ladder)
            if bids or asks:
                made[depth] = self._book_frame(known, depth, "delta", dict(bids), dict(asks), topic.u, now)
        return self._keep(known, update.update_id, made)

    def trade_frame(self, known: _Instrument, trade: Trade, now: Micros) -> bytes:
        """`publicTrade` with this one execution, made once."""
        trade_id = execution_id(trade, known.rules.market)
        if known.trade[0] == trade_id:
            return known.trade[1]
        symbol, text = known.rules.symbol, known.text
        row: dict[str, object] = {
            "i": trade_id,
            "T": trade.ts_event // 1000,
            "p": text.price(trade.price),
            "v": text.size(trade.size),
            "S": "Buy" if trade.taker_side == "buy" else "Sell",
            "s": symbol,
            "BT": trade.kind == "block",
            "RPI": trade.rpi,
            "seq": trade.trade_seq or 0,
        }
        if not known.spot:
            row["L"] = _direction(known.price, trade.price)
        known.price = trade.price
        frame = self._frame(known, f"publicTrade.{symbol}", "snapshot", [row], now)
        known.trade = (trade_id, frame)
        return frame

    def quote_frame(self, known: _Instrument, quote: BestQuote, now: Micros) -> bytes:
        """`orderbook.1`: always a snapshot, with a counter of its own; made once."""
        if known.quote[0] is quote:
            return known.quote[1]
        known.quotes += 1
        bids = {quote.best_bid: quote.best_bid_size}
        asks = {quote.best_ask: quote.best_ask_size}
        frame = self._book_frame(known, 1, "snapshot", bids, asks, known.quotes, now, quote.ts_event)
        known.quote = (quote, frame)
        return frame

    def candle_frame(self, known: _Instrument, candle: Candle, now: Micros) -> bytes:
        """`kline` with this one bar."""
        text, start = known.text, candle.open_time // 1000
        quote_volume = candle.quote_volume if candle.quote_volume is not None else candle.volume * candle.close
        row = {
            "start": start,
            "end": start + timeframe_us(candle.timeframe) // 1000 - 1,
            "interval": SPELLED[candle.timeframe],
            "open": text.price(candle.open),
            "close": text.price(candle.close),
            "high": text.price(candle.high),
            "low": text.price(candle.low),
            "volume": text.size(candle.volume),
            "turnover": text.turnover(quote_volume),
            "confirm": candle.closed,
            "timestamp": candle.ts_event // 1000,
        }
        topic = f"kline.{SPELLED[candle.timeframe]}.{known.rules.symbol}"
        return self._frame(known, topic, "snapshot", [row], now)

    def _reseed(self, known: _Instrument, ladder: Ladder, book: BookUpdate) -> dict[int, bytes]:
        ladder.absorb(book)
        made = {}
        for depth, topic in known.topics.items():
            topic.restart(ladder)
            made[depth] = self._book_frame(known, depth, "snapshot", topic.bids, topic.asks, topic.u, book.ts_event)
        return self._keep(known, book.update_id, made)

    @staticmethod
    def _keep(known: _Instrument, update_id: int, made: dict[int, bytes]) -> dict[int, bytes]:
        known.sent[update_id] = made
        if len(known.sent) > KEPT:
            del known.sent[next(iter(known.sent))]
        return made

    def _book_frame(
        self,
        known: _Instrument,
        depth: int,
        kind: str,
        bids: dict[float, float],
        asks: dict[float, float],
        u: int,
        now: Micros,
        at: Micros | None = None,
    ) -> bytes:
        level: Callable[[Level], list[str]] = known.text.level
        ladder = known.ladder
        data = {
            "s": known.rules.symbol,
            "b": [level(item) for item in bids.items()],
            "a": [level(item) for item in asks.items()],
            "u": u,
            "seq": ladder.update_id if ladder is not None else u,
        }
        engine = at if at is not None else ladder.at if ladder is not None and ladder.at else now
        return self._frame(known, f"orderbook.{depth}.{known.rules.symbol}", kind, data, now, engine)

    @staticmethod
    def _frame(
        known: _Instrument, topic: str, kind: str, data: object, now: Micros, engine: Micros | None = None
    ) -> bytes:
        frame: dict[str, object] = {"topic": topic}
        frame |= {"ts": now // 1000, "type": kind} if known.spot else {"type": kind, "ts": now // 1000}
        frame["data"] = data
        if engine is not None:
            frame["cts"] = engine // 1000
        return _encode(frame)


class _Connection:
    """One client's subscriptions."""

    def __init__(self, venue: EmulatedBybit, market: str, number: int) -> None:
        self._venue = venue
        self._market = market
        self._id = f"{market}-{number:06d}"
        self._topics: dict[str, tuple[_Instrument, str, str]] = {}
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
                self._seen.pop(topic, None)
                self._repeat.pop(topic, None)
            return [self._reply(True, "unsubscribe" if self._market == "spot" else "", asked.req_id, asked.op)]
        return [self._reply(False, f"unknown operation: {asked.op}", asked.req_id, asked.op)]

    def event(self, record: Record, now: Micros, /) -> Sequence[bytes]:
        """The frames of a market event, by subscription."""
        known = self._venue.known(record.instrument)
        if known is None or known.rules.market != self._market:
            return ()
        symbol = known.rules.symbol
        if isinstance(record, Trade):
            return [self._venue.trade_frame(known, record, now)] if f"publicTrade.{symbol}" in self._topics else ()
        if isinstance(record, BookUpdate):
            return self._depth(known, record, now)
        if isinstance(record, BestQuote):
            topic = f"orderbook.1.{symbol}"
            if topic not in self._topics:
                return ()
            frame = self._venue.quote_frame(known, record, now)
            self._repeat[topic] = (now, frame)
            return [frame]
        if isinstance(record, Candle) and f"kline.{SPELLED.get(record.timeframe)}.{symbol}" in self._topics:
            return [self._venue.candle_frame(known, record, now)]
        return ()

    def tick(self, now: Micros, /) -> Sequence[bytes]:
        """Repeat quotes that have not changed for three seconds."""
        due = [topic for topic, (at, _) in self._repeat.items() if now - at >= REPEAT]
        for topic in due:
            self._repeat[topic] = (now, self._repeat[topic][1])
        return [self._repeat[topic][1] for topic in due]

    def _depth(self, known: _Instrument, update: BookUpdate, now: Micros) -> Sequence[bytes]:
        frames = self._venue.depth_frames(known, update, now)
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
        frame, self._seen[topic] = self._venue.snapshot(known, int(detail), now)
        if frame is not None and detail == "1":
            self._repeat[topic] = (now, frame)
        return [] if frame is None else [frame]

    def _subscribe(self, asked: _Operation, now: Micros) -> Sequence[bytes]:
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
        return out

    def _parse(self, topic: str) -> tuple[_Instrument, str, str] | None:
        parts = topic.split(".")
        known = self._venue.find(self._market, parts[-1])
        if known is None:
            return None
        if len(parts) == 2 and parts[0] == "publicTrade":
            return known, "publicTrade", ""
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
        return _encode(reply | {"op": op})

    def _pong(self, req_id: str) -> bytes:
        pong: dict[str, object] = {"success": True, "ret_msg": "pong", "conn_id": self._id}
        if self._market != "spot":
            pong["req_id"] = req_id
        return _encode(pong | {"op": "ping"})


def _direction(before: float | None, price: float) -> str:
    if before is None or price == before:
        return "ZeroPlusTick"
    return "PlusTick" if price > before else "MinusTick"
