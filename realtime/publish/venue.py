"""What concerns a venue as a whole: insurance pools, its standing, and the reference of its instruments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from realtime.channels import BY_NAME, symbol
from realtime.history import nulls
from realtime.message import Message
from realtime.outlet import NOTHING, Outlet, encode
from realtime.venue_payloads import InsuranceFunds, Listed, Pool, Reference, Standing
from warehouse.clock import Micros
from warehouse.instruments import Listing, Rules
from warehouse.metrics.base import Reason
from warehouse.records import InstrumentStatus, InsuranceFund, VenueStatus

CHANNELS = ("insurance_fund", "status", "reference")


class VenueVoice:
    """One per worker. Every channel is said when it changes, and once when there is something to say."""

    def __init__(self, venue: str, rules: Sequence[Rules], epoch: int) -> None:
        self._venue = venue
        self._rules = list(rules)
        self._pools: dict[str, InsuranceFund] = {}
        self._status: VenueStatus | None = None
        self._states: dict[str, InstrumentStatus] = {}
        self._changed = {name: name == "reference" for name in CHANNELS}
        self.outlets = {
            name: Outlet(BY_NAME[name].template.format(exchange=venue), "state", venue, "", epoch) for name in CHANNELS
        }

    def take(self, record: InsuranceFund | VenueStatus | InstrumentStatus) -> None:
        """The newest of its kind wins; saying the same again changes nothing."""
        if isinstance(record, InsuranceFund):
            key = f"{record.pool}|{record.asset}"
            before = self._pools.get(key)
            if before is None or record.ts_event >= before.ts_event:
                self._pools[key] = record
                self._changed["insurance_fund"] |= before is None or before.balance != record.balance
        elif isinstance(record, VenueStatus):
            self._changed["status"] |= self._status is None or _words(self._status) != _words(record)
            self._status = record
        else:
            old = self._states.get(record.instrument)
            self._changed["reference"] |= old is None or _facts(old) != _facts(record)
            self._states[record.instrument] = record

    def again(self) -> None:
        """Say all that is known once more: what was said just before a worker died may never have left it."""
        self._changed["reference"] = True
        self._changed["status"] |= self._status is not None
        self._changed["insurance_fund"] |= bool(self._pools)

    def rules(self, rules: Sequence[Rules]) -> None:
        """Other trading rules are in force."""
        self._rules = list(rules)
        self._changed["reference"] = True

    def due(self, now: Micros) -> list[Message]:
        """What has changed since it was last said."""
        found = []
        for name in CHANNELS:
            if self._changed[name]:
                self._changed[name] = False
                found.append(self._say(name, now))
        return found

    def _say(self, name: str, now: Micros) -> Message:
        payload: msgspec.Struct
        ts_event = 0
        if name == "insurance_fund":
            pools = [self._pools[key] for key in sorted(self._pools)]
            ts_event = max(pool.ts_event for pool in pools)
            payload = InsuranceFunds(pools=[_pool(pool) for pool in pools])
        elif name == "status":
            status = self._status
            assert status is not None
            ts_event = status.ts_event
            payload = Standing(state=status.state, words=status.words, from_ts=status.from_ts, to_ts=status.to_ts)
        else:
            ts_event = max((state.ts_event for state in self._states.values()), default=0)
            payload = Reference(instruments=[self._listed(rule) for rule in self._rules])
        body = encode(payload)
        reasons = {path: str(Reason.UNSUPPORTED) for path in nulls(msgspec.json.decode(body))}
        return self.outlets[name].wrap(
            body, ts_event=ts_event, ts_recv=now, reasons=encode(reasons) if reasons else NOTHING
        )

    def _listed(self, rule: Rules) -> Listed:
        state = self._states.get(rule.instrument)
        return Listed(
            instrument=rule.instrument,
            symbol=rule.symbol,
            channel_symbol=symbol(Listing.parse(self._venue, rule.instrument)),
            tick=rule.tick,
            lot=rule.lot,
            contract_value=rule.contract_value,
            min_size=rule.min_size,
            min_notional=rule.min_notional,
            valid_from=rule.valid_from,
            state=None if state is None else state.state,
            code=None if state is None else state.code,
            listed_at=rule.listed_at if state is None or state.listed_at is None else state.listed_at,
            delisting_at=rule.delisting_at if state is None or state.delisting_at is None else state.delisting_at,
        )

    def state(self) -> dict[str, object]:
        """All of it as JSON-able values; the rules stand in the journal's header."""
        return {
            "seq": {name: outlet.seq for name, outlet in self.outlets.items()},
            "pools": {key: msgspec.to_builtins(pool) for key, pool in self._pools.items()},
            "status": msgspec.to_builtins(self._status),
            "states": {name: msgspec.to_builtins(state) for name, state in self._states.items()},
            "changed": dict(self._changed),
        }

    def restore(self, state: Mapping[str, object]) -> None:
        """The inverse of `state`."""
        for name, seq in msgspec.convert(state["seq"], dict[str, int]).items():
            self.outlets[name].seq = seq
        self._pools = msgspec.convert(state["pools"], dict[str, InsuranceFund])
        self._status = msgspec.convert(state["status"], VenueStatus | None)
        self._states = msgspec.convert(state["states"], dict[str, InstrumentStatus])
        self._changed = msgspec.convert(state["changed"], dict[str, bool])


def _pool(record: InsuranceFund) -> Pool:
    return Pool(
        pool=record.pool,
        asset=record.asset,
        balance=record.balance,
        balance_usd=record.balance_usd,
        ts_event=record.ts_event,
    )


def _words(status: VenueStatus) -> tuple[object, ...]:
    return status.state, status.words, status.from_ts, status.to_ts


def _facts(status: InstrumentStatus) -> tuple[object, ...]:
    return status.state, status.code, status.listed_at, status.delisting_at
