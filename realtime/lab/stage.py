"""One scene: a venue comes up, one thing goes wrong, and what we published is compared with what happened."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from random import Random

import msgspec

from realtime.emulator.faults.desk import Desk, FaultLog
from realtime.emulator.faults.parts import Fault, Injected
from realtime.emulator.faults.plan import Plan
from realtime.emulator.tape import Tape
from realtime.engine import Engine, EngineConfig
from realtime.lab.edge import Edge, Heart, Timeline
from realtime.lab.far import Far
from realtime.lab.ground import Ground, Replayed, Sown
from realtime.lab.scenes import SCENES, Scene, faults_of
from realtime.lab.truth import Truth
from realtime.lab.witness import Signal, Witness
from warehouse.clock import SECOND, ManualClock, Micros
from warehouse.instruments import Listing, Rules
from warehouse.journal import Entry, Kind
from warehouse.records import InstrumentStatus, Record, SequenceGap

STEP: Micros = 10_000
TICK: Micros = 100_000

INSTRUMENTS = ("BTC-USDT-PERP", "BTC-USDT")

WARM_S = 8.0
"""The fault comes so many seconds after the first clients, sooner on a short tape."""

SETTLED: Micros = 5 * SECOND
"""Trades of the last moments may still be under way."""

DIALLING: Micros = 40 * SECOND
"""A connection may be down for so long at the end: the longest pause, and a handshake."""

CALM: Micros = 2 * SECOND
"""Repaired is what stays so until the end, for this long at least."""

RULES_AFTER_S = 5.0
"""Changed trading rules reach a worker by the flow that reads them, so much later."""


class Row(msgspec.Struct, kw_only=True):
    """What became of one fault. Times in seconds since it first did something; None: it never was.

    `lost` trades were never published, `unsaid` of them lie in no gap row that says so. `wrong_ms` is how long a
    subscriber was shown something as complete that had not been true for longer than is tolerated. `alive`: the engine
    did not raise, and all connections stood lately. `broken` names each promise that was not kept. `limit`:
    trades were lost that nobody here could know of.
    """

    fault: str
    venue: str
    instrument: str
    seed: int
    met: bool
    detected_s: float | None
    by: str
    repaired_s: float | None
    lost: int
    unsaid: int
    doubled: int
    disordered: int
    wrong_ms: int
    alive: bool
    error: str = ""
    left: list[str] = []
    reason: str = ""
    broken: list[str] = []
    limit: bool = False


class Stage:
    """A venue, the wire and an engine in virtual time, with a witness. The market is a seeded one, or the `tape`'s."""

    def __init__(
        self, venue: str, instrument: str, faults: Sequence[Fault], seed: int, tape: Tape | None = None
    ) -> None:
        drawn = Plan(seed=seed, faults=tuple(faults)).drawn([venue], [instrument])
        ground = Sown(venue, instrument, drawn, seed) if tape is None else Replayed(tape, instrument)
        self.ground: Ground = ground
        self.clock: ManualClock = ground.clock
        self.begun = self.clock.now() + ground.opens
        self._rules: Rules = ground.rules
        config = EngineConfig()
        self.truth = Truth(ground, instrument, config.late_open_us + 3 * TICK)
        ground.told = self._told
        self.witness = Witness(instrument, self.truth, self.clock)
        self.log = FaultLog()
        self.time = Timeline(self.clock, Random(f"lab:{venue}:{seed}"))
        self.edge = Edge(venue, self.time, self._accept)
        desk = Desk(venue, drawn, seed, self.log)
        self.far = self.edge.far = Far(venue, ground, desk, self.edge.carry)
        self.engine = Engine(venue, "emulated", [self._rules], config, ground.dialect)
        self._block: list[Entry] = []
        self._seq = 1
        self._ticked = self.clock.now()
        self._heart = Heart(venue, Listing.parse(venue, instrument).market, self.edge)
        self.time.at(self.begun - min(ground.opens, SECOND), self._open)

    def _open(self) -> None:
        """The worker starts."""
        for session in self.engine.sessions.values():
            self.edge.open(session.name, session.base, session.path)
        self._heart.start()

    def _accept(self, source: str, kind: Kind, payload: bytes) -> None:
        self._block.append(Entry(self.clock.now(), source, int(kind), payload))

    def _told(self, record: Record) -> None:
        self.truth.told(record)
        rules = self.ground.rules
        if isinstance(record, InstrumentStatus) and rules.tick != self._rules.tick:
            self._rules = rules
            self.time.after(RULES_AFTER_S * SECOND, lambda: self._new_rules(rules))

    def _new_rules(self, rules: Rules) -> None:
        self._accept("", Kind.RULES, msgspec.msgpack.encode([rules]))

    def run(self, until: Micros) -> None:
        """Let time pass. Raises whatever the engine raises."""
        while self.clock.now() < until:
            self.clock.advance(STEP)
            now = self.clock.now()
            self.far.turn()
            self.time.turn()
            self.edge.look()
            ticked = self._ticked + TICK <= now
            if ticked:
                self._ticked += TICK
                self._accept("", Kind.TICK, b"")
            while self._block:
                entries, self._block = self._block, []
                produced = self.engine.run(self._seq, entries)
                self._seq += len(entries)
                self.witness.take(produced)
                for name, command in produced.commands:
                    self.edge.obey(name, command)
            if ticked:
                self.witness.look(self.engine)


class Planned(msgspec.Struct, frozen=True):
    """One run of the lab."""

    scene: Scene
    venue: str
    instrument: str
    seed: int


