"""What goes wrong and when: a plan of faults, read from YAML or JSON, or drawn from a seed.

::

    seed: 7
    faults:
      - {kind: dropped, venue: binance, stream: trades, instrument: BTC-USDT, at: 12.5, count: 3}
      - {kind: closed, venue: okx, base: ws_public, after: 4000, code: 4004}
    chaos: {per_minute: 6, start: 20, seconds: 300}

`at` is seconds of market time since the emulation began, `after` a number of market events; neither is a wall clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from random import Random

import msgspec
import yaml

from realtime.emulator.faults.kinds import KINDS, Kind
from realtime.emulator.faults.parts import Fault
from warehouse.errors import ConfigError


class Chaos(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Faults at random: `per_minute` on average from `start` on for `seconds`. Empty `kinds` and `venues`: all."""

    per_minute: float
    start: float = 10.0
    seconds: float = 300.0
    kinds: tuple[str, ...] = ()
    venues: tuple[str, ...] = ()


class Plan(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Faults in any order, and chaos besides."""

    seed: int = 1
    faults: tuple[Fault, ...] = ()
    chaos: Chaos | None = None

    @classmethod
    def read(cls, path: Path) -> Plan:
        """A plan from a YAML or JSON file. Raises ConfigError."""
        try:
            found = yaml.safe_load(path.read_text())
        except OSError as error:
            raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise ConfigError(f"{path}: not YAML or JSON: {error}") from None
        try:
            return msgspec.convert(found, cls)
        except msgspec.ValidationError as error:
            raise ConfigError(f"{path}: {error}") from None

    def drawn(self, venues: Sequence[str], instruments: Sequence[str], tape: bool = False) -> list[Fault]:
        """All faults, each checked, with its kind's defaults and an id of its own. Raises ConfigError.

        `venues` and `instruments` are what is emulated; a `tape` cannot be changed, only its transport.
        """
        every = [*self.faults, *(self._chaos(self.chaos, venues, instruments, tape) if self.chaos is not None else ())]
        found: dict[str, Fault] = {}
        for number, fault in enumerate(every, 1):
            name = fault.id or f"{number:03d}-{fault.kind}-{fault.venue}"
            if name in found:
                raise ConfigError(f"fault {name}: there are two of this id")
            found[name] = completed(msgspec.structs.replace(fault, id=name), venues, instruments, tape)
        return list(found.values())

    def _chaos(self, chaos: Chaos, venues: Sequence[str], instruments: Sequence[str], tape: bool) -> list[Fault]:
        random = Random(f"{self.seed}:chaos")
        for name in chaos.kinds:
            if name not in KINDS:
                raise ConfigError(f"chaos: unknown kind {name!r}; known: {', '.join(KINDS)}")
        among = [venue for venue in venues if venue in (chaos.venues or venues)]
        kinds = [kind for name, kind in KINDS.items() if name in chaos.kinds or (not chaos.kinds and kind.at_random)]
        choices = [(kind, venue) for kind in kinds for venue in among if possible(kind, venue, tape)]
        if not choices or chaos.per_minute <= 0:
            raise ConfigError("chaos: no kind of fault is possible at these venues, or per_minute is not positive")
        faults: list[Fault] = []
        at = chaos.start + random.expovariate(chaos.per_minute / 60)
        while at < chaos.start + chaos.seconds:
            kind, venue = random.choice(choices)
            faults.append(anywhere(kind, venue, instruments, random, round(at, 3)))
            at += random.expovariate(chaos.per_minute / 60)
        return faults


def possible(kind: Kind, venue: str, tape: bool = False) -> bool:
    """Can this happen there?"""
    return venue in kind.venues and not (tape and kind.changes_market)


def anywhere(kind: Kind, venue: str, instruments: Sequence[str], random: Random, at: float) -> Fault:
    """A fault of a kind, its stream and instrument drawn where the kind needs some."""
    stream = random.choice(kind.streams) if kind.streams else None
    perpetual = stream in ("mark", "funding", "open_interest", "liquidations")
    names = [name for name in instruments if not perpetual or name.endswith("-PERP")]
    return Fault(
        kind=kind.name,
        venue=venue,
        stream=stream,
        instrument=random.choice(names) if names and kind.of_instrument else None,
        at=at,
    )


def each(
    venues: Sequence[str], instruments: Sequence[str], seed: int, start: float, apart: float, tape: bool = False
) -> Plan:
    """A plan with one fault of every kind on every venue where it can happen, `apart` seconds from one another."""
    random = Random(f"{seed}:each")
    pairs = [(kind, venue) for kind in KINDS.values() for venue in venues if possible(kind, venue, tape)]
    faults = (
        anywhere(kind, venue, instruments, random, start + number * apart) for number, (kind, venue) in enumerate(pairs)
    )
    return Plan(seed=seed, faults=tuple(faults))


def completed(fault: Fault, venues: Sequence[str], instruments: Sequence[str], tape: bool) -> Fault:
    """The fault with its kind's defaults. Raises ConfigError for one that cannot be."""
    kind = KINDS.get(fault.kind)
    if kind is None:
        raise ConfigError(f"fault {fault.id}: unknown kind {fault.kind!r}; known: {', '.join(KINDS)}")
    if fault.venue not in venues:
        raise ConfigError(f"fault {fault.id}: {fault.venue!r} is not emulated; there is {', '.join(venues)}")
    if not possible(kind, fault.venue, tape):
        raise ConfigError(f"fault {fault.id}: {kind.name} cannot happen at {fault.venue}{' on a tape' * tape}")
    if fault.instrument is not None and fault.instrument not in instruments:
        raise ConfigError(f"fault {fault.id}: {fault.instrument!r} is not listed")
    if fault.instrument is None and kind.needs_instrument:
        raise ConfigError(f"fault {fault.id}: {kind.name} needs an instrument")
    if fault.at is not None and fault.after is not None:
        raise ConfigError(f"fault {fault.id}: give `at` or `after`, not both")
    if kind.changes_market and fault.after is not None:
        raise ConfigError(f"fault {fault.id}: {kind.name} happens at a time; give `at`")
    for name in ("count", "seconds", "amount", "at", "after"):
        value = getattr(fault, name)
        if value is not None and value < 0 and not (name == "amount" and kind.signed):
            raise ConfigError(f"fault {fault.id}: {name} must not be negative")
    missing = {name: value for name, value in kind.defaults.items() if getattr(fault, name) is None}
    if fault.at is None and fault.after is None:
        missing["at"] = 0.0
    return msgspec.structs.replace(fault, **missing)
