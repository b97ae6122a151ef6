"""One venue's journal as rows: the tail of its files, decoded by the same sessions as in the worker.

A row's position is the `log_seq` of its entry. Entries at or below a table's committed position are decoded too, since
sessions remember, but give that table no row. Reading starts one segment before the first entry that is needed: what a
session was holding back when a segment began is settled by its end.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import msgspec

from realtime.decoding import Decoding, read_by, rules_told
from realtime.recording import keeping
from realtime.recording.keeping import Keeper
from realtime.recording.segments import opening_of
from realtime.tape import Tail, leave_word, segments
from warehouse.clock import SECOND, Micros
from warehouse.errors import ConfigError
from warehouse.instruments import Rules
from warehouse.journal import Entry, Header, Kind, Segment
from warehouse.metrics.ring import LATENESS
from warehouse.records import Connected, SequenceGap, Trade

REMEMBERED = 20_000
"""So many trade ids per instrument are remembered, to drop repeats."""

TABLES = ("trades", "gaps", *keeping.TABLES)
"""What a journal's rows go to; each table has its own position."""


class TradeRow(msgspec.Struct, frozen=True, gc=False):
    """A trade with its place in the journal. `late`: after its second was closed, so that no live window holds it."""

    trade: Trade
    log_seq: int
    late: bool


class GapRow(msgspec.Struct, frozen=True, gc=False):
    """A state of a gap with its place in the journal."""

    gap: SequenceGap
    log_seq: int


class KeptRow(msgspec.Struct, frozen=True, gc=False):
    """A row of one of the other tables with its place in the journal."""

    row: msgspec.Struct
    log_seq: int


class Begun(msgspec.Struct, frozen=True, gc=False):
    """Where an instrument's recorded interval begins: told again when an older trade, or the first live one, comes."""

    venue: str
    instrument: str
    start: Micros
    first_id: str
    first_seq: int | None
    live_from: Micros | None


class Found(msgspec.Struct):
    """What one reading brought. `reconnected` says that a connection came up: seams must be looked at again."""

    trades: list[TradeRow] = []
    gaps: list[GapRow] = []
    kept: dict[str, list[KeptRow]] = {}
    begun: list[Begun] = []
    reconnected: bool = False
    entries: int = 0


class Known(msgspec.Struct):
    """What the lake already has of one journal: positions by table; where intervals begin, by recording and instrument,
    the newest last; by instrument the latest ids.
    """

    positions: dict[str, int]
    begun: dict[tuple[str, str], Begun]
    ids: dict[str, list[str]]


Ask = Callable[[Header], Known]


