"""Journal entries in, records and commands out: one way from bytes to meaning, for all who read a journal."""

from __future__ import annotations

from collections.abc import Container, Sequence
from typing import cast

import msgspec

from realtime.succession import AGAIN, MARK, ElderSide, HeirSide, Succession
from warehouse.clock import Micros
from warehouse.instruments import Rules
from warehouse.journal import Answered, Entry, Header, Kind
from warehouse.venues import venue as venue_module
from warehouse.venues.base import (
    TODAY,
    Abandon,
    CloseHeir,
    Dialect,
    Fetch,
    OpenHeir,
    Output,
    Session,
    Succeed,
    TakeOver,
)

TAKEN = b"taken over"
"""Payload of the `CONNECTED` entry that gives an heir its connection's name."""

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


def asked(payload: bytes) -> tuple[Fetch, int, bytes]:
    """Of a `Kind.ANSWER` entry: the request, the status, the body."""
    reply = _answered.decode(payload)
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
    return fetch, reply.status, reply.body


def rules_told(payload: bytes, instruments: Container[str]) -> list[Rules]:
    """Of a `Kind.RULES` entry: the rules of these instruments.

    Raises ValueError when it cannot be read, or when no price or size could lie on the grid of one of them.
    """
    try:
        found = [rule for rule in msgspec.msgpack.decode(payload, type=list[Rules]) if rule.instrument in instruments]
        for rule in found:
            if rule.grid.size_num <= 0:
                raise ValueError(f"{rule.instrument}: contract value {rule.contract_value!r} must be positive")
    except (msgspec.MsgspecError, ValueError, ArithmeticError, RecursionError) as error:
        raise ValueError(str(error)) from error
    return found


def read_by(rule: Rules) -> Rules:
    """What sessions may read of an instrument's rules: the same here is the same to them."""
    return msgspec.structs.replace(rule, min_size=None, min_notional=None, status="", valid_from=0)


class Decoding:
    """All sessions of one worker, fed by its journal.

    `state()` and `restore()` carry what sessions must remember over a restart; a journal's checkpoint keeps it under
    the key `sessions`.
    """

    def __init__(self, venue: str, rules: Sequence[Rules], dialect: Dialect = TODAY) -> None:
        self.venue = venue
        self.rules = {rule.instrument: rule for rule in rules}
        self._dialect = dialect
        self.sessions: dict[str, Session] = self._fresh()
        self._successions: dict[str, Succession] = {}
        self._again: dict[str, Micros] = {}

    def _fresh(self) -> dict[str, Session]:
        made = venue_module(self.venue).sessions(list(self.rules.values()), self._dialect)
        return {session.name: session for session in made}

    @classmethod
    def of(cls, header: Header) -> Decoding:
        """The sessions that a segment's header describes."""
        return cls(header.venue, header.rules, Dialect(streams=header.streams, at=header.dialect_at))

    def feed(self, entry: Entry) -> Sequence[tuple[str, Output]]:
        """What this entry means, each output with the name of the connection it is for. Documents mean nothing here."""
        if entry.kind == Kind.FRAME:
            session = self.sessions.get(entry.source)
            if session is None:
                return ()
            found = [(entry.source, output) for output in session.receive(entry.payload, entry.ts_recv)]
            planned = any(isinstance(output, Succeed | Abandon) for _, output in found)
            return self.obey(found, entry.ts_recv) if planned else found
        if entry.kind == Kind.TICK:
            return self._tick(entry.ts_recv)
        if entry.kind == Kind.ROTATE:
            return self._succeed(entry.source, entry.payload.decode(), entry.ts_recv)
        name = entry.source
        if name not in self.sessions and entry.kind == Kind.ANSWER:
            name = name.removesuffix(MARK)  # asked by an heir that has taken over since
        if entry.kind not in (Kind.ANSWER, Kind.CONNECTED, Kind.DISCONNECTED) or name not in self.sessions:
            return ()
        if entry.kind == Kind.CONNECTED:
            outputs = self._connected(name, entry)
        elif entry.kind == Kind.DISCONNECTED:
            outputs = self.sessions[name].disconnected(entry.ts_recv, entry.payload.decode())
        else:
            fetch, status, body = asked(entry.payload)
            outputs = self.sessions[name].answer(fetch, status, body, entry.ts_recv)
        return self.obey([(name, output) for output in outputs], entry.ts_recv)

    def _tick(self, now: Micros) -> list[tuple[str, Output]]:
        found = [(name, out) for name, session in self.sessions.items() for out in session.tick(now)]
        for name in [name for name, due in self._again.items() if now >= due]:
            found += self._succeed(name, "the successor before it failed", now)
        return self.obey(found, now)

    def _connected(self, name: str, entry: Entry) -> Sequence[Output]:
        """A connection stands. `TAKEN` behind it: it is the heir's, which is from now on called by this name."""
        both = self._successions.get(name)
        if both is None:
            return self.sessions[name].connected(entry.ts_recv)
        self._end(name, both.heir if both.over else both.elder)
        return () if entry.payload == TAKEN else self.sessions[name].connected(entry.ts_recv)

    def obey(self, outputs: list[tuple[str, Output]], now: Micros) -> list[tuple[str, Output]]:
        """What sessions ask of the one who keeps them is done here, heirs made and given up; the rest is passed on."""
        found: list[tuple[str, Output]] = []
        for name, output in outputs:
            plain = name.removesuffix(MARK)
            if isinstance(output, Succeed):
                if plain not in self._again:
                    found += self._succeed(plain, output.why, now)
            elif isinstance(output, Abandon):
                if plain in self._successions:
                    self._end(plain, self._successions[plain].elder)
                    self._again[plain] = now + AGAIN
                    found.append((plain, CloseHeir(output.why)))
            elif isinstance(output, TakeOver):
                found.append((plain, output))
            else:
                found.append((name, output))
        return found

    def _succeed(self, name: str, why: str, now: Micros) -> list[tuple[str, Output]]:
        """Put an heir beside a connection, unless one is there."""
        self._again.pop(name, None)
        if name in self._successions or name not in self.sessions:
            return []
        both = Succession(self.sessions[name], self._fresh()[name], self.rules, now)
        self._begin(name, both)
        return [(name, OpenHeir(why))]

    def _begin(self, name: str, both: Succession) -> None:
        self._successions[name] = both
        self.sessions[name] = ElderSide(both)
        self.sessions[name + MARK] = HeirSide(both)

    def _end(self, name: str, session: Session) -> None:
        del self._successions[name], self.sessions[name + MARK]
        self.sessions[name] = session

    def state(self) -> dict[str, dict[str, object]]:
        """Every session's memory, by name, in a fixed order; then successions under way, and when to try again."""
        found = {}
        for name, session in self.sessions.items():
            if not name.endswith(MARK):
                both = self._successions.get(name)
                found[name] = session.state() if both is None else both.elder.state()
        found |= {name + MARK: both.state() for name, both in self._successions.items()}
        if self._again:
            found[MARK] = dict(self._again)
        return found

    def restore(self, state: dict[str, dict[str, object]]) -> None:
        """The inverse of `state`; sessions it does not name start empty."""
        for name, kept in state.items():
            if name == MARK:
                self._again = {key: cast("int", due) for key, due in kept.items() if key in self.sessions}
            elif name in self.sessions:
                self.sessions[name].restore(kept)
            elif (plain := name.removesuffix(MARK)) in self.sessions:
                both = Succession(self.sessions[plain], self._fresh()[plain], self.rules, 0)
                both.restore(kept)
                self._begin(plain, both)
