"""The scenes of the lab: which fault, what provokes it, what is promised of it. One table, with reasons in words."""

from __future__ import annotations

import msgspec

from realtime.emulator.faults.kinds import KINDS
from realtime.emulator.faults.parts import Fault

PATHS = {
    ("binance", "trades"): "rades",
    ("binance", "depth"): "depth",
    ("bybit", "trades"): "recent-trade",
    ("okx", "trades"): "trades",
}
"""A part of the REST path by which a venue serves a stream's pages; a stream without one is never asked for."""

NEWEST = "the venue serves only its newest 60 trades of a spot market: what is older is a gap row `unrecoverable`"


UNORDERED = "ids of this venue have no order: trades come out as they were sent or fetched, each with its own time"


class Scene(msgspec.Struct, frozen=True, kw_only=True):
    """One fault of `kind`, about `stream` where the kind is about one, followed for `seconds`.

    `provoked`: what makes us meet it; `cut` resets every connection just before, `hole` loses some trades, `book` some
    updates of the book. `by`: the first word of what must be noticed (empty: anything that says that not all is well),
    `says` what its words must hold. `harmless`, `unrepaired` and `loses` say in words why nothing need be noticed, why
    it does not end, and why trades may be lost; empty: it must, it does, they may not. `unknowable` says why trades may
    be lost without anybody here knowing it: a limit, which the table shows as such. `at_venue` adds to these at single
    venues. `at_once`: it acts from its first moment.
    """

    kind: str
    stream: str = ""
    seconds: float = 30.0
    provoked: str = ""
    by: str = ""
    says: str = ""
    begins: float | None = None
    count: int | None = None
    amount: float | None = None
    lasts: float | None = None
    harmless: str = ""
    unrepaired: str = ""
    loses: str = ""
    unknowable: str = ""
    at_venue: dict[str, dict[str, str]] = {}
    at_once: bool = False

    @property
    def name(self) -> str:
        """`dropped trades`"""
        return f"{self.kind} {self.stream}".strip()

    def at(self, venue: str) -> Scene:
        """The scene as it is at one venue."""
        told = self.at_venue.get(venue)
        return msgspec.structs.replace(self, at_venue={}, **told) if told else self

    def possible(self, venue: str) -> bool:
        """Can it happen there?"""
        rest = KINDS[self.kind].name in REST
        return venue in KINDS[self.kind].venues and (not rest or (venue, self.stream) in PATHS)

    @property
    def on_tape(self) -> bool:
        """Can it happen to a recorded market? Its candles are not recorded, and the market itself is as it was."""
        return not KINDS[self.kind].changes_market and self.stream != "candles"

    def may_lose(self, venue: str, instrument: str) -> bool:
        """May trades be lost, if a gap row says so?"""
        return bool(self.loses or self.unknowable) or (venue, instrument.endswith("-PERP")) == ("bybit", False)

    def may_disorder(self, venue: str) -> bool:
        """May trades come out in another order than they happened in?"""
        return venue == "bybit" and self.kind in ("reordered", "dropped", "silent_stream", "silent_connection")

    def reason(self, venue: str, instrument: str) -> str:
        """What there is to say of the promise, in words."""
        told = [self.harmless, self.unrepaired, self.loses, self.unknowable]
        if (venue, instrument.endswith("-PERP")) == ("bybit", False) and not self.loses:
            told.append(NEWEST)
        if self.stream != "depth" and self.may_disorder(venue):
            told.append(UNORDERED)
        return "; ".join(words for words in told if words)

    def broken(
        self,
        met: bool,
        detected_s: float | None,
        repaired_s: float | None,
        unsaid: int,
        doubled: int,
        wrong_ms: int,
        alive: bool,
    ) -> list[str]:
        """Which promises were not kept."""
        held = {
            "never met": met,
            "not detected": detected_s is not None or bool(self.harmless or self.unknowable),
            "not repaired": repaired_s is not None or bool(self.unrepaired),
            "lost without a gap row": not unsaid or bool(self.unknowable),
            "doubled": not doubled,
            "wrong as complete": not wrong_ms,
            "not alive": alive,
        }
        return [words for words, kept in held.items() if not kept]


REST = ("too_many_requests", "banned", "server_error", "timed_out", "empty_page", "holed_page", "geo_blocked")

_SUPERSEDED = "without numbers of its own, and superseded by the next one"
_OWN_BARS = "bars are made of trades here; the venue's only correct them"
_ORDERED = "within one connection the venue's numbers show it, or the same record comes out again"

_UNCOUNTED = (
    "trades of this venue have no numbers that follow each other, only the venue's closed bar shows a loss; a minute of"
    " which something is known to be lost cannot be counted again"
)
_BYBIT = {"bybit": {"unknowable": _UNCOUNTED}}
_RESET = "the venue says itself that its numbers begin anew (`seqId` below `prevSeqId`); the book goes on"
_FOREVER = "refused in words that mean for ever: the hole is a gap row `unrecoverable` at once"
_BLOCKED = "who asks too often is blocked for ten minutes: the hole is a gap row `unrecoverable` by then"
_OLD_RULES = "prices off the old tick cannot be read until the new rules are here, some seconds later"


def _rest(kind: str, stream: str) -> dict[str, dict[str, str]]:
    """Bybit asks for trades after a reconnect alone; Binance takes a refusal of a country for its last word."""
    if stream != "trades":
        return {}
    found = {"bybit": {"provoked": "cut", **({"loses": _BLOCKED} if kind == "banned" else {})}}
    return found | {"binance": {"loses": _FOREVER}} if kind == "geo_blocked" else found


