"""The context channels: `market_context` and `structure` on change, `fusion_data` and `precision9_context` live."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from realtime.fields import Fields
from realtime.fusion import Scales, Situation, fast_fields, slow_part
from realtime.history import History, market_context, market_structure
from realtime.message import Message
from realtime.outlet import NOTHING, Outlet, Part, encode
from realtime.precision9 import flags, key, precision9_fields, volatility_ratio
from realtime.session import Area, SessionProfile
from warehouse.clock import Micros
from warehouse.instruments import Grid
from warehouse.metrics.bars import BarStore, Forming
from warehouse.metrics.base import HARMLESS, Reason
from warehouse.metrics.large import LargeOrders
from warehouse.metrics.ring import TradeRing


class Fused:
    """History's side of an instrument, and what follows when the present is held against it."""

    __slots__ = ("_bars", "_large", "_outlets", "_ring", "area", "history", "key", "profile", "ratio", "scales", "slow")

    def __init__(
        self, outlets: dict[str, Outlet], grid: Grid, bars: BarStore, ring: TradeRing, large: LargeOrders
    ) -> None:
        self._outlets = outlets
        self._large = large
        self._bars = bars
        self._ring = ring
        self.history = History(grid)
        self.profile = SessionProfile(grid)
        self.scales = Scales(bars)
        self.area: Area | Reason = Reason.WARMUP
        self.slow: Part | None = None
        self.ratio: float | None = None
        self.key: list[object] = []

    def document(self, payload: bytes, ts_recv: Micros) -> list[Message]:
        """A context document came: two channels say it, once per digest. Raises ValueError for an unreadable one."""
        document = self.history.take(payload, self._bars, self._large, self._ring.started)
        if document is None:
            return []
        self.scales.forget()
        self.profile.document(document)
        self.history.splice(self._ring)
        return [
            self._say("market_context", *market_context(document), ts_recv),
            self._say("structure", *market_structure(document), ts_recv),
        ]

    def _say(self, name: str, payload: dict[str, object], reasons: dict[str, Reason], ts_recv: Micros) -> Message:
        as_of = self.history.as_of
        assert as_of is not None
        stale = self.history.complaint(ts_recv)
        return self._outlets[name].wrap(
            encode(payload),
            ts_event=as_of,
            ts_recv=ts_recv,
            complete=not stale and all(reason in HARMLESS for reason in reasons.values()),
            reasons=encode(reasons) if reasons else NOTHING,
            context_as_of=as_of,
        )

    def second(self, now: Micros) -> None:
        """A second passed: the seam may be ready, the session's value area has moved."""
        self.history.splice(self._ring)
        self.profile.bridge(self._bars)
        self.area = self.profile.area(now, self._ring.gaps)

    def refresh(self, now: Situation, forming: dict[str, Forming]) -> None:
        """The parts that move by the second."""
        self.slow = slow_part(now, forming, self.scales)
        self.ratio = volatility_ratio(now)

    def fusion(self, now: Situation, complaints: list[str], ts_event: Micros) -> Message:
        """`fusion_data`."""
        if self.slow is None:
            self.refresh(now, self._bars.forming(self._ring))
        assert self.slow is not None
        return self._spliced("fusion_data", fast_fields(now), now, complaints, ts_event, (self.slow,))

    def precision9(self, now: Situation, complaints: list[str], ts_event: Micros, *, due: bool) -> Message | None:
        """`precision9_context`: when due, or when what it stands for changes."""
        risk = flags(now, complaints, self.ratio)
        found = key(now, risk, complaints)
        if not due and found == self.key:
            return None
        self.key = found
        return self._spliced("precision9_context", precision9_fields(now, risk), now, complaints, ts_event, ())

    def _spliced(
        self,
        name: str,
        fields: Fields,
        now: Situation,
        complaints: list[str],
        ts_event: Micros,
        parts: tuple[Part, ...],
    ) -> Message:
        return self._outlets[name].fields(
            fields,
            ts_event=ts_event,
            ts_recv=now.now,
            complaints=complaints,
            context_as_of=now.history.as_of,
            parts=(*parts, now.history.spoken(now.now)),
        )

    def state(self) -> dict[str, object]:
        """All of it as JSON-able values."""
        area = self.area
        return {
            "history": self.history.state(),
            "profile": self.profile.state(),
            "area": str(area) if isinstance(area, Reason) else [area.poc, area.vah, area.val, area.share, area.lots],
            "slow": None if self.slow is None else self.slow.state(),
            "ratio": self.ratio,
            "key": list(self.key),
        }

    def restore(self, state: Mapping[str, object]) -> None:
        """The inverse of `state`."""
        self.history.restore(cast("Mapping[str, object]", state["history"]))
        self.profile.restore(cast("Mapping[str, object]", state["profile"]))
        area = state["area"]
        self.area = Reason(area) if isinstance(area, str) else Area(*cast("list[int]", area))
        slow = cast("list[object] | None", state["slow"])
        self.slow = None if slow is None else Part.restore(slow)
        self.ratio = cast("float | None", state["ratio"])
        self.key = list(cast("list[object]", state["key"]))