def planned(seeds: Sequence[int], venues: Sequence[str], tape: Tape | None = None) -> list[Planned]:
    """Every scene on every venue where it can happen; spot and perpetual in turn, the other way round by each seed.

    On a tape: every scene that can happen there, to its first instrument.
    """
    if tape is not None:
        header = tape.reels[0].header
        among = [scene for scene in SCENES if scene.possible(header.venue) and scene.on_tape]
        return [Planned(one, header.venue, header.rules[0].instrument, seed) for seed in seeds for one in among]
    return [
        Planned(scene, venue, INSTRUMENTS[(number + seed) % 2], seed)
        for seed in seeds
        for number, scene in enumerate(SCENES)
        for venue in venues
        if scene.possible(venue)
    ]


def perform(
    scene: Scene, venue: str, instrument: str, seed: int, minutes: float | None = None, tape: Tape | None = None
) -> Row:
    """One scene from its first second to its row. The same arguments give the same row."""
    scene = scene.at(venue)
    warm_s = WARM_S if tape is None else min(WARM_S, (tape.end - tape.start) / SECOND / 2)
    faults = faults_of(scene, venue, instrument, warm_s)
    stage = Stage(venue, instrument, faults, seed, tape)
    error = ""
    met: Micros | None = None
    known: list[str] = []
    end = stage.begun + int((warm_s + (scene.seconds if minutes is None else minutes * 60)) * SECOND)
    while stage.clock.now() < end and not error:
        try:
            stage.run(min(end, stage.clock.now() + TICK))
        except Exception as raised:  # noqa: BLE001 - whatever it is, it belongs into the row
            error = repr(raised)
        entry = stage.log.entries.get("fault")
        if met is None and entry is not None and _acts(scene, entry):
            met = stage.clock.now() - TICK
            known = stage.witness.missing if scene.provoked else []
    return _row(scene, venue, seed, stage, met, known, error)


def _acts(scene: Scene, entry: Injected) -> bool:
    """Has the fault done something yet?"""
    return scene.at_once or bool(entry.hidden or entry.touched or entry.connections)


def _row(scene: Scene, venue: str, seed: int, stage: Stage, met: Micros | None, known: list[str], error: str) -> Row:
    witness, now = stage.witness, stage.clock.now()
    since = stage.begun if met is None else met
    if known:  # what provoked it has been noticed already
        witness.signals.insert(0, Signal(since, "already", known[0]))
    signal = next((one for one in witness.signals if one.at >= since and _names(scene, one)), None)
    calm = witness.calm_since
    repaired = max(calm, since if signal is None else signal.at) if calm is not None and now - calm >= CALM else None
    lost, unsaid, doubled, disordered = compared(stage)
    row = Row(
        fault=scene.name,
        venue=venue,
        instrument=witness.instrument,
        seed=seed,
        met=met is not None,
        detected_s=None if signal is None or met is None else (signal.at - since) / SECOND,
        by="" if signal is None else f"{signal.what}: {signal.words}",
        repaired_s=None if repaired is None else max(0, repaired - since) / SECOND,
        lost=len(lost),
        unsaid=len(unsaid),
        doubled=doubled,
        disordered=disordered,
        wrong_ms=sum(witness.wrong_us.values()) // 1000,
        alive=not error and now - stage.edge.all_up_at < DIALLING,
        error=error,
        left=witness.missing,
        reason=scene.reason(venue, witness.instrument),
        limit=bool(scene.unknowable and unsaid),
    )
    row.broken = scene.broken(row.met, row.detected_s, row.repaired_s, row.unsaid, row.doubled, row.wrong_ms, row.alive)
    if row.disordered and not scene.may_disorder(venue):
        row.broken.append("out of order")
    if row.lost and not scene.may_lose(venue, witness.instrument):
        row.broken.append("lost")
    return row


def _names(scene: Scene, signal: Signal) -> bool:
    return (not scene.by or signal.what.startswith(scene.by)) and scene.says in signal.words


def compared(stage: Stage) -> tuple[list[str], list[str], int, int]:
    """Ids of trades that were never published, those of them in no gap row, how many came twice, how many too late.

    From the first published trade on, up to a moment before the end.
    """
    said, trades = stage.witness.ids, stage.truth.trades
    if not said:
        ids = [trade.trade_id for trade in trades]
        return ids, ids, 0, 0
    place = {trade.trade_id: number for number, trade in enumerate(trades)}
    known = [place[one] for one in said if one in place]
    first = min(known, default=0)
    heard = dict.fromkeys(known)
    until = stage.clock.now() + stage.ground.skew - SETTLED
    lost = [
        trade
        for number, trade in enumerate(trades)
        if number >= first and number not in heard and trade.ts_event < until
    ]
    given_up = [gap for gap in stage.witness.gaps if gap.stream == "trades" and gap.state == "unrecoverable"]
    unsaid = [one for one in lost if not any(_covers(gap, one.trade_seq, one.ts_event) for gap in given_up)]
    once = list(heard)
    late = sum(after < before for before, after in pairwise(once))
    return [one.trade_id for one in lost], [one.trade_id for one in unsaid], len(known) - len(heard), late


def _covers(gap: SequenceGap, number: int | None, ts: Micros) -> bool:
    if gap.from_id is not None and gap.to_id is not None and number is not None:
        return gap.from_id <= number <= gap.to_id
    return gap.from_ts <= ts <= gap.to_ts
