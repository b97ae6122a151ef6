"""Any interleaving of frames, faults and timers: nothing is raised, and what is called complete is true."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.engine import Produced
from realtime.rails.clocks import Health
from tests.kit.produced import complaints
from tests.kit.wires import Bench, Tops
from warehouse.clock import SECOND, Micros
from warehouse.journal import Kind
from warehouse.venues import VENUES

NAMES = ("BTC-USDT", "BTC-USDT-PERP")
MEMORY: Micros = 3 * SECOND
"""A complete picture of a book is one that the market showed within this time (a silent book is stale after 2 s)."""

BETWEEN: Micros = 1_100_000
"""A snapshot may show the book between two of the market's updates: the next message must be one of them."""

FAULTS = ("drop", "double", "swap", "cut", "garbage", "refuse", "silence", "reset", "rotate", "skew")

Step = tuple[str, int, int]
"""What happens, to which connection, and for how many frames or tenths of a second."""

steps = st.lists(st.tuples(st.sampled_from(FAULTS), st.integers(0, 5), st.integers(1, 8)), min_size=1, max_size=8)


class Storm:
    """Faults at one venue's bench, and the judge of what is said meanwhile."""

    def __init__(self, name: str, seed: int) -> None:
        self.bench = Bench(name, seed, rate=25.0, instruments=NAMES, step_us=20_000)
        self.bench.alter = self.alter
        self.bench.refuse = lambda fetch: self.refusing > 0
        self.bench.heard = self.judge
        self.kind, self.connection, self.left = "", "", 0
        self.refusing = 0
        self.kept: bytes | None = None
        self.shown: dict[str, list[tuple[Micros, Tops]]] = {one: [] for one in NAMES}
        self.between: dict[str, Micros] = {}
        self.said = 0

    def alter(self, name: str, frame: bytes) -> Sequence[bytes]:
        """What becomes of a frame on its way."""
        if name != self.connection or self.left <= 0:
            return (frame,)
        self.left -= 1
        match self.kind:
            case "drop" | "silence":
                return ()
            case "double":
                return (frame, frame)
            case "swap":
                kept, self.kept = self.kept, None
                if kept is None:
                    self.kept = frame
                    return ()
                return (frame, kept)
            case "cut":
                return (frame[: len(frame) // 2],)
            case "garbage":
                return (b"\x00\xff{[", frame)
        return (frame,)

    def happen(self, step: Step) -> None:
        """One fault, and the time it takes."""
        kind, which, size = step
        bench, connections = self.bench, list(self.bench.engine.sessions)
        self.kind, self.connection = kind, connections[which % len(connections)]
        self.left = 40 * size if kind == "silence" else size
        if kind == "refuse":
            self.refusing = 1
        elif kind == "reset" and self.connection in bench.wires:
            del bench.wires[self.connection]
            bench.take(self.connection, Kind.DISCONNECTED, b"reset by peer")
            self.live(SECOND * size // 10)
            bench.connect(self.connection)
        elif kind == "rotate":
            bench.take(self.connection, Kind.ROTATE, b"storm")
        elif kind == "skew":
            bench.take("", Kind.HEALTH, msgspec.msgpack.encode(Health(offset_us=(size - 4) * SECOND)))
        self.live(SECOND * size // 4)
        self.refusing = self.left = 0

    def live(self, span: Micros) -> None:
        """Let time pass, and remember how the market's books stood."""
        end = self.bench.clock.now() + span
        while self.bench.clock.now() < end:
            self.bench.run(20_000)
            now = self.bench.clock.now()
            for name, pictures in self.bench.books.items():
                seen = self.shown[name]
                if pictures:
                    seen.append((now, next(reversed(pictures.values()))))
                self.shown[name] = [one for one in seen if one[0] >= now - MEMORY]

    def judge(self, produced: Produced) -> None:
        """Every message keeps its contract; a complete book is a true one."""
        for message in produced.messages:
            assert not complaints(message), message.produced
            self.said += 1
            kind = message.channel.partition(":")[0]
            if kind in ("bbo", "book_snapshot", "fusion_data"):
                row = msgspec.json.decode(message.produced)
                if row["complete"]:
                    self.check(kind, row)

    def check(self, kind: str, row: dict[str, Any]) -> None:
        """A message that says it is complete."""
        if kind == "book_snapshot":
            top = ([price for price, _ in row["bids"][:20]], [price for price, _ in row["asks"][:20]])
            pictures = [picture for _, picture in self.shown[row["instrument"]]]
            pictures += list(self.bench.books[row["instrument"]].values())[-40:]
            assert row["bids"][0][0] < row["asks"][0][0]
            name, now = row["instrument"], row["ts_recv"]
            if top in [([price for price, _ in bids], [price for price, _ in asks]) for bids, asks in pictures]:
                self.between[name] = now
            assert now - self.between.setdefault(name, now) <= BETWEEN, top
        elif row["best_bid"] is not None and row["best_ask"] is not None:
            assert row["best_bid"] < row["best_ask"]


def storms(name: str, storm: list[Step], seed: int) -> None:
    one = Storm(name, seed)
    one.live(4 * SECOND)
    for step in storm:
        one.happen(step)
    one.live(10 * SECOND)
    assert one.said
    for instrument in one.bench.engine.instruments.values():
        assert instrument.book.valid, "it heals by itself"


@pytest.mark.parametrize("name", VENUES)
def test_one_of_each_fault_raises_nothing_and_what_is_called_complete_is_true(name: str) -> None:
    storms(name, [(kind, which, 4) for which, kind in enumerate(FAULTS)], 1)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", VENUES)
@settings(max_examples=60, deadline=None)
@given(storm=steps, seed=st.integers(1, 10_000))
def test_no_storm_raises_and_what_is_called_complete_is_true(name: str, storm: list[Step], seed: int) -> None:
    storms(name, storm, seed)
