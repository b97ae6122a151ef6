"""Other libraries on the same frames: each decodes them, makes its own objects of them, keeps the book, and reads its
best twenty levels after every update.

They are fed behind their sockets, through the handlers that their own sockets call, and their books are read by the
cheapest means they offer. Each contestant answers with what it counted, so that a faster wrong answer is seen. It
stops after every `LAP` frames, for the others run too.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from decimal import Decimal
from importlib.metadata import PackageNotFoundError, version
from typing import Any, TypeVar

import msgspec

from p9.bench.frames import Recording, kind_of
from warehouse.instruments import Rules
from warehouse.records import Level

TOP = 20
LAP = 5000

T = TypeVar("T")


class Counted(msgspec.Struct, frozen=True):
    """What a contestant saw: trades, and the best twenty bids and asks of each symbol at the end.

    `timers_us` is what its timer entries took, in microseconds of CPU time.
    """

    trades: int
    tops: dict[str, tuple[list[Level], list[Level]]]
    timers_us: float = 0.0


Run = Generator[None, None, Counted]
Contestant = Callable[[], Run]


def laps(items: Sequence[T], size: int = LAP) -> Iterator[Sequence[T]]:
    """`items`, `size` at a time."""
    return (items[at : at + size] for at in range(0, len(items), size))


def installed(package: str) -> str | None:
    """A package's version, None when it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


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

    async def make() -> dict[str, Any]:
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

    wanted = [(clients[name], frame.decode(), kind_of(frame), _symbol(frame)) for name, frame in recording.frames]
    unified = {str(market["id"]): market["symbol"] for market in markets}

    def run() -> Run:
        trades = 0
        for lap in laps(wanted):
            for client, text, kind, name in lap:
                client.handle_text_or_binary_message(text)
                if kind == "book":
                    book = exchange.orderbooks[unified[name]].limit()
                    book["bids"][:TOP], book["asks"][:TOP]  # reading them is what is measured
                trades += kind == "trade"
            yield
        books = {name: exchange.orderbooks[symbol].limit() for name, symbol in unified.items()}
        tops = {name: (_levels(book["bids"][:TOP]), _levels(book["asks"][:TOP])) for name, book in books.items()}
        return Counted(trades, tops)

    return run


def _symbol(frame: bytes) -> str:
    """The venue's symbol of a frame."""
    return frame[11 : frame.index(b"@")].decode().upper()


def _levels(levels: Iterable[Sequence[object]]) -> list[Level]:
    return [(float(str(price)), float(str(size))) for price, size in levels]


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
    wanted = [_as_aggregate(frame).decode() for _, frame in recording.frames]

    async def take(frames: Sequence[str]) -> None:
        for frame in frames:
            await feed.message_handler(frame, None, 0.0)

    def run() -> Run:
        with asyncio.Runner() as runner:
            for lap in laps(wanted):
                runner.run(take(lap))
                yield
        books = {rule.symbol: feed._l2_book[name].book for name, rule in names.items()}
        tops = {
            name: tuple(_levels(side.index(i) for i in range(min(TOP, len(side)))) for side in (book.bids, book.asks))
            for name, book in books.items()
        }
        return Counted(counted["trades"], tops)  # type: ignore[arg-type]  # two sides

    return run


def _as_aggregate(frame: bytes) -> bytes:
    """A frame of `@trade`, which cryptofeed does not know on futures, in the form of `@aggTrade`."""
    if b'"e":"trade"' not in frame:
        return frame
    return frame.replace(b'"e":"trade"', b'"e":"aggTrade"').replace(b'"t":', b'"a":')


def nautilus_trader(recording: Recording) -> Contestant:
    """nautilus_trader's Binance adapter: its schemas in the order of its handler, its Rust book through Python.

    The book is the one of `nautilus_pyo3`, which gives twenty levels at a tenth of the other's price.
    """
    from nautilus_trader.adapters.binance.common.schemas import market as common
    from nautilus_trader.adapters.binance.futures.schemas.market import BinanceFuturesTradeMsg
    from nautilus_trader.core import nautilus_pyo3 as rust
    from nautilus_trader.model.identifiers import InstrumentId

    names = {rule.symbol: f"{rule.symbol}-PERP.BINANCE" for rule in recording.rules}
    ids = {symbol: InstrumentId.from_str(name) for symbol, name in names.items()}
    level2 = rust.BookType.L2_MBP
    books = {symbol: rust.OrderBook(rust.InstrumentId.from_str(name), level2) for symbol, name in names.items()}
    for rule in recording.rules:
        snapshot, book = recording.books[rule.instrument], books[rule.symbol]
        for side, levels in ((rust.OrderSide.BUY, snapshot.bids), (rust.OrderSide.SELL, snapshot.asks)):
            for price, size in levels:
                level = rust.Price.from_str(repr(price)), rust.Quantity.from_str(repr(size))
                book.add(rust.BookOrder(side, *level, 0), 0, 0, snapshot.update_id)
    head = msgspec.json.Decoder(common.BinanceDataMsgWrapper).decode
    read_depth = msgspec.json.Decoder(common.BinanceOrderBookMsg).decode
    read_quote = msgspec.json.Decoder(common.BinanceQuoteMsg).decode
    read_aggregate = msgspec.json.Decoder(common.BinanceAggregatedTradeMsg).decode
    read_trade = msgspec.json.Decoder(BinanceFuturesTradeMsg).decode

    def take(frame: bytes) -> int:
        stream = head(frame).stream
        if "@bookTicker" in stream:
            quote = read_quote(frame).data
            quote.parse_to_quote_tick(instrument_id=ids[quote.s], ts_init=0)
        elif "@trade" in stream or "@aggTrade" in stream:
            trade = (read_trade if "@trade" in stream else read_aggregate)(frame).data
            trade.parse_to_trade_tick(instrument_id=ids[trade.s], ts_init=0)
            return 1
        elif "@depth" in stream:
            diff = read_depth(frame).data
            book = books[diff.s]
            book.apply_deltas(diff.parse_to_order_book_deltas(instrument_id=ids[diff.s], ts_init=0).to_pyo3())
            book.bids(TOP), book.asks(TOP)  # reading them is what is measured
        return 0

    def run() -> Run:
        trades = 0
        for lap in laps(recording.frames):
            trades += sum(take(frame) for _, frame in lap)
            yield
        tops = {
            symbol: tuple(_levels((one.price, one.size()) for one in side) for side in (book.bids(TOP), book.asks(TOP)))
            for symbol, book in books.items()
        }
        return Counted(trades, tops)  # type: ignore[arg-type]  # two sides

    return run
