"""Records of a journal or of a text file of frames, in the order in which they were understood."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from p9.textframes import Row, rows
from p9.textframes import rules as rules_of
from realtime.decoding import Decoding, answered
from realtime.tape import SEALED, read_segments
from warehouse.clock import DAY, SECOND, Micros
from warehouse.errors import ConfigError
from warehouse.instruments import Market
from warehouse.journal import HEADER_MAGIC, Entry, Kind
from warehouse.records import Connected, Record, SequenceGap, Undecodable
from warehouse.venues.base import Dialect, Fetch, Output

NOTHING = {
    "binance": b"[]",
    "okx": b'{"code":"0","msg":"","data":[]}',
    "bybit": b'{"retCode":0,"retMsg":"OK","result":{"list":[]},"time":0}',
}
"""A venue's answer without a row: a hole in the file stays one."""

PATIENCE = 600
"""Seconds that pass behind a hole before a session is left waiting."""

ROUNDS = 8
"""Answers given in a row before a session is left waiting."""

UPPER = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def is_journal(path: Path) -> bool:
    """A folder, a sealed segment, or a file that begins as one."""
    if path.is_dir() or path.suffix == SEALED:
        return True
    with path.open("rb") as file:
        return file.read(4) == HEADER_MAGIC


def of_journal(path: Path) -> Iterator[Record]:
    """Records of all entries; each segment begins at its checkpoint. Raises JournalError."""
    for segment, entries in read_segments(path):
        decoding = Decoding.of(segment.header)
        decoding.restore(msgspec.json.decode(segment.checkpoint).get("sessions", {}))
        for _, entry in entries:
            for _, output in decoding.feed(entry):
                if isinstance(output, Record):
                    yield output


def of_text(path: Path, venue: str, market: Market, at: Micros | None, contract_value: str | None) -> Iterator[Record]:
    """Records of a text file of frames. Raises ConfigError when it holds none of a readable instrument."""
    found = list(rows(path, venue))
    rules = rules_of(venue, market, found, contract_value)
    if not rules:
        raise ConfigError(f"{path}: no frame of a {venue} {market} instrument; check --venue and --market")
    streams = tuple(dict.fromkeys(row.stream for row in found if row.stream))
    return _Reader(Decoding(venue, rules, Dialect(streams=streams, at=at)), venue, market).read(found)


class _Reader:
    """Feeds rows to the sessions of a file, and answers what they ask."""

    def __init__(self, decoding: Decoding, venue: str, market: Market) -> None:
        self._decoding = decoding
        self._venue = venue
        self._market = market
        self._own: dict[str, str] = {}
        self._asked: dict[str, tuple[str, Fetch]] = {}
        self._recorded = False
        self._book: bytes | None = None
        self._open: dict[tuple[str, str, Micros, int | None], SequenceGap] = {}

    def read(self, found: list[Row]) -> Iterator[Record]:
        self._recorded = any(_is_snapshot(row) for row in found)
        names = list(self._decoding.sessions)
        start = found[0].ts_recv
        for name in names:
            yield from self._feed(Entry(start, name, int(Kind.CONNECTED), b""), found[0])
        for row in found:
            if _is_snapshot(row):
                if not self._asked:
                    self._book = row.frame
                for name, fetch in self._asked.values():
                    payload = answered(fetch, 200, row.frame)
                    yield from self._feed(Entry(row.ts_recv, name, int(Kind.ANSWER), payload), row)
                self._asked.clear()
            else:
                yield from self._frame(row, names)

    def _frame(self, row: Row, names: list[str]) -> Iterator[Record]:
        """To the session that knows the stream; the first that makes something of one of its frames keeps it."""
        known = self._own.get(row.stream)
        chosen: Sequence[tuple[str, Output]] | None = None
        for name in names if known is None else [known]:
            outputs = self._decoding.feed(Entry(row.ts_recv, name, int(Kind.FRAME), row.frame))
            readable = not any(isinstance(output, Undecodable) for _, output in outputs)
            if readable and outputs:
                if row.stream:
                    self._own[row.stream] = name
                chosen = outputs
                break
            if readable or chosen is None:
                chosen = outputs
        yield from self._obey(chosen, row, 0)
        yield from self._settle(row)

    def _settle(self, row: Row) -> Iterator[Record]:
        """While a hole is open, let time pass: nobody will ever answer better than now."""
        at = row.ts_recv
        for _ in range(PATIENCE):
            if not self._open:
                return
            at += SECOND
            yield from self._feed(Entry(at, "", int(Kind.TICK), b""), row)

    def _feed(self, entry: Entry, row: Row, round_: int = 0) -> Iterator[Record]:
        yield from self._obey(self._decoding.feed(entry), row, round_)

    def _obey(self, outputs: object, row: Row, round_: int) -> Iterator[Record]:
        pairs: list[tuple[str, Output]] = list(outputs)  # type: ignore[call-overload]
        for name, output in pairs:
            if isinstance(output, SequenceGap):
                self._watch(output)
            if isinstance(output, Record):
                if not isinstance(output, Connected) and not (self._invented(output) and round_):
                    yield output
            elif isinstance(output, Fetch) and round_ < ROUNDS:
                body = self._answer(name, output, row)
                if body is not None:
                    entry = Entry(row.ts_recv, name, int(Kind.ANSWER), answered(output, 200, body))
                    yield from self._feed(entry, row, round_ + 1)

    def _watch(self, gap: SequenceGap) -> None:
        key = (gap.instrument, gap.stream, gap.opened_at, gap.from_id)
        if gap.state == "open":
            self._open[key] = gap
        else:
            self._open.pop(key, None)

    def _invented(self, record: Record) -> bool:
        """The empty book from which a file without a snapshot begins is ours, not the venue's."""
        return not self._recorded and getattr(record, "snapshot", False) is True and not getattr(record, "bids", True)

    def _answer(self, name: str, fetch: Fetch, row: Row) -> bytes | None:
        """What a question is answered with: the file's next book, an empty one before this diff, or no row."""
        if fetch.purpose != "book":
            return NOTHING[self._venue]
        if self._book is not None:
            book, self._book = self._book, None
            return book
        if self._recorded:
            self._asked[fetch.instrument] = (name, fetch)
            return None
        first = msgspec.json.decode(row.frame).get("data", {}).get("U")
        if not isinstance(first, int):
            return None
        last = first - 1 if self._market == "spot" else first
        return msgspec.json.encode({"lastUpdateId": last, "E": 0, "T": 0, "bids": [], "asks": []})


def _is_snapshot(row: Row) -> bool:
    return not row.stream and row.frame.startswith(b'{"lastUpdateId"')


def line(record: Record) -> bytes:
    """A record as JSON: `record` (its type in snake case), then its fields; times nobody stamped are null."""
    fields: dict[str, object] = {"record": UPPER.sub("_", type(record).__name__).lower()}
    fields.update(msgspec.to_builtins(record))
    for name in ("ts_recv", "ts_event"):
        if getattr(record, name) < DAY:
            fields[name] = None
    return msgspec.json.encode(fields)
