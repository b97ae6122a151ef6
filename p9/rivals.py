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

from p9.frames import Recording, kind_of
from realtime.engine import Engine, EngineConfig
from realtime.instrument import Instrument
from warehouse.book import Book
from warehouse.instruments import Rules
from warehouse.journal import Entry, Kind

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
    """The live engine, every metric on and every message encoded, in blocks of ten entries as a busy worker sees them.

    The engine reads its books when a message is due; here, as the others do, after each update too.
    """
    engine = Engine("binance", "emulated", recording.rules, EngineConfig(), recording.dialect)
    engine.run(1, recording.warm)
    books = {rule.symbol.lower().encode(): engine.instruments[rule.instrument] for rule in recording.rules}
    turns: list[tuple[list[Entry], Instrument | None]] = []
    turn: list[Entry] = []
    for entry in recording.entries:
        turn.append(entry)
        depth = entry.kind == Kind.FRAME and kind_of(entry.payload) == "depth"
        if depth or len(turn) == block:
            turns.append((turn, books[entry.payload[11 : entry.payload.index(b"@")]] if depth else None))
            turn = []
    turns.append((turn, None))

    def run() -> Counted:
        trades, seq = 0, engine.next_seq
        outlets = [one.outlets["trade"] for one in engine.instruments.values()]
        before = sum(outlet.seq for outlet in outlets)
        for entries, touched in turns:
            engine.run(seq, entries)
            seq += len(entries)
            if touched is not None:
                touched.book.top(TOP)
        trades = sum(outlet.seq for outlet in outlets) - before
        return Counted(trades, {one.rules.symbol: _best(one.book) for one in engine.instruments.values()})

    return run


def _best(book: Book) -> tuple[float, float]:
    """Best bid and ask; NaN for an empty side, which equals nothing."""
    bids, asks = book.best(1)
    return (bids[0][0] if bids else nan, asks[0][0] if asks else nan)


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
        made = {name: exchange.client(f"wss://fstream.binance.com/{name}") for name in sockets}
        await exchange.close()
        return made

    clients = asyncio.run(make())
    for rule, market in zip(recording.rules, markets, strict=True):
        snapshot = recording.books[rule.instrument]
        book = exchange.order_book({}, 1000)
        exchange.orderbooks[market["symbol"]] = book
        bids, asks = ([list(level) for level in side] for side in (snapshot.bids, snapshot.asks))
        book.reset({"bids": bids, "asks": asks, "nonce": snapshot.update_id, "timestamp": 0})

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
            trades += kind in ("aggTrade", "trade")
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
        snapshot = recording.books[rule.instrument]
        feed.last_update_id[name] = snapshot.update_id
        sides = [{Decimal(str(p)): Decimal(str(q)) for p, q in side} for side in (snapshot.bids, snapshot.asks)]
        feed._l2_book[name] = OrderBook(BinanceFutures.id, name, max_depth=0, bids=sides[0], asks=sides[1])
    wanted = [_as_aggregate(frame).decode() for _, frame in recording.frames if kind_of(frame) != "kline_1m"]

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


def _as_aggregate(frame: bytes) -> bytes:
    """A frame of `@trade`, which cryptofeed does not know on futures, in the form of `@aggTrade`."""
    if kind_of(frame) != "trade":
        return frame
    return frame.replace(b'"e":"trade"', b'"e":"aggTrade"').replace(b'"t":', b'"a":')


def nautilus_trader(recording: Recording) -> Contestant:
    """nautilus_trader's Binance adapter: its schemas in the order of its handler, its Rust book through Python."""
    from nautilus_trader.adapters.binance.common.schemas import market as common
    from nautilus_trader.adapters.binance.futures.schemas.market import BinanceFuturesTradeMsg
    from nautilus_trader.model.book import OrderBook
    from nautilus_trader.model.data import BookOrder
    from nautilus_trader.model.enums import BookType, OrderSide
    from nautilus_trader.model.identifiers import InstrumentId
    from nautilus_trader.model.objects import Price, Quantity

    ids = {rule.symbol: InstrumentId.from_str(f"{rule.symbol}-PERP.BINANCE") for rule in recording.rules}
    books = {symbol: OrderBook(name, BookType.L2_MBP) for symbol, name in ids.items()}
    for rule in recording.rules:
        snapshot, book = recording.books[rule.instrument], books[rule.symbol]
        for side, levels in ((OrderSide.BUY, snapshot.bids), (OrderSide.SELL, snapshot.asks)):
            for price, size in levels:
                order = BookOrder(side, Price.from_str(repr(price)), Quantity.from_str(repr(size)), 0)
                book.add(order, 0, 0, snapshot.update_id)
    head = msgspec.json.Decoder(common.BinanceDataMsgWrapper).decode
    read_depth = msgspec.json.Decoder(common.BinanceOrderBookMsg).decode
    read_quote = msgspec.json.Decoder(common.BinanceQuoteMsg).decode
    read_aggregate = msgspec.json.Decoder(common.BinanceAggregatedTradeMsg).decode
    read_trade = msgspec.json.Decoder(BinanceFuturesTradeMsg).decode

    def run() -> Counted:
        trades = 0
        for _, frame in recording.frames:
            stream = head(frame).stream
            if "@bookTicker" in stream:
                quote = read_quote(frame).data
                quote.parse_to_quote_tick(instrument_id=ids[quote.s], ts_init=0)
            elif "@trade" in stream or "@aggTrade" in stream:
                trade = (read_trade if "@trade" in stream else read_aggregate)(frame).data
                trade.parse_to_trade_tick(instrument_id=ids[trade.s], ts_init=0)
                trades += 1
            elif "@depth" in stream:
                diff = read_depth(frame).data
                book = books[diff.s]
                book.apply_deltas(diff.parse_to_order_book_deltas(instrument_id=ids[diff.s], ts_init=0))
                book.bids()[:TOP], book.asks()[:TOP]  # reading them is what is measured
        best = {symbol: (float(book.best_bid_price()), float(book.best_ask_price())) for symbol, book in books.items()}
        return Counted(trades, best)

    return run
