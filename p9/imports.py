"""Other recorders' files into our journal: layouts A (`<epoch> <JSON>`) and B (`<seconds>: <frame>`)."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from p9.textframes import LINE_B, Row, lines, row_of
from realtime.decoding import Decoding, answered
from realtime.tape import Writer
from warehouse.clock import Micros
from warehouse.errors import ConfigError
from warehouse.instruments import Listing, Market, Rules
from warehouse.journal import Entry, Header, Kind
from warehouse.records import Undecodable
from warehouse.venues import venue as venue_module
from warehouse.venues.base import Dialect, Fetch

GRIDS: dict[tuple[str, str], tuple[str, str, str]] = {
    ("binance", "spot"): ("0.01", "0.00001", "1"),
    ("binance", "perp"): ("0.1", "0.001", "1"),
    ("okx", "spot"): ("0.1", "0.00000001", "1"),
    ("okx", "perp"): ("0.1", "0.01", "0.01"),
    ("bybit", "spot"): ("0.01", "0.000001", "1"),
    ("bybit", "perp"): ("0.1", "0.001", "1"),
}
"""BTC rules when no instrument list was recorded: tick, lot in wire units, contract value."""


def convert(venue: str, market: str, instruments: list[str], day: str | None, files: list[Path], out: Path) -> int:
    """Write the recordings as one journal; returns the number of entries.

    Raises ConfigError when a file is in neither layout, or OUT already holds a journal.
    """
    if out.exists() and any(out.iterdir()):
        raise ConfigError(f"{out}: not empty; a conversion writes a new folder")
    wanted: Market = "spot" if market == "spot" else "perp"
    names = instruments or (["BTC-USDT"] if wanted == "spot" else ["BTC-USDT-PERP"])
    rules = [_rules(venue, wanted, name) for name in names]
    rows = [row_of(venue, ts, body) for path in files for ts, body in _rows(path)]
    if not rows:
        raise ConfigError(f"{files[0]}: no line in layout A or B found")
    streams = tuple(dict.fromkeys(row.stream for row in rows if row.stream))
    first = rows[0].ts_recv
    at = int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp() * 1e6) if day else first
    decoding = Decoding(venue, rules, Dialect(streams=streams or None, at=at))
    owners = _Owners(Decoding(venue, rules, Dialect(streams=streams or None, at=at)))
    names = list(decoding.sessions)
    begin = msgspec.json.encode({"sessions": decoding.state()})
    entries: list[Entry] = []
    asked: Fetch | None = None
    for entry in [Entry(first, name, Kind.CONNECTED, b"") for name in names]:
        entries.append(entry)
        asked = _asked(decoding, entry) or asked
    early: bytes | None = None
    for row in rows:
        ts, body = row.ts_recv, row.frame
        if body.startswith(b'{"lastUpdateId"'):
            if asked is None:  # nothing buffered yet: the answer to the question that the first diff will raise
                early = body
                continue
            entries.append(Entry(ts, names[0], Kind.ANSWER, answered(asked, 200, body)))
            asked = _asked(decoding, entries[-1]) or asked
            continue
        for name in owners.of(row):
            entries.append(Entry(ts, name, Kind.FRAME, body))
            asked = _asked(decoding, entries[-1]) or asked
            if asked is not None and early is not None:
                entries.append(Entry(ts, name, Kind.ANSWER, answered(asked, 200, early)))
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


def _asked(decoding: Decoding, entry: Entry) -> Fetch | None:
    """The book that a session asks for on this entry: the recorded snapshot is the answer to it."""
    for _, output in decoding.feed(entry):
        if isinstance(output, Fetch) and output.purpose == "book":
            return output
    return None


class _Owners:
    """To which session a recorded frame would come today: the first that makes something of a stream keeps the stream.

    `scratch` are sessions of their own, for trying.
    """

    def __init__(self, scratch: Decoding) -> None:
        self._scratch = scratch
        self._known: dict[tuple[str, str], str] = {}

    def of(self, row: Row) -> list[str]:
        """The session's name. What belongs to no stream (an acknowledgement) goes to all who can read it: from which
        connection it came, nobody recorded.
        """
        known = self._known.get((row.stream, row.symbol))
        if known is not None:
            return [known]
        readable: list[str] = []
        for name in self._scratch.sessions:
            outputs = self._scratch.feed(Entry(row.ts_recv, name, Kind.FRAME, row.frame))
            if any(isinstance(output, Undecodable) for _, output in outputs):
                continue
            readable.append(name)
            if row.stream and outputs:
                self._known[row.stream, row.symbol] = name
                return [name]
        return readable[: 1 if row.stream else None] or list(self._scratch.sessions)[:1]