SCENES: tuple[Scene, ...] = (
    Scene(kind="dropped", stream="trades", seconds=75),
    Scene(kind="dropped", stream="depth"),
    Scene(kind="dropped", stream="bbo", harmless=_SUPERSEDED),
    Scene(kind="dropped", stream="candles", seconds=70, harmless=_OWN_BARS),
    Scene(kind="duplicated", stream="trades", harmless="the second is recognised by its id and dropped"),
    Scene(kind="duplicated", stream="depth", harmless="an update that is known already changes nothing"),
    Scene(kind="duplicated", stream="bbo", harmless="says what is known already"),
    Scene(kind="reordered", stream="trades", harmless=_ORDERED),
    Scene(kind="reordered", stream="depth", harmless=_ORDERED),
    Scene(kind="reordered", stream="bbo", harmless=_SUPERSEDED),
    Scene(kind="delayed", stream="trades", lasts=6, harmless="less than the two seconds that are tolerated"),
    Scene(kind="delayed", stream="depth", lasts=6, harmless="less than the two seconds that are tolerated"),
    Scene(kind="delayed", stream="trades", amount=6, lasts=8, seconds=45),
    Scene(kind="delayed", stream="depth", amount=6, lasts=8, seconds=45),
    Scene(kind="truncated", stream="trades", by="undecodable"),
    Scene(kind="truncated", stream="depth", by="undecodable"),
    Scene(kind="truncated", stream="bbo", by="undecodable"),
    Scene(kind="garbage", stream="trades", harmless="some of it is valid JSON that says nothing; the rest is counted"),
    Scene(kind="garbage", stream="depth", harmless="some of it is valid JSON that says nothing; the rest is counted"),
    Scene(kind="oversized", stream="trades", amount=33, by="disconnected"),
    Scene(kind="oversized", stream="depth", amount=33, by="disconnected"),
    Scene(kind="silent_stream", stream="trades", lasts=75, seconds=150, at_venue=_BYBIT),
    Scene(kind="silent_stream", stream="depth", seconds=40),
    Scene(kind="silent_stream", stream="bbo", lasts=12, seconds=45),
    Scene(kind="silent_connection", seconds=75),
    Scene(kind="silent_connection", lasts=60, seconds=120),
    Scene(kind="sequence_gap", stream="depth"),
    Scene(kind="sequence_reset", stream="depth", at_venue={"okx": {"harmless": _RESET}}),
    Scene(kind="equal_ids", stream="depth", harmless="this is how OKX says that a book is quiet"),
    Scene(kind="old_snapshot", stream="depth", seconds=45),
    Scene(kind="stale_snapshot", stream="depth", seconds=45),
    Scene(kind="socket_reset", by="disconnected"),
    Scene(kind="closed", by="disconnected"),
    Scene(kind="day_cut", by="disconnected"),
    Scene(kind="shutdown_notice", seconds=40),
    Scene(kind="half_open", count=4, provoked="cut", seconds=120),
    Scene(kind="refused_handshake", count=4, provoked="cut", seconds=60),
    Scene(kind="ignored_subscription", stream="trades", provoked="cut", seconds=75),
    Scene(kind="ignored_subscription", stream="depth", provoked="cut", seconds=75),
    Scene(kind="rejected_subscription", stream="trades", provoked="cut", seconds=75),
    Scene(kind="rejected_subscription", stream="depth", provoked="cut", seconds=75),
    Scene(kind="silent_acknowledgement", stream="trades", provoked="cut", seconds=150),
    Scene(kind="silent_acknowledgement", stream="depth", provoked="cut", seconds=130),
    *(
        Scene(kind=kind, stream=stream, provoked=provoked, seconds=60, at_venue=_rest(kind, stream))
        for kind in REST
        for stream, provoked in (("trades", "hole"), ("depth", "book"))
        if (kind, stream) not in (("empty_page", "depth"), ("holed_page", "depth"))
    ),
    Scene(
        kind="skewed_clock",
        begins=0,
        at_once=True,
        by="rail",
        says="our clock is",
        unrepaired="a clock that is off for good stays off",
    ),
    Scene(kind="stepping_clock", amount=-4, at_once=True, seconds=60),
    Scene(kind="stepping_clock", amount=4, at_once=True, seconds=60),
    Scene(kind="maintenance", seconds=75),
    Scene(kind="burst", at_once=True, seconds=40, harmless="nothing is wrong, there is only more of it"),
    Scene(kind="delisted", at_once=True, seconds=60, by="status", unrepaired="the market has ended"),
    Scene(kind="tick_changed", at_once=True, seconds=60, loses=_OLD_RULES),
)
"""All scenes, in the order of the table."""


def faults_of(scene: Scene, venue: str, instrument: str, at: float) -> list[Fault]:
    """The plan of a scene: its fault, and before it what provokes it."""
    kind = KINDS[scene.kind]
    rest = scene.kind in REST
    fault = Fault(
        kind=scene.kind,
        venue=venue,
        id="fault",
        instrument=instrument if kind.of_instrument or scene.stream else None,
        stream=None if rest or not scene.stream else scene.stream,
        path=PATHS[venue, scene.stream] if rest else None,
        at=at if scene.begins is None else scene.begins,
        count=scene.count,
        amount=scene.amount,
        seconds=scene.lasts,
    )
    provoking = {"cut": ("socket_reset", None), "hole": ("dropped", "trades"), "book": ("sequence_gap", "depth")}
    if not scene.provoked:
        return [fault]
    name, stream = provoking[scene.provoked]
    about = None if stream is None else instrument
    return [fault, Fault(kind=name, venue=venue, id="before", instrument=about, stream=stream, at=at)]