class JournalReader:
    """Follows one venue's journal folder. `ask` is called when a journal is met for the first time.

    `source` names the recording now read: the journal and the epoch of its sessions. A worker that started cold knows
    nothing of the time between, so what it records is another recording. `reached` is up to when each has been read.
    """

    def __init__(
        self,
        folder: Path,
        realm: str | None,
        ask: Ask,
        decode: Callable[[Header], Decoding] = Decoding.of,
    ) -> None:
        self.folder = folder
        self.header: Header | None = None
        self.positions: dict[str, int] = {}
        self.ts_recv: Micros = 0
        self.source = ""
        self.reached: dict[str, Micros] = {}
        self._realm = realm
        self._ask = ask
        self._decode = decode
        self._tail: Tail | None = None
        self._segment: Segment | None = None
        self._decoding: Decoding | None = None
        self._keeper: Keeper | None = None
        self._given: list[tuple[str, msgspec.Struct]] = []
        self._begun: dict[tuple[str, str], Begun] = {}
        self._seen: dict[str, dict[str, None]] = {}
        self._second = 0
        self._newest: dict[str, int] = {}
        self._unsynced: dict[Path, None] = {}

    @property
    def done(self) -> int:
        """The `log_seq` up to which everything has been read."""
        return self._tail.next_seq - 1 if self._tail is not None else 0

    @property
    def before(self) -> int:
        """The `log_seq` before the segment now read: the lake may have more, where this one reads it again."""
        return self._segment.header.first_seq - 1 if self._segment is not None else 0

    def app(self, table: str) -> str:
        """The name under which this journal's position in a table is committed."""
        return f"{self.header.journal_id if self.header else ''}/{table}"

    def read(self, limit: int) -> Found:
        """The rows of up to about `limit` further entries. Raises ConfigError for a journal of the other realm."""
        found = Found()
        if self._tail is None and not self._open():
            return found
        assert self._tail is not None
        entries = self._tail.read(limit)
        if self._tail.segment is not None and self._tail.segment is not self._segment:
            self._enter(self._tail.segment)
        if entries and self._tail.path is not None:
            self._unsynced[self._tail.path] = None
        for seq, entry in entries:
            self._take(seq, entry, found)
        if entries:
            self.reached[self.source] = self.ts_recv
        found.entries = len(entries)
        return found

    def sync(self) -> None:
        """Flush what was read to disk, and leave word up to where that is: the lake is never ahead of the journal after
        a power failure, and where it is all the same, no number is given twice.
        """
        for path in self._unsynced:
            try:
                descriptor = os.open(path, os.O_RDONLY)
            except FileNotFoundError:
                continue  # sealed since: that flushed it
            try:
                os.fdatasync(descriptor)
            finally:
                os.close(descriptor)
        if self._unsynced and self.header is not None:
            leave_word(self.folder, self.header.journal_id, self.done)
        self._unsynced.clear()

    def _open(self) -> bool:
        files = segments(self.folder)
        if not files:
            return False
        header = opening_of(files[-1]).header
        self._learn(header)
        needed = min(self.positions.values()) + 1
        at = max((index for index, path in enumerate(files) if int(path.stem) <= needed), default=0)
        self._tail = Tail(self.folder, from_seq=int(files[max(0, at - 1)].stem))
        return True

    def _learn(self, header: Header) -> None:
        """Another journal: its own positions, intervals and ids."""
        if self._realm is not None and header.realm != self._realm:
            raise ConfigError(
                f"the journal in {self.folder} is {header.realm} and the lake {self._realm}; give each realm its own"
            )
        known = self._ask(header)
        self.header = header
        self.positions = {table: known.positions.get(table, 0) for table in TABLES}
        self._begun = dict(known.begun)
        self._seen = {instrument: dict.fromkeys(ids) for instrument, ids in known.ids.items()}

    def _enter(self, segment: Segment) -> None:
        """A segment begins: go on with the sessions as they are, unless it was written with others."""
        header, before = segment.header, self._segment.header if self._segment else None
        if self.header is None or header.journal_id != self.header.journal_id:
            self._learn(header)
        source = _recording(segment)
        if before is None or self._decoding is None or source != self.source or not _continues(before, header):
            checkpoint = msgspec.json.decode(segment.checkpoint)
            self._decoding = self._decode(header)
            self._decoding.restore(checkpoint.get("sessions", {}))
            self._keeper = self._keep(self._decoding)
            self._keeper.restore(checkpoint.get("instruments", {}))
        self.header, self._segment, self.source = header, segment, source

    def _take(self, seq: int, entry: Entry, found: Found) -> None:
        decoding, keeper = self._decoding, self._keeper
        assert decoding is not None
        assert keeper is not None
        self.ts_recv = max(self.ts_recv, entry.ts_recv)
        if entry.kind == Kind.TICK:
            self._second = max(self._second, entry.ts_recv // SECOND)
        elif entry.kind == Kind.RULES:
            self._new_rules(decoding, entry)
            return
        for _, output in decoding.feed(entry):
            if isinstance(output, Trade):
                self._trade(seq, output, found)
            elif isinstance(output, SequenceGap):
                if seq > self.positions["gaps"]:
                    found.gaps.append(GapRow(output, seq))
            elif isinstance(output, Connected):
                found.reconnected = True
            else:
                keeper.take(output)
        if entry.kind == Kind.TICK:
            keeper.tick(entry.ts_recv)
        if self._given:
            self._keep_rows(seq, found)

    def _keep(self, decoding: Decoding) -> Keeper:
        return Keeper(decoding.rules, lambda table, row: self._given.append((table, row)))

    def _keep_rows(self, seq: int, found: Found) -> None:
        """What the keeper gave for this entry, where its table does not have it yet."""
        for table, row in self._given:
            if seq > self.positions[table]:
                found.kept.setdefault(table, []).append(KeptRow(row, seq))
        self._given.clear()

    def _trade(self, seq: int, trade: Trade, found: Found) -> None:
        instrument = trade.instrument
        seen = self._seen.setdefault(instrument, {})
        if trade.trade_id in seen:
            return
        seen[trade.trade_id] = None
        if len(seen) > REMEMBERED:
            del seen[next(iter(seen))]
        second = trade.ts_event // SECOND
        came = min(self._second, trade.ts_recv // SECOND)  # one that was held behind a hole came before it was let out
        reached = max(came, self._newest.get(instrument, 0), second)
        self._newest[instrument] = max(self._newest.get(instrument, 0), second)
        if seq <= self.positions["trades"]:
            return
        if trade.kind != "block":  # told long after it happened, and of no chain: it says nothing of what is recorded
            self._begin(trade, found)
        late = trade.origin == "stream" and reached - second > LATENESS
        found.trades.append(TradeRow(trade, seq, late))

    def _begin(self, trade: Trade, found: Found) -> None:
        known = self._begun.get((self.source, trade.instrument))
        live = trade.ts_event if trade.origin == "stream" else None
        if known is None or trade.ts_event < known.start:
            live = known.live_from if known is not None and known.live_from is not None else live
            begun = Begun(trade.venue, trade.instrument, trade.ts_event, trade.trade_id, trade.trade_seq, live)
        elif known.live_from is None and live is not None:
            begun = msgspec.structs.replace(known, live_from=live)
        else:
            return
        self._begun[self.source, trade.instrument] = begun
        found.begun.append(begun)

    def _new_rules(self, decoding: Decoding, entry: Entry) -> None:
        """As the engine does it: rules that sessions read otherwise make new ones with the old ones' memory."""
        assert self.header is not None
        rules: dict[str, Rules] = dict(decoding.rules)
        try:
            told = rules_told(entry.payload, rules)
        except ValueError:
            return
        changed = [rule for rule in told if read_by(rule) != read_by(rules[rule.instrument])]
        if changed:
            rules |= {rule.instrument: rule for rule in changed}
            kept = decoding.state()
            self._decoding = self._decode(msgspec.structs.replace(self.header, rules=list(rules.values())))
            self._decoding.restore(kept)
            self._keeper = self._keep(self._decoding)


def _recording(segment: Segment) -> str:
    """Journal and epoch; only the journal where a checkpoint has none, as that of a converted recording."""
    epoch = msgspec.json.decode(segment.checkpoint, type=dict[str, msgspec.Raw]).get("epoch")
    name = segment.header.journal_id
    return name if epoch is None else f"{name}/{bytes(epoch).decode()}"


def _continues(before: Header, header: Header) -> bool:
    """Whether the sessions at hand read on: those of one run, or of a warm restart with the same rules and streams."""
    if before.journal_id != header.journal_id or header.jumps:
        return False
    now, then = ((one.rules, one.streams, one.dialect_at) for one in (header, before))
    return before.run_id == header.run_id or now == then
