"""What history has told the engine about one instrument: the context document, the seam, and where both end."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Mapping
from typing import cast
from zlib import compress, decompress

import msgspec

from realtime.fields import Fields
from realtime.outlet import Part
from warehouse.clock import SECOND, Micros
from warehouse.context import ContextDocument, LevelContext, decode, same_grid
from warehouse.instruments import TIMEFRAMES, Grid, timeframe_us
from warehouse.metrics.bars import BarStore
from warehouse.metrics.base import Reason
from warehouse.metrics.large import LargeOrders
from warehouse.metrics.ring import TradeRing
from warehouse.seam import Certificate

JUDGED = ("1d", "12h", "6h", "4h", "2h", "1h", "30m", "15m")
"""Timeframes whose trend is spoken of between two documents; shorter ones would be out of date at once."""

SHORTEST = "15m"
"""The shortest timeframe whose closing can put the whole context out of date."""

MIN_STRENGTH = 0.1
"""Levels weaker than this are no support and no resistance."""

_certificate = msgspec.msgpack.Decoder(Certificate)


class History:
    """The newest document and certificate. `as_of` is the time up to which the document's bars reach, None without one.

    `document` lacks what was said or taken over once and is not asked again (see `_lean`). `levels` are those strong
    enough, by price. `spliced` says that the live ring now continues history's.
    """

    def __init__(self, grid: Grid) -> None:
        self.grid = grid
        self.document: ContextDocument | None = None
        self.certificate: Certificate | None = None
        self.spliced = False
        self.levels: list[LevelContext] = []
        self.as_of: Micros | None = None
        self._payload = b""  # compressed
        self._spoken: tuple[tuple[str, ...], Part] | None = None

    # -- what happened ------------------------------------------------------------------------------------------

    def take(self, payload: bytes, bars: BarStore, large: LargeOrders, started: int) -> ContextDocument | None:
        """A context document: keep it and seed bars and sizes of orders. None if it says what the one before said.

        `started` is the first second that was wholly observed live, -1 before there was one. Raises
        msgspec.DecodeError or ValueError for a document that cannot be read.
        """
        document = decode(payload)
        if self.document is not None and self.document.digest == document.digest:
            return None
        if same_grid(self.grid, document.grid):
            bars.seed(document.bars)
            large.seed(document.minutes_from, document.minutes, document.sizes, started)
        self._keep(document, payload)
        return document

    def _keep(self, document: ContextDocument, payload: bytes) -> None:
        self.document, self._payload, self._spoken = _lean(document, self.spliced), compress(payload, 1), None
        self.as_of = max(document.batch_end.values(), default=document.created)
        strong = [level for level in document.levels if level.strength >= MIN_STRENGTH]
        self.levels = sorted(strong, key=lambda level: (level.price, level.zone_low))

    def certify(self, payload: bytes) -> str:
        """A seam certificate; the complaint that follows from it, empty if none. Raises msgspec.DecodeError."""
        self.certificate = found = _certificate.decode(payload)
        return f"seam broken: {found.reason}" if found.state == "broken" else ""

    def splice(self, ring: TradeRing) -> bool:
        """Let history supply the trades before the certified cut, once, as soon as both sides reach it."""
        document, certificate = self.document, self.certificate
        if self.spliced or document is None or certificate is None or certificate.cut is None:
            return False
        cut = certificate.cut // SECOND
        past = document.trade_ring(self.grid, ring.depth)
        if past is None or past.second < cut or ring.second < 0 or not ring.started <= cut <= ring.second:
            return False
        ring.splice(past, cut)
        self.spliced = True
        self.document = _lean(document, True)
        return True

    # -- what follows from it -----------------------------------------------------------------------------------

    def stale(self, timeframe: str, now: Micros) -> bool:
        """The document's bars of this timeframe end more than two bars ago, or it has none."""
        ends = {} if self.document is None else self.document.batch_end
        end = ends.get(timeframe)
        return end is None or now - end > 2 * timeframe_us(timeframe)

    def complaint(self, now: Micros) -> str:
        """Why the context is too old, empty while it is not. No context at all is no complaint: its fields are null."""
        if self.document is None or SHORTEST not in self.document.batch_end or not self.stale(SHORTEST, now):
            return ""
        age = (now - self.document.batch_end[SHORTEST]) // SECOND
        return f"context stale: its {SHORTEST} bars end {age} s ago"

    def reason(self, path: str) -> Reason:
        """Why the document's field is null."""
        if self.document is None:
            return Reason.NO_HISTORY
        return Reason(self.document.reasons.get(path, Reason.NO_HISTORY))

    def spoken(self, now: Micros) -> Part:
        """The fields `trends` and `levels` of derived payloads, encoded once per document and staleness."""
        stale = tuple(timeframe for timeframe in JUDGED if self.stale(timeframe, now))
        if self._spoken is None or self._spoken[0] != stale:
            self._spoken = (stale, self._speak(stale))
        return self._spoken[1]

    def _speak(self, stale: tuple[str, ...]) -> Part:
        frames = {} if self.document is None else self.document.timeframes
        fields = Fields()
        trends = fields.section("trends")
        for timeframe in JUDGED:
            frame = frames.get(timeframe)
            if frame is not None and timeframe in stale:
                trends.set(timeframe, None, Reason.STALE)
            else:
                value = None if frame is None else frame.trend
                trends.set(timeframe, value, self.reason(f"timeframes.{timeframe}.trend"))
        fields.set(
            "levels",
            [
                {
                    "price": level.price,
                    "zone_low": level.zone_low,
                    "zone_high": level.zone_high,
                    "strength": level.strength,
                    "touches": level.touches,
                }
                for level in self.levels
            ],
        )
        return Part.of(fields)

    # -- memory -------------------------------------------------------------------------------------------------

    def state(self) -> dict[str, object]:
        """All of it as JSON-able values."""
        certificate = self.certificate
        return {
            "document": b64encode(decompress(self._payload) if self._payload else b"").decode(),
            "certificate": None if certificate is None else msgspec.to_builtins(certificate),
            "spliced": self.spliced,
        }

    def restore(self, state: Mapping[str, object]) -> None:
        """The inverse of `state`. Bars are not seeded again: they have a memory of their own."""
        self.spliced = bool(state["spliced"])
        payload = b64decode(cast("str", state["document"]))
        if payload:
            self._keep(decode(payload), payload)
        if state["certificate"] is not None:
            self.certificate = msgspec.convert(state["certificate"], Certificate)


