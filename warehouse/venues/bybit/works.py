"""Maintenance and incidents of the venue, from its status topic and its status page, as one state at a time."""

from __future__ import annotations

import msgspec

from warehouse.clock import Micros
from warehouse.records import Origin, VenueState, VenueStatus
from warehouse.venues.bybit.decode import VENUE
from warehouse.venues.bybit.wire_feeds import WorkFrame, WorkRow

PRODUCTION = 1
FUTURES, SPOT = 1, 2

STATES: dict[str, VenueState] = {"ongoing": "maintenance", "scheduled": "announced"}

_frame = msgspec.json.Decoder(WorkFrame, strict=False).decode


class Work(msgspec.Struct, frozen=True):
    """A maintenance that is not over. Times are None where the venue does not say."""

    state: VenueState
    words: str
    from_ts: Micros | None
    to_ts: Micros | None


OVER = Work("ok", "no maintenance is announced", None, None)


class WorksState(msgspec.Struct):
    """Maintenances that are not over by the venue's id, and what was told last (None: nothing yet)."""

    works: dict[str, Work]
    told: Work | None


class Works:
    """What concerns spot or linear, told when it changes: what goes on now, else what is announced next."""

    def __init__(self) -> None:
        self._works: dict[str, Work] = {}
        self._told: Work | None = None

    def frame(self, frame: bytes, ts_recv: Micros) -> list[VenueStatus]:
        """Changes. Raises ValueError when they cannot be read; nothing has changed then."""
        wire = _frame(frame)
        for row in wire.data:
            self._take(row)
        return self._tell(wire.ts * 1000, ts_recv, "stream")

    def page(self, rows: list[WorkRow], ts_event: Micros, ts_recv: Micros) -> list[VenueStatus]:
        """Everything there is."""
        self._works.clear()
        for row in rows:
            self._take(row)
        return self._tell(ts_event, ts_recv, "rest")

    def _take(self, row: WorkRow) -> None:
        state = STATES.get(row.state)
        ours = not row.product or FUTURES in row.product or SPOT in row.product
        if state is None or not ours or row.env != PRODUCTION:
            self._works.pop(row.id, None)
        else:
            self._works[row.id] = Work(state, row.title or row.id, _moment(row.begin), _moment(row.end))

    def _tell(self, ts_event: Micros, ts_recv: Micros, origin: Origin) -> list[VenueStatus]:
        found = min(self._works.values(), key=_urgency, default=OVER)
        if found == self._told:
            return []
        self._told = found
        return [
            VenueStatus(
                venue=VENUE,
                instrument="",
                ts_event=ts_event,
                ts_recv=ts_recv,
                state=found.state,
                words=found.words,
                from_ts=found.from_ts,
                to_ts=found.to_ts,
                origin=origin,
            )
        ]

    def state(self) -> dict[str, object]:
        """Everything, as JSON-able values."""
        return {"works": msgspec.to_builtins(self._works), "told": msgspec.to_builtins(self._told)}

    def restore(self, state: dict[str, object]) -> None:
        """The inverse of `state`."""
        kept = msgspec.convert(state, WorksState)
        self._works, self._told = kept.works, kept.told


def _moment(millis: int | str) -> Micros | None:
    return millis * 1000 if isinstance(millis, int) and millis else None


def _urgency(work: Work) -> tuple[bool, Micros]:
    return work.state != "maintenance", work.from_ts or 0
