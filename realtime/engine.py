"""The live engine: journal entries in, messages and commands out. A pure function of the journal.

Same entries, same bytes: however they are batched, whatever the hash seed, and from any checkpoint on. Due times come
from the `ts_recv` of timer entries, never from a clock. Per event only the accumulators move; everything derived is
computed when a message is due.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

import msgspec

from realtime.config import EngineConfig
from realtime.decoding import Decoding, read_by, rules_told
from realtime.instrument import Instrument
from realtime.message import Message
from realtime.publish.venue import VenueVoice
from realtime.rails.clocks import Health, Vitals
from realtime.succession import MARK
from warehouse.clock import SECOND, Micros
from warehouse.errors import JournalError
from warehouse.instruments import Listing, Rules
from warehouse.journal import Entry, Header, Kind
from warehouse.records import (
    BestQuote,
    BookInvalid,
    BookUpdate,
    Candle,
    Connected,
    Disconnected,
    FundingRate,
    InstrumentStatus,
    InsuranceFund,
    Liquidation,
    MarkPrice,
    OpenInterest,
    Record,
    SequenceGap,
    Ticker,
    Trade,
    Undecodable,
    VenueNotice,
    VenueStatus,
)
from warehouse.venues.base import (
    TODAY,
    Abandon,
    CloseHeir,
    Command,
    Dialect,
    Fetch,
    OpenHeir,
    Output,
    Reconnect,
    Send,
    Session,
    Succeed,
    TakeOver,
)

GRID: Micros = 100_000
"""Timer entries stand for boundaries of this UTC grid."""

STATE_VERSION = 9
"""Of the checkpoint; another one must be written when state changes its shape."""

FRAME, TICK = int(Kind.FRAME), int(Kind.TICK)
"""Kinds of the hot path as bare integers, which compare three times as fast."""

__all__ = ["Engine", "EngineConfig", "Mark", "Produced"]


class Mark(msgspec.Struct, frozen=True):
    """What a checkpoint says of itself; the defaults are those of a converted recording."""

    version: int = STATE_VERSION
    epoch: int = 1
    next_seq: int = 0


class Produced(msgspec.Struct, gc=False):
    """What a turn brought, each list in order.

    `messages` for the sink, `commands` for the feed (with the session's name), `notices` for the log: gaps,
    connections, invalid books, unreadable frames, the venue's words.
    """

    messages: list[Message]
    commands: list[tuple[str, Command]]
    notices: list[Record]


class Engine:
    """All instruments of one venue's worker.

    `epoch` (at least 1) must grow at each cold start; a restored engine keeps its own. `realm` is `live` or
    `emulated`.
    """

    def __init__(
        self,
        venue: str,
        realm: str,
        rules: Sequence[Rules],
        config: EngineConfig,
        dialect: Dialect = TODAY,
        *,
        epoch: int = 1,
    ) -> None:
        if epoch < 1:
            raise ValueError(f"epoch {epoch} must be at least 1")
        self.venue = venue
        self.realm = realm
        self.config = config
        self.epoch = epoch
        self.next_seq = 0
        self._dialect = dialect
        self._grid: Micros = 0
        self._rules = list(rules)
        self._decoding = Decoding(venue, rules, dialect)
        self._voice = VenueVoice(venue, rules, epoch)
        self.vitals = Vitals(config.clock_limit_us, config.lag_limit_us)
        self.instruments: dict[str, Instrument] = {
            rule.instrument: Instrument(Listing.parse(venue, rule.instrument), rule, config, epoch, self.vitals)
            for rule in rules
        }

    @classmethod
    def restore(cls, header: Header, checkpoint: bytes) -> Engine:
        """The engine that wrote this checkpoint, ready for the segment's first entry.

        A converted recording's checkpoint knows the sessions only: the rest begins empty, in epoch 1. Raises
        JournalError for the checkpoint of another release: one of another version, or that lacks what this one keeps.
        """
        mark = msgspec.json.decode(checkpoint, type=Mark)
        foreign = (
            f"{header.venue}: the segment from {header.first_seq} begins with a checkpoint of another release (version "
            f"{mark.version}, this one reads {STATE_VERSION}); use the release that wrote it"
        )
        if mark.version != STATE_VERSION:
            raise JournalError(foreign)
        state = msgspec.json.decode(checkpoint, type=dict[str, msgspec.Raw])
        engine = cls(
            header.venue,
            header.realm,
            header.rules,
            EngineConfig.parse(header.config),
            Dialect(streams=header.streams, at=header.dialect_at),
            epoch=mark.epoch,
        )
        try:
            engine._load(state)
        except (LookupError, TypeError, ValueError) as error:
            raise JournalError(f"{foreign}: {error!r}") from None
        return engine

    def checkpoint(self) -> bytes:
        """All of the state as JSON (sums outgrow 64 bits); `restore` is the inverse, byte for byte.

        Written and read an instrument at a time: as values, all of them together take many times the memory.
        """
        encode = msgspec.json.Encoder().encode
        return encode(
            {
                "version": STATE_VERSION,
                "epoch": self.epoch,
                "next_seq": self.next_seq,
                "grid": self._grid,
                "sessions": self._decoding.state(),
                "venue": self._voice.state(),
                "vitals": self.vitals.state(),
                "instruments": {name: msgspec.Raw(encode(one.state())) for name, one in self.instruments.items()},
            }
        )

    def _load(self, state: dict[str, msgspec.Raw]) -> None:
        read = msgspec.json.decode
        self._decoding.restore(read(state["sessions"]))
        if "venue" not in state:
            return
        self.next_seq, self._grid = read(state["next_seq"]), read(state["grid"])
        self._voice.restore(read(state["venue"]))
        self.vitals.restore(read(state["vitals"]))
        for name, kept in read(state["instruments"], type=dict[str, msgspec.Raw]).items():
            if name in self.instruments:
                self.instruments[name].restore(read(kept))

    @property
    def rules(self) -> list[Rules]:
        """The trading rules by which the engine reads now, in the order of its start."""
        return list(self._rules)

    @property
    def sessions(self) -> Mapping[str, Session]:
        """The worker's connections by name; the feed drives their sockets."""
        return {name: one for name, one in self._decoding.sessions.items() if not name.endswith(MARK)}

    def status(self, now: Micros) -> dict[str, object]:
        """What the board asks of every instrument at `now`: streams, gaps, seam, context. JSON-able."""
        return {name: one.status(now) for name, one in self.instruments.items()}

    # -- the turn -----------------------------------------------------------------------------------------------

    def run(self, first_seq: int, entries: Sequence[Entry]) -> Produced:
        """Everything these entries mean. `first_seq` is the `log_seq` of the first of them."""
        produced = Produced([], [], [])
        messages = produced.messages
        sessions, instruments = self._decoding.sessions, self.instruments
        self.next_seq = first_seq + len(entries)
        for entry in entries:
            if entry.kind == FRAME:
                session = sessions.get(entry.source)
                if session is None:
                    continue
                for output in session.receive(entry.payload, entry.ts_recv):
                    kind = type(output)
                    if kind is BestQuote:
                        one = instruments[output.instrument]  # type: ignore[union-attr]
                        if one.quote is None:
                            one.best_quote(output, session.name)  # type: ignore[arg-type]
                        else:  # the same without a call: most frames are quotes
                            one.quote, one.changed = output, True  # type: ignore[assignment]
                    elif kind is Trade:
                        instruments[output.instrument].trade(output, session.name, messages)  # type: ignore[union-attr,arg-type]
                    elif kind is BookUpdate:
                        instruments[output.instrument].book_update(output, session.name)  # type: ignore[union-attr,arg-type]
                    else:
                        self._take(entry.source, output, entry.ts_recv, produced)
            elif entry.kind == TICK:
                for name, output in self._decoding.feed(entry):
                    self._take(name, output, entry.ts_recv, produced)
                self._tick(entry.ts_recv, produced)
            else:
                self._rare(entry, produced)
                sessions = self._decoding.sessions  # new rules make new ones
        return produced

    def _rare(self, entry: Entry, produced: Produced) -> None:
        """Answers, connections and documents."""
        if entry.kind in (Kind.CONTEXT, Kind.SEAM):
            one = self.instruments.get(entry.source)
            if one is None:
                return
            if entry.kind == Kind.CONTEXT:
                refused = one.context_document(entry.payload, entry.ts_recv, produced.messages)
            else:
                refused = one.seam_certificate(entry.payload)
            if refused:
                produced.notices.append(self._notice("document", f"{entry.source}: {refused}", entry.ts_recv))
        elif entry.kind == Kind.HEALTH:
            self.vitals.observe(msgspec.msgpack.decode(entry.payload, type=Health), entry.ts_recv)
        elif entry.kind == Kind.RULES:
            try:
                rules = rules_told(entry.payload, self.instruments)
            except ValueError as error:
                produced.notices.append(self._notice("rules", f"trading rules refused: {error}", entry.ts_recv))
            else:
                self._new_rules(rules, produced)
        else:
            for name, output in self._decoding.feed(entry):
                self._take(name, output, entry.ts_recv, produced)

    def _take(self, source: str, output: Output, now: Micros, produced: Produced) -> None:
        """One output of a session, of any kind."""
        if isinstance(output, Send | Fetch | Reconnect | OpenHeir | CloseHeir | TakeOver):
            produced.commands.append((source, output))
            return
        if isinstance(output, Succeed | Abandon):
            produced.commands.extend(cast("list[tuple[str, Command]]", self._decoding.obey([(source, output)], now)))
            return
        source = source.removesuffix(MARK)
        if isinstance(output, Connected | Disconnected):
            why = output.why if isinstance(output, Disconnected) else None
            for any_one in self.instruments.values():
                any_one.connection(output.connection, why, now)
            if why is None:
                self._voice.again()
            produced.notices.append(output)
            return
        if isinstance(output, InsuranceFund | VenueStatus | InstrumentStatus):
            self._voice.take(output)
            if not isinstance(output, InsuranceFund):
                produced.notices.append(output)
            return
        one = self.instruments.get(output.instrument)
        if one is None:
            produced.notices.append(output)
        elif isinstance(output, Trade):
            one.trade(output, source, produced.messages)
        elif isinstance(output, BookUpdate):
            one.book_update(output, source)
        elif isinstance(output, BestQuote):
            one.best_quote(output, source)
        elif isinstance(output, Candle):
            if refused := one.candle(output, produced.messages):
                produced.notices.append(self._undecodable(source, f"{output.instrument}: {refused}", now))
        elif isinstance(output, MarkPrice | FundingRate | OpenInterest | Ticker | Liquidation):
            one.derivative(output, source, produced.messages)
        else:
            if isinstance(output, SequenceGap):
                one.gap(output)
            elif isinstance(output, BookInvalid):
                one.invalidate_book(output.why)
            produced.notices.append(output)

    def _tick(self, now: Micros, produced: Produced) -> None:
        """A boundary of the 100 ms grid passed: publish what is due."""
        messages = produced.messages
        grid = now - now % GRID
        before, self._grid = self._grid, grid
        if grid <= before:
            self._grid = before
            return
        second = grid // SECOND != before // SECOND
        if second:
            messages.extend(self._voice.due(now))
        settled = all(session.ready or not session.needed for session in self._decoding.sessions.values())
        for one in self.instruments.values():
            if settled:
                one.observe(now)
            one.tick(grid, before, now, messages)
            if one.distrust:
                self._resync(one, now, produced)
            elif second and one.book.valid and one.book.worn:
                self._renew(one, now, produced)

    def _renew(self, one: Instrument, now: Micros, produced: Produced) -> None:
        """A book whose price nears the end of its snapshot gets another one."""
        name = one.inputs.carrier.get("depth", "")
        if (session := self._decoding.sessions.get(name)) is not None:
            for output in session.renew(one.listing.instrument, now):
                self._take(name, output, now, produced)

    def _resync(self, one: Instrument, now: Micros, produced: Produced) -> None:
        """A book that cannot be right is asked for anew."""
        name, instrument = one.inputs.carrier.get("depth", ""), one.listing.instrument
        session = self._decoding.sessions.get(name)
        if session is not None:
            produced.notices.append(self._notice("distrust", f"{instrument}: {one.distrust}", now))
            for output in session.resync(instrument, one.distrust, now):
                self._take(name, output, now, produced)

    def _notice(self, code: str, words: str, now: Micros) -> VenueNotice:
        return VenueNotice(
            venue=self.venue, instrument="", ts_event=now, ts_recv=now, connection="", code=code, words=words
        )

    def _undecodable(self, source: str, why: str, now: Micros) -> Undecodable:
        return Undecodable(
            venue=self.venue, instrument="", ts_event=now, ts_recv=now, connection=source, why=why, head=""
        )

    def _new_rules(self, rules: Sequence[Rules], produced: Produced) -> None:
        """What differs is in force from here on, and `reference` says so.

        A changed tick, lot or contract value ends what was measured on the old grid: that instrument starts anew
        and all connections are opened again, since sessions read by the same rules. For other dates of listing
        they are made anew with the old ones' memory, as by a replay that begins behind this; nobody outside notices.
        """
        known = {rule.instrument: rule for rule in self._rules}
        changed = [rule for rule in rules if rule != known[rule.instrument]]
        if not changed:
            return
        known |= {rule.instrument: rule for rule in changed}
        before, self._rules = self._rules, list(known.values())
        self._voice.rules(self._rules)
        for rule in changed:
            old = self.instruments[rule.instrument]
            if old.grid is rule.grid:
                old.rules = rule
            else:
                fresh = self.instruments[rule.instrument] = Instrument(
                    old.listing, rule, self.config, self.epoch, self.vitals
                )
                fresh.continue_numbers(old)
        if list(map(read_by, before)) != list(map(read_by, self._rules)):
            state = self._decoding.state()
            self._decoding = Decoding(self.venue, self._rules, self._dialect)
            self._decoding.restore(state)
        if any(one.grid is not other.grid for one, other in zip(before, self._rules, strict=True)):
            for name in self._decoding.sessions:
                produced.commands.append((name, Reconnect("trading rules changed")))
