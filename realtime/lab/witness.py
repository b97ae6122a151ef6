"""What the engine said of one instrument, as a subscriber keeps it, beside the truth; and what it noticed, and when."""

from __future__ import annotations

import msgspec

from realtime.engine import Engine, Produced
from realtime.lab.truth import LEVELS, Picture, Side, Truth
from realtime.message import record_name
from warehouse.clock import SECOND, Clock, Micros
from warehouse.records import (
    BookInvalid,
    Disconnected,
    InstrumentStatus,
    SequenceGap,
    Undecodable,
    VenueNotice,
    VenueStatus,
)

STREAMS = ("trades", "depth", "bbo")
TICK: Micros = 100_000


class Said(msgspec.Struct):
    """The fields that are read of a message, of whatever channel."""

    instrument: str = ""
    complete: bool = False
    trade_id: str = ""
    snapshot: bool = False
    bids: list[tuple[float, float]] = []
    asks: list[tuple[float, float]] = []
    best_bid: float | None = None
    best_bid_size: float | None = None
    best_ask: float | None = None
    best_ask_size: float | None = None


class Signal(msgspec.Struct, frozen=True):
    """Something was noticed: `what` in one word with its stream (`gap trades`), `words` for people."""

    at: Micros
    what: str
    words: str


_said = msgspec.json.Decoder(Said)


class Witness:
    """Listens to an engine about one instrument. `look` is called after each boundary of the 100 ms grid.

    `wrong_us` is how long each channel showed something as complete that was not true, by the last word of a subscriber
    who keeps what was said; `calm` the boundaries at which all was complete and equal, newest stretch only.
    """

    def __init__(self, instrument: str, truth: Truth, clock: Clock) -> None:
        self.instrument = instrument
        self.truth = truth
        self.ids: list[str] = []
        self.gaps: list[SequenceGap] = []
        self.signals: list[Signal] = []
        self.wrong_us: dict[str, Micros] = {"depth": 0, "bbo": 0, "book_snapshot": 0}
        self.wrong_at: list[tuple[Micros, str]] = []
        self.calm_since: Micros | None = None
        self.missing: list[str] = []
        self._clock = clock
        self._bids: dict[float, float] = {}
        self._asks: dict[float, float] = {}
        self._complete = {"depth": False, "bbo": False}
        self._quote: Said | None = None
        self._rails: list[str] = []
        self._state: object = None

    # -- what is said ---------------------------------------------------------------------------------------------

    def take(self, produced: Produced) -> None:
        """What a turn of the engine brought."""
        for message in produced.messages:
            name = record_name(message.channel)
            if name in ("trade", "depth", "bbo", "book_snapshot"):
                said = _said.decode(message.produced)
                if said.instrument == self.instrument:
                    self._hear(name, said)
        for notice in produced.notices:
            self._notice(notice)

    def _hear(self, name: str, said: Said) -> None:
        if name == "trade":
            self.ids.append(said.trade_id)
        elif name == "bbo":
            self._quote, self._complete["bbo"] = said, said.complete
        elif name == "depth":
            self._complete["depth"] = said.complete
            for kept, changes in ((self._bids, said.bids), (self._asks, said.asks)):
                if said.snapshot:
                    kept.clear()
                for price, size in changes:
                    kept[price] = size
                    if not size:
                        del kept[price]
        elif said.complete:
            picture = tuple(map(tuple, said.bids[:LEVELS])), tuple(map(tuple, said.asks[:LEVELS]))
            if not self.truth.stood(picture):  # type: ignore[arg-type]
                self._wrong("book_snapshot", SECOND)

    def _notice(self, notice: object) -> None:
        match notice:
            case SequenceGap():
                if notice.instrument == self.instrument:
                    self.gaps.append(notice)
                    self._signal(f"gap {notice.stream}", f"{notice.cause}: {notice.state}")
            case BookInvalid():
                if notice.instrument == self.instrument:
                    self._signal("invalid", notice.why)
            case Undecodable():
                self._signal("undecodable", notice.why)
            case Disconnected():
                self._signal("disconnected", notice.why)
            case VenueNotice():
                self._signal("notice", f"{notice.code}: {notice.words}")
            case VenueStatus(state="announced" | "maintenance"):
                self._signal("status", notice.state)
            case InstrumentStatus():
                found = (notice.state, notice.delisting_at)
                if notice.instrument == self.instrument and found != self._state:
                    self._state = found
                    if found != ("trading", None):
                        self._signal("status", notice.state)

    def _signal(self, what: str, words: str) -> None:
        self.signals.append(Signal(self._clock.now(), what, words))

    # -- how it stands --------------------------------------------------------------------------------------------

    def look(self, engine: Engine) -> None:
        """A boundary has passed: how do things stand?"""
        now = self._clock.now()
        one = engine.instruments[self.instrument]
        rails = one.inputs.complaints(STREAMS, now)
        stretch = [words.partition(":")[0].partition(" for ")[0] for words in rails]
        if rails and stretch != self._rails:
            self._signal("rail", "; ".join(rails))
        self._rails = stretch
        found = list(rails)
        if not one.book.valid:
            found.append(f"book invalid: {one.book.why}")
        depth_true = self.truth.stood(self.picture())
        quote_true = self._quoted()
        for name, true in (("depth", depth_true), ("bbo", quote_true)):
            if not self._complete[name]:
                found.append(f"{name} said to be incomplete")
            elif not true:
                self._wrong(name, TICK)
                found.append(f"{name} wrong")
        self.missing = found
        if found:
            self.calm_since = None
        elif self.calm_since is None:
            self.calm_since = now

    def picture(self) -> Picture:
        """The book as a subscriber of `depth` has it."""
        bids: Side = tuple(sorted(self._bids.items(), reverse=True))
        asks: Side = tuple(sorted(self._asks.items()))
        return bids, asks

    def _quoted(self) -> bool:
        said = self._quote
        if said is None or said.best_bid is None or said.best_ask is None:
            return False
        bid, ask = (said.best_bid, said.best_bid_size or 0.0), (said.best_ask, said.best_ask_size or 0.0)
        return self.truth.quoted((bid, ask))

    def _wrong(self, name: str, span_us: Micros) -> None:
        self.wrong_us[name] += span_us
        self.wrong_at.append((self._clock.now(), name))
