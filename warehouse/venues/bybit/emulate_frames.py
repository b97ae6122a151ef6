"""The frames of an emulated Bybit: what it shows of each instrument, made once for all connections.

The counters of the depth topics belong to the venue, not to a connection: every client sees the same `u`.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from warehouse.clock import Micros
from warehouse.instruments import Rules, timeframe_us
from warehouse.records import BestQuote, BookUpdate, Candle, Level, Trade
from warehouse.venues.base import MarketView
from warehouse.venues.bybit.decode import SPELLED, VENUE
from warehouse.venues.bybit.ladder import KEPT, Ladder, Topic
from warehouse.venues.bybit.spelling import Text, execution_id

encode = msgspec.json.Encoder().encode


class Shown:
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


class Floor:
    """All instruments of the venue, and the frames that tell of them."""

    def __init__(self, view: MarketView) -> None:
        self._view = view
        rules = [rule for rule in view.rules() if rule.venue == VENUE]
        self._instruments = {rule.instrument: Shown(rule) for rule in rules}

    def find(self, market: str, symbol: str) -> Shown | None:
        """The instrument of a symbol on this socket, None when there is none."""
        for known in self._instruments.values():
            if known.rules.market == market and known.rules.symbol == symbol:
                return known
        return None

    def known(self, instrument: str) -> Shown | None:
        """The instrument by our name."""
        return self._instruments.get(instrument)

    def snapshot(self, known: Shown, depth: int, now: Micros) -> tuple[bytes | None, int]:
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

    def depth_frames(self, known: Shown, update: BookUpdate, now: Micros) -> dict[int, bytes]:
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

    def trade_frame(self, known: Shown, trade: Trade, now: Micros) -> bytes:
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

    def quote_frame(self, known: Shown, quote: BestQuote, now: Micros) -> bytes:
        """`orderbook.1`: always a snapshot, with a counter of its own; made once."""
        if known.quote[0] is quote:
            return known.quote[1]
        known.quotes += 1
        bids = {quote.best_bid: quote.best_bid_size}
        asks = {quote.best_ask: quote.best_ask_size}
        frame = self._book_frame(known, 1, "snapshot", bids, asks, known.quotes, now, quote.ts_event)
        known.quote = (quote, frame)
        return frame

    def candle_frame(self, known: Shown, candle: Candle, now: Micros) -> bytes:
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

    def _reseed(self, known: Shown, ladder: Ladder, book: BookUpdate) -> dict[int, bytes]:
        ladder.absorb(book)
        made = {}
        for depth, topic in known.topics.items():
            topic.restart(ladder)
            made[depth] = self._book_frame(known, depth, "snapshot", topic.bids, topic.asks, topic.u, book.ts_event)
        return self._keep(known, book.update_id, made)

    @staticmethod
    def _keep(known: Shown, update_id: int, made: dict[int, bytes]) -> dict[int, bytes]:
        known.sent[update_id] = made
        if len(known.sent) > KEPT:
            del known.sent[next(iter(known.sent))]
        return made

    def _book_frame(
        self,
        known: Shown,
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
    def _frame(known: Shown, topic: str, kind: str, data: object, now: Micros, engine: Micros | None = None) -> bytes:
        frame: dict[str, object] = {"topic": topic}
        frame |= {"ts": now // 1000, "type": kind} if known.spot else {"type": kind, "ts": now // 1000}
        frame["data"] = data
        if engine is not None:
            frame["cts"] = engine // 1000
        return encode(frame)


def _direction(before: float | None, price: float) -> str:
    if before is None or price == before:
        return "ZeroPlusTick"
    return "PlusTick" if price > before else "MinusTick"
