"""Journal entries in, records and commands out: one way from bytes to meaning, for all who read a journal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import msgspec

from warehouse.instruments import Rules
from warehouse.journal import Answered, Entry, Header, Kind
from warehouse.venues import venue as venue_module
from warehouse.venues.base import TODAY, Dialect, Fetch, Output, Session

_answered = msgspec.msgpack.Decoder(Answered)


def answered(fetch: Fetch, status: int, body: bytes) -> bytes:
    """The payload of a `Kind.ANSWER` entry."""
    return msgspec.msgpack.encode(
        Answered(
            fetch.purpose,
            fetch.base,
            fetch.path,
            fetch.query,
            fetch.ccxt,
            fetch.weight,
            fetch.instrument,
            fetch.tag,
            status,
            body,
        )
    )


class Decoding:
    """All sessions of one worker, fed by its journal.

    `state()` and `restore()` carry what sessions must remember over a restart; a journal's checkpoint keeps it under
    the key `sessions`.
    """

    def __init__(self, venue: str, rules: Sequence[Rules], dialect: Dialect = TODAY) -> None:
        self.venue = venue
        self.rules = {rule.instrument: rule for rule in rules}
        self.sessions: dict[str, Session] = {
            session.name: session for session in venue_module(venue).sessions(list(rules), dialect)
        }

    @classmethod
    def of(cls, header: Header) -> Decoding:
        """The sessions that a segment's header describes."""
        return cls(header.venue, header.rules, Dialect(streams=header.streams, at=header.dialect_at))

    def feed(self, entry: Entry) -> Sequence[tuple[str, Output]]:
        """What this entry means, each output with the name of the session that gave it. Documents mean nothing here."""
        if entry.kind == Kind.FRAME:
            session = self.sessions.get(entry.source)
            if session is None:
                return ()
            name = entry.source
            return [(name, output) for output in session.receive(entry.payload, entry.ts_recv)]
        if entry.kind == Kind.TICK:
            return [(name, out) for name, session in self.sessions.items() for out in session.tick(entry.ts_recv)]
        if entry.kind not in (Kind.ANSWER, Kind.CONNECTED, Kind.DISCONNECTED) or entry.source not in self.sessions:
            return ()
        session = self.sessions[entry.source]
        if entry.kind == Kind.CONNECTED:
            outputs = session.connected(entry.ts_recv)
        elif entry.kind == Kind.DISCONNECTED:
            outputs = session.disconnected(entry.ts_recv, entry.payload.decode())
        else:
            reply = _answered.decode(entry.payload)
            fetch = Fetch(
                purpose=cast("object", reply.purpose),  # type: ignore[arg-type]
                base=reply.base,
                path=reply.path,
                query=reply.query,
                ccxt=reply.ccxt,
                weight=reply.weight,
                instrument=reply.instrument,
                tag=reply.tag,
            )
            outputs = session.answer(fetch, reply.status, reply.body, entry.ts_recv)
        return [(entry.source, output) for output in outputs]

    def state(self) -> dict[str, dict[str, object]]:
        """Every session's memory, by name, in a fixed order."""
        return {name: session.state() for name, session in self.sessions.items()}

    def restore(self, state: dict[str, dict[str, object]]) -> None:
        """The inverse of `state`; sessions it does not name start empty."""
        for name, kept in state.items():
            if name in self.sessions:
                self.sessions[name].restore(kept)
