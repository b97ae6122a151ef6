"""Binance's end of a WebSocket: subscriptions, and the frames they bring."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from warehouse.clock import SECOND, Micros
from warehouse.instruments import Market
from warehouse.records import (
    BestQuote,
    BookUpdate,
    Candle,
    FundingRate,
    InstrumentStatus,
    Liquidation,
    MarkPrice,
    Record,
    Ticker,
    Trade,
)
from warehouse.venues.binance import spell_feeds
from warehouse.venues.binance.spell import Json, Spelling

_DEPTH = ("depth", "depth@100ms", "depth@0ms", "depth@500ms")
_encode = msgspec.json.encode


class Message(msgspec.Struct):
    """`{"method":"SUBSCRIBE","params":["btcusdt@aggTrade"],"id":1}`."""

    method: str
    id: int | str | None = None
    params: list[str] = []


class BinanceConnection:
    """One client. On futures a stream asked for on the wrong root is acknowledged and never speaks; so is everything
    on the roots retired in April 2026.
    """

    def __init__(
        self,
        market: Market,
        path: str,
        query: dict[str, str],
        symbols: Sequence[Spelling],
        funding_now: Callable[[str], FundingRate | None],
    ) -> None:
        self._market = market
        self._funding_now = funding_now
        self._liquidated: dict[str, tuple[Micros, Liquidation | None]] = {}  # instrument: last push, what waits
        parts = [part for part in path.split("/") if part]
        self._root = parts.pop(0) if market == "perp" and parts and parts[0] in ("public", "market", "private") else ""
        self._combined = bool(parts) and parts[0] == "stream"
        self._spelling = {spelling.rules.instrument: spelling for spelling in symbols}
        self._subscribed: dict[str, bool] = {}  # name: audible here
        asked = query.get("streams", "").split("/") if self._combined else parts[1:]
        for name in asked:
            if name:
                self._subscribe(name)

    @property
    def streams(self) -> Sequence[str]:
        """What is subscribed to and served on this root, in the order asked."""
        return [name for name, audible in self._subscribed.items() if audible]

    def receive(self, frame: bytes, now: Micros) -> Sequence[bytes]:
        """SUBSCRIBE, UNSUBSCRIBE, LIST_SUBSCRIPTIONS; anything else is an error."""
        try:
            message = msgspec.json.decode(frame, type=Message)
        except msgspec.ValidationError:
            return [_encode({"code": 2, "msg": "Invalid request: unknown field or wrong type"})]
        except msgspec.MsgspecError:
            return [_encode({"code": 3, "msg": "Invalid JSON: expected value at line 1 column 1"})]
        result: list[str] | None = None
        if message.method == "SUBSCRIBE":
            for name in message.params:
                self._subscribe(name)
        elif message.method == "UNSUBSCRIBE":
            for name in message.params:
                self._subscribed.pop(name, None)
        elif message.method == "LIST_SUBSCRIPTIONS":
            result = list(self._subscribed)
        else:
            words = f"Invalid request: unknown variant `{message.method}`"
            return [_encode({"code": 2, "msg": words, "id": message.id})]
        return [_encode({"result": result, "id": message.id})]

    def event(self, record: Record, now: Micros) -> Sequence[bytes]:
        """The frames of a market event, by what is subscribed to."""
        spelling = self._spelling.get(record.instrument)
        if spelling is None:
            return ()
        prefix = spelling.symbol.lower() + "@"
        if isinstance(record, Trade):
            if record.kind == "block":
                name = prefix + "blockTrade"
                return (
                    self._frame(name, spell_feeds.block_trade(spelling, record, now))
                    if name in self._subscribed
                    else ()
                )
            frames = []
            if prefix + "trade" in self._subscribed:
                frames += self._frame(prefix + "trade", spelling.trade_event(record, now))
            if record.kind == "market" and prefix + "aggTrade" in self._subscribed:
                frames += self._frame(prefix + "aggTrade", spelling.agg_trade_event(record, now))
            return frames
        if isinstance(record, BookUpdate) and not record.snapshot:
            names = [prefix + name for name in _DEPTH if prefix + name in self._subscribed]
            if not names:
                return ()
            event = spelling.depth_update(record, now)
            return [frame for name in names for frame in self._frame(name, event)]
        if isinstance(record, BestQuote) and prefix + "bookTicker" in self._subscribed:
            return self._frame(prefix + "bookTicker", spelling.book_ticker(record, now))
        if isinstance(record, Candle) and (name := f"{prefix}kline_{record.timeframe}") in self._subscribed:
            return self._frame(name, spelling.kline_event(record, now))
        return self._feed(record, spelling, prefix, now)

    def tick(self, now: Micros) -> Sequence[bytes]:
        """Liquidations that waited for their second. (The venue's pings are control frames: the transport's.)"""
        return [
            frame
            for _, held in list(self._liquidated.values())
            if held is not None
            for frame in self._liquidation(held, self._spelling[held.instrument], now)
        ]

    def _feed(self, record: Record, spelling: Spelling, prefix: str, now: Micros) -> Sequence[bytes]:
        """Everything besides trades, books and candles."""
        if isinstance(record, MarkPrice):
            names = [name for name in (prefix + "markPrice@1s", prefix + "markPrice") if name in self._subscribed]
            if not names:
                return ()
            event = spell_feeds.mark_price(spelling, record, self._funding_now(record.instrument))
            return [frame for name in names for frame in self._frame(name, event)]
        if isinstance(record, Liquidation):
            return self._liquidation(record, spelling, now) if prefix + "forceOrder" in self._subscribed else ()
        if isinstance(record, Ticker) and prefix + "ticker" in self._subscribed:
            return self._frame(prefix + "ticker", spell_feeds.ticker(spelling, record))
        if isinstance(record, InstrumentStatus) and "!contractInfo" in self._subscribed:
            return self._frame("!contractInfo", spell_feeds.contract_info(spelling, record, now))
        return ()

    def _liquidation(self, record: Liquidation, spelling: Spelling, now: Micros) -> Sequence[bytes]:
        """At most one a second and symbol; of those that fall into the same second the latest."""
        pushed, _ = self._liquidated.get(record.instrument, (now - SECOND, None))
        if now - pushed < SECOND:
            self._liquidated[record.instrument] = (pushed, record)
            return ()
        self._liquidated[record.instrument] = (now, None)
        return self._frame(f"{spelling.symbol.lower()}@forceOrder", spell_feeds.force_order(spelling, record, now))

    def _subscribe(self, name: str) -> None:
        kind = name.partition("@")[2]
        if self._market == "spot":
            audible = bool(kind) and kind not in (
                "depth@0ms", "depth@500ms", "markPrice", "markPrice@1s", "forceOrder"
            )  # fmt: skip
        else:
            public = kind in ("bookTicker", "trade") or kind.startswith("depth")
            audible = self._root == ("public" if public else "market")
        self._subscribed[name] = audible

    def _frame(self, name: str, event: Json) -> list[bytes]:
        if not self._subscribed.get(name, False):
            return []
        return [_encode({"stream": name, "data": event} if self._combined else event)]
