"""Frames in a text file, bare or with times, into the entries of a journal that a session can read.

Nobody subscribed, and nobody recorded the instrument rules: streams and symbols are taken from the frames, and the
grid is the finest that the numbers of the file are written on.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterable, Iterator
from decimal import Decimal
from pathlib import Path

import msgspec

from warehouse.clock import Micros
from warehouse.errors import ConfigError
from warehouse.instruments import Listing, Market, Rules

LINE_B = re.compile(rb"^(?:(\S+) (<->|<-|->) )?(\d+\.\d+)(?:: (.*))?$", re.S)
"""Layout B: what a client saw, as `<seconds>: <frame>`, or `<url> <-> <seconds>` and the like around it."""

BARE: Micros = 1
"""The receive time given to frames that have none; it is printed as null."""

QUOTES = ("USDT", "USDC", "FDUSD", "BUSD", "TUSD", "EUR", "TRY", "BRL", "USD", "BTC", "ETH", "BNB", "BIDR", "DAI")
"""Quote currencies by which a joined symbol is split, the first that fits."""

CONTRACTS = {"BTC": "0.01", "ETH": "0.1", "SOL": "1", "XRP": "100", "DOGE": "1000", "LTC": "1", "BCH": "0.1"}
"""Base units of one OKX swap contract against USDT."""

PRICES = ("p", "px", "price", "o", "h", "l", "c", "bidPx", "askPx", "bid1Price", "ask1Price")
SIZES = ("q", "sz", "size", "v", "bidSz", "askSz")
READ = {
    "binance": ("trade", "aggTrade", "depth@", "bookTicker", "kline_"),
    "bybit": ("publicTrade", "orderbook.", "kline."),
    "okx": ("trades", "books", "bbo-tbt", "candle"),
}
"""Beginnings of the streams that records come from; the others say nothing of an instrument's grid."""

WHOLE = ("insurance.USDT", "system.status")
"""Bybit's topics that are about no instrument."""

EVENTS = {"aggTrade": "aggTrade", "trade": "trade", "depthUpdate": "depth@100ms", "bookTicker": "bookTicker"}
"""Binance's event types and the streams that carry them."""

NUMBER = re.compile(r"\d+(?:\.(\d+))?")


class Row(msgspec.Struct, frozen=True):
    """One line: when it was received (`BARE` if nobody says), the stream and symbol in the venue's spelling, the frame.

    `stream` and `symbol` are empty for what belongs to none: acknowledgements, REST snapshots.
    """

    ts_recv: Micros
    stream: str
    symbol: str
    frame: bytes


def lines(path: Path) -> Iterator[bytes]:
    """Lines of a text file, gzipped or not."""
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rb") as file:
        for line in file:
            if stripped := line.rstrip(b"\r\n"):
                yield stripped


def rows(path: Path, venue: str) -> Iterator[Row]:
    """The lines of a file: bare JSON, `<epoch> <JSON>`, or `<seconds>: <JSON>`. Raises ConfigError if none is."""
    found = False
    for line in lines(path):
        ts_recv, frame = _timed(line)
        if frame[:1] not in (b"{", b"["):
            continue
        found = True
        yield row_of(venue, ts_recv, frame)
    if not found:
        raise ConfigError(f"{path}: no line holds a JSON frame; expected one frame per line, or a journal")


def _timed(line: bytes) -> tuple[Micros, bytes]:
    if line[:1] in (b"{", b"["):
        return BARE, line
    head, _, rest = line.partition(b" ")
    if head.isdigit() and rest[:1] in (b"{", b"["):
        return int(head) // (1000 if len(head) > 16 else 1), rest
    match = LINE_B.match(line)
    if match and match.group(2) in (None, b"->") and match.group(4):
        return int(float(match.group(3)) * 1e6), match.group(4)
    return BARE, b""