def _lean(document: ContextDocument, spliced: bool) -> ContextDocument:
    """Without bars, sizes and the bins, swings and breaks of the channels; without the ring once it was `spliced`."""
    replace = msgspec.structs.replace
    return replace(
        document,
        bars={},
        minutes=[],
        sizes=None,
        ring=None if spliced else document.ring,
        timeframes={name: replace(frame, swings=[], breaks=[]) for name, frame in document.timeframes.items()},
        profiles={name: replace(one, bins=[], hvn=[], lvn=[]) for name, one in document.profiles.items()},
    )


def nulls(value: object, path: str = "") -> list[str]:
    """The dotted paths of every None inside plain values, in order."""
    if value is None:
        return [path]
    if isinstance(value, dict):
        return [found for key, inner in value.items() for found in nulls(inner, f"{path}.{key}" if path else str(key))]
    if isinstance(value, list):
        return [found for at, inner in enumerate(value) for found in nulls(inner, f"{path}.{at}" if path else str(at))]
    return []


def why(path: str, reasons: Mapping[str, str]) -> Reason:
    """The reason of the path itself or of the nearest part above it; `NO_HISTORY` when nothing was noted."""
    while path:
        if path in reasons:
            return Reason(reasons[path])
        path = path.rpartition(".")[0]
    return Reason.NO_HISTORY


def market_context(document: ContextDocument) -> tuple[dict[str, object], dict[str, Reason]]:
    """The payload of `market_context`, all of the document but bars and ring, and the reasons of its nulls."""
    plain = cast("dict[str, object]", msgspec.to_builtins(document))
    names = ("created", "digest", "htf_bias", "htf_bias_score", "trend_alignment", "levels", "zones")
    payload = {name: plain[name] for name in names}
    payload["timeframes"] = _every(cast("dict[str, object]", plain["timeframes"]), TIMEFRAMES)
    payload["profiles"] = _every(cast("dict[str, object]", plain["profiles"]), ("day", "session", "previous_session"))
    return payload, {path: why(path, document.reasons) for path in nulls(payload)}


STRUCTURE_FIELDS = (
    "batch_end",
    "trend",
    "trend_score",
    "trend_strength",
    "structure_state",
    "structure_trend",
    "regime",
    "regime_age",
    "swings",
    "breaks",
)


def market_structure(document: ContextDocument) -> tuple[dict[str, object], dict[str, Reason]]:
    """The payload of `structure`: swings, breaks, trend and regime by timeframe, key levels, bias; and its reasons."""
    plain = cast("dict[str, object]", msgspec.to_builtins(document))
    frames = cast("dict[str, dict[str, object]]", plain["timeframes"])
    named = {timeframe: {name: frame[name] for name in STRUCTURE_FIELDS} for timeframe, frame in frames.items()}
    payload = {name: plain[name] for name in ("created", "digest", "htf_bias", "htf_bias_score", "trend_alignment")}
    payload["levels"] = plain["levels"]
    payload["timeframes"] = _every(cast("dict[str, object]", named), TIMEFRAMES)
    return payload, {path: why(path, document.reasons) for path in nulls(payload)}


def _every(found: Mapping[str, object], names: tuple[str, ...]) -> dict[str, object]:
    return {name: found.get(name) for name in names}
