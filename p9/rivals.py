"""Other libraries on the same frames: each decodes them, keeps the book, and reads its best twenty levels after every
update.

They are fed behind their sockets, through the handlers that their own sockets call. Each contestant answers with what
it counted,
so that a faster wrong answer is seen.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from decimal import Decimal
from importlib.metadata import PackageNotFoundError, version
from math import nan

import msgspec

from p9.frames import Recording
from realtime.engine import Engine, EngineConfig
from warehouse.book import Book
from warehouse.instruments import Rules

TOP = 20


class Counted(msgspec.Struct, frozen=True):
    """What a contestant saw: trades, and the best bid and ask of each symbol at the end."""

    trades: int
    best: dict[str, tuple[float, float]]


Contestant = Callable[[], Counted]


def installed(package: str) -> str | None:
    """A package's version, None when it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def ours(recording: Recording, block: int = 10) -> Contestant:
    """The live engine with every metric on, in blocks of ten entries as a busy worker sees them."""
    engine = Engine("binance", "emulated", recording.rules, EngineConfig())
    entries = recording.entries

    def run() -> Counted:
        trades = 0
        for start in range(0, len(entries), block):
            for message in engine.run(start + 1, entries[start : start + block]).messages:
                trades += message.channel.startswith("trade:")
        return Counted(trades, {one.rules.symbol: _best(one.book) for one in engine.instruments.values()})

    return run


def _best(book: Book) -> tuple[float, float]:
    """Best bid and ask; NaN for an empty side, which equals nothing."""
    bid, ask = book.best()
    return (bid[0] if bid else nan, ask[0] if ask else nan)


def _market(rule: Rules) -> dict[str, object]:
    """A market as ccxt describes one, as far as its stream handlers read it."""
    base = rule.instrument.split("-")[0]
    return {
        "id": rule.symbol, "symbol": f"{base}/USDT:USDT", "base": base, "quote": "USDT", "settle": "USDT",
        "baseId": base, "quoteId": "USDT", "settleId": "USDT", "type": "swap", "spot": False, "swap": True,
        "future": False, "option": False, "linear": True, "inverse": False, "contract": True, "active": True,
        "contractSize": 1.0, "precision": {"price": float(rule.tick), "amount": float(rule.lot)},
        "limits": {}, "info": {},
    }  # fmt: skip


def ccxt_pro(recording: Recording) -> Contestant:
    """ccxt.pro's Binance handlers."""
    import ccxt.pro

    exchange = ccxt.pro.binance({"options": {"defaultType": "swap"}})
    markets = [_market(rule) for rule in recording.rules]
    exchange.set_markets(markets)
    sockets = list(dict.fromkeys(name for name, _ in recording.frames))

    async def make() -> dict[str, object]:
        return {name: exchange.client(f"wss://fstream.binance.com/{name}") for name in sockets}

    clients = asyncio.run(make())
    for rule, market in zip(recording.rules, markets, strict=True):
        snapshot = recording.snapshots[rule.instrument]
        book = exchange.order_book({}, 1000)
        exchange.orderbooks[market["symbol"]] = book
        shaped = {"bids": snapshot.bids, "asks": snapshot.asks, "nonce": snapshot.update_id, "timestamp": 0}
        book.reset(
            {**shaped, "bids": [list(row) for row in snapshot.bids], "asks": [list(row) for row in snapshot.asks]}
        )

    def run() -> Counted:
        trades = 0
        for name, frame in recording.frames:
            message = json.loads(frame)
            client = clients[name]
            exchange.handle_message(client, message)
            kind = message["data"]["e"]
            if kind == "depthUpdate":
                symbol = exchange.safe_market(message["data"]["s"], None, None, "swap")["symbol"]
                book = exchange.orderbooks[symbol].limit()
                book["bids"][:TOP], book["asks"][:TOP]  # reading them is what is measured
            trades += kind == "aggTrade"
        best = {
            str(market["id"]): (float(book["bids"][0][0]), float(book["asks"][0][0]))
            for market in markets
            if (book := exchange.orderbooks[market["symbol"]].limit())
        }
        return Counted(trades, best)

    return run


def cryptofeed(recording: Recording) -> Contestant:
    """cryptofeed's Binance USD-M handlers, with callbacks that read the top of the book."""
    from cryptofeed.defines import L2_BOOK, PERPETUAL, TICKER, TRADES
    from cryptofeed.exchanges import BinanceFutures
    from cryptofeed.symbols import Symbol, Symbols
    from cryptofeed.types import OrderBook

    names = {Symbol(rule.instrument.split("-")[0], "USDT", type=PERPETUAL).normalized: rule for rule in recording.rules}
    spelled = {name: rule.symbol for name, rule in names.items()}
    info = {
        "symbols": list(spelled),
        "channels": {},
        "tick_size": {},
        "instrument_type": dict.fromkeys(names, PERPETUAL),
    }
    Symbols.set(BinanceFutures.id, spelled, info)
    counted = {"trades": 0}

    async def on_trade(*_: object) -> None:
        counted["trades"] += 1

    async def on_book(book: OrderBook, _: float) -> None:
        for side in (book.book.bids, book.book.asks):
            for position in range(min(TOP, len(side))):
                side.index(position)

    async def on_ticker(*_: object) -> None:
        return

    feed = BinanceFutures(
        symbols=list(spelled), channels=[TRADES, L2_BOOK, TICKER],
        callbacks={TRADES: on_trade, L2_BOOK: on_book, TICKER: on_ticker},
    )  # fmt: skip
    feed._reset()
    for name, rule in names.items():
        snapshot = recording.snapshots[rule.instrument]
        feed.last_update_id[name] = snapshot.update_id
        sides = [{Decimal(str(p)): Decimal(str(q)) for p, q in side} for side in (snapshot.bids, snapshot.asks)]
        feed._l2_book[name] = OrderBook(BinanceFutures.id, name, max_depth=0, bids=sides[0], asks=sides[1])
    wanted = [frame.decode() for _, frame in recording.frames if b"@kline" not in frame[:60]]

    async def feed_all() -> None:
        for frame in wanted:
            await feed.message_handler(frame, None, 0.0)

    def run() -> Counted:
        asyncio.run(feed_all())
        best = {}
        for name, rule in names.items():
            book = feed._l2_book[name].book
            best[rule.symbol] = (float(book.bids.index(0)[0]), float(book.asks.index(0)[0]))
        return Counted(counted["trades"], best)

    return run