def row_of(venue: str, ts_recv: Micros, frame: bytes) -> Row:
    """A frame with its stream and symbol; a bare Binance event gets the wrapping of a combined stream."""
    try:
        message = msgspec.json.decode(frame)
    except msgspec.DecodeError:
        return Row(ts_recv, "", "", frame)
    if not isinstance(message, dict):
        return Row(ts_recv, "", "", frame)
    if venue == "okx" and isinstance(arg := message.get("arg"), dict) and "data" in message:
        return Row(ts_recv, str(arg.get("channel", "")), str(arg.get("instId", "")), frame)
    if venue == "bybit" and isinstance(topic := message.get("topic"), str):
        stream, _, symbol = (topic, "", "") if topic in WHOLE else topic.rpartition(".")
        return Row(ts_recv, stream, symbol, frame)
    if venue == "binance":
        if not isinstance(message.get("stream"), str) and (stream := _event(message)):
            symbol = str(message["s"])
            frame = b'{"stream":"%b@%b","data":%b}' % (symbol.lower().encode(), stream.encode(), frame)
            return Row(ts_recv, stream, symbol, frame)
        symbol, _, stream = str(message.get("stream", "")).partition("@")
        return Row(ts_recv, stream, symbol.upper(), frame)
    return Row(ts_recv, "", "", frame)


def _event(message: dict[str, object]) -> str:
    """The stream of a bare Binance event, empty for anything else."""
    if "s" not in message:
        return ""
    if message.get("e") == "kline" and isinstance(bar := message.get("k"), dict):
        return f"kline_{bar.get('i')}"
    if "e" not in message and {"b", "B", "a", "A", "u"} <= message.keys():
        return "bookTicker"
    return EVENTS.get(str(message.get("e")), "")


def listing(venue: str, market: Market, symbol: str) -> Listing | None:
    """The instrument of a venue's symbol; None if it is of another market or cannot be split."""
    if venue == "okx":
        parts = symbol.split("-")
        kind = "perp" if parts[2:] == ["SWAP"] else "spot" if len(parts) == 2 else ""
        return Listing(venue, parts[0], parts[1], market) if kind == market else None
    for quote in QUOTES:
        if symbol.endswith(quote) and len(symbol) > len(quote):
            return Listing(venue, symbol[: -len(quote)], quote, market)
    return None


def rules(venue: str, market: Market, found: Iterable[Row], contract_value: str | None) -> list[Rules]:
    """Rules for every symbol met, on the finest grid its numbers need. Raises ConfigError for an unknown contract."""
    digits: dict[str, list[int]] = {}
    for row in found:
        if row.symbol and row.stream.startswith(READ[venue]):
            seen = digits.setdefault(row.symbol, [0, 0])
            _measure(msgspec.json.decode(row.frame), seen)
    made, unsized = [], []
    for symbol, (price, size) in digits.items():
        one = listing(venue, market, symbol)
        if one is None:
            continue
        value = contract_value or "1"
        if venue == "okx" and market == "perp" and contract_value is None:
            if one.base not in CONTRACTS or one.quote != "USDT":
                unsized.append(symbol)
                continue
            value = CONTRACTS[one.base]
        step = (str(Decimal(1).scaleb(-price)), str(Decimal(1).scaleb(-size)))
        made.append(
            Rules(
                venue=venue,
                instrument=one.instrument,
                symbol=symbol,
                market=market,
                tick=step[0],
                lot=step[1],
                contract_value=value,
            )
        )
    if unsized and not made:
        raise ConfigError(f"{', '.join(unsized)}: how much is one contract? Say it with --contract-value 0.01")
    return made


def _measure(value: object, seen: list[int]) -> None:
    """Widen `seen` (digits of prices, of sizes) by all numbers written as text inside `value`."""
    if isinstance(value, dict):
        for name, inner in value.items():
            if isinstance(inner, str):
                _widen(inner, seen, (name in PRICES or name in ("a", "b"), name in SIZES or name in ("A", "B")))
            else:
                _measure(inner, seen)
    elif isinstance(value, list):
        if len(value) >= 2 and isinstance(value[0], str) and isinstance(value[1], str):
            _widen(value[0], seen, (True, False))
            _widen(value[1], seen, (False, True))
        else:
            for inner in value:
                _measure(inner, seen)


def _widen(text: str, seen: list[int], kinds: tuple[bool, bool]) -> None:
    match = NUMBER.fullmatch(text)
    if match is None or not match.group(1):
        return
    needed = len(match.group(1).rstrip("0"))
    for at in (0, 1):
        if kinds[at]:
            seen[at] = max(seen[at], needed)
