"""Other recorders' files into our journal: layouts A (`<epoch> <JSON>`) and B (`<seconds>: <frame>`)."""

from __future__ import annotations

import gzip
import re
import secrets
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from realtime.decoding import Decoding, answered
from realtime.tape import Writer
from warehouse.clock import Micros
from warehouse.errors import ConfigError
from warehouse.instruments import Listing, Market, Rules
from warehouse.journal import Entry, Header, Kind
from warehouse.venues import venue as venue_module
from warehouse.venues.base import Dialect, Fetch

LINE_B = re.compile(rb"^(?:(\S+) (<->|<-|->) )?(\d+\.\d+)(?:: (.*))?$", re.S)

GRIDS: dict[tuple[str, str], tuple[str, str, str]] = {
    ("binance", "spot"): ("0.01", "0.00001", "1"),
    ("binance", "perp"): ("0.1", "0.001", "1"),
    ("okx", "spot"): ("0.1", "0.00000001", "1"),
    ("okx", "perp"): ("0.1", "0.01", "0.01"),
    ("bybit", "spot"): ("0.01", "0.000001", "1"),
    ("bybit", "perp"): ("0.1", "0.001", "1"),
}
"""BTC rules when no instrument list was recorded: tick, lot in wire units, contract value."""


def lines(path: Path) -> Iterator[bytes]:
    """Lines of a text file, gzipped or not."""
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rb") as file:
        for line in file:
            if stripped := line.rstrip(b"\r\n"):
                yield stripped


def convert(venue: str, market: str, instruments: list[str], day: str | None, files: list[Path], out: Path) -> int:
    """Write the recordings as one journal; returns the number of entries.

    Raises ConfigError when a file is in neither layout, or OUT already holds a journal.
    """
    if out.exists() and any(out.iterdir()):
        raise ConfigError(f"{out}: not empty; a conversion writes a new folder")
    wanted: Market = "spot" if market == "spot" else "perp"
    names = instruments or (["BTC-USDT"] if wanted == "spot" else ["BTC-USDT-PERP"])
    rules = [_rules(venue, wanted, name) for name in names]
    rows = [row for path in files for row in _rows(path)]
    if not rows:
        raise ConfigError(f"{files[0]}: no line in layout A or B found")
    streams = tuple(dict.fromkeys(stream for _, body in rows if (stream := _stream(venue, body))))
    first = rows[0][0]
    at = int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp() * 1e6) if day else first
    decoding = Decoding(venue, rules, Dialect(streams=streams or None, at=at))
    names = list(decoding.sessions)
    begin = msgspec.json.encode({"sessions": decoding.state()})
    entries: list[Entry] = []
    asked: Fetch | None = None
    for entry in [Entry(first, name, Kind.CONNECTED, b"") for name in names]:
        entries.append(entry)
        asked = _asked(decoding, entry) or asked
    early: bytes | None = None
    for ts, body in rows:
        if body.startswith(b'{"lastUpdateId"'):
            if asked is None:  # nothing buffered yet: the answer to the question that the first diff will raise
                early = body
                continue
            entry = Entry(ts, names[0], Kind.ANSWER, answered(asked, 200, body))
        else:
            entry = Entry(ts, _source(body, names), Kind.FRAME, body)
        entries.append(entry)
        asked = _asked(decoding, entry) or asked
        if asked is not None and early is not None:
            entries.append(Entry(ts, entry.source, Kind.ANSWER, answered(asked, 200, early)))
            _asked(decoding, entries[-1])
            early = None
    header = Header(
        journal_id=secrets.token_hex(8),
        run_id=secrets.token_hex(8),
        realm="live",
        venue=venue,
        first_seq=1,
        created=first,
        rules=rules,
        config="",
        config_digest="",
        streams=streams or None,
        dialect_at=at,
    )
    writer = Writer(out, header, begin)
    for start in range(0, len(entries), 200):
        writer.append(entries[start : start + 200])
    writer.close()
    return len(entries)


def _rules(venue: str, market: Market, instrument: str) -> Rules:
    listing = Listing.parse(venue, instrument)
    tick, lot, value = GRIDS[(venue, market)]
    symbol = venue_module(venue).symbol(listing.base, listing.quote, market)
    return Rules(
        venue=venue, instrument=instrument, symbol=symbol, market=market, tick=tick, lot=lot, contract_value=value
    )


def _rows(path: Path) -> Iterator[tuple[Micros, bytes]]:
    """(receive time, body) of every frame and REST answer, what the client sent left out."""
    for line in lines(path):
        head, _, rest = line.partition(b" ")
        if head.isdigit() and rest[:1] in (b"{", b"["):
            yield int(head) // (1000 if len(head) > 16 else 1), rest
        elif (found := LINE_B.match(line)) and found.group(2) in (None, b"->") and found.group(4):
            yield int(float(found.group(3)) * 1e6), found.group(4)


def _stream(venue: str, body: bytes) -> str | None:
    """The venue's name of the stream that a frame belongs to, without the instrument."""
    if venue == "binance" and body.startswith(b'{"stream":"'):
        return body[11 : body.index(b'"', 11)].decode().partition("@")[2]
    if found := re.search(rb'"channel":"([^"]+)"', body[:200]):
        return found.group(1).decode() if b'"data"' in body else None
    return None


def _asked(decoding: Decoding, entry: Entry) -> Fetch | None:
    """The book that a session asks for on this entry: the recorded snapshot is the answer to it."""
    for _, output in decoding.feed(entry):
        if isinstance(output, Fetch) and output.purpose == "book":
            return output
    return None


def _source(body: bytes, names: list[str]) -> str:
    """The session to which a frame would come today."""
    public = b"@trade" in body[:60] or b"@depth" in body[:60] or b"@bookTicker" in body[:60]
    for name in names:
        if name.endswith(".public") == public:
            return name
    return names[0]
