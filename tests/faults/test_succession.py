"""Connections succeed each other: no trade lost, none doubled, the book never wrong."""

from __future__ import annotations

import msgspec
import pytest

from realtime.engine import Engine, Produced
from realtime.succession import AGAIN, MARK, OVERLAP
from tests.kit.wires import Bench
from warehouse.clock import SECOND, Micros
from warehouse.journal import Header, Kind
from warehouse.records import SequenceGap


class Heard:
    """What the engine said of trades and of holes."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.ids: dict[str, list[str]] = {name: [] for name in bench.trades}
        self.gaps: list[SequenceGap] = []
        bench.heard = self.take

    def take(self, produced: Produced) -> None:
        for message in produced.messages:
            if message.channel.startswith("trade:"):
                row = msgspec.json.decode(message.produced)
                self.ids[row["instrument"]].append(row["trade_id"])
        self.gaps += [notice for notice in produced.notices if isinstance(notice, SequenceGap)]


def compared(bench: Bench) -> int:
    """How many books equal the market's own, as it stood a moment ago. No venue numbers updates as the market does."""
    count = 0
    for name, pictures in bench.books.items():
        book = bench.engine.instruments[name].book
        assert book.valid, f"{name}: {book.why}"
        assert not book.crossed
        assert book.best(20) in list(pictures.values())[-30:]
        count += 1
    return count


def whole(bench: Bench, heard: Heard) -> None:
    """Every trade from the first one said up to a moment ago was said once, in order."""
    for instrument, trades in bench.trades.items():
        said, known = heard.ids[instrument], {trade.trade_id for trade in trades}
        said = [one for one in said if one in known]
        assert len(said) == len(dict.fromkeys(said)), "a trade was said twice"
        first = [trade.trade_id for trade in trades].index(said[0])
        settled = [trade.trade_id for trade in trades if trade.ts_event < bench.clock.now() - SECOND - bench.delay]
        assert said[: len(settled) - first] == settled[first:], "a trade was lost, or out of order"


def rotate(bench: Bench, times: int, every_us: Micros) -> None:
    """At least `times` successions, all connections of the venue at once each `every_us`."""
    heard = Heard(bench)
    bench.run(5 * SECOND)
    connections = list(bench.engine.sessions)
    turns, equal, steps, frames = 0, 0, 10, bench.frames
    while bench.taken < times:  # an heir that is not ripe by the next turn takes over in that one
        turns += 1
        assert turns * len(connections) <= 2 * (times + len(connections))
        for connection in connections:
            bench.take(connection, Kind.ROTATE, b"asked for by a test")
        for _ in range(steps):
            bench.run(every_us // steps)
            equal += compared(bench)
    bench.rate = (bench.frames - frames) / (turns * every_us / SECOND)
    bench.run(10 * SECOND)
    assert equal == steps * turns * len(bench.books)
    whole(bench, heard)
    assert [gap for gap in heard.gaps if gap.state == "open"] == []


VENUES = ("binance", "bybit", "okx")


def connected(name: str, rate: float = 20.0) -> tuple[Bench, Heard, str]:
    """A venue that has come up, and one of its connections that carries a book."""
    bench = Bench(name, 12, rate=rate, instruments=("BTC-USDT-PERP",), step_us=20_000)
    heard = Heard(bench)
    bench.run(5 * SECOND)
    return bench, heard, {"binance": "binance.perp.public", "bybit": "bybit.perp", "okx": "okx.public"}[name]


@pytest.mark.parametrize("name", VENUES)
def test_an_heir_that_is_lost_changes_nothing_and_another_is_sent_for(name: str) -> None:
    bench, heard, connection = connected(name, rate=5.0)
    bench.take(connection, Kind.ROTATE, b"asked for by a test")
    bench.run(SECOND)
    bench.take(connection + MARK, Kind.DISCONNECTED, b"reset by peer")
    assert connection + MARK not in bench.wires
    bench.run(SECOND)
    assert compared(bench) == 1
    assert bench.taken == 0
    assert heard.gaps == []
    bench.run(AGAIN + OVERLAP + 3 * SECOND)
    assert bench.taken == 1


@pytest.mark.parametrize("name", VENUES)
def test_an_heir_that_is_far_behind_its_elder_says_nothing_twice(name: str) -> None:
    bench, heard, connection = connected(name, rate=40.0)
    bench.delay = 2 * SECOND
    bench.take(connection, Kind.ROTATE, b"asked for by a test")
    bench.run(OVERLAP + 20 * SECOND)
    assert bench.taken == 1
    whole(bench, heard)
    assert [gap for gap in heard.gaps if gap.stream == "trades"] == []


@pytest.mark.parametrize("name", VENUES)
def test_an_elder_that_is_cut_before_its_heir_is_ripe_is_a_plain_reconnect(name: str) -> None:
    bench, heard, connection = connected(name)
    bench.take(connection, Kind.ROTATE, b"asked for by a test")
    bench.run(SECOND)
    bench.wires.pop(connection)
    bench.take(connection, Kind.DISCONNECTED, b"reset by peer")
    assert connection + MARK not in bench.wires
    bench.connect(connection)
    bench.run(5 * SECOND)
    assert compared(bench) == 1
    assert [gap for gap in heard.gaps if gap.state == "unrecoverable"] == []


@pytest.mark.parametrize("name", VENUES)
def test_a_succession_under_way_survives_in_a_checkpoint(name: str) -> None:
    bench, _, connection = connected(name)
    bench.take(connection, Kind.ROTATE, b"asked for by a test")
    bench.run(SECOND)
    kept = bench.engine.checkpoint()
    bench.engine = Engine.restore(header(bench), kept)
    assert bench.engine.checkpoint() == kept
    bench.run(3 * SECOND)
    assert bench.taken == 1
    assert compared(bench) == 1


def header(bench: Bench) -> Header:
    """Under which the bench's engine would journal."""
    config = bench.engine.config
    return Header(
        journal_id="tape", run_id="test", realm="emulated", venue=bench.engine.venue, first_seq=1, created=0,
        rules=bench.rules, config=config.text(), config_digest=config.digest(),
    )  # fmt: skip


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", VENUES)
def test_two_hundred_successions_at_five_thousand_messages_a_second(name: str) -> None:
    bench = Bench(name, 11, rate=1500.0, flush_us=20_000)
    rotate(bench, 200, 5 * SECOND // 2)
    assert bench.rate > 5000


@pytest.mark.parametrize("name", VENUES)
def test_connections_succeed_each_other(name: str) -> None:
    rotate(Bench(name, 11, rate=40.0, instruments=("BTC-USDT", "BTC-USDT-PERP")), 6, 3 * SECOND)
